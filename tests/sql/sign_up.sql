-- A new account gets its profile, and no profile ever blocks an account.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
-- The operator's sign-up service: writes auth.users, and nothing of ours.
CREATE ROLE spec_sign_up BYPASSRLS;
GRANT USAGE ON SCHEMA auth TO spec_sign_up;
GRANT SELECT, INSERT ON auth.users TO spec_sign_up;

-- One account, and its profile: display_name|first_name|last_name, NULL as -.
CREATE FUNCTION spec.signed_up(email text, metadata text) RETURNS text LANGUAGE plpgsql
    AS $$
DECLARE
    account uuid := gen_random_uuid();
BEGIN
    PERFORM set_config('role', 'spec_sign_up', true);
    INSERT INTO auth.users (id, email, raw_user_meta_data) VALUES (account, email, metadata::jsonb);
    PERFORM set_config('role', 'none', true);
    RETURN (SELECT concat_ws('|', coalesce(p.display_name, '-'), coalesce(p.first_name, '-'), coalesce(p.last_name, '-')) FROM public.profiles AS p WHERE p.user_id = account);
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END;
$$;
SELECT is(spec.signed_up(c.email, c.metadata), c.profile, c.name)
FROM (VALUES
    ('names come from the metadata', 'a@example.org', '{"display_name": "Alice", "first_name": "Alice", "last_name": "Adams"}', 'Alice|Alice|Adams'),
    ('without a display_name it is the e-mail address', 'a@example.org', '{"first_name": "Alice"}', 'a@example.org|Alice|-'),
    ('display_name null: the e-mail address', 'a@example.org', '{"display_name": null}', 'a@example.org|-|-'),
    ('display_name empty stays empty, as the document''s COALESCE has it', 'a@example.org', '{"display_name": ""}', '|-|-'),
    ('metadata NULL', 'a@example.org', NULL, 'a@example.org|-|-'),
    ('metadata {}', 'a@example.org', '{}', 'a@example.org|-|-'),
    ('metadata JSON null', 'a@example.org', 'null', 'a@example.org|-|-'),
    ('metadata that is a list', 'a@example.org', '["display_name"]', 'a@example.org|-|-'),
    ('metadata that is text', 'a@example.org', '"display_name"', 'a@example.org|-|-'),
    ('metadata that is a number', 'a@example.org', '5', 'a@example.org|-|-'),
    ('no e-mail address and no metadata', NULL, NULL, '-|-|-'),
    ('a display_name that is a number', NULL, '{"display_name": 5}', '5|-|-'),
    ('a display_name that is an object', NULL, '{"display_name": {"a": 1}}', '{"a": 1}|-|-'),
    ('200 characters are kept', NULL, jsonb_build_object('display_name', repeat('ä', 200))::text, repeat('ä', 200) || '|-|-'),
    ('201 characters are cut', NULL, jsonb_build_object('display_name', repeat('ä', 201), 'first_name', repeat('b', 5000), 'last_name', repeat('c', 100000))::text,
        repeat('ä', 200) || '|' || repeat('b', 200) || '|' || repeat('c', 200)),
    ('an over-long e-mail address is cut', repeat('x', 300) || '@example.org', NULL, repeat('x', 200) || '|-|-')) AS c (name, email, metadata, profile);

SELECT is((SELECT (wellness_goals, assessment_frequency, onboarding_completed, created_at = now())::text FROM profiles LIMIT 1), '([],weekly,f,t)', 'the rest of the profile is as the document''s defaults have it');

-- hostile ones
SELECT is(length(spec.signed_up(repeat('x', 20000000), jsonb_build_object('display_name', repeat('a', 20000000), 'first_name', repeat('b', 20000000), 'last_name', repeat('c', 20000000))::text)), 602, '20 MB names are cut');
SELECT is(spec.signed_up(c.email, c.metadata), c.profile, c.name)
FROM (VALUES
    ('names that are SQL', NULL, '{"display_name": "''); DROP TABLE profiles; --"}', '''); DROP TABLE profiles; --|-|-'),
    ('names with every control character', NULL, '{"display_name": "\u0001\u001f\u202e\ufeff"}', E'\u0001\u001f\u202e\ufeff|-|-'),
    ('deep nesting', NULL, '{"display_name": ' || repeat('[', 5000) || repeat(']', 5000) || '}', left(repeat('[', 5000), 200) || '|-|-'),
    ('a hundred thousand keys', 'a@example.org', (SELECT jsonb_object_agg('k' || n, n)::text FROM generate_series(1, 100000) AS n), 'a@example.org|-|-'),
    ('numbers beyond every type', NULL, '{"display_name": 1e400}', left('1' || repeat('0', 400), 200) || '|-|-'),
    ('metadata that is false', 'a@example.org', 'false', 'a@example.org|-|-'),
    ('a list of lists', 'a@example.org', '[["display_name", "x"]]', 'a@example.org|-|-')) AS c (name, email, metadata, profile);
SELECT lives_ok(format('INSERT INTO auth.users (id, email) VALUES (%L, ''again'')', gen_random_uuid()), 'and the next sign-up goes as ever');

-- a profile that is there already is kept
INSERT INTO profiles (user_id, display_name) VALUES (spec.alice(), 'before');
SELECT lives_ok($$ INSERT INTO auth.users (id, email) VALUES (spec.alice(), 'after@example.org') $$, 'when an account comes after its profile');
SELECT is((SELECT string_agg(display_name, ',') FROM profiles WHERE user_id = spec.alice()), 'before', 'then the profile is kept');

-- many at once
SELECT lives_ok($$ INSERT INTO auth.users (id, email) SELECT gen_random_uuid(), 'bulk' FROM generate_series(1, 1000) $$, 'when a thousand accounts are imported at once');
SELECT is((SELECT count(*) FROM profiles WHERE display_name = 'bulk'), 1000::bigint, 'then each has its profile');

-- the profile is the new person's
SELECT is((SELECT count(*) FROM profiles AS p LEFT JOIN auth.users AS u ON u.id = p.user_id WHERE u.id IS NULL), 0::bigint, 'every profile is that of an account');
INSERT INTO auth.users (id, email) VALUES (spec.bob(), 'bob@example.org');
SELECT is(spec.say('SELECT display_name FROM profiles', 'mindmeasure_user', spec.bob()), 'bob@example.org', 'and its person sees it');

-- in a restore the profiles come from the dump
SET LOCAL row_security = off;
SELECT lives_ok($$ INSERT INTO auth.users (id, email) VALUES (spec.carol(), 'carol@example.org') $$, 'when accounts come from a dump, with row_security off');
RESET row_security;
SELECT is((SELECT count(*) FROM profiles WHERE user_id = spec.carol()), 0::bigint, 'then their profiles are left to the dump');

SELECT * FROM finish();
ROLLBACK;
