-- One line a table: its name, how many rows, and a sum of hashes that does not
-- depend on their order. Tables of extensions are left out, as pg_dump does.
-- Variable `excluded`: object ids, with commas between them; 0 for none.
-- To be run inside a transaction: the text of a value depends on these.
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL IntervalStyle = 'postgres';
SET LOCAL bytea_output = 'hex';
SET LOCAL extra_float_digits = 1;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL row_security = off;
SELECT format(
    'SELECT %L, count(*), coalesce(sum(hashtextextended(row::text, 0)), 0) FROM ONLY %s AS row',
    relation, relation)
FROM (
    SELECT format('%I.%I', n.nspname, c.relname) AS relation
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (
          SELECT FROM pg_depend AS d
          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
      AND c.oid NOT IN (:excluded)
) AS tables
ORDER BY relation
\gexec
