-- Life goes on: prints what a replay makes of everybody, then scores what is waiting, and prints that.
\pset format unaligned
\pset tuples_only on
SELECT set_config('search_path', format('%I', nspname) || ', public', false) FROM pg_extension JOIN pg_namespace AS n ON n.oid = extnamespace WHERE extname = 'mindmeasure' \g /dev/null
\ir ../sql/lib/snapshot.psql
\ir ../sql/lib/person.psql
SELECT p, md5(string_agg(c::text, chr(10) ORDER BY c::text)) FROM generate_series(1, 3) AS p, pg_temp.computed(pg_temp.person_id(p)) AS c GROUP BY p ORDER BY p;
SELECT p, mm_rescore_user(pg_temp.person_id(p)) FROM generate_series(1, 3) AS p;
SELECT p, md5(string_agg(c::text, chr(10) ORDER BY c::text)) FROM generate_series(1, 3) AS p, pg_temp.computed(pg_temp.person_id(p)) AS c GROUP BY p ORDER BY p;
SET ROLE mindmeasure_system;
SELECT mm_fuse_pending();
RESET ROLE;
-- A new account, and a new session by the person.
INSERT INTO auth.users (id, email) VALUES (pg_temp.person_id(4), 'person4@example.org');
SELECT count(*) FROM profiles;
SELECT set_config('request.jwt.claim.sub', pg_temp.person_id(1)::text, false);
SET ROLE mindmeasure_user;
INSERT INTO assessment_sessions (id) VALUES (pg_temp.session_id(1, 99));
SELECT count(*) FROM assessment_sessions;
RESET ROLE;
SELECT p, md5(string_agg(c::text, chr(10) ORDER BY c::text)) FROM generate_series(1, 3) AS p, pg_temp.computed(pg_temp.person_id(p)) AS c GROUP BY p ORDER BY p;
