-- After an update: rows that are gone, have changed or have come, by their earlier columns. Prints nothing
-- where all is as before; the ledger and the models may gain rows.
CREATE FUNCTION pg_temp.differences() RETURNS TABLE (relation text, what text, line jsonb) LANGUAGE plpgsql AS $$
DECLARE
    kept record;
    present text;
BEGIN
    FOR kept IN SELECT * FROM kept.relations ORDER BY name LOOP
        present := format('SELECT (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(x)) WHERE key = ANY (%L)) AS line FROM %s AS x', kept.columns, kept.name);
        RETURN QUERY EXECUTE format('SELECT %L::text, %L::text, line FROM (SELECT line FROM %s EXCEPT ALL (%s)) AS gone', kept.name, 'gone', kept.copy, present);
        CONTINUE WHEN kept.name ~ '\.(mm_schema_migrations|mm_models)$';
        RETURN QUERY EXECUTE format('SELECT %L::text, %L::text, line FROM ((%s) EXCEPT ALL SELECT line FROM %s) AS come', kept.name, 'come', present, kept.copy);
    END LOOP;
END;
$$;
\pset format unaligned
\pset tuples_only on
SELECT * FROM pg_temp.differences();
