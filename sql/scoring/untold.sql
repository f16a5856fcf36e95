, untold AS (
    DELETE FROM @extschema@.session_outcomes AS o USING scored AS x WHERE o.session_id = x.session_id AND o.derived AND x.outcome IS NULL
)