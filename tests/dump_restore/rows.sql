-- One line a table: how many rows, and a hash of them all. The place of a column does not count.
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION pg_temp.rows() RETURNS TABLE (relation text, rows bigint, hash text) LANGUAGE plpgsql AS $$
BEGIN
    FOR relation IN
        SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1
    LOOP
        RETURN QUERY EXECUTE format('SELECT %L::text, count(*), md5(string_agg(to_jsonb(x)::text, chr(10) ORDER BY to_jsonb(x)::text)) FROM %s AS x', relation, relation);
    END LOOP;
END;
$$;
SELECT * FROM pg_temp.rows();
