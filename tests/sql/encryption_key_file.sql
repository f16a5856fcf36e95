-- The key file: what it may be, what happens where it cannot be used, and rotation.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/encryption.psql
SELECT spec.encryption_on();
SELECT is(spec.act('INSERT INTO assessment_sessions (id, user_id, reflection_notes) VALUES (spec.alice(), spec.alice(), ''before'')', 'spec_worker'), 1::bigint, 'given a person who has written');
CREATE FUNCTION spec.reading() RETURNS text LANGUAGE sql AS $$ SELECT spec.error('SELECT reflection_notes FROM assessment_sessions_clear', 'spec_worker') $$;
CREATE FUNCTION spec.writing() RETURNS text LANGUAGE sql AS $$ SELECT spec.error('INSERT INTO assessment_sessions (user_id, reflection_notes) VALUES (spec.alice(), ''marker-4711'')', 'spec_worker') $$;
SELECT is(spec.reading(), '1 rows', 'it opens');

-- when the file is not what it must be: nothing is written, nothing is read, and both say why
CREATE FUNCTION spec.with_file(lines text[], mode text, expected text, name text) RETURNS SETOF text LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM spec.write_key_file(lines, mode);
    RETURN NEXT is(spec.writing(), 'MM020 mindmeasure.key_file: ' || expected, name || ': writing is refused');
    RETURN NEXT is(spec.reading(), 'MM020 mindmeasure.key_file: ' || expected, name || ': so is reading');
END;
$$;
SELECT spec.with_file('{}', '600', 'it holds no key', 'an empty file');
SELECT spec.with_file(ARRAY[spec.key('a')], '640', 'others have access to it', 'a file the group can read');
SELECT spec.with_file(ARRAY[spec.key('a')], '604', 'others have access to it', 'a file the world can read');
SELECT spec.with_file(ARRAY[spec.key('a')], '620', 'others have access to it', 'a file the group can write');
SELECT spec.with_file(ARRAY[spec.key('a')], '000', 'it cannot be read: permission denied', 'a file nobody can read');
SELECT spec.with_file(ARRAY[spec.key('a'), spec.key('a')], '600', 'line 2 repeats an id or a key', 'a repeated id');
SELECT spec.with_file(ARRAY['a 12'], '600', 'line 1 is not an id and 64 hexadecimal digits', 'a short key');
SELECT spec.with_file(ARRAY['a ' || repeat('0', 64)], '600', 'line 1: the key is not random', 'a key of zeros');
SELECT spec.with_file(array_fill('# ' || repeat('x', 1000), ARRAY[300]), '600', 'it is larger than 256 kB', 'a huge file');
SELECT spec.write_key_file(ARRAY[spec.key('a')]);
SELECT is(spec.reading(), '1 rows', 'when it is right again, it is read again');

CREATE FUNCTION spec.at_path(path text, expected text, name text) RETURNS text LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM set_config('mindmeasure.key_file', path, true);
    RETURN is(spec.writing(), 'MM020 mindmeasure.key_file: ' || expected, name);
END;
$$;
SELECT spec.at_path(spec.key_file_path() || '.none', 'it cannot be read: entity not found', 'a missing file');
SELECT spec.at_path('/', 'it is not a file', 'a directory');
SELECT spec.at_path('/dev/null', 'it is not a file', 'a device');
SELECT spec.at_path('PG_VERSION', 'it is not an absolute path', 'a relative path');
SELECT spec.at_path(current_setting('data_directory') || '/PG_VERSION', 'it lies in the data directory, and so in every backup', 'a file in the data directory');
SELECT is((SELECT count(*) FROM assessment_sessions), 1::bigint, 'nothing of all this was stored');
SELECT is(spec.outcome('UPDATE assessment_sessions SET status = ''failed''', 'spec_worker'), '1', 'what is not encrypted can still be written');
SELECT set_config('mindmeasure.key_file', spec.key_file_path(), true);

-- whose setting it is
SELECT is(spec.outcome('SET LOCAL mindmeasure.key_file = ''''', who), 'refused', who || ' cannot turn encryption off') FROM unnest('{spec_app,spec_worker}'::text[]) AS who;
SELECT is(spec.outcome('SHOW mindmeasure.key_file', 'spec_worker'), 'refused', 'nor see where the keys are');

-- a key that is lost
SELECT spec.write_key_file(ARRAY[spec.key('b')]);
SELECT is(spec.reading(), 'MM021 mindmeasure.key_file: the key a is missing', 'when the key is taken out too early, nothing opens');
SELECT is(spec.writing(), 'MM021 mindmeasure.key_file: the key a is missing', 'and the person writes nothing');
SELECT is(spec.outcome('INSERT INTO assessment_sessions (user_id, reflection_notes) VALUES (spec.bob(), ''x'')', 'spec_worker'), '1', 'somebody new does, under the new key');
SELECT results_eq('SELECT * FROM mm_rotate_keys()', 'VALUES (0::bigint, 1::bigint)', 'rotation says that one key remains');
SELECT spec.write_key_file(ARRAY['a ' || encode(sha256('another'), 'hex')]);
SELECT matches(spec.reading(), '^MM021 user_keys.wrapped: does not open', 'another key of the same id opens nothing');

-- rotation
SELECT spec.write_key_file(ARRAY[spec.key('a'), spec.key('b')]);
INSERT INTO assessment_sessions (id, user_id, reflection_notes) VALUES (spec.bob(), spec.bob(), 'under b');
SELECT results_eq('SELECT user_id, wrapped_by FROM user_keys ORDER BY wrapped_by', 'VALUES (spec.alice(), ''a''), (spec.bob(), ''b'')', 'the last key of the file is the active one');
CREATE TABLE spec.before AS SELECT s.*, s.ctid AS place FROM assessment_sessions AS s;
SELECT results_eq('SELECT * FROM mm_rotate_keys()', 'VALUES (1::bigint, 0::bigint)', 'rotation rewraps what is under another');
SELECT is(current_setting('application_name'), 'mindmeasure: rotate keys 1/1', 'and shows everybody how far it is');
SELECT is((SELECT string_agg(DISTINCT wrapped_by, ',') FROM user_keys), 'b', 'all keys are under the active one');
SELECT is((SELECT count(*) FROM assessment_sessions AS s JOIN spec.before AS b ON s.ctid = b.place), 2::bigint, 'no row of data was written');
SELECT results_eq('SELECT * FROM mm_rotate_keys()', 'VALUES (0::bigint, 0::bigint)', 'again there is nothing to do');
SELECT spec.write_key_file(ARRAY[spec.key('b')]);
SELECT is((SELECT string_agg(reflection_notes, ',' ORDER BY reflection_notes) FROM assessment_sessions_clear), 'before,under b', 'the old key can leave the file');
SELECT spec.write_key_file(ARRAY[spec.key('b'), spec.key('c')]);
INSERT INTO assessment_sessions (user_id, reflection_notes) SELECT gen_random_uuid(), 'x' FROM generate_series(1, 5);
SELECT results_eq('SELECT * FROM mm_rotate_keys(1)', 'VALUES (1::bigint, 1::bigint)', 'a batch is as large as it is told to be');
UPDATE user_keys SET wrapped = set_byte(wrapped, 40, 255 - get_byte(wrapped, 40)), wrapped_by = 'b' WHERE user_id = spec.alice();
UPDATE user_keys SET wrapped_by = 'never known' WHERE user_id = spec.bob();
INSERT INTO user_keys (user_id, kid, wrapped_by, wrapped) SELECT spec.carol(), 'AAAAAAAA', 'b', wrapped FROM user_keys WHERE user_id = spec.alice();
SELECT results_eq('SELECT * FROM mm_rotate_keys()', 'VALUES (0::bigint, 3::bigint)', 'damaged keys, and those of a lost key, are counted and hold up nobody');
SELECT matches(spec.error('SELECT * FROM mm_rotate_keys(0)', 'spec_worker'), '^22023 max_keys', 'a batch of none is refused');
SELECT matches(spec.error('SELECT * FROM mm_rotate_keys(NULL)', 'spec_worker'), '^22004 max_keys', 'and of NULL');

-- no error carries what was to be written
SELECT spec.write_key_file('{}');
SELECT ok((a.message || a.detail || a.hint || a.context) !~ 'marker-4711' AND a.hint <> '', 'an error has a hint, and no value')
FROM spec.attempt('INSERT INTO assessment_sessions (user_id, reflection_notes) VALUES (spec.alice(), $1)', 'spec_worker', NULL, 'marker-4711') AS a;

SELECT * FROM finish();
ROLLBACK;
