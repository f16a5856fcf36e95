-- What one shape of assessment_sessions costs, as lines of name and microseconds. :label
\set ON_ERROR_STOP on
\o /dev/null
SET client_min_messages = warning;
SELECT bench.pending('100', 1, 2, 1, :'label' || 'w') AS warm, bench.pending('100', 3, 4, 1, :'label' || 'm') AS measured \gset
SELECT bench.copy_id((SELECT user_id FROM bench.template WHERE kind = '100' ORDER BY user_id LIMIT 1), 6) AS person \gset
SELECT id AS session FROM session_keys WHERE user_id = :'person' ORDER BY created_at LIMIT 1 OFFSET 50 \gset
ANALYZE assessment_sessions;
CALL bench.fuse_each(:'warm', NULL);
CALL bench.fuse_each(:'measured', NULL) \gset fuse_
SELECT bench.pending('100', 1, 5, 2, :'label' || 'p');
ANALYZE assessment_sessions;
SELECT bench.spent() AS before \gset
SELECT mm_fuse_pending(100000) AS n \gset
SELECT (bench.spent() - :before) / :n AS pending \gset
SELECT bench.copy_id((SELECT user_id FROM bench.template WHERE kind = '1000' ORDER BY user_id LIMIT 1), 5) AS thousand, bench.spent() AS before \gset
SELECT mm_rescore_user(:'thousand') AS n \gset
SELECT (bench.spent() - :before) / :n AS rescored \gset
SELECT bench.read_as(:'session', 'SELECT * FROM public.assessment_sessions WHERE id = $1 AND created_at = public.mm_session_time($1)', true) AS timed,
       bench.read_as(:'session', 'SELECT s.* FROM public.session_keys AS k JOIN public.assessment_sessions AS s ON s.id = k.id AND s.created_at = k.created_at WHERE k.id = $1', true) AS keyed,
       bench.read_as(:'session', 'SELECT * FROM public.assessment_sessions WHERE id = $1', true) AS by_id \gset
SET ROLE mindmeasure_user;
SELECT bench.read_as(:'person', 'SELECT * FROM public.text_analysis WHERE $1 IS NOT NULL', true) AS own, bench.read_as(:'person', bench.dashboard('public'), true) AS prepared,
       bench.read_as(:'person', bench.dashboard('public'), false) AS simple \gset
SET ROLE mindmeasure_system;
CALL bench.write_each(format('INSERT INTO public.assessment_sessions (user_id, mood_before, text_data) VALUES (%L, %L, %L)', :'person', bench.mood('x'), bench.text_data('x')), 1, 200, NULL) \gset session_
CALL bench.write_each(format('INSERT INTO public.text_analysis (session_id, sentiment_analysis, cognitive_markers, text_wellness_score) VALUES (%L, %L, %L, 60)', :'session', bench.sentiment('x'), bench.cognitive('x')), 1, 200, NULL) \gset analysis_
RESET ROLE;
DELETE FROM public.assessment_sessions WHERE status = 'pending';
\o
SELECT unnest('{mm_fuse_session,"mm_fuse_pending, a session","mm_rescore_user, 1,000 sessions, a session","a session by its id and mm_session_time()","a session by its id, session_keys joined","a session by its id alone","own text analyses under row-level security","dashboard, prepared","dashboard, simple protocol","inserting a session","inserting a text analysis"}'::text[]),
       unnest(ARRAY[:fuse_took, :pending, :rescored, :timed, :keyed, :by_id, :own, :prepared, :simple, :session_took, :analysis_took]);
