-- One round of what a single connection measures. :round
\set ON_ERROR_STOP on
\o /dev/null
SET client_min_messages = warning;
SELECT bench.pending('100', :round * 2 - 1, :round * 2, 1, 'a') AS a, bench.pending('100', :round * 2 + 9, :round * 2 + 10, 1, 'b') AS b,
       bench.pending('100', 21, 21, 1, 'w' || :round) AS warm, bench.pending('100', 22, 22, 1, 'v' || :round) AS warm_floor,
       bench.pending('10', :round * 4 - 3, :round * 4, 1, 'a') AS ten, bench.pending('1000', :round * 3 - 2, :round * 3, 3, 'a') AS thousand \gset
SELECT bench.pending('100', 1, 23, 2, 'q' || :round) \g /dev/null
ANALYZE;
CALL bench.fuse_each(:'warm', NULL);
CALL bench.fuse_each(:'a', NULL) \gset ours_
SET ROLE mindmeasure_owner;
CALL bench.floor_each(:'warm_floor', NULL);
CALL bench.floor_each(:'b', NULL) \gset floor_
RESET ROLE;
INSERT INTO bench.result VALUES ('mm_fuse_session, warm, three modalities', :round, :ours_took, :floor_took);
CALL bench.fuse_each(:'ten', NULL) \gset ten_
CALL bench.fuse_each(:'thousand', NULL) \gset thousand_
INSERT INTO bench.result VALUES ('fuse, 1,000 sessions a person', :round, :thousand_took, :ten_took);

SELECT bench.spent() AS before \gset
SELECT mm_fuse_pending(100000) AS n \gset
INSERT INTO bench.result VALUES ('mm_fuse_pending, a session', :round, (bench.spent() - :before) / :n, :ours_took);
SELECT bench.copy_id(user_id, 20 + :round) AS person FROM bench.template WHERE kind = '1000' ORDER BY user_id LIMIT 1 \gset
SELECT bench.spent() AS before \gset
SELECT mm_rescore_user(:'person') AS n \gset
INSERT INTO bench.result VALUES ('mm_rescore_user, 1,000 sessions, a session', :round, (bench.spent() - :before) / :n, :ours_took);

SELECT bench.copy_id((SELECT user_id FROM bench.template WHERE kind = '100' ORDER BY user_id LIMIT 1), 15 + :round) AS hundred,
       bench.copy_id((SELECT user_id FROM bench.template WHERE kind = '1000' ORDER BY user_id LIMIT 1), 15 + :round) AS thousand \gset
SET ROLE mindmeasure_user;
INSERT INTO bench.result
SELECT format('dashboard, %s sessions a person, %s', k, CASE WHEN p THEN 'prepared' ELSE 'simple protocol' END), :round,
       bench.read_as(person, bench.dashboard('public'), p), bench.read_as(person, bench.dashboard('seed'), p)
FROM (VALUES ('100', :'hundred'::uuid), ('1,000', :'thousand')) AS k (k, person), (VALUES (true), (false)) AS p (p);
INSERT INTO bench.result VALUES ('own text analyses under row-level security', :round,
    bench.read_as(:'hundred', 'SELECT * FROM public.text_analysis WHERE $1 IS NOT NULL', true), bench.read_as(:'hundred', 'SELECT * FROM seed.text_analysis WHERE $1 IS NOT NULL', true));
INSERT INTO bench.result VALUES ('own text analyses under row-level security ', :round,
    bench.read_as(:'hundred', 'SELECT * FROM public.text_analysis WHERE $1 IS NOT NULL', true), NULL);
RESET ROLE;
UPDATE bench.result SET other = bench.read_as(:'hundred', 'SELECT * FROM public.text_analysis WHERE user_id = $1', true)
WHERE what = 'own text analyses under row-level security ' AND round = :round;

SET ROLE mindmeasure_system;
CALL bench.write_each(format('INSERT INTO public.assessment_sessions (user_id, mood_before, text_data) VALUES (%L, %L, %L)', :'hundred', bench.mood('x'), bench.text_data('x')), 1, 200, NULL) \gset ours_
CALL bench.write_each(format('INSERT INTO seed.assessment_sessions (user_id, mood_before, text_data) VALUES (%L, %L, %L)', :'hundred', bench.mood('x'), bench.text_data('x')), 1, 200, NULL) \gset seed_
INSERT INTO bench.result VALUES ('inserting a session', :round, :ours_took, :seed_took);
SELECT id AS session FROM public.assessment_sessions WHERE user_id = :'hundred' LIMIT 1 \gset
CALL bench.write_each(format('INSERT INTO public.text_analysis (session_id, sentiment_analysis, cognitive_markers, text_wellness_score) VALUES (%L, %L, %L, 60)', :'session', bench.sentiment('x'), bench.cognitive('x')), 1, 200, NULL) \gset ours_
CALL bench.write_each(format('INSERT INTO seed.text_analysis (session_id, sentiment_analysis, cognitive_markers, text_wellness_score) VALUES (%L, %L, %L, 60)', :'session', bench.sentiment('x'), bench.cognitive('x')), 1, 200, NULL) \gset seed_
INSERT INTO bench.result VALUES ('inserting a text analysis', :round, :ours_took, :seed_took);
RESET ROLE;
-- The rows just written leave no backlog for the next round.
DELETE FROM public.assessment_sessions WHERE status = 'pending';
