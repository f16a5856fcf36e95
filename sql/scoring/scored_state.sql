-- $1 person. Changes whenever a score or an outcome of the person is written.
SELECT (SELECT coalesce(sum(x.xmin::text::bigint), 0)::bigint FROM @extschema@.fusion_outputs AS x WHERE x.user_id = $1)
     + (SELECT coalesce(sum(x.xmin::text::bigint), 0)::bigint FROM @extschema@.session_outcomes AS x WHERE x.user_id = $1)
