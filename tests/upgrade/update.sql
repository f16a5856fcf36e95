-- ALTER EXTENSION UPDATE, and which of the tables that were there it has read from end to end or written anew:
-- whoever uses them waits that long. What is filled by the update itself is small.
\pset format unaligned
\pset tuples_only on
BEGIN;
ALTER EXTENSION mindmeasure UPDATE;
SELECT k.name, CASE WHEN k.file <> pg_relation_filenode(k.oid) THEN 'rewritten' ELSE 'scanned' END
FROM kept.files AS k LEFT JOIN pg_stat_xact_user_tables AS s ON s.relid = k.oid
WHERE k.name !~ '(mm_models|mm_schema_migrations)$' AND (s.seq_scan > 0 OR k.file IS DISTINCT FROM pg_relation_filenode(k.oid));
COMMIT;
