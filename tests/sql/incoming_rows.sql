-- shape: flat
-- What comes with every row an application writes: its key, its history, its audit line, its CHECK. They are
-- written without plans (src/direct); what an INSERT would have to keep, they keep.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
CREATE FUNCTION pg_temp.person(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT format('00000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid $$;
CREATE FUNCTION pg_temp.session(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT format('10000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid $$;

-- partitions ------------------------------------------------------------------------------
-- given a day of history and a month of audit with partitions, one of them with its columns in another order
SELECT mm_time_partition('audit_log', 'month', now()) \g /dev/null
CREATE TABLE history_of_today (gone int, row_before jsonb, action text, other_keys uuid[] NOT NULL DEFAULT '{}', row_key uuid NOT NULL, table_name text NOT NULL, user_id uuid NOT NULL,
    transaction_at timestamptz NOT NULL DEFAULT now(), transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(), recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT row_history_action CHECK (action IN ('begin', 'insert', 'update', 'delete')), CONSTRAINT row_history_row_before CHECK ((action IN ('update', 'delete')) = (row_before IS NOT NULL)));
ALTER TABLE history_of_today DROP COLUMN gone, ALTER COLUMN action SET NOT NULL;
SELECT format('ALTER TABLE row_history ATTACH PARTITION history_of_today FOR VALUES FROM (%L) TO (%L)', now() - interval '1 h', now() + interval '1 day') \gexec

-- when two people's sessions come in one statement
SET LOCAL ROLE mindmeasure_system;
INSERT INTO assessment_sessions (id, user_id) SELECT pg_temp.session(n), pg_temp.person(n % 2) FROM generate_series(1, 5) AS n;
RESET ROLE;
-- then
SELECT results_eq($$ SELECT user_id, action, (SELECT array_agg(k ORDER BY k) FROM unnest(row_key || other_keys) AS k), transaction_id = pg_current_xact_id(), transaction_at = now()
                     FROM history_of_today WHERE table_name = 'assessment_sessions' ORDER BY user_id $$,
    $$ VALUES (pg_temp.person(0), 'insert', ARRAY[pg_temp.session(2), pg_temp.session(4)], true, true), (pg_temp.person(1), 'insert', ARRAY[pg_temp.session(1), pg_temp.session(3), pg_temp.session(5)], true, true) $$,
    'history has one row a person with all keys, in the partition of its day');
SELECT is((SELECT count(*) FROM row_history_default WHERE transaction_id = pg_current_xact_id()), 0::bigint, 'and none in the DEFAULT one');
SELECT results_eq($$ SELECT s.user_id, a.action, a.row_count, a.role_name = 'mindmeasure_system', a.session_role = session_user, a.txid = pg_current_xact_id(), a.actor IS NULL, a.actor_verified, a.application = current_setting('application_name'), a.columns IS NULL, a.detail IS NULL
                     FROM audit_log AS a JOIN audit_subjects AS s USING (subject) WHERE a.table_name = 'assessment_sessions' AND a.tableoid <> 'audit_log_default'::regclass ORDER BY s.user_id $$,
    $$ VALUES (pg_temp.person(0), 'INSERT', 2::bigint, true, true, true, true, false, true, true, true), (pg_temp.person(1), 'INSERT', 3::bigint, true, true, true, true, false, true, true, true) $$,
    'the audit has one line a person, in the partition of its month');
SELECT is((SELECT count(DISTINCT id) FROM audit_log), (SELECT count(*) FROM audit_log), 'each with an id of its own');
SELECT is((SELECT count(*) FROM session_keys AS k JOIN assessment_sessions AS s USING (id, user_id, created_at)), 5::bigint, 'and every session its key');

-- keys -------------------------------------------------------------------------------------
SELECT is(spec.error(statement, 'mindmeasure_system'), expected, what)
FROM (VALUES
    ('INSERT INTO assessment_sessions (id, user_id) VALUES (pg_temp.session(1), pg_temp.person(0))', '23505 id: a session with this id exists or has existed', 'an id that is taken is refused'),
    ('INSERT INTO assessment_sessions (id, user_id) SELECT pg_temp.session(9), pg_temp.person(n) FROM generate_series(0, 1) AS n', '23505 id: a session with this id exists or has existed', 'twice in one statement too'),
    ('INSERT INTO assessment_sessions (id, user_id) VALUES (NULL, pg_temp.person(0))', '23502 null value in column "id" of relation "session_keys" violates not-null constraint', 'no id is no key'),
    ('INSERT INTO assessment_sessions (user_id, created_at) VALUES (pg_temp.person(0), ''1960-01-01'')', '23514 created_at: must be a time from 1970 to 2199', 'the CHECK of session_keys holds'),
    ('INSERT INTO assessment_sessions (user_id) VALUES (NULL)', '23502 user_id: is missing', 'nobody has a session'),
    ('INSERT INTO text_analysis (session_id) VALUES (NULL)', '23503 session_id: there is no such session', 'no session has an analysis'),
    ('INSERT INTO text_analysis (session_id) VALUES (pg_temp.session(77))', '23503 session_id: there is no such session', 'nor one that there is not'),
    ('INSERT INTO text_analysis (session_id, user_id) VALUES (pg_temp.session(1), pg_temp.person(0))', '23503 user_id: is not the person of this session', 'nor another person''s')) AS c (statement, expected, what);
CREATE FUNCTION pg_temp.place(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    t text;
    c text;
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS t = TABLE_NAME, c = COLUMN_NAME;
    RETURN t || '.' || c;
END $$;
SELECT is(pg_temp.place('INSERT INTO text_analysis (session_id) VALUES (pg_temp.session(77))'), 'text_analysis.session_id', 'an error says in which table and column');

-- given a trigger that somebody has put on session_keys
CREATE FUNCTION pg_temp.no_tens() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = pg_temp.session(10) THEN RAISE EXCEPTION 'no tens' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$;
CREATE TRIGGER no_tens BEFORE INSERT ON session_keys FOR EACH ROW EXECUTE FUNCTION pg_temp.no_tens();
SELECT is(spec.error('INSERT INTO assessment_sessions (id, user_id) VALUES (pg_temp.session(10), pg_temp.person(0))', 'mindmeasure_system'), '23514 no tens', 'it is asked');

-- one CHECK a row --------------------------------------------------------------------------
SELECT is(spec.error(statement), expected, statement)
FROM (VALUES
    ('SELECT mm_valid_row(''a: mood, b: 3, c: 0..100'', NULL::jsonb, NULL::text, NULL::numeric)', '1 rows'),
    ('SELECT mm_valid_row(''a: mood, b: 3, c: 0..100'', NULL::jsonb, ''äöü''::text, 100.0)', '1 rows'),
    ('SELECT mm_valid_row(''b: 3'', ''äöüx''::text)', '23514 b: must be at most 3 characters'),
    ('SELECT mm_valid_row(''b: 3 or sealed'', ''äöüx''::text)', '23514 b: must be at most 3 characters'),
    ('SELECT mm_valid_row(''c: 0..100'', 100.0000000000000000000000001)', '23514 c: must be a number from 0 to 100'),
    ('SELECT mm_valid_row(''c: 0..100'', ''NaN''::numeric)', '23514 c: must be a number from 0 to 100'),
    ('SELECT mm_valid_row(''c: 0..100'', -1::numeric)', '23514 c: must be a number from 0 to 100'),
    ('SELECT mm_valid_row(''a: mood'', ''[]''::jsonb)', '23514 a: must be of type object'),
    ('SELECT mm_valid_row(''a: nothing'', ''[]''::jsonb)', '42704 name: there is no JSON Schema nothing'),
    ('SELECT mm_valid_row(NULL, ''x''::text)', '22004 rules: is missing')) AS c (statement, expected);
SELECT is_empty($$ SELECT s FROM unnest(ARRAY['5', '5::bigint', '''x''::text', '5::numeric', '''{}''::text[]']) AS v, format('SELECT mm_valid_row(''a: mood'', %s)', v) AS s WHERE spec.error(s) NOT LIKE '22023 rules: %' $$,
    'a value of another type than its rule is for is refused, never read');
SELECT is_empty($$ SELECT s FROM unnest(ARRAY['''b: 3, c: 3'', ''x''::text', '''b: 3'', ''x''::text, ''y''::text', ''''', ''x''::text', '''c: x..y'', 5::numeric', '''b: 3'', VARIADIC ARRAY[''x'']']) AS v, format('SELECT mm_valid_row(%s)', v) AS s WHERE spec.error(s) NOT LIKE '22023 rules: %' $$,
    'rules that are no rules, too few or too many are refused');

SELECT * FROM finish();
ROLLBACK;
