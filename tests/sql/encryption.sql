-- With a key file sensitive fields are stored sealed, whoever writes them, and only the person and the
-- system see what they hold. Without one nothing is different from before.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/documents.psql
\ir lib/encryption.psql
CREATE FUNCTION spec.s(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT format('5e551000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid $$;

-- without a key file -------------------------------------------------------------------------
SELECT is(spec.act('INSERT INTO assessment_sessions (id, mood_before, reflection_notes) VALUES (spec.s(1), spec.document(''mood''), ''open'')', 'spec_app', spec.alice()), 1::bigint, 'without a key file a user creates a session');
SELECT results_eq('SELECT mood_before, reflection_notes FROM assessment_sessions', 'SELECT spec.document(''mood''), ''open''', 'and it is stored as it is');
SELECT is(spec.say('SELECT reflection_notes FROM assessment_sessions_clear', 'spec_app', spec.alice()), 'open', 'the clear view shows it');
SELECT is((SELECT count(*) FROM user_keys), 0::bigint, 'no key is made');
SELECT is(mm_encryption_on(), false, 'mm_encryption_on() says no');
SELECT is(mm_conceal('session_insights', '{"notable_changes": "x"}'), '{"notable_changes": "x"}'::jsonb, 'mm_conceal() leaves a row as it is');
SELECT matches(spec.error('SELECT mm_encrypt(''text_analysis'', ''combined_text'', spec.s(1), spec.alice(), ''x'')', 'spec_app', spec.alice()), '^MM024 encryption is off', 'mm_encrypt() says that encryption is off');
SELECT matches(spec.error('SELECT * FROM mm_rotate_keys()', 'spec_worker'), '^MM024', 'so does mm_rotate_keys()');
SELECT matches(spec.error('UPDATE assessment_sessions SET reflection_notes = $1', 'spec_app', spec.alice(), 'mm_enc:1:AAAAAAAA:' || repeat('A', 32) || ':' || repeat('A', 22)), '^MM024', 'a sealed value that nobody could open is not stored');
SELECT matches(spec.error('UPDATE assessment_sessions SET mood_before = $1::jsonb', 'spec_app', spec.alice(), jsonb_build_object('mm_enc', 1, 'kid', 'AAAAAAAA', 'n', repeat('A', 32), 'c', repeat('A', 22))::text), '^MM024', 'nor is a document');

-- with a key file ----------------------------------------------------------------------------
SELECT spec.encryption_on();
-- a value of every protected column
CREATE FUNCTION spec.value_for(relation text, field text) RETURNS text LANGUAGE sql STABLE
    AS $$ SELECT CASE WHEN field LIKE 'mood%' THEN spec.document('mood')::text ELSE coalesce(spec.document(field)::text, 'what was said: ' || field) END $$;
CREATE FUNCTION spec.fill(relation text, id uuid, identity text) RETURNS bigint LANGUAGE plpgsql
    AS $$
DECLARE
    columns text;
    given text;
BEGIN
    SELECT string_agg(column_name, ', '), string_agg(quote_literal(spec.value_for(relation, column_name)), ', ') INTO columns, given FROM mm_protected_columns() WHERE table_name = relation;
    RETURN spec.act(format('INSERT INTO %I (id, %s, %s) VALUES (%L, %s, %s)', relation, split_part(identity, '=', 1), columns, id, split_part(identity, '=', 2), given), 'spec_worker');
END;
$$;
INSERT INTO session_keys VALUES (spec.s(9), spec.alice(), '2020-01-01');
SELECT is(spec.fill('assessment_sessions', spec.s(2), 'user_id=spec.alice()'), 1::bigint, 'the system stores a session with every field');
SELECT is(spec.fill('assessment_sessions_archive', spec.s(9), 'user_id, status, created_at, updated_at=spec.alice(), ''completed'', ''2020-01-01'', ''2020-01-01'''), 1::bigint, 'an archived one, into a partition of another name');
SELECT is(spec.fill(t, gen_random_uuid(), 'session_id=spec.s(2)'), 1::bigint, 'and one in ' || t) FROM unnest('{text_analysis,audio_analysis,visual_analysis,passive_analysis,session_insights}'::text[]) AS t;

CREATE FUNCTION spec.stored(relation text, field text) RETURNS text LANGUAGE plpgsql STABLE
    AS $$ DECLARE v text; BEGIN EXECUTE format('SELECT %I::text FROM %I WHERE id <> spec.s(1)', field, relation) INTO STRICT v; RETURN v; END; $$;
SELECT ok(CASE data_type WHEN 'jsonb' THEN mm_is_envelope(spec.stored(table_name, column_name)::jsonb) ELSE mm_is_envelope(spec.stored(table_name, column_name)) END, format('%s.%s is stored sealed', table_name, column_name))
FROM mm_protected_columns();
SELECT is(
    CASE data_type WHEN 'jsonb' THEN (spec.say(format('SELECT %I FROM %I WHERE id <> spec.s(1)', column_name, table_name || '_clear'), 'spec_worker')::jsonb)::text ELSE spec.say(format('SELECT %I FROM %I WHERE id <> spec.s(1)', column_name, table_name || '_clear'), 'spec_worker') END,
    CASE data_type WHEN 'jsonb' THEN spec.value_for(table_name, column_name)::jsonb::text ELSE spec.value_for(table_name, column_name) END,
    format('%s_clear.%s is what was written', table_name, column_name))
FROM mm_protected_columns();
SELECT is((SELECT count(DISTINCT n) FROM (SELECT spec.stored(table_name, column_name)::jsonb ->> 'n' AS n FROM mm_protected_columns() WHERE data_type = 'jsonb') AS x), (SELECT count(*) FROM mm_protected_columns() WHERE data_type = 'jsonb'), 'no nonce is used twice');
SELECT is((SELECT count(*) FROM user_keys), 1::bigint, 'a person has one key');
SELECT is((SELECT reflection_notes FROM assessment_sessions WHERE id = spec.s(1)), 'open', 'what was written before stays as it was');

-- what is protected is what the tables have
SELECT set_eq(
    $$ SELECT table_name, column_name, data_type FROM mm_protected_columns() $$,
    $$ SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL) FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
       WHERE c.relnamespace = 'public'::regnamespace AND c.relname ~ '^(assessment_sessions(_archive)?|.*_analysis|session_insights)$' AND c.relkind IN ('r', 'p')
         AND a.atttypid IN ('jsonb'::regtype, 'text'::regtype) AND a.attnum > 0 AND a.attname NOT IN ('status', 'category', 'assessment_type', 'failure_reason') $$,
    'every document and free text of sessions, analyses and insights is protected');

-- values ---------------------------------------------------------------------------------------
CREATE FUNCTION spec.kept(field text, given text) RETURNS text LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM spec.act(format('UPDATE assessment_sessions SET %I = %L WHERE id = spec.s(2)', field, given), 'spec_worker');
    RETURN spec.say(format('SELECT %I FROM assessment_sessions_clear WHERE id = spec.s(2)', field), 'spec_worker');
END;
$$;
SELECT is(spec.kept('reflection_notes', ''), '', 'an empty text is kept');
SELECT is((SELECT reflection_notes FROM assessment_sessions WHERE id = spec.s(2)) LIKE 'mm_enc:1:%', true, 'sealed');
SELECT is(spec.kept('reflection_notes', NULL), NULL, 'NULL is kept');
SELECT is(spec.kept('reflection_notes', E'ü\n\t🙂\\"'), E'ü\n\t🙂\\"', 'any character is kept');
SELECT is(spec.kept('reflection_notes', repeat('ü', 100000)), repeat('ü', 100000), 'the longest text is kept');
SELECT matches(spec.error(format('UPDATE assessment_sessions SET reflection_notes = %L WHERE id = spec.s(2)', repeat('x', 100001)), 'spec_worker'), '^23514 reflection_notes: must be at most 100000 characters', 'a longer one is refused');
SELECT is(spec.kept('mood_before', NULL), NULL, 'a document of NULL is kept');
SELECT is(spec.kept('text_data', format('{"a": 1e400, "b": 0.1000, "c": -0, "d": "\u0001", "e": %s}', to_json(repeat('x', 1000000)))), (format('{"a": 1e400, "b": 0.1000, "c": -0, "d": "\u0001", "e": %s}', to_json(repeat('x', 1000000)))::jsonb)::text, 'a document of 1 MB is kept to the last digit');
SELECT matches(spec.error(format('UPDATE assessment_sessions SET text_data = %L WHERE id = spec.s(2)', to_json(repeat('x', 1048576))), 'spec_worker'), '^23514 text_data: is larger than', 'a larger one is refused');
SELECT matches(spec.error('UPDATE assessment_sessions SET mood_before = ''{"energy_level": 11}''', 'spec_worker'), '^23514 mood_before\..*energy_level: must be at most 10', 'an invalid one is refused, with its paths');
SELECT is((spec.attempt('UPDATE assessment_sessions SET mood_before = ''{"energy_level": 4711}''', 'spec_worker')).message ~ '4711', false, 'and without its values');

-- a change of something else leaves what is sealed as it is
CREATE TABLE spec.before AS SELECT * FROM assessment_sessions WHERE id = spec.s(2);
UPDATE assessment_sessions SET category = 'other' WHERE id = spec.s(2);
SELECT results_eq('SELECT mood_before, text_data, reflection_notes FROM assessment_sessions WHERE id = spec.s(2)', 'SELECT mood_before, text_data, reflection_notes FROM spec.before', 'an UPDATE of another column seals nothing anew');
UPDATE assessment_sessions SET category = 'again' WHERE id = spec.s(1);
SELECT is((SELECT reflection_notes FROM assessment_sessions WHERE id = spec.s(1)), 'open', 'and leaves an open value open');

-- who sees what --------------------------------------------------------------------------------
SELECT is(spec.say('SELECT count(*) FROM assessment_sessions_clear', 'spec_app', spec.alice()), '2', 'a person sees their own sessions in the clear view');
SELECT is(spec.say('SELECT mood_after FROM assessment_sessions_clear WHERE id = spec.s(2)', 'spec_app', spec.alice())::jsonb, spec.document('mood'), 'opened');
SELECT is(spec.say('SELECT count(*) FROM assessment_sessions_clear', 'spec_app', spec.bob()), '0', 'another sees none');
SELECT is(spec.say('SELECT count(*) FROM assessment_sessions_clear', 'spec_app', NULL), '0', 'nor does a request without claims');
SELECT is(spec.outcome('SELECT FROM ' || t || '_clear', 'spec_app', spec.alice()), w, format('a user and %s_clear: %s', t, w))
FROM (VALUES ('assessment_sessions_archive', '1'), ('text_analysis', '1'), ('session_insights', '1'), ('audio_analysis', 'refused'), ('visual_analysis', 'refused'), ('passive_analysis', 'refused')) AS x (t, w);
SELECT is(spec.outcome(format('SELECT FROM %I', table_name || '_clear'), who), wanted, format('%s and %s_clear: %s', who, table_name, wanted))
FROM (SELECT DISTINCT table_name FROM mm_protected_columns()) AS t
-- An auditor sees rows only where the glass has been broken.
CROSS JOIN (VALUES ('spec_anon', 'refused'), ('spec_auditor', '0')) AS w (who, wanted);
SELECT is(spec.outcome(format('INSERT INTO %I DEFAULT VALUES', table_name || '_clear'), 'spec_worker'), 'refused', format('nobody writes through %s_clear', table_name)) FROM (SELECT DISTINCT table_name FROM mm_protected_columns()) AS t;

CREATE VIEW spec.by_a_dba WITH (security_invoker = true) AS SELECT * FROM assessment_sessions_clear;
CREATE VIEW spec.careless AS SELECT * FROM assessment_sessions_clear;
CREATE VIEW spec.direct AS SELECT mm_decrypt('assessment_sessions', 'mood_after', id, user_id, mood_after) AS mood_after FROM assessment_sessions;
GRANT SELECT ON spec.by_a_dba, spec.careless, spec.direct TO mindmeasure_user;
SELECT is(spec.outcome('SELECT FROM spec.by_a_dba', 'spec_app', spec.bob()), '0', 'a view made by a DBA with security_invoker shows another person no row');
SELECT is(spec.outcome('SELECT * FROM spec.by_a_dba', 'spec_app', spec.alice()), '2', 'and the person their own');
SELECT ok(spec.outcome('SELECT mood_after FROM spec.careless', 'spec_app', spec.bob()) IN ('0', 'refused'), 'one made without it opens nothing that is not theirs');
SELECT is(spec.outcome('SELECT mood_after FROM spec.direct', 'spec_app', spec.bob()), 'refused', 'nor does one that calls mm_decrypt() itself');
-- A function that tells what it is given is asked after the policies.
CREATE FUNCTION spec.peek(jsonb) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE EXCEPTION 'seen'; END; $$;
SELECT is(spec.outcome('SELECT FROM assessment_sessions_clear WHERE spec.peek(mood_after)', 'spec_app', spec.bob()), '0', 'a leaky function in WHERE is not shown foreign rows');

-- mm_encrypt, mm_decrypt --------------------------------------------------------------------------
CREATE TABLE spec.sealed AS SELECT id, user_id, mood_after, reflection_notes FROM assessment_sessions WHERE id = spec.s(2);
GRANT SELECT ON spec.sealed TO PUBLIC;
SELECT is(spec.say('SELECT mm_decrypt(''assessment_sessions'', ''mood_after'', id, user_id, mood_after) FROM spec.sealed', 'spec_app', spec.alice())::jsonb, spec.document('mood'), 'mm_decrypt() opens for the person');
SELECT is(spec.say('SELECT mm_decrypt(''assessment_sessions_archive'', ''mood_after'', id, user_id, mood_after) FROM spec.sealed', 'spec_worker')::jsonb, spec.document('mood'), 'and for the system; the archive''s values are the table''s');
SELECT is(spec.error('SELECT mm_decrypt(''assessment_sessions'', ''mood_after'', id, user_id, mood_after) FROM spec.sealed', 'spec_app', spec.bob()),
    spec.error('SELECT mm_decrypt(''assessment_sessions'', ''mood_after'', id, ''00000000-0000-4000-8000-00000000dead'', mood_after) FROM spec.sealed', 'spec_app', spec.bob()), 'to others a person with a key and one who does not exist are the same');
SELECT matches(spec.error('SELECT mm_decrypt(''assessment_sessions'', ''mood_after'', id, user_id, mood_after) FROM spec.sealed', 'spec_app', spec.bob()), '^42501 ', 'refused');
SELECT matches(spec.error('SELECT mm_encrypt(''assessment_sessions'', ''mood_after'', spec.s(2), spec.alice(), ''{}''::jsonb)', 'spec_app', spec.bob()), '^42501 ', 'nobody seals for somebody else');
SELECT is(spec.outcome(statement, 'spec_app', spec.alice()), 'refused', statement || ' is not for users')
FROM unnest(ARRAY['SELECT mm_data_key(spec.alice())', 'SELECT mm_rotate_keys()', 'SELECT mm_unencrypted_rows()', 'SELECT mm_encrypt_batch(''text_analysis'', NULL, 1)', 'CALL mm_encrypt_existing()', 'SELECT mm_create_clear_views()']) AS statement;
SELECT matches(spec.error('SELECT mm_decrypt(''profiles'', ''first_name'', spec.s(2), spec.alice(), ''x'')', 'spec_worker'), '^22023 table_name', 'a table that is not protected is named');
SELECT matches(spec.error('SELECT mm_decrypt(''text_analysis'', ''first_name'', spec.s(2), spec.alice(), ''x'')', 'spec_worker'), '^22023 column_name', 'so is a column');
SELECT matches(spec.error('SELECT mm_decrypt(''text_analysis'', ''combined_text'', spec.s(2), spec.alice(), ''{}''::jsonb)', 'spec_worker'), '^22023 column_name', 'and one of the other kind');
SELECT is(spec.say('SELECT mm_decrypt(''text_analysis'', ''combined_text'', spec.s(2), spec.alice(), NULL::text)', 'spec_worker'), NULL, 'NULL opens to NULL');
SELECT is(spec.say('SELECT mm_decrypt(''text_analysis'', ''combined_text'', spec.s(2), spec.alice(), ''open'')', 'spec_worker'), 'open', 'an open text is given back');
SELECT matches(spec.error('SELECT mm_data_key(NULL)', 'spec_worker'), '^22004 user_id', 'mm_data_key() wants a person');
SELECT is((SELECT mm_reveal('assessment_sessions', to_jsonb(s)) - 'updated_at' FROM assessment_sessions AS s WHERE id = spec.s(2)), (SELECT to_jsonb(s) - 'updated_at' FROM assessment_sessions_clear AS s WHERE id = spec.s(2)), 'mm_reveal() opens a whole row');
SELECT is((SELECT mm_reveal('profiles', '{"id": "x", "first_name": "y"}')), '{"id": "x", "first_name": "y"}'::jsonb, 'and leaves other tables'' rows as they are');
SELECT matches(spec.error('SELECT mm_reveal(''assessment_sessions'', to_jsonb(s)) FROM spec.sealed AS s', 'spec_app', spec.bob()), '^42501 ', 'nobody reveals somebody else''s');

SELECT is((SELECT mm_conceal('assessment_sessions', to_jsonb(s)) FROM assessment_sessions AS s WHERE id = spec.s(2)), (SELECT to_jsonb(s) FROM assessment_sessions AS s WHERE id = spec.s(2)), 'mm_conceal() leaves what is sealed');
SELECT ok(mm_is_envelope(c -> 'mood_after') AND mm_is_envelope(c ->> 'reflection_notes') AND c -> 'mood_before' = 'null' AND mm_reveal('assessment_sessions', c) = r, 'seals a whole row, and mm_reveal() opens it again')
FROM (SELECT to_jsonb(s) AS r, mm_conceal('assessment_sessions', to_jsonb(s)) AS c FROM assessment_sessions_clear AS s WHERE id = spec.s(2)) AS x;
SELECT matches(spec.error('SELECT mm_conceal(''session_insights'', jsonb_build_object(''id'', spec.s(2), ''user_id'', spec.alice(), ''notable_changes'', ''x''))', 'spec_app', spec.bob()), '^42501 ', 'nobody conceals somebody else''s');

-- an application seals itself ---------------------------------------------------------------------
CREATE TABLE spec.made AS SELECT
    spec.say('SELECT mm_encrypt(''assessment_sessions'', ''mood_before'', spec.s(3), spec.alice(), spec.document(''mood''))', 'spec_app', spec.alice())::jsonb AS mood,
    spec.say('SELECT mm_encrypt(''assessment_sessions'', ''mood_before'', spec.s(3), spec.alice(), ''{"energy_level": 11}''::jsonb)', 'spec_app', spec.alice())::jsonb AS wrong,
    spec.say('SELECT mm_encrypt(''assessment_sessions'', ''reflection_notes'', spec.s(3), spec.alice(), ''by the app'')', 'spec_app', spec.alice()) AS notes,
    spec.say('SELECT mm_encrypt(''assessment_sessions'', ''reflection_notes'', spec.s(3), spec.alice(), repeat(''x'', 100001))', 'spec_app', spec.alice()) AS long,
    spec.say('SELECT mm_encrypt(''assessment_sessions'', ''reflection_notes'', spec.s(3), spec.alice(), mm_encrypt(''assessment_sessions'', ''reflection_notes'', spec.s(3), spec.alice(), ''x''))', 'spec_app', spec.alice()) AS twice;
GRANT SELECT ON spec.made TO PUBLIC;
SELECT matches(spec.error('INSERT INTO assessment_sessions (id, mood_before) SELECT spec.s(3), wrong FROM spec.made', 'spec_app', spec.alice()), '^23514 mood_before\.', 'what is sealed is validated too');
SELECT matches(spec.error('INSERT INTO assessment_sessions (id, reflection_notes) SELECT spec.s(3), long FROM spec.made', 'spec_app', spec.alice()), '^23514 reflection_notes: must be at most', 'to its length');
SELECT matches(spec.error('INSERT INTO assessment_sessions (id, reflection_notes) SELECT spec.s(3), twice FROM spec.made', 'spec_app', spec.alice()), '^23514 reflection_notes: looks like', 'an envelope within an envelope is refused');
SELECT matches(spec.error('INSERT INTO assessment_sessions (id, mood_before) SELECT spec.s(4), mood FROM spec.made', 'spec_app', spec.alice()), '^MM023 mood_before', 'in another row it is refused');
SELECT is(spec.act('INSERT INTO assessment_sessions (id, mood_before, reflection_notes) SELECT spec.s(3), mood, notes FROM spec.made', 'spec_app', spec.alice()), 1::bigint, 'in its own it is taken');
SELECT results_eq('SELECT mood_before, reflection_notes FROM assessment_sessions WHERE id = spec.s(3)', 'SELECT mood, notes FROM spec.made', 'as it is');
SELECT is(spec.say('SELECT reflection_notes FROM assessment_sessions_clear WHERE id = spec.s(3)', 'spec_app', spec.alice()), 'by the app', 'and opens');

-- keys --------------------------------------------------------------------------------------------
-- A key made in what is taken back is not remembered: Carol's first value, twice.
SELECT is(spec.outcome('INSERT INTO assessment_sessions (reflection_notes) VALUES (''x'')', 'spec_app', spec.carol()), '1', 'Carol writes, and takes it back');
SELECT is((SELECT count(*) FROM user_keys WHERE user_id = spec.carol()), 0::bigint, 'her key is gone with it');
SELECT is(spec.act('INSERT INTO assessment_sessions (id, reflection_notes) VALUES (spec.s(5), ''second'')', 'spec_app', spec.carol()), 1::bigint, 'she writes again');
SELECT is((SELECT split_part(s.reflection_notes, ':', 3) FROM assessment_sessions AS s WHERE id = spec.s(5)), (SELECT kid FROM user_keys WHERE user_id = spec.carol()), 'under the key that is stored');
SELECT is(spec.say('SELECT reflection_notes FROM assessment_sessions_clear', 'spec_app', spec.carol()), 'second', 'and it opens');
-- Erasing the key: this connection has it in use.
DELETE FROM user_keys WHERE user_id = spec.carol();
SELECT matches(spec.error('SELECT reflection_notes FROM assessment_sessions_clear', 'spec_app', spec.carol()), '^MM022 ', 'without her key it stays closed, at once');
SELECT is(spec.act('UPDATE assessment_sessions SET category = ''x'' WHERE id = spec.s(5)', 'spec_worker'), 1::bigint, 'a closed row can still be changed elsewhere');
SELECT is(spec.act('INSERT INTO assessment_sessions (id, reflection_notes) VALUES (spec.s(6), ''third'')', 'spec_app', spec.carol()), 1::bigint, 'a new value gets a new key');
SELECT matches(spec.error('SELECT reflection_notes FROM assessment_sessions_clear WHERE id = spec.s(5)', 'spec_app', spec.carol()), '^MM022 ', 'which does not open the old one');

-- a restore, and who pretends to be one -------------------------------------------------------------
SELECT is(spec.outcome('SET LOCAL row_security = off; INSERT INTO assessment_sessions (reflection_notes) VALUES (''x'')', 'spec_app', spec.alice()), 'refused', 'a user cannot write as a restore does');
SET LOCAL row_security = off;
INSERT INTO assessment_sessions (id, user_id, reflection_notes) VALUES (spec.s(7), spec.bob(), 'from a dump'), (spec.s(8), spec.bob(), 'mm_enc:1:AAAAAAAA:' || repeat('A', 32) || ':' || repeat('A', 22));
SET LOCAL row_security = on;
SELECT is((SELECT string_agg(left(reflection_notes, 11), ',' ORDER BY id) FROM assessment_sessions WHERE user_id = spec.bob()), 'from a dump,mm_enc:1:AA', 'a restore stores what the dump holds');
SELECT is((SELECT count(*) FROM user_keys WHERE user_id = spec.bob()), 0::bigint, 'and makes no key where one may yet come');
DELETE FROM session_keys WHERE user_id = spec.bob();

-- a completed session ---------------------------------------------------------------------------
UPDATE assessment_sessions SET status = 'completed' WHERE id = spec.s(2);
SELECT is(spec.outcome('UPDATE assessment_sessions SET mood_before = ''{}'' WHERE id = spec.s(2)', 'spec_app', spec.alice()), '23514', 'a completed session refuses an invalid change');
SELECT is(spec.outcome('UPDATE assessment_sessions SET mood_before = spec.document(''mood'') WHERE id = spec.s(2)', 'spec_app', spec.alice()), 'refused', 'and any other');
SELECT is(spec.outcome('UPDATE assessment_sessions SET mood_after = spec.document(''mood''), reflection_notes = ''later'' WHERE id = spec.s(2)', 'spec_app', spec.alice()), '1', 'but takes mood_after and notes');

-- what is written before, afterwards ---------------------------------------------------------------
SELECT is((SELECT rows FROM mm_unencrypted_rows() WHERE table_name = 'assessment_sessions'), 1::bigint, 'one row has open values');
CREATE TABLE spec.times AS SELECT updated_at FROM assessment_sessions WHERE id = spec.s(1);
SELECT is(spec.say('SELECT encrypted FROM mm_encrypt_batch(''assessment_sessions'', NULL, 100)', 'spec_worker'), '1', 'mm_encrypt_batch() encrypts it');
SELECT is(current_setting('mindmeasure.without_history'), '', 'and asks for no history of it longer than it lasts');
SELECT ok(mm_is_envelope(mood_before) AND mm_is_envelope(reflection_notes) AND updated_at = (SELECT updated_at FROM spec.times), 'wholly, and its updated_at stays') FROM assessment_sessions WHERE id = spec.s(1);
SELECT is(spec.say('SELECT reflection_notes FROM assessment_sessions_clear WHERE id = spec.s(1)', 'spec_app', spec.alice()), 'open', 'it opens to what it was');
SELECT is((SELECT sum(rows) FROM mm_unencrypted_rows()), 0::numeric, 'none is left');
SELECT is(spec.say('SELECT encrypted FROM mm_encrypt_batch(''assessment_sessions'', NULL, 100)', 'spec_worker'), '0', 'again it finds nothing to do');
SELECT matches(spec.error('SELECT mm_encrypt_batch(''assessment_sessions'', NULL, 0)', 'spec_worker'), '^22023 max_rows', 'a batch of none is refused');

-- turned off again ---------------------------------------------------------------------------------
SET LOCAL mindmeasure.key_file = '';
SELECT matches(spec.error('SELECT reflection_notes FROM assessment_sessions_clear WHERE id = spec.s(2)', 'spec_app', spec.alice()), '^MM024 ', 'without the key file nothing opens');
SELECT is(spec.outcome('UPDATE assessment_sessions SET status = ''failed'' WHERE id = spec.s(3)', 'spec_worker'), '1', 'other columns can be changed');
SELECT is(spec.outcome('UPDATE assessment_sessions SET reflection_notes = ''open again'' WHERE id = spec.s(3)', who), 'MM024', 'and a database with keys takes no open value, from ' || who) FROM unnest('{spec_worker,postgres}'::text[]) AS who;
SELECT is(spec.outcome('INSERT INTO assessment_sessions (user_id) VALUES (spec.bob())', 'spec_worker'), '1', 'a row without such values is taken');
DELETE FROM user_keys;
SELECT is(spec.outcome('UPDATE assessment_sessions SET reflection_notes = ''open again'' WHERE id = spec.s(3)', 'spec_worker'), '1', 'with no key left it is as it was before');

SELECT * FROM finish();
ROLLBACK;
