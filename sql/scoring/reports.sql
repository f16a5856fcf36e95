-- $1 person, $2 a time. The self-reports of their earlier sessions, in order.
SELECT array_agg(x.self_report ORDER BY x.session_created_at, x.session_id) AS reports
FROM @extschema@.fusion_outputs AS x
WHERE x.user_id = $1 AND x.session_created_at < $2 AND x.self_report IS NOT NULL
