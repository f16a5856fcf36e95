-- Who may take rows away: the system, where rows belong to people; nobody else, and nobody a
-- registered model or an applied migration.
BEGIN;
SELECT * FROM no_plan();
\ir lib/matrix.psql
INSERT INTO spec.cells
SELECT t, 'refused', 'refused', 'refused', 'refused', 'all', 'refused'
FROM unnest('{profiles,assessment_sessions,assessment_sessions_archive,session_keys,text_analysis,audio_analysis,visual_analysis,passive_analysis,session_insights,session_outcomes,fusion_outputs,mind_measure_scores,user_baselines,user_feature_baselines,user_calibration,retention_policies}'::text[]) AS t
UNION ALL
SELECT t, 'refused', 'refused', 'refused', 'refused', 'refused', 'refused'
FROM unnest('{row_history,erasure_log,mm_models,mm_schema_migrations,user_keys,audit_log,audit_subjects,audit_blocks,break_glass_grants,auth.users}'::text[]) AS t;
SELECT spec.every_table_is_listed();
SELECT spec.matrix('DELETE FROM %s');
-- given a session's identity goes, everything that belongs to it goes
SELECT is(spec.act('DELETE FROM session_keys WHERE user_id = spec.alice()', 'spec_worker'), 5::bigint, 'when the identities of Alice''s sessions are deleted');
SELECT is(spec.number_of('own', t), '0', 'then nothing of hers is left in ' || t)
FROM unnest('{assessment_sessions,assessment_sessions_archive,text_analysis,audio_analysis,visual_analysis,passive_analysis,session_insights,session_outcomes,fusion_outputs,mind_measure_scores}'::text[]) AS t;
SELECT is(spec.number_of('all', t), '1', 'and Bob''s row is still in ' || t)
FROM unnest('{assessment_sessions,assessment_sessions_archive,text_analysis,fusion_outputs}'::text[]) AS t;
SELECT * FROM finish();
ROLLBACK;
