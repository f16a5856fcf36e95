-- 1,000 people, 100 labelled sessions each, 30 features over three modalities, one in five sessions without the last.
SELECT mm_register_model(jsonb_build_object('model_version', 'bench', 'features', jsonb_agg(jsonb_build_object('name', 'f' || i, 'modality', modality, 'document', document,
    'path', '$.f' || i, 'weight', 0.1, 'population_mean', 0, 'population_sd', 1) ORDER BY i))) AS registered
FROM generate_series(0, 29) AS i
JOIN (VALUES (0, 'text', 'linguistic_patterns'), (1, 'audio', 'emotional_markers'), (2, 'visual', 'emotional_indicators')) AS m (place, modality, document) ON place = i / 10;
SELECT mm_activate_model('bench');
SELECT setseed(0.5);
CREATE TEMP TABLE s AS
SELECT gen_random_uuid() AS id, p.id AS user_id, '2024-01-01'::timestamptz + n * interval '1 day' AS at, p.own,
       ARRAY(SELECT CASE WHEN i < 20 OR n % 5 > 0 THEN (random() + random() + random() + random() - 2) * sqrt(3) END FROM generate_series(0, 29) AS i WHERE n > 0) AS z
FROM (SELECT gen_random_uuid() AS id, random() * 2 - 2 AS own FROM generate_series(1, 1000)) AS p CROSS JOIN generate_series(1, 100) AS n;
INSERT INTO session_keys (id, user_id, created_at) SELECT id, user_id, at FROM s;
INSERT INTO fusion_outputs (session_id, user_id, session_created_at, p_worse_fused, score, score_smoothed, uncertainty, model_version, feature_z, drivers)
SELECT id, user_id, at, 0.5, 50, 50, 0.5, 'bench', z, '{"modalities": {"text": {"reliability": 1}, "audio": {"reliability": 1}, "visual": {"reliability": 1}}}' FROM s;
INSERT INTO session_outcomes (session_id, user_id, session_created_at, worse)
SELECT id, user_id, at, random() < 1 / (1 + exp(-(own + 0.5 * z[1] - 0.4 * z[2] + 0.3 * z[11] + 0.3 * coalesce(z[21], 0)))) FROM s;
ANALYZE;
