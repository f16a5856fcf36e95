SELECT x.* FROM @extschema@.assessment_sessions AS x WHERE x.id = $1 AND x.created_at = $3
