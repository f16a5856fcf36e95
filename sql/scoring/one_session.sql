-- Locked against being archived or deleted while it is scored; gone if that happened while we waited.
SELECT x.* FROM @extschema@.assessment_sessions AS x WHERE x.id = $1 AND x.created_at = $2 FOR NO KEY UPDATE
