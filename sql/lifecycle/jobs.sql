-- Jobs of pg_cron, where it is there.
CREATE FUNCTION @extschema@.mm_jobs() RETURNS TABLE (job text, schedule text, command text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
    -- pg_cron 1.4 knows no seconds. One statement a job: a CALL that commits must stand alone.
    SELECT 'mindmeasure pending', '* * * * *', 'SELECT @extschema@.mm_fuse_pending()'
    UNION ALL SELECT 'mindmeasure partitions', '5 0 * * *', 'SELECT * FROM @extschema@.mm_ensure_partitions()'
    UNION ALL SELECT 'mindmeasure archive', '15 2 * * *', 'CALL @extschema@.mm_run_retention(''{archive}'')'
    UNION ALL SELECT 'mindmeasure retention', '15 3 * * *', 'CALL @extschema@.mm_run_retention(''{redact,drop}'')'
    UNION ALL SELECT 'mindmeasure erasures', '45 * * * *', 'SELECT @extschema@.mm_finish_erasures()'
    UNION ALL SELECT 'mindmeasure seal audit', '*/10 * * * *', 'SELECT @extschema@.mm_seal_audit()'
    $$;
COMMENT ON FUNCTION @extschema@.mm_jobs() IS 'The jobs that mm_schedule_jobs() makes: name, schedule (cron, in the time zone of the server''s pg_cron: GMT) and command.';

CREATE FUNCTION @extschema@.mm_schedule_jobs() RETURNS TABLE (job text, schedule text, command text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    home text;
    others text;
BEGIN
    IF NOT @extschema@.mm_caller_is_system() THEN
        RAISE EXCEPTION 'permission denied: mm_schedule_jobs() is for the system role'
            USING ERRCODE = 'insufficient_privilege', HINT = 'Call it as a superuser, or as a login role that is a member of mindmeasure_system.';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
        BEGIN
            home := current_setting('cron.database_name', true);
        EXCEPTION WHEN insufficient_privilege THEN
            home := current_database(); -- loaded; a superuser is told more
        END;
        IF home IS NULL THEN
            RAISE EXCEPTION 'pg_cron is not loaded in this server' USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = 'Install it, set shared_preload_libraries = ''pg_cron'' and cron.database_name, restart, CREATE EXTENSION pg_cron. Without it: let another scheduler run what SELECT * FROM mm_jobs() lists.';
        ELSIF home <> current_database() THEN
            RAISE EXCEPTION 'pg_cron is in another database: %', home USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = format('Set cron.database_name = %L and restart; or, in %s: %s', current_database(), home,
                    (SELECT string_agg(format('SELECT cron.schedule_in_database(%L, %L, %L, %L);', j.job, j.schedule, j.command, current_database()), ' ') FROM @extschema@.mm_jobs() AS j));
        END IF;
        RAISE EXCEPTION 'pg_cron is loaded, but is no extension of this database' USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'As a superuser: CREATE EXTENSION pg_cron;';
    END IF;
    IF NOT (SELECT rolcanlogin FROM pg_roles WHERE rolname = current_user) THEN
        RAISE EXCEPTION 'role % cannot log in, so pg_cron cannot run jobs as it', current_user USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Call it as a superuser, or as a login role that is a member of mindmeasure_system.';
    END IF;
    -- cron.job shows everything to a superuser, and to others their own.
    EXECUTE 'SELECT string_agg(DISTINCT c.username, '', '') FROM cron.job AS c JOIN @extschema@.mm_jobs() AS j ON j.job = c.jobname WHERE c.username <> current_user'
        INTO others;
    IF others IS NOT NULL THEN
        RAISE EXCEPTION 'the jobs are there already, of role %', others USING ERRCODE = 'duplicate_object',
            HINT = 'SELECT mm_unschedule_jobs(); first, then again.';
    END IF;
    FOR job, schedule, command IN SELECT j.job, j.schedule, j.command FROM @extschema@.mm_jobs() AS j LOOP
        -- By name: it makes the job, or brings it up to date.
        EXECUTE 'SELECT cron.schedule($1, $2, $3)' USING job, schedule, command;
        RETURN NEXT;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_schedule_jobs() IS
    'Makes the jobs of mm_jobs() in pg_cron, run as the caller, or brings them up to date; returns them. Errors: 55000 pg_cron is not loaded, in another database, not an extension yet, or the caller cannot log in; 42710 another role''s jobs are there. System role only (42501), with rights to use pg_cron.';

CREATE FUNCTION @extschema@.mm_unschedule_jobs() RETURNS integer
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    removed integer := 0;
BEGIN
    IF NOT @extschema@.mm_caller_is_system() THEN
        RAISE EXCEPTION 'permission denied: mm_unschedule_jobs() is for the system role'
            USING ERRCODE = 'insufficient_privilege', HINT = 'Call it as who scheduled them, or as a superuser.';
    END IF;
    IF to_regclass('cron.job') IS NOT NULL THEN
        -- By prefix: a job of an earlier version goes, too.
        EXECUTE 'SELECT count(cron.unschedule(c.jobid)) FROM cron.job AS c WHERE c.jobname ~ ''^mindmeasure '' AND c.database = current_database()'
            INTO removed;
    END IF;
    RETURN removed;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_unschedule_jobs() IS 'Takes our jobs out of pg_cron and returns how many these were; 0 where there is no pg_cron. System role only (42501).';
