-- mm_session_time(): leads a query by id to one partition, and tells nobody of other people's sessions.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/people.psql

-- given sessions of three people, from tests/sql/lib/people.psql
SELECT id AS alices, created_at AS at FROM assessment_sessions WHERE user_id = spec.alice() ORDER BY created_at DESC LIMIT 1 \gset
SELECT format('SELECT mm_session_time(%L)', :'alices') AS ask, format('%s', :'at'::timestamptz) AS time \gset

-- then it is told to whom the session belongs to
SELECT is(spec.say(:'ask', 'spec_app', spec.alice()), :'time', 'one''s own session');
SELECT is(spec.say(:'ask', 'spec_worker'), :'time', 'any session, for the system role');
SELECT is(spec.say(:'ask', 'postgres'), :'time', 'and for a superuser');
SELECT is(spec.say(:'ask', 'spec_app', spec.bob()), NULL, 'somebody else''s: as if there were none');
SELECT is(spec.say(:'ask', 'spec_app'), NULL, 'nor to somebody who is nobody');
SELECT is(spec.say('SELECT mm_session_time(gen_random_uuid())', 'spec_worker'), NULL, 'no such session');
SELECT is(spec.say('SELECT mm_session_time(NULL)', 'spec_worker'), NULL, 'no id');
SELECT is(spec.outcome(:'ask', speaker, spec.alice()), 'refused', speaker || ' may not ask') FROM unnest('{spec_anon,spec_auditor}'::text[]) AS speaker;

-- a claim is not enough where identities must be verified
SET mindmeasure.require_verified_identity = on;
SELECT is(spec.say(:'ask', 'spec_app', spec.alice()), NULL, 'a claim alone tells nothing where an identity must be verified');
RESET mindmeasure.require_verified_identity;

-- an archived session keeps its time
INSERT INTO assessment_sessions (user_id, created_at) VALUES (spec.alice(), now() - interval '30 months') RETURNING id AS old, created_at AS old_at \gset
SELECT spec.say('SELECT archive_old_sessions()', 'spec_worker') \g /dev/null
SELECT is((SELECT count(*) FROM assessment_sessions_archive WHERE id = :'old' AND created_at = mm_session_time(:'old')), 1::bigint, 'an archived session keeps its time');

-- the query finds the session, flat or partitioned, and under a person's policies
SELECT is(spec.say(format('SELECT count(*) FROM assessment_sessions WHERE id = %1$L AND created_at = mm_session_time(%1$L)', :'alices'), 'spec_app', spec.alice()), '1', 'the query finds the session');
SELECT is(spec.say(format('SELECT count(*) FROM assessment_sessions WHERE id = %1$L AND created_at = mm_session_time(%1$L)', :'alices'), 'spec_app', spec.bob()), '0', 'and not for somebody else');

-- in a plan that is kept, partitioned, all partitions but one are left out before they are made ready
CREATE FUNCTION spec.plan(id uuid) RETURNS SETOF text LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
    AS $$ BEGIN RETURN QUERY EXECUTE format('EXPLAIN (COSTS off) EXECUTE by_id (%L)', id); END $$;
PREPARE by_id (uuid) AS SELECT * FROM assessment_sessions WHERE id = $1 AND created_at = mm_session_time($1);
SELECT is((SELECT count(*) FROM spec.plan(:'alices') AS line WHERE line ~ 'Scan .*on assessment_sessions'), 1::bigint, 'one table is read');
SELECT is((SELECT substring(line FROM 'Subplans Removed: (\d+)')::int FROM spec.plan(:'alices') AS line WHERE line ~ 'Subplans Removed'), (SELECT count(*)::int - 1 FROM mm_time_partitions('assessment_sessions')), 'all others are left out')
FROM pg_class WHERE oid = 'assessment_sessions'::regclass AND relkind = 'p';

SELECT * FROM finish();
ROLLBACK;
