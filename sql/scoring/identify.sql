-- $1 session id. Whose the session is, and which model would score it. Not where it is: of the months of a
-- partitioned table only its own is looked at, once its time is known (one_session.sql, place.sql).
SELECT k.user_id,
       k.created_at,
       f.model_version AS scored_by,
       m.model_version,
       m.created_at AS model_created_at
FROM @extschema@.session_keys AS k
LEFT JOIN @extschema@.fusion_outputs AS f ON f.session_id = k.id
-- A session keeps the model it was scored with; a new one gets the active one.
LEFT JOIN @extschema@.mm_models AS m ON CASE WHEN f.session_id IS NULL THEN m.is_active ELSE m.model_version = f.model_version END
WHERE k.id = $1
