-- How a long call says where it is.
CREATE FUNCTION @extschema@.mm_show_progress(task text, done bigint, total bigint) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
    -- A session's name is what others see of it at once, before anything is committed.
    AS $$ SELECT set_config('application_name', format('mindmeasure: %s %s%s', task, done, '/' || total), true) $$;
COMMENT ON FUNCTION @extschema@.mm_show_progress(text, bigint, bigint) IS
    'Shows how far a long call is as application_name in pg_stat_activity until the transaction ends: a procedure shows it again after each COMMIT. total NULL: not known.';

CREATE FUNCTION @extschema@.mm_progress(task text, done bigint, total bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM @extschema@.mm_show_progress(task, done, total);
    RAISE NOTICE '%: % done', task, done || coalesce(' of ' || total, '');
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_progress(text, bigint, bigint) IS
    'Says how far a long call is: a NOTICE to the caller, and mm_show_progress() for everybody else. total NULL: not known.';
