-- People and sessions of tests/dump_restore, with a marker in what they said; data keys that belong to
-- mindmeasure, and a table of the application's own that only happens to have that name.
\ir ../dump_restore/fill.sql
UPDATE assessment_sessions SET reflection_notes = 'MARKER-what-a-person-said' WHERE id = pg_temp.session_id(1, 4);
CREATE SCHEMA "Key ""Vault""" AUTHORIZATION mindmeasure_owner;
CREATE TABLE "Key ""Vault""".user_keys (user_id uuid PRIMARY KEY, wrapped text NOT NULL);
ALTER TABLE "Key ""Vault""".user_keys OWNER TO mindmeasure_owner;
ALTER TABLE "Key ""Vault""".user_keys ENABLE ROW LEVEL SECURITY;
INSERT INTO "Key ""Vault""".user_keys SELECT pg_temp.person_id(p), 'DATA-KEY-of-person-' || p FROM generate_series(1, 3) AS p;
CREATE SCHEMA application;
CREATE TABLE application.user_keys (id int PRIMARY KEY, note text);
INSERT INTO application.user_keys VALUES (1, 'SPARE-KEY-of-the-application');
