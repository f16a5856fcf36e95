-- The data outlive the extension: DROP EXTENSION is refused while the tables use it; with CASCADE
-- every row stays, row-level security stays on, and nobody sees more than before.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/people.psql
CREATE FUNCTION spec.seen() RETURNS TABLE (relation text, speaker text, rows text) LANGUAGE sql
    AS $$
    SELECT c.oid::regclass::text, a.speaker || coalesce(' ' || a.person, ''), spec.outcome(format('SELECT FROM %s', c.oid::regclass), a.speaker, a.person)
    FROM pg_class AS c CROSS JOIN (VALUES ('spec_app', spec.alice()), ('spec_app', spec.bob()), ('spec_app', NULL), ('spec_anon', spec.alice()), ('spec_worker', NULL), ('spec_auditor', NULL)) AS a (speaker, person)
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace IN ('public'::regnamespace, 'auth'::regnamespace)
    $$;
-- Every row of every table, as one hash.
CREATE FUNCTION spec.contents() RETURNS TABLE (relation text, contents text) LANGUAGE sql
    AS $$
    SELECT c.oid::regclass::text, md5(query_to_xml(format('SELECT x::text AS row FROM %s AS x ORDER BY 1', c.oid::regclass), true, false, '')::text)
    FROM pg_class AS c WHERE c.relkind IN ('r', 'p') AND c.relnamespace IN ('public'::regnamespace, 'auth'::regnamespace)
    $$;
INSERT INTO auth.users (id, email) VALUES (spec.alice(), 'alice@example.org');
CREATE TABLE spec.seen_before AS SELECT * FROM spec.seen();
CREATE TABLE spec.contents_before AS SELECT * FROM spec.contents();

SELECT is(a.state, '2BP01', 'DROP EXTENSION is refused') FROM spec.attempt('DROP EXTENSION mindmeasure') AS a;
SELECT matches(a.detail, 'assessment_sessions.* depends on function', 'and says which tables depend on it') FROM spec.attempt('DROP EXTENSION mindmeasure') AS a;
SELECT is(a.state, '2BP01', 'a single function cannot be dropped from under the tables either') FROM spec.attempt('DROP FUNCTION mm_validate_json') AS a;

SELECT lives_ok('DROP EXTENSION mindmeasure CASCADE', 'when it is dropped with CASCADE');
SELECT is_empty($$ SELECT oid::regprocedure FROM pg_proc WHERE proname ~ '^mm_' $$, 'then its functions are gone');
SELECT results_eq('SELECT * FROM spec.contents() ORDER BY 1', 'SELECT * FROM spec.contents_before ORDER BY 1', 'every row of every table is there');
SELECT is((SELECT count(*) FROM spec.contents_before), 24::bigint, 'given twenty-four tables');
SELECT is_empty($$ SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace IN ('public'::regnamespace, 'auth'::regnamespace) AND NOT relrowsecurity $$, 'row-level security is on everywhere');
SELECT results_eq('SELECT * FROM spec.seen() ORDER BY 1, 2', 'SELECT * FROM spec.seen_before ORDER BY 1, 2', 'and everybody sees what they saw before');
SELECT is(spec.outcome('TRUNCATE assessment_sessions CASCADE', 'spec_worker'), 'refused', 'nobody may do more than before');
SELECT is(spec.outcome('UPDATE fusion_outputs SET score = 100', 'spec_app', spec.alice()), 'refused', 'nor a user write scores');
SELECT is(spec.outcome('INSERT INTO auth.users (id) VALUES (spec.carol())'), '1', 'sign-ups go on');
SELECT is(spec.outcome('INSERT INTO assessment_sessions (user_id, status) VALUES (spec.alice(), ''done'')', 'spec_worker'), '23514', 'the document''s own checks still hold');

-- and it does not come back over somebody's data by accident
SELECT is(a.state, '42710', 'CREATE EXTENSION over the tables left behind is refused') FROM spec.attempt('CREATE EXTENSION mindmeasure') AS a;
SELECT matches(a.hint, 'left behind', 'with a hint what to do about them') FROM spec.attempt('CREATE EXTENSION mindmeasure') AS a;
SELECT results_eq('SELECT * FROM spec.contents() ORDER BY 1', 'SELECT * FROM spec.contents_before ORDER BY 1', 'and has touched none of them');
SELECT * FROM finish();
ROLLBACK;
