-- Rows written before encryption was on. A procedure that commits may have no SET clause, so every name and
-- operator in it is qualified.
CREATE PROCEDURE @extschema@.mm_encrypt_existing(batch_rows integer DEFAULT 1000)
    LANGUAGE plpgsql
    AS $$
DECLARE
    name pg_catalog.text;
    batch record;
    after pg_catalog.uuid;
    encrypted pg_catalog.int8;
BEGIN
    FOREACH name IN ARRAY ARRAY(SELECT DISTINCT p.table_name FROM @extschema@.mm_protected_columns() AS p ORDER BY 1) LOOP
        after := NULL;
        encrypted := 0;
        LOOP
            SELECT b.last_id, b.encrypted INTO STRICT batch FROM @extschema@.mm_encrypt_batch(name, after, batch_rows) AS b;
            COMMIT;
            EXIT WHEN batch.last_id IS NULL;
            after := batch.last_id;
            encrypted := encrypted OPERATOR(pg_catalog.+) batch.encrypted;
            RAISE INFO '%: % rows encrypted, up to id %', name, encrypted, after;
        END LOOP;
    END LOOP;
END;
$$;
COMMENT ON PROCEDURE @extschema@.mm_encrypt_existing(integer) IS
    'CALL: encrypts what was written before mindmeasure.key_file was set, batch_rows rows of a table at a time, each batch committed; may be stopped and called again. updated_at stays. Old row versions hold the open values until VACUUM FULL. System role only (42501).';
