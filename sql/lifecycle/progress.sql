-- How a long call says where it is.
CREATE FUNCTION @extschema@.mm_progress(task text, done bigint, total bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    -- A session's name is what others see of it at once, before anything is committed. It ends
    -- with the transaction.
    PERFORM set_config('application_name', format('mindmeasure: %s %s%s', task, done, '/' || total), true);
    RAISE NOTICE '%: % done', task, done || coalesce(' of ' || total, '');
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_progress(text, bigint, bigint) IS
    'Says how far a long call is: a NOTICE to the caller, and application_name in pg_stat_activity for everybody else until the transaction ends. total NULL: not known.';
