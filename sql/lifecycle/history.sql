-- Writes row_history. What is recorded stands with that table (V008, V014); reading it is restore.sql.

-- src/history.rs
CREATE FUNCTION @extschema@.mm_record_new_rows() RETURNS trigger
    LANGUAGE c SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'mm_record_new_rows';
COMMENT ON FUNCTION @extschema@.mm_record_new_rows() IS
    'Trigger, once an INSERT: writes into row_history which rows are new. Arguments: the key column, id or session_id; derived, where what the owner writes is derived unless it restores.';

CREATE FUNCTION @extschema@.mm_record_history() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    -- A value is written in one way, whatever the session that changes it prefers: it is compared later.
    SET timezone = 'UTC' SET extra_float_digits = 1 SET intervalstyle = 'postgres' SET bytea_output = 'hex'
    AS $$
BEGIN
    -- Which column is the key is the trigger's argument. Each branch is planned for its own table only.
    CASE TG_OP || ' ' || TG_ARGV[0]
    WHEN 'UPDATE id' THEN
        INSERT INTO @extschema@.row_history (user_id, table_name, action, row_key, row_before)
        SELECT o.user_id, TG_TABLE_NAME, 'update', o.id, to_jsonb(o) FROM old_rows AS o;
    WHEN 'DELETE id' THEN
        INSERT INTO @extschema@.row_history (user_id, table_name, action, row_key, row_before)
        SELECT o.user_id, TG_TABLE_NAME, 'delete', o.id, to_jsonb(o) FROM old_rows AS o;
    -- session_outcomes. Derived ones come and go with the scores; a replay makes them anew.
    WHEN 'UPDATE session_id' THEN
        INSERT INTO @extschema@.row_history (user_id, table_name, action, row_key, row_before)
        SELECT o.user_id, TG_TABLE_NAME, 'update', o.session_id, to_jsonb(o) FROM old_rows AS o;
    WHEN 'DELETE session_id' THEN
        INSERT INTO @extschema@.row_history (user_id, table_name, action, row_key, row_before)
        SELECT o.user_id, TG_TABLE_NAME, 'delete', o.session_id, to_jsonb(o) FROM old_rows AS o WHERE NOT o.derived;
    END CASE;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_record_history() IS
    'Trigger, once an UPDATE or DELETE: writes into row_history what the rows were before. Argument: the key''s column, id or session_id.';

CREATE FUNCTION @extschema@.mm_history_begins() RETURNS timestamptz
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT greatest(
        (SELECT m.applied_at FROM @extschema@.mm_schema_migrations AS m WHERE m.version = 8),
        -- Where triggers were taken off for a while, it begins anew.
        (SELECT max(h.recorded_at) FROM @extschema@.row_history AS h
         WHERE h.user_id = '00000000-0000-0000-0000-000000000000' AND h.action = 'begin'),
        -- Old days are dropped: it is whole from the first day that is there.
        coalesce((SELECT min(p.from_time) FROM @extschema@.mm_time_partitions('@extschema@.row_history') AS p WHERE NOT p.is_default),
                 (SELECT min(h.recorded_at) FROM @extschema@.row_history AS h),
                 clock_timestamp()))
    $$;
COMMENT ON FUNCTION @extschema@.mm_history_begins() IS
    'The time from which row_history is whole: backup_restore_user_data() goes back as far as this.';
