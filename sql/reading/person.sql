-- $1 person. The name they gave themselves; no row where the caller may not see it.
SELECT coalesce(nullif(btrim(p.display_name), ''), nullif(btrim(concat_ws(' ', p.first_name, p.last_name)), '')) AS name
FROM @extschema@.profiles AS p
WHERE p.user_id = $1
