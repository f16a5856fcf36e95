-- :sessions old sessions, evenly over the 24 whole months before the last two years, and 20,000 new
-- ones. Past the triggers: only the rows matter here.
SET session_replication_role = replica;
CREATE TABLE made AS
SELECT gen_random_uuid() AS id, ('00000000-0000-4000-8000-' || lpad((n % 20000)::text, 12, '0'))::uuid AS user_id,
       lower_end + (upper_end - lower_end) * ((n - 0.5) / :sessions) AS created_at
FROM generate_series(1, :sessions) AS n,
     (SELECT date_trunc('month', now() - interval '2 years', 'UTC') - interval '24 months' AS lower_end, date_trunc('month', now() - interval '2 years', 'UTC') AS upper_end) AS span;
INSERT INTO made SELECT gen_random_uuid(), ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, now() - n * interval '1 minute' FROM generate_series(1, 20000) AS n;
INSERT INTO session_keys SELECT * FROM made;
INSERT INTO assessment_sessions (id, user_id, created_at, status, reflection_notes)
SELECT id, user_id, created_at, 'completed', repeat('A day like others. ', 20) FROM made;
CREATE TABLE young AS SELECT row_number() OVER () AS n, id, created_at FROM made WHERE created_at > now() - interval '1 month';
CREATE UNIQUE INDEX ON young (n);
DROP TABLE made;
VACUUM (ANALYZE) assessment_sessions, session_keys, young;
-- Writers go on as long as it has a row.
CREATE TABLE going AS SELECT 1 AS x;
