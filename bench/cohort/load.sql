-- A model whose features are the file's, with pooled population figures; sessions and analyses
-- as flat JSON in the documents that have no interface of their own.
CREATE TABLE place (modality text PRIMARY KEY, document text);
INSERT INTO place VALUES ('text', 'linguistic_patterns'), ('audio', 'emotional_markers'),
    ('visual', 'emotional_indicators'), ('passive', 'activity_metrics');

SELECT mm_register_model(jsonb_build_object('model_version', 'cohort', 'features', jsonb_agg(jsonb_build_object(
    'name', modality || '.' || feature, 'modality', modality, 'document', document,
    'path', format('$[%s]', to_json(feature)), 'weight', coalesce(weight, 0.05),
    'population_mean', mean, 'population_sd', sd) ORDER BY modality, feature))) AS registered
FROM (SELECT modality, feature, avg(value) AS mean, greatest(stddev_samp(value), 1e-6) AS sd FROM feature_csv GROUP BY modality, feature) AS f
JOIN place USING (modality)
LEFT JOIN weight_csv USING (feature);
SELECT mm_activate_model('cohort');

CREATE TABLE session AS
SELECT gen_random_uuid() AS id, user_id, session_at, row_number() OVER (ORDER BY session_at, user_id) AS number
FROM (SELECT DISTINCT user_id, session_at FROM feature_csv) AS s;

INSERT INTO assessment_sessions (id, user_id, created_at, updated_at) SELECT id, user_id, session_at, session_at FROM session;
SELECT format('INSERT INTO %I_analysis (session_id, %I, processed_at)
    SELECT s.id, jsonb_object_agg(f.feature, f.value), f.session_at FROM feature_csv AS f JOIN session AS s USING (user_id, session_at)
    WHERE f.modality = %L GROUP BY s.id, f.session_at', modality, document, modality)
FROM place
\gexec
ANALYZE;
