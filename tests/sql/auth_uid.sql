-- database: bare
-- auth.uid(): made where it is missing, brought up to date where it is the one that 1.0 made, and left
-- alone where it is anybody else's.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
CREATE FUNCTION spec.after_create(body text) RETURNS text LANGUAGE plpgsql
    AS $$
DECLARE
    result text;
BEGIN
    EXECUTE 'CREATE SCHEMA auth';
    IF body IS NOT NULL THEN
        EXECUTE format('CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS %L', body);
        EXECUTE 'COMMENT ON FUNCTION auth.uid() IS ''Made by mindmeasure because it was missing.''';
    END IF;
    EXECUTE 'CREATE EXTENSION mindmeasure';
    SELECT concat_ws(' ', l.lanname, p.provolatile, p.proparallel, CASE WHEN p.proconfig IS NULL THEN '-' ELSE 'set' END,
               EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'),
               has_function_privilege('mindmeasure_user', p.oid, 'EXECUTE'), obj_description(p.oid) ~ 'mm_set_identity')
    INTO result FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang WHERE p.oid = 'auth.uid()'::regprocedure;
    RAISE EXCEPTION 'take it back' USING ERRCODE = 'SPEC0';
EXCEPTION
    WHEN SQLSTATE 'SPEC0' THEN RETURN result;
END;
$$;
SELECT is(spec.after_create(NULL), 'c s r - f t t', 'a missing one is made: in C, STABLE, PARALLEL RESTRICTED, not the extension''s own');
SELECT is(spec.after_create($$
                SELECT nullif(coalesce(
                    nullif(current_setting('request.jwt.claim.sub', true), ''),
                    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'), '')::uuid
            $$), 'c s r - f t t', 'the one that 1.0 made becomes the same');
SELECT is(spec.after_create($$ SELECT nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$), 'sql s s set f t f', 'one of anybody else is left alone, whatever its comment says');

CREATE EXTENSION mindmeasure;
CREATE FUNCTION spec.cost() RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; lines text := '';
BEGIN
    PERFORM set_config('role', 'mindmeasure_user', true);
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) SELECT * FROM assessment_sessions' LOOP lines := lines || line || E'\n'; END LOOP;
    PERFORM set_config('role', 'none', true);
    RETURN lines;
END $$;
SELECT matches(spec.cost(), 'InitPlan 1', 'a policy asks it once a query');
-- Queries in which it stands may still be answered in parallel.
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL enable_indexscan = off;
SET LOCAL enable_bitmapscan = off;
SELECT matches(spec.cost(), 'Gather', 'and lets the query run in parallel');
SELECT is(spec.say('SELECT auth.uid()', 'mindmeasure_user', spec.alice()), spec.alice()::text, 'it says whom the claims name');
-- One backend serves many people, and remembers the claims that it has read.
CREATE FUNCTION spec.uid(claims text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.jwt.claims', claims, true);
    RETURN coalesce(auth.uid()::text, 'nobody');
EXCEPTION WHEN invalid_text_representation THEN RETURN 'refused';
END $$;
CREATE FUNCTION spec.sub(person text) RETURNS text LANGUAGE sql RETURN json_build_object('sub', person)::text;
SELECT results_eq(
    $$SELECT spec.uid(claims) FROM unnest(ARRAY[spec.sub(spec.alice()::text), spec.sub(spec.bob()::text), spec.sub(spec.alice()::text),
        '{', '{', spec.sub(spec.alice()::text), spec.sub('x'), '{}', '{}', spec.sub(spec.bob()::text), '']) WITH ORDINALITY AS c (claims, n) ORDER BY n$$,
    ARRAY[spec.alice()::text, spec.bob()::text, spec.alice()::text, 'refused', 'refused', spec.alice()::text, 'refused', 'nobody', 'nobody', spec.bob()::text, 'nobody'],
    'it says whom the present claims name, whatever was asked before');
SELECT is(spec.uid((jsonb_build_object('sub', spec.alice(), 'more', repeat('x', 5000)))::text), spec.alice()::text, 'long ones, too');
SET LOCAL mindmeasure.require_verified_identity = on;
SELECT is(spec.say('SELECT auth.uid()', 'mindmeasure_user', spec.alice()), NULL, 'and nobody where verification is required');
SELECT is(spec.error('SELECT mm_set_identity(''x'')', 'mindmeasure_user'), '55000 mindmeasure.jwt_keys_file is not set', 'without keys no token is taken');
SELECT * FROM finish();
ROLLBACK;
