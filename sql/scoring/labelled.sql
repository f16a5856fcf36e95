-- $1 versions of the models whose z can be used. Every outcome, person by person in time order, with what was
-- scored of its session. One that no such model scored has no z: it counts for the own rate only.
SELECT o.user_id, o.session_created_at, o.worse, f.model_version, f.feature_z,
       ARRAY[(m.drivers #>> '{text,reliability}')::float8, (m.drivers #>> '{audio,reliability}')::float8,
             (m.drivers #>> '{visual,reliability}')::float8, (m.drivers #>> '{passive,reliability}')::float8] AS reliability
FROM @extschema@.session_outcomes AS o
LEFT JOIN @extschema@.fusion_outputs AS f ON f.session_id = o.session_id AND f.model_version = ANY ($1)
-- OFFSET 0: the document is unpacked once, not once a modality.
LEFT JOIN LATERAL (SELECT f.drivers -> 'modalities' AS drivers OFFSET 0) AS m ON true
ORDER BY o.user_id, o.session_created_at, o.session_id
