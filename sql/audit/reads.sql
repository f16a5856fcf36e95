-- The audit of reads is pgaudit's: it logs every SELECT that touches a table on which the role of
-- pgaudit.role has a privilege. src/audit/reads.rs puts the person at the end of its lines.
CREATE FUNCTION @extschema@.mm_enable_read_audit() RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    relation regclass;
    granted bigint := 0;
BEGIN
    IF current_setting('pgaudit.role', true) IS NULL OR current_setting('pgaudit.log', true) IS NULL THEN
        RAISE EXCEPTION 'pgaudit is not loaded'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'shared_preload_libraries = ''pgaudit'' and session_preload_libraries = ''mindmeasure'' in postgresql.conf, then restart the server.';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mindmeasure_audit') THEN
        CREATE ROLE mindmeasure_audit NOLOGIN;
    END IF;
    -- Row-level security lets this role see nothing, and nobody is its member: its privileges only
    -- say which tables are sensitive. A table made later is sensitive after the next call.
    FOR relation IN
        SELECT c.oid FROM pg_class AS c
        WHERE c.relowner = 'mindmeasure_owner'::regrole AND c.relnamespace = '@extschema@'::regnamespace
          AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
          AND (EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'user_id' AND NOT a.attisdropped)
               OR c.relname = 'audit_log')
          AND c.relname <> 'session_keys'
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO mindmeasure_audit', relation);
        granted := granted + 1;
    END LOOP;
    EXECUTE format('ALTER DATABASE %I SET pgaudit.role = ''mindmeasure_audit''', current_database());
    RETURN granted;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_enable_read_audit() IS
    'Has pgaudit log every read of a table that holds people''s rows, from the next connection on; returns how many tables these are. Call it again after tables were added. Superuser. Errors: 55000 pgaudit is not loaded.';
