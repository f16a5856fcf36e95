-- $1 person, $2 a time or NULL. Their outcomes in time order, of sessions before that time.
SELECT o.session_created_at, o.worse
FROM @extschema@.session_outcomes AS o
WHERE o.user_id = $1 AND ($2 IS NULL OR o.session_created_at < $2)
ORDER BY o.session_created_at, o.session_id
