-- $1 session id. Where the session is, whose it is, and which model would score it.
SELECT k.user_id,
       k.created_at,
       s.id IS NOT NULL AS present,
       s.id IS NULL AND EXISTS (
           SELECT FROM @extschema@.assessment_sessions_archive AS a
           WHERE a.id = k.id AND a.user_id = k.user_id AND a.created_at = k.created_at) AS archived,
       f.model_version AS scored_by,
       m.model_version,
       m.created_at AS model_created_at
FROM @extschema@.session_keys AS k
LEFT JOIN @extschema@.assessment_sessions AS s ON s.id = k.id AND s.created_at = k.created_at
LEFT JOIN @extschema@.fusion_outputs AS f ON f.session_id = k.id
-- A session keeps the model it was scored with; a new one gets the active one.
LEFT JOIN @extschema@.mm_models AS m ON CASE WHEN f.session_id IS NULL THEN m.is_active ELSE m.model_version = f.model_version END
WHERE k.id = $1
