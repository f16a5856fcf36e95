-- mm_export_user() and mm_import_user(): everything held on a person, out and in again, identical.
-- Each statement commits: the database is this file's own.
SET client_min_messages = warning;
SELECT * FROM no_plan();
\ir lib/lives.psql

-- given values and columns that are easily lost
ALTER TABLE profiles ADD COLUMN a_number numeric, ADD COLUMN a_document jsonb DEFAULT '{"by": "default"}', ADD COLUMN a_text json, ADD COLUMN bytes bytea,
    ADD COLUMN a_time timestamptz, ADD COLUMN twice numeric GENERATED ALWAYS AS (a_number * 2) STORED, ADD COLUMN "Odd ""Name" text[], ADD COLUMN a_span interval;
ALTER TABLE assessment_sessions ADD COLUMN a_float float8;
CREATE TYPE public.pair AS (a int, b text);
ALTER TABLE session_insights ADD COLUMN a_pair public.pair;
UPDATE profiles SET a_number = 1.230000000000000000000000000001, a_document = 'null', a_text = '{ "b":1,"a":2 }', bytes = '\x00ff', a_time = 'infinity',
    "Odd ""Name" = ARRAY['a,b', NULL, '"', '{}'], a_span = '1 mon -2 days 03:04:05.000006' WHERE user_id = pg_temp.ann();
UPDATE profiles SET a_document = NULL WHERE user_id = pg_temp.ben();
UPDATE assessment_sessions SET a_float = CASE WHEN id = pg_temp.session_id(1, 5) THEN 'NaN' WHEN id = pg_temp.session_id(1, 6) THEN '-Infinity' ELSE 0.1 + 0.2 END;
UPDATE session_insights SET a_pair = (1, 'x,"y"');
UPDATE profiles SET updated_at = updated_at WHERE user_id = pg_temp.ann();

CREATE TEMP TABLE was AS SELECT * FROM pg_temp.rows(pg_temp.ann());
CREATE TEMP TABLE others AS SELECT * FROM pg_temp.rows(pg_temp.ann(), false);
SELECT cmp_ok((SELECT count(*) FROM was WHERE rows > 0), '>=', 15::bigint, 'given Ann with rows in every table');

-- when she is exported, under settings of the session that must not matter
SET timezone = 'Asia/Kathmandu'; SET datestyle = 'SQL, DMY'; SET intervalstyle = 'sql_standard'; SET extra_float_digits = -5; SET bytea_output = 'escape';
CREATE TABLE document AS SELECT mm_export_user(pg_temp.ann()) AS d;
RESET ALL;
SET client_min_messages = warning;
SET extra_float_digits = 1;
SELECT is((SELECT d ->> 'user_id' FROM document), pg_temp.ann()::text, 'the document says of whom it is');
SELECT is((SELECT (d -> 'schema_version')::int FROM document), (SELECT max(version) FROM mm_schema_migrations), 'of what schema');
SELECT is((SELECT d ->> 'extension_version' FROM document), (SELECT extversion FROM pg_extension WHERE extname = 'mindmeasure'), 'of what version');
SELECT ok((SELECT (d ->> 'exported_at')::timestamptz BETWEEN now() - interval '1 min' AND clock_timestamp() FROM document), 'and of when');
SELECT set_eq($$ SELECT t.key, jsonb_array_length(t.value)::bigint FROM document, jsonb_each(d -> 'tables') AS t $$, 'SELECT relation, rows FROM was WHERE rows > 0', 'every row of every table is in it, the archive and history too');
SELECT is((SELECT d #> '{tables,profiles,0,a_number}' FROM document)::text, '1.230000000000000000000000000001', 'a number to its last digit');
SELECT matches((SELECT d #>> '{tables,assessment_sessions,0,created_at}' FROM document), '\.\d{6}\+00:00$', 'a time to the microsecond, with its zone');
SELECT is((SELECT count(*) FROM mm_export_user_rows(pg_temp.ann())), (SELECT sum(rows)::bigint FROM was), 'row by row it is the same');

-- then she goes, and comes back from the document
CREATE FUNCTION pg_temp.take_away(person uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE t text;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR t IN SELECT relation FROM pg_temp.rows(person) LOOP EXECUTE format('DELETE FROM %s WHERE user_id = $1', t) USING person; END LOOP;
    SET LOCAL session_replication_role = origin;
END $$;
SELECT throws_ok('SELECT mm_import_user(d) FROM document', '23505', 'document.user_id: rows of this person are here already', 'not while she is there');
SELECT pg_temp.take_away(pg_temp.ann()) \gset
SELECT is((SELECT sum(rows) FROM pg_temp.rows(pg_temp.ann())), 0::numeric, 'given nothing of her is left');
SET timezone = 'America/Caracas'; SET datestyle = 'Postgres, MDY'; SET intervalstyle = 'iso_8601';
CREATE TEMP TABLE imported AS SELECT mm_import_user(d) AS rows FROM document;
RESET timezone; RESET datestyle; RESET intervalstyle;
SELECT is((SELECT rows FROM imported), (SELECT sum(rows)::bigint FROM was), 'mm_import_user() stores as many rows');
SELECT results_eq('SELECT * FROM pg_temp.rows(pg_temp.ann())', 'SELECT * FROM was', 'and every table has the very same rows: keys, times, scores, history');
SELECT results_eq('SELECT * FROM pg_temp.rows(pg_temp.ann(), false)', 'SELECT * FROM others', 'nobody else''s have changed');
SELECT is((SELECT (d - 'exported_at') = (mm_export_user(pg_temp.ann()) - 'exported_at') FROM document), true, 'exported again it is the same document');
SELECT is((SELECT count(*) FROM mm_fuse_session(pg_temp.session_id(1, 12), true)), 1::bigint, 'scoring goes on');

-- a column that has come since takes its default
SELECT pg_temp.take_away(pg_temp.ann()) \gset
ALTER TABLE profiles ADD COLUMN young int NOT NULL DEFAULT 7;
SELECT mm_import_user(d) AS rows FROM document \gset
SELECT is((SELECT young FROM profiles WHERE user_id = pg_temp.ann()), 7, 'a column that the document does not know takes its default');
SELECT is((SELECT format('%s %s', a_document, a_document IS NULL) FROM profiles WHERE user_id = pg_temp.ann()), 'null f', 'JSON null stays JSON null');
SELECT pg_temp.take_away(pg_temp.ann()) \gset

-- documents that are refused, each with nothing stored
CREATE FUNCTION pg_temp.refusal(document jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM mm_import_user(document);
    RETURN 'stored';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT is(pg_temp.refusal(c.document), c.wanted, c.wanted) FROM document, LATERAL (VALUES
    (NULL::jsonb, '22023 document: is not what mm_export_user() gives'),
    ('[]', '22023 document: is not what mm_export_user() gives'),
    ('"x"', '22023 document: is not what mm_export_user() gives'),
    (d - 'tables', '22023 document: is not what mm_export_user() gives'),
    (d || '{"format_version": 2}', '22023 document.format_version: must be 1'),
    (d || '{"format_version": "1"}', '22023 document.format_version: must be 1'),
    (d || '{"schema_version": 9999}', '22023 document.schema_version: must be that of this database or older'),
    (d || '{"schema_version": null}', '22023 document.schema_version: must be that of this database or older'),
    (d || '{"user_id": "me"}', '22023 document.user_id: must be a UUID'),
    (d || '{"user_id": "00000000-0000-4000-8000-000000000009"}', '22023 document.tables.assessment_sessions.user_id: must be document.user_id in every row'),
    (jsonb_set(d, '{tables,nowhere}', '[{}]'), '22023 document.tables.nowhere: there is no such table here'),
    (jsonb_set(d, '{tables,mm_models}', '[]'), '22023 document.tables.mm_models: there is no such table here'),
    (jsonb_set(d, '{tables,erasure_log}', '[]'), '22023 document.tables.erasure_log: there is no such table here'),
    (jsonb_set(d, '{tables,profiles}', '{}'), '22023 document.tables.profiles: must be an array of objects'),
    (jsonb_set(d, '{tables,profiles,0}', '1'), '22023 document.tables.profiles: must be an array of objects'),
    (jsonb_set(d, '{tables,profiles,0,unheard}', '1'), '22023 document.tables.profiles.unheard: there is no such column here'),
    (jsonb_set(d, '{columns,profiles}', '1'), '22023 document.columns.profiles: must be an array of names'),
    (jsonb_set(d, '{tables,session_insights,0,id}', d #> '{tables,session_insights,1,id}'), '23505 document.tables.session_insights: an id belongs to a row that is here already'),
    (jsonb_set(d, '{tables,profiles,0,id}', (SELECT to_jsonb(id) FROM profiles WHERE user_id = pg_temp.ben())), '23505 document.tables.profiles: an id belongs to a row that is here already'),
    (jsonb_set(d, '{tables,session_keys,0,id}', to_jsonb(pg_temp.session_id(2, 1))), '23505 document.tables.session_keys: an id belongs to a row that is here already'),
    (jsonb_set(d, '{tables,text_analysis,0,text_wellness_score}', '101'), '23514 text_wellness_score: must be a number from 0 to 100')) AS c (document, wanted);
SELECT is((SELECT sum(rows) FROM pg_temp.rows(pg_temp.ann())), 0::numeric, 'and nothing of them was stored');

-- who may
SELECT mm_import_user(d) AS rows FROM document \gset
GRANT SELECT ON document TO mindmeasure_user;
CREATE FUNCTION pg_temp.as_user(person uuid, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
    PERFORM set_config('request.jwt.claim.sub', coalesce(person::text, ''), true), set_config('role', 'mindmeasure_user', true);
    EXECUTE statement INTO answer;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
SELECT is(pg_temp.as_user(pg_temp.ann(), $$ SELECT jsonb_array_length(mm_export_user('00000000-0000-4000-8000-000000000001') #> '{tables,audio_analysis}') > 0 $$), 'true', 'a person exports themself, with what was found in their voice');
SELECT is(pg_temp.as_user(pg_temp.ben(), $$ SELECT mm_export_user('00000000-0000-4000-8000-000000000001') $$), '42501', 'and nobody else');
SELECT is(pg_temp.as_user(pg_temp.ben(), $$ SELECT count(*) FROM mm_export_user_rows('00000000-0000-4000-8000-000000000001') $$), '42501', 'nor row by row');
SELECT is(pg_temp.as_user(NULL, $$ SELECT mm_export_user('00000000-0000-4000-8000-000000000001') $$), '42501', 'nobody exports anybody');
SELECT is(pg_temp.as_user(pg_temp.ann(), 'SELECT mm_export_user(NULL)'), '22004', 'NULL is refused');
SELECT is(pg_temp.as_user(pg_temp.ann(), 'SELECT mm_import_user(d) FROM document'), '42501', 'a user imports nobody');
SELECT is((SELECT mm_export_user('00000000-0000-4000-8000-00000000dead') -> 'tables'), '{}'::jsonb, 'of somebody unknown there is nothing');

-- an erased person
SELECT count(*) FROM mm_erase_user(pg_temp.ann(), 'test') \gset
SELECT is((SELECT pg_temp.refusal(d) FROM document), 'MM004 document.user_id: the person has been erased', 'an erased person is not imported');
SELECT * FROM finish();
