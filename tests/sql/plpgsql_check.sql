-- plpgsql_check finds nothing in any of our PL/pgSQL functions: a trigger's with each table it is on.
LOAD 'plpgsql_check';
BEGIN;
SELECT * FROM no_plan();
CREATE EXTENSION plpgsql_check;

CREATE TEMP VIEW ours AS
    SELECT p.oid, p.prorettype FROM pg_proc AS p
    JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'mindmeasure'
    WHERE p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'plpgsql');
CREATE TEMP VIEW checked AS
    SELECT o.oid::regprocedure::text AS function, 0::oid AS relation FROM ours AS o
    WHERE o.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
    UNION
    SELECT o.oid::regprocedure::text, t.tgrelid FROM ours AS o JOIN pg_trigger AS t ON t.tgfoid = o.oid
    UNION
    SELECT o.oid::regprocedure::text, 0::oid FROM ours AS o WHERE o.prorettype = 'event_trigger'::regtype;

-- Each with the transition tables that its triggers on the table give it between them.
CREATE FUNCTION pg_temp.findings(function text, relation oid) RETURNS SETOF text LANGUAGE sql
    AS $$
    SELECT format('line %s: %s %s %s', c.lineno, c.level, c.sqlstate, c.message)
    FROM (SELECT max(t.tgoldtable) AS old, max(t.tgnewtable) AS new FROM pg_trigger AS t WHERE t.tgfoid = function::regprocedure AND t.tgrelid = relation) AS t
    CROSS JOIN LATERAL plpgsql_check_function_tb(funcoid => function::regprocedure, relid => relation, oldtable => t.old, newtable => t.new,
        fatal_errors => false, other_warnings => true, extra_warnings => true, performance_warnings => false, security_warnings => false) AS c
    $$;

-- What it cannot know.
CREATE TEMP TABLE allowed (function text, finding text, reason text);
INSERT INTO allowed VALUES
    ('mm_(un)?schedule_jobs', 'cron', 'pg_cron is not in this database'),
    ('mm_record_history', '42703 column [no]\.\w+ does not exist|42P01 relation "(old|new)_rows"', 'one function for many tables: a branch is for those that have the column'),
    ('mm_uninstall', 'mm_detached', 'a table it makes'),
    ('mm_repeat_erasures', 'dynamic SQL|"again"', 'a record that dynamic SQL fills'),
    ('.', '42804 target type is different type than source type', 'an assignment that casts'),
    ('.', 'OUT variable "\w+" is maybe unmodified', 'RETURN QUERY gives the rows'),
    ('.', 'control reached end of function without RETURN', 'behind a RAISE or a loop that returns');

SELECT is_empty(format('SELECT f FROM pg_temp.findings(%L, %s) AS f WHERE NOT EXISTS (SELECT FROM allowed AS a WHERE %L ~ a.function AND f ~ a.finding)', function, relation, function),
    format('%s%s', function, CASE WHEN relation <> 0 THEN ' on ' || relation::regclass END))
FROM checked ORDER BY function, relation;

SELECT isnt_empty('SELECT FROM checked WHERE relation = 0', 'functions have been checked');
SELECT is_empty($$SELECT oid::regprocedure FROM ours WHERE oid::regprocedure::text NOT IN (SELECT function FROM checked)$$, 'and no function of ours is left out');
-- It would find something.
CREATE FUNCTION broken() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT nothing FROM profiles); END $$;
SELECT isnt_empty($$SELECT pg_temp.findings('broken()', 0)$$, 'a broken function is found');
SELECT * FROM finish();
ROLLBACK;
