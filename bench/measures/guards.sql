-- A fuse and an analysis row, as lines of name and microseconds. :label
\set ON_ERROR_STOP on
\o /dev/null
SELECT bench.pending('100', 1, 2, 1, :'label' || 'w') AS warm, bench.pending('100', 3, 5, 1, :'label' || 'm') AS measured \gset
CALL bench.fuse_each(:'warm', NULL);
CALL bench.fuse_each(:'measured', NULL) \gset fuse_
SELECT id AS session FROM assessment_sessions WHERE id = (:'measured'::uuid[])[1] \gset
SET ROLE mindmeasure_system;
CALL bench.write_each(format('INSERT INTO public.text_analysis (session_id, sentiment_analysis, cognitive_markers, text_wellness_score) VALUES (%L, %L, %L, 60)', :'session', bench.sentiment('x'), bench.cognitive('x')), 1, 300, NULL) \gset analysis_
RESET ROLE;
\o
SELECT unnest('{mm_fuse_session,inserting a text analysis}'::text[]), unnest(ARRAY[:fuse_took, :analysis_took]);
