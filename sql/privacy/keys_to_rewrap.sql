-- $1 ids of the key-encryption keys that are not the active one, $2 most keys. Locked rows are somebody else's work.
SELECT k.user_id, k.kid, k.wrapped_by, k.wrapped
FROM @extschema@.user_keys AS k
WHERE k.wrapped_by = ANY ($1)
ORDER BY k.user_id
LIMIT $2
FOR UPDATE SKIP LOCKED
