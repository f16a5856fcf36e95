-- Person 1 with three hundred scored sessions, a third of them archived; person 2 with twenty.
\ir ../sql/lib/everything.psql
\ir ../sql/lib/person.psql
INSERT INTO profiles (user_id, display_name) SELECT pg_temp.person_id(p), 'as it was' FROM generate_series(1, 2) AS p;
INSERT INTO assessment_sessions (id, user_id, created_at, updated_at, assessment_type, reflection_notes)
SELECT pg_temp.session_id(p, n), pg_temp.person_id(p), at, at, 'quick', 'as it was'
FROM (VALUES (1, 300), (2, 20)) AS x (p, sessions), generate_series(1, sessions) AS n, LATERAL (SELECT '2022-01-01'::timestamptz + n * interval '1 day') AS t (at);
INSERT INTO text_analysis (session_id, text_wellness_score, combined_text, processed_at) SELECT id, 30 + (left(id::text, 8)::int * 7) % 50, repeat('word ', 100), created_at FROM assessment_sessions;
INSERT INTO passive_analysis (session_id, passive_wellness_score, processed_at) SELECT id, 50, created_at FROM assessment_sessions;
SELECT mm_fuse_pending(1000) \g /dev/null
SET client_min_messages = warning;
SELECT archive_old_sessions((now() - '2022-04-20')::interval) \g /dev/null
