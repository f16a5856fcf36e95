-- Before an update: a copy of every row, to hold against what is there afterwards.
SET client_min_messages = warning;
CREATE SCHEMA kept;
DO $$
DECLARE
    relation record;
BEGIN
    CREATE TABLE kept.relations (name text PRIMARY KEY, copy text NOT NULL, columns name[] NOT NULL);
    FOR relation IN
        SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, format('kept.%I', n.nspname || ' ' || c.relname) AS copy
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        -- Of a partitioned table the whole: an update may move rows between its partitions.
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'kept')
    LOOP
        EXECUTE format('CREATE TABLE %s AS SELECT to_jsonb(x) AS line FROM %s AS x', relation.copy, relation.name);
        INSERT INTO kept.relations
        SELECT relation.name, relation.copy, array_agg(a.attname) FROM pg_attribute AS a WHERE a.attrelid = relation.oid AND a.attnum > 0 AND NOT a.attisdropped;
    END LOOP;
END;
$$;
-- A rewritten table gets another file.
CREATE TABLE kept.files AS
SELECT c.oid, c.oid::regclass::text AS name, pg_relation_filenode(c.oid) AS file FROM pg_class AS c
WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema|kept)';
