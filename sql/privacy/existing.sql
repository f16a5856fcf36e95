-- Rows written before encryption was on. A procedure that commits may have no SET clause, so every name and
-- operator in it is qualified.
CREATE PROCEDURE @extschema@.mm_encrypt_existing(batch_rows integer DEFAULT 1000)
    LANGUAGE plpgsql
    AS $$
DECLARE
    name text;
    batch record;
    after uuid;
    done bigint := 0;
    total bigint;
BEGIN
    -- A procedure that commits cannot carry a SET clause.
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    SELECT coalesce(sum(u.rows), 0) INTO total FROM @extschema@.mm_unencrypted_rows() AS u;
    FOREACH name IN ARRAY ARRAY(SELECT DISTINCT p.table_name FROM @extschema@.mm_protected_columns() AS p ORDER BY 1) LOOP
        after := NULL;
        LOOP
            SELECT b.last_id, b.encrypted INTO STRICT batch FROM @extschema@.mm_encrypt_batch(name, after, batch_rows) AS b;
            after := batch.last_id;
            done := done + batch.encrypted;
            IF batch.encrypted > 0 THEN
                PERFORM @extschema@.mm_progress('encrypt', done, greatest(done, total));
            END IF;
            COMMIT;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            EXIT WHEN after IS NULL;
            PERFORM @extschema@.mm_show_progress('encrypt', done, greatest(done, total));
        END LOOP;
    END LOOP;
END;
$$;
COMMENT ON PROCEDURE @extschema@.mm_encrypt_existing(integer) IS
    'CALL: encrypts what was written before mindmeasure.key_file was set, batch_rows rows of a table at a time, each batch committed; may be stopped and called again. updated_at stays. Old row versions hold the open values until VACUUM FULL. System role only (42501).';
