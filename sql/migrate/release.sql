-- What a CREATE or ALTER EXTENSION made through mm_migrate() belongs to the database, not to the extension.
DO $release$
DECLARE
    member text;
BEGIN
    FOR member IN
        SELECT CASE o.type WHEN 'partitioned table' THEN 'table' ELSE o.type END || ' ' || o.identity
        FROM pg_depend AS d
        JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'mindmeasure'
        CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS o
        WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
          -- From PostgreSQL 17 on a table's types are members as well, and leave with it.
          AND (o.type IN ('table', 'partitioned table', 'view', 'sequence') OR o.schema = 'auth' AND o.type <> 'type' OR o.type = 'schema' AND o.identity = 'auth')
    LOOP
        EXECUTE 'ALTER EXTENSION mindmeasure DROP ' || member;
    END LOOP;
END
$release$;
