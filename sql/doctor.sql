-- Every promise that hangs on how the server is set up, looked at one by one. A check that cannot run,
-- for want of a privilege or of what it looks at, says unknown and why; the others go on.
CREATE FUNCTION @extschema@.mm_doctor() RETURNS TABLE (check_name text, status text, detail text, fix text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    AS $doctor$
DECLARE
    -- Pairs: a name, and a query of one row: status, detail, and the command that mends it.
    checks CONSTANT text[] := ARRAY[
    'tls', $$
        SELECT CASE WHEN current_setting('ssl') = 'on' THEN 'ok' WHEN current_setting('listen_addresses') = '' THEN 'ok' ELSE 'error' END,
               CASE WHEN current_setting('ssl') = 'on' THEN 'TLS is on' WHEN current_setting('listen_addresses') = '' THEN 'TLS is off, and the server listens on sockets only' ELSE 'TLS is off: rows cross the network in plain text' END,
               'ALTER SYSTEM SET ssl = on; -- with ssl_cert_file and ssl_key_file, then SELECT pg_reload_conf();' $$,
    'tls_protocol', $$
        SELECT CASE current_setting('ssl_min_protocol_version') WHEN 'TLSv1.3' THEN 'ok' WHEN 'TLSv1.2' THEN 'warning' ELSE 'error' END,
               'the lowest protocol allowed is ' || coalesce(nullif(current_setting('ssl_min_protocol_version'), ''), 'any'),
               'ALTER SYSTEM SET ssl_min_protocol_version = ''TLSv1.3''; SELECT pg_reload_conf();' $$,
    'client_authentication', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'pg_hba.conf lets nobody in over the network without TLS or without scram or a certificate'
                    ELSE 'pg_hba.conf, line ' || string_agg(line_number::text, ', ' ORDER BY line_number) || ': plain text or weak authentication over the network' END,
               'hostssl … scram-sha-256 (or cert) in ' || current_setting('hba_file') || ', then SELECT pg_reload_conf();'
        FROM pg_hba_file_rules
        WHERE type IN ('host', 'hostnossl', 'hostssl') AND auth_method <> 'reject' AND coalesce(address, '') NOT IN ('127.0.0.1', '::1', 'localhost')
          AND (type <> 'hostssl' OR auth_method NOT IN ('scram-sha-256', 'cert')) $$,
    'passwords', $$
        SELECT CASE current_setting('password_encryption') WHEN 'scram-sha-256' THEN 'ok' ELSE 'error' END,
               'passwords are kept as ' || current_setting('password_encryption'),
               'ALTER SYSTEM SET password_encryption = ''scram-sha-256''; SELECT pg_reload_conf(); -- then set every password anew' $$,
    'read_audit', $$
        SELECT CASE WHEN current_setting('pgaudit.log', true) IS NULL THEN 'error' WHEN coalesce(current_setting('pgaudit.role', true), '') <> 'mindmeasure_audit' THEN 'error' ELSE 'ok' END,
               CASE WHEN current_setting('pgaudit.log', true) IS NULL THEN 'pgaudit is not loaded: nobody writes down who reads'
                    WHEN coalesce(current_setting('pgaudit.role', true), '') <> 'mindmeasure_audit' THEN 'pgaudit is loaded, but reads of the tables are not logged'
                    ELSE 'reads of sensitive tables are logged' END,
               CASE WHEN current_setting('pgaudit.log', true) IS NULL THEN 'ALTER SYSTEM SET shared_preload_libraries = pgaudit; ALTER SYSTEM SET session_preload_libraries = mindmeasure; -- and restart, then SELECT @extschema@.mm_enable_read_audit();'
                    ELSE 'SELECT @extschema@.mm_enable_read_audit(); -- as a superuser; counts from the next connection on' END $$,
    'read_audit_person', $$
        SELECT CASE WHEN (current_setting('session_preload_libraries') || ',' || current_setting('shared_preload_libraries')) ~ '\mmindmeasure\M' THEN 'ok' ELSE 'warning' END,
               'mindmeasure is ' || CASE WHEN (current_setting('session_preload_libraries') || ',' || current_setting('shared_preload_libraries')) ~ '\mmindmeasure\M' THEN 'loaded with every session'
                   ELSE 'loaded on first use: the first read of a session may lack the person in pgaudit''s line' END,
               'ALTER SYSTEM SET session_preload_libraries = mindmeasure; SELECT pg_reload_conf();' $$,
    'log_content', $$
        SELECT CASE WHEN current_setting('log_statement') IN ('mod', 'all') OR current_setting('log_parameter_max_length_on_error') <> '0'
                         OR current_setting('log_min_duration_statement') <> '-1' AND current_setting('log_parameter_max_length') <> '0' THEN 'warning' ELSE 'ok' END,
               CASE WHEN current_setting('log_statement') IN ('mod', 'all') OR current_setting('log_parameter_max_length_on_error') <> '0'
                         OR current_setting('log_min_duration_statement') <> '-1' AND current_setting('log_parameter_max_length') <> '0'
                    THEN 'statements or their parameters are logged: personal data reach the log' ELSE 'neither statements nor their parameters are logged' END,
               'ALTER SYSTEM SET log_statement = ''ddl''; ALTER SYSTEM SET log_parameter_max_length = 0; ALTER SYSTEM SET log_parameter_max_length_on_error = 0; SELECT pg_reload_conf();' $$,
    'archiving', $$
        SELECT CASE WHEN current_setting('archive_mode') = 'off' THEN 'error'
                    WHEN last_failed_time > coalesce(last_archived_time, '-infinity') THEN 'error'
                    WHEN last_archived_time IS NULL OR last_archived_time < now() - interval '1 day' THEN 'warning' ELSE 'ok' END,
               CASE WHEN current_setting('archive_mode') = 'off' THEN 'WAL is not archived: no restore to a point in time'
                    WHEN last_failed_time > coalesce(last_archived_time, '-infinity') THEN 'archiving fails since ' || last_failed_time
                    WHEN last_archived_time IS NULL THEN 'nothing has been archived yet' ELSE 'last archived at ' || last_archived_time END,
               CASE WHEN current_setting('archive_mode') = 'off' THEN 'ALTER SYSTEM SET archive_mode = on; -- with archive_command of deploy/, and restart'
                    ELSE 'SELECT pg_switch_wal(); -- and look at the log for what archive_command says' END
        FROM pg_stat_archiver $$,
    'checksums', $$
        SELECT CASE current_setting('data_checksums') WHEN 'on' THEN 'ok' ELSE 'error' END,
               'data checksums are ' || current_setting('data_checksums'),
               'pg_checksums --enable -D ' || current_setting('data_directory') || ' -- with the server stopped' $$,
    'key_files', $$
        SELECT CASE WHEN bool_or(k.problem IS NOT NULL) THEN 'error' ELSE 'ok' END,
               coalesce(string_agg(k.setting || ' ' || k.problem, '; ') FILTER (WHERE k.problem IS NOT NULL), 'files with keys that are set are the server''s alone'),
               'chown postgres FILE; chmod 600 FILE'
        FROM @extschema@.mm_key_files() AS k $$,
    'verified_identity', $$
        SELECT CASE WHEN current_setting('mindmeasure.require_verified_identity', true) IS DISTINCT FROM 'on' THEN 'warning' WHEN p.ours THEN 'ok' ELSE 'error' END,
               CASE WHEN current_setting('mindmeasure.require_verified_identity', true) IS DISTINCT FROM 'on' THEN 'a client that can run SQL can say that it speaks for anybody'
                    WHEN p.ours THEN 'only verified tokens say for whom a request speaks'
                    ELSE 'auth.uid() is not of mindmeasure: mm_set_identity() and mindmeasure.require_verified_identity have no effect' END,
               CASE WHEN p.ours THEN 'ALTER SYSTEM SET mindmeasure.jwt_keys_file = ''…''; ALTER SYSTEM SET mindmeasure.require_verified_identity = on; SELECT pg_reload_conf(); -- once the application calls mm_set_identity()'
                    ELSE 'Let nobody but the gateway that sets the claims connect as a user.' END
        FROM (SELECT p.prosrc = 'mm_current_person_wrapper' AS ours FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = 'auth' AND p.proname = 'uid' AND p.pronargs = 0) AS p $$,
    'row_security', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'on for every table and partition' ELSE 'off for ' || string_agg(oid::regclass::text, ', ' ORDER BY oid::regclass::text) END,
               coalesce(string_agg(format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY;', oid::regclass), ' ' ORDER BY oid::regclass::text), 'ALTER TABLE … ENABLE ROW LEVEL SECURITY;')
        FROM pg_class WHERE relowner = 'mindmeasure_owner'::regrole AND relkind IN ('r', 'p') AND NOT relrowsecurity $$,
    'views', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'no view on our tables reads with its owner''s rights' ELSE 'read with their owner''s rights, past row-level security: ' || string_agg(v.oid::regclass::text, ', ' ORDER BY v.oid::regclass::text) END,
               coalesce(string_agg(format('ALTER VIEW %s SET (security_invoker = true);', v.oid::regclass), ' ' ORDER BY v.oid::regclass::text), 'ALTER VIEW … SET (security_invoker = true);')
        FROM pg_class AS v
        WHERE v.relkind IN ('v', 'm') AND coalesce(array_to_string(v.reloptions, ','), '') !~ 'security_invoker=(true|on|1)'
          AND EXISTS (SELECT FROM pg_rewrite AS r JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
                      JOIN pg_class AS t ON t.oid = d.refobjid
                      WHERE r.ev_class = v.oid AND t.relowner = 'mindmeasure_owner'::regrole AND t.relkind IN ('r', 'p')) $$,
    'partition_grants', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'no partition can be read past its parent' ELSE 'granted directly: ' || string_agg(DISTINCT c.oid::regclass::text, ', ') END,
               coalesce(string_agg(DISTINCT format('REVOKE ALL ON %s FROM %s;', c.oid::regclass, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END), ' '), 'REVOKE ALL ON … FROM …;')
        FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE c.relowner = 'mindmeasure_owner'::regrole AND c.relispartition AND c.relkind IN ('r', 'p') AND a.grantee <> c.relowner $$,
    'public_grants', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'PUBLIC and anon have nothing' ELSE 'PUBLIC or anon may use ' || string_agg(g.object, ', ' ORDER BY g.object) END,
               coalesce(string_agg(format('REVOKE ALL ON %s FROM %s;', g.object, g.who), ' ' ORDER BY g.object), 'REVOKE ALL ON … FROM PUBLIC, anon;')
        FROM (SELECT DISTINCT o.object, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS who
              FROM (SELECT 'TABLE ' || c.oid::regclass AS object, c.relacl AS acl FROM pg_class AS c
                    WHERE c.relowner = 'mindmeasure_owner'::regrole AND c.relkind IN ('r', 'p', 'v', 'm')
                    UNION ALL
                    SELECT 'FUNCTION ' || p.oid::regprocedure, coalesce(p.proacl, acldefault('f', p.proowner)) FROM pg_proc AS p
                    JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
                    JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'mindmeasure') AS o
              CROSS JOIN LATERAL aclexplode(o.acl) AS a
              WHERE a.grantee = 0 OR a.grantee = to_regrole('anon')) AS g $$,
    'truncate', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'nobody but the owner may empty a table' ELSE 'may be emptied by others: ' || string_agg(DISTINCT c.oid::regclass::text, ', ') END,
               coalesce(string_agg(DISTINCT format('REVOKE TRUNCATE ON %s FROM %s;', c.oid::regclass, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END), ' '), 'REVOKE TRUNCATE ON … FROM …;')
        FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE c.relowner = 'mindmeasure_owner'::regrole AND c.relkind IN ('r', 'p') AND a.privilege_type = 'TRUNCATE' AND a.grantee <> c.relowner $$,
    'function_owners', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'no function runs with a superuser''s rights or a search_path of the caller''s' ELSE 'owner or search_path is wrong: ' || string_agg(p.oid::regprocedure::text, ', ') END,
               coalesce(string_agg(format('ALTER FUNCTION %s OWNER TO mindmeasure_owner;', p.oid::regprocedure), ' '), 'ALTER FUNCTION … OWNER TO mindmeasure_owner;')
        FROM pg_proc AS p
        JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'mindmeasure'
        WHERE p.prosecdef AND (p.proowner <> 'mindmeasure_owner'::regrole OR NOT EXISTS (
            SELECT FROM unnest(p.proconfig) AS c WHERE c ~ '^search_path=pg_catalog, pg_temp$')) $$,
    'table_owners', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'nobody logs in as the owner of the tables' ELSE 'can become the owner of the tables: ' || string_agg(r.rolname, ', ') END,
               coalesce(string_agg(format('REVOKE mindmeasure_owner FROM %I;', r.rolname), ' '), 'REVOKE mindmeasure_owner FROM …;')
        FROM pg_roles AS r
        WHERE r.rolcanlogin AND NOT r.rolsuper AND pg_has_role(r.oid, 'mindmeasure_owner', 'MEMBER') $$,
    'bypass', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'no role that speaks for people or auditors passes by row-level security' ELSE 'pass by row-level security: ' || string_agg(r.rolname, ', ') END,
               coalesce(string_agg(format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS;', r.rolname), ' '), 'ALTER ROLE … NOBYPASSRLS;')
        FROM pg_roles AS r
        WHERE (r.rolsuper OR r.rolbypassrls) AND EXISTS (
            SELECT FROM pg_auth_members AS m WHERE m.member = r.oid AND m.roleid IN ('mindmeasure_user'::regrole, 'mindmeasure_auditor'::regrole)) $$,
    'triggers', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'every trigger is enabled' ELSE 'disabled: ' || string_agg(t.tgname || ' on ' || t.tgrelid::regclass, ', ') END,
               coalesce(string_agg(format('ALTER TABLE %s ENABLE TRIGGER %I;', t.tgrelid::regclass, t.tgname), ' '), 'ALTER TABLE … ENABLE TRIGGER …;')
        FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
        WHERE c.relowner = 'mindmeasure_owner'::regrole AND t.tgenabled IN ('D', 'R') AND NOT t.tgisinternal $$,
    'partitions_ahead', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END,
               CASE WHEN count(*) = 0 THEN 'next month has its partitions' ELSE 'no partition for next month: ' || string_agg(p.oid::regclass::text, ', ') END,
               'SELECT @extschema@.mm_ensure_partitions();'
        FROM pg_class AS p
        WHERE p.oid IN (to_regclass('@extschema@.audit_log'), to_regclass('@extschema@.assessment_sessions')) AND p.relkind = 'p'
          AND NOT EXISTS (
              SELECT FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
              CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') AS bound
              WHERE i.inhparent = p.oid AND now() + interval '1 month' >= bound[1]::timestamptz AND now() + interval '1 month' < bound[2]::timestamptz) $$,
    'jobs', $$
        SELECT CASE WHEN j.missing IS NULL THEN 'ok' ELSE 'warning' END,
               CASE WHEN to_regclass('cron.job') IS NULL THEN 'pg_cron is not here: something else has to run ' ELSE 'pg_cron does not run ' END || coalesce(j.missing, 'nothing'),
               CASE WHEN to_regclass('cron.job') IS NULL THEN 'CREATE EXTENSION pg_cron; ' ELSE '' END || 'SELECT * FROM @extschema@.mm_schedule_jobs();'
        FROM (SELECT string_agg(m.job, ', ') AS missing FROM @extschema@.mm_jobs() AS m
              -- A table that may not be there can only be named in a text.
              WHERE to_regclass('cron.job') IS NULL OR position(m.job IN query_to_xml('SELECT jobname FROM cron.job WHERE active', false, false, '')::text) = 0) AS j $$,
    'backups', $$
        SELECT CASE WHEN bool_or(t.late) THEN 'error' WHEN count(*) = 0 THEN 'error' ELSE 'ok' END,
               coalesce(string_agg(format('%s: %s', t.tier, t.at), ', ' ORDER BY t.tier), 'none has ever succeeded'),
               'deploy/backup/backup.sh ' || coalesce(string_agg(t.tier, ' ') FILTER (WHERE t.late), 'daily')
        FROM (SELECT m[1] AS tier, to_timestamp(m[2]::bigint) AS at,
                     to_timestamp(m[2]::bigint) < now() - CASE m[1] WHEN 'daily' THEN interval '26 hours' WHEN 'weekly' THEN interval '8 days' ELSE interval '367 days' END AS late
              FROM regexp_matches(pg_read_file(coalesce(nullif(current_setting('mindmeasure.backup_status_file', true), ''), '/var/lib/mindmeasure/backup.prom')),
                   'mindmeasure_backup_last_success_seconds\{tier="(\w+)"\} (\d+)', 'g') AS m) AS t $$,
    'unencrypted_rows', $$
        SELECT CASE WHEN NOT @extschema@.mm_encryption_on() THEN 'warning' WHEN sum(u.rows) > 0 THEN 'error' ELSE 'ok' END,
               CASE WHEN NOT @extschema@.mm_encryption_on() THEN 'no key file is set: sensitive fields are stored as they come, and in backups too'
                    WHEN sum(u.rows) > 0 THEN 'rows with open values: ' || string_agg(u.table_name || ' ' || u.rows, ', ') FILTER (WHERE u.rows > 0) ELSE 'every sensitive field is encrypted' END,
               CASE WHEN NOT @extschema@.mm_encryption_on() THEN format('ALTER DATABASE %I SET mindmeasure.key_file = ''…''; -- docs/encryption.md', current_database()) ELSE 'CALL @extschema@.mm_encrypt_existing();' END
        FROM @extschema@.mm_unencrypted_rows() AS u $$,
    'schema_version', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'the tables are what this version expects' ELSE 'migrations not applied: ' || string_agg(m.version::text, ', ' ORDER BY m.version) END,
               'SELECT * FROM @extschema@.mm_migrate();'
        FROM @extschema@.mm_expected_migrations() AS m
        WHERE NOT EXISTS (SELECT FROM @extschema@.mm_schema_migrations AS s WHERE s.version = m.version) $$,
    'extension_version', $$
        SELECT CASE WHEN e.default_version = e.installed_version THEN 'ok' ELSE 'warning' END,
               'version ' || e.installed_version || CASE WHEN e.default_version = e.installed_version THEN '' ELSE ', the server has ' || e.default_version END,
               'ALTER EXTENSION mindmeasure UPDATE;'
        FROM pg_available_extensions AS e WHERE e.name = 'mindmeasure' $$,
    'audit_sealed', $$
        SELECT CASE WHEN min(u.at) < now() - interval '1 day' THEN 'warning' ELSE 'ok' END,
               CASE WHEN count(*) = 0 THEN 'every line of the audit is sealed' ELSE count(*) || ' lines of the audit are not sealed, the oldest of ' || min(u.at) END,
               'SELECT @extschema@.mm_seal_audit();'
        FROM @extschema@.mm_unsealed_audit() AS u $$
    ];
BEGIN
    FOR i IN 1 .. cardinality(checks) BY 2 LOOP
        check_name := checks[i];
        BEGIN
            EXECUTE checks[i + 1] INTO STRICT status, detail, fix;
            IF status = 'ok' THEN
                fix := NULL;
            END IF;
        EXCEPTION
            WHEN insufficient_privilege THEN
                status := 'unknown';
                detail := 'this role may not look: ' || SQLERRM;
                fix := 'Run SELECT * FROM @extschema@.mm_doctor() as a superuser, or GRANT pg_monitor to this role.';
            WHEN OTHERS THEN
                status := 'unknown';
                detail := 'cannot be looked at: ' || SQLERRM;
                fix := 'Look at it by hand; docs/security.md says what it promises.';
        END;
        RETURN NEXT;
    END LOOP;
END;
$doctor$;
COMMENT ON FUNCTION @extschema@.mm_doctor() IS
    'Checks every promise that depends on the server''s configuration, one row each: status is ok, warning, error, or unknown where the caller may not look or there is nothing to look at; fix is the command that mends it. A check that fails stops no other. System role and auditor; a superuser sees most.';
