-- The *_clear views, made from the tables as they are: again after a column was added, or after another table
-- was put in the place of one (partitioning). A view that is there keeps its grants.
CREATE FUNCTION @extschema@.mm_create_clear_views() RETURNS SETOF text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    base record;
    view_name text;
    reader text;
BEGIN
    FOR base IN
        SELECT t.table_name, c.oid AS relation,
               (SELECT string_agg(
                           CASE WHEN p.column_name IS NULL THEN format('x.%I', a.attname)
                                ELSE format('@extschema@.mm_decrypt(%L, %L, x.id, x.user_id, x.%I) AS %I',
                                            t.table_name, a.attname, a.attname, a.attname) END,
                           ', ' ORDER BY a.attnum)
                FROM pg_attribute AS a
                LEFT JOIN @extschema@.mm_protected_columns() AS p ON p.table_name = t.table_name AND p.column_name = a.attname
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
        FROM (SELECT DISTINCT m.table_name FROM @extschema@.mm_protected_columns() AS m) AS t
        JOIN pg_class AS c ON c.relname = t.table_name AND c.relnamespace = '@extschema@'::regnamespace
        ORDER BY t.table_name
    LOOP
        view_name := format('@extschema@.%I', base.table_name || '_clear');
        -- The reader's own policies and grants decide, and mm_decrypt() asks once more whose values these are.
        EXECUTE format('CREATE OR REPLACE VIEW %s WITH (security_invoker = true) AS SELECT %s FROM @extschema@.%I AS x',
                       view_name, base.columns, base.table_name);
        EXECUTE format('COMMENT ON VIEW %s IS %L', view_name,
                       format('%s with its encrypted columns opened, for the person and the system role. Reads are audited.', base.table_name));
        FOREACH reader IN ARRAY ARRAY['mindmeasure_user', 'mindmeasure_system', 'mindmeasure_auditor'] LOOP
            IF has_table_privilege(reader, base.relation, 'SELECT') THEN
                EXECUTE format('GRANT SELECT ON %s TO %I', view_name, reader);
            END IF;
        END LOOP;
        RETURN NEXT view_name;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_create_clear_views() IS
    'Makes or renews the *_clear views of every table of mm_protected_columns(), with all columns that the table has now; returns their names. Owner of the tables.';
