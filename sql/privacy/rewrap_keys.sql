-- $1 people, $2 their keys wrapped anew, $3 the id of the key-encryption key.
UPDATE @extschema@.user_keys AS k SET wrapped = x.wrapped, wrapped_by = $3, rewrapped_at = now()
FROM unnest($1::uuid[], $2::bytea[]) AS x (user_id, wrapped)
WHERE k.user_id = x.user_id
