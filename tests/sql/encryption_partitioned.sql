-- Encryption on partitioned tables: values are sealed for the table, whatever partition holds them, and the
-- clear views follow a table that was put in another's place.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/documents.psql
\ir lib/encryption.psql
SELECT spec.encryption_on();
SELECT is(spec.act('INSERT INTO assessment_sessions (id, reflection_notes) VALUES (spec.alice(), ''flat'')', 'spec_app', spec.alice()), 1::bigint, 'given a session of the flat table');

-- when a partitioned table takes its place, with the flat one as a partition
CREATE TABLE spec.triggers AS SELECT pg_get_triggerdef(oid) AS definition FROM pg_trigger WHERE tgrelid = 'assessment_sessions'::regclass AND NOT tgisinternal;
CREATE TABLE spec.policies AS SELECT format('CREATE POLICY %I ON assessment_sessions FOR %s TO %s %s %s', policyname, cmd, array_to_string(roles, ', '), 'USING (' || qual || ')', 'WITH CHECK (' || with_check || ')') AS definition FROM pg_policies WHERE tablename = 'assessment_sessions' AND cmd IN ('SELECT', 'ALL');
DO $$
DECLARE
    statement text;
BEGIN
    ALTER TABLE assessment_sessions RENAME TO assessment_sessions_flat;
    FOR statement IN SELECT format('DROP TRIGGER %I ON assessment_sessions_flat', tgname) FROM pg_trigger WHERE tgrelid = 'assessment_sessions_flat'::regclass AND NOT tgisinternal LOOP EXECUTE statement; END LOOP;
    ALTER TABLE assessment_sessions_flat DROP CONSTRAINT assessment_sessions_pkey;
    ALTER TABLE assessment_sessions_flat VALIDATE CONSTRAINT assessment_sessions_values;
    CREATE TABLE assessment_sessions (LIKE assessment_sessions_flat INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (id, user_id, created_at)) PARTITION BY RANGE (created_at);
    ALTER TABLE assessment_sessions OWNER TO mindmeasure_owner;
    ALTER TABLE assessment_sessions ENABLE ROW LEVEL SECURITY;
    GRANT SELECT, INSERT, UPDATE ON assessment_sessions TO mindmeasure_user;
    GRANT SELECT, INSERT, UPDATE, DELETE ON assessment_sessions TO mindmeasure_system;
    FOR statement IN SELECT definition FROM spec.policies LOOP EXECUTE statement; END LOOP;
    CREATE POLICY own ON assessment_sessions FOR INSERT TO mindmeasure_user WITH CHECK ((SELECT auth.uid()) = user_id);
    CREATE TABLE assessment_sessions_y2020m01 PARTITION OF assessment_sessions FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
    ALTER TABLE assessment_sessions ATTACH PARTITION assessment_sessions_flat DEFAULT;
    FOR statement IN SELECT definition FROM spec.triggers LOOP EXECUTE statement; END LOOP;
END;
$$;
SELECT is((SELECT count(*) FROM mm_create_clear_views()), 7::bigint, 'and the clear views are made anew');
SELECT is(spec.say('SELECT reflection_notes FROM assessment_sessions_clear', 'spec_app', spec.alice()), 'flat', 'then the person reads what the flat table held');
SELECT is(spec.act('INSERT INTO assessment_sessions (id, user_id, created_at, updated_at, reflection_notes, mood_before) VALUES (spec.bob(), spec.alice(), ''2020-01-05'', ''2020-01-05'', ''in a month'', spec.document(''mood''))', 'spec_worker'), 1::bigint, 'a session is stored in a month');
SELECT ok(reflection_notes LIKE 'mm_enc:1:%' AND mm_is_envelope(mood_before), 'sealed') FROM assessment_sessions_y2020m01;
SELECT is(spec.say('SELECT string_agg(reflection_notes, '','' ORDER BY created_at) FROM assessment_sessions_clear', 'spec_app', spec.alice()), 'in a month,flat', 'and read with the others');
SELECT is((SELECT mm_decrypt('assessment_sessions', 'reflection_notes', id, user_id, reflection_notes) FROM assessment_sessions_y2020m01), 'in a month', 'as a value of the table, not of the partition');
INSERT INTO text_analysis (session_id, text_wellness_score) VALUES (spec.bob(), 50);
SELECT is((SELECT f.user_id FROM mm_fuse_session(spec.bob()) AS f), spec.alice(), 'it is scored');
SELECT is(spec.outcome('SELECT FROM assessment_sessions_clear', 'spec_app', spec.bob()), '0', 'another person sees none of it');
SELECT is(spec.outcome('SELECT FROM assessment_sessions_y2020m01', 'spec_app', spec.alice()), 'refused', 'nor anybody the partition itself');

-- rows from before, in partitions
ALTER TABLE assessment_sessions DISABLE TRIGGER USER;
UPDATE assessment_sessions SET reflection_notes = 'open';
ALTER TABLE assessment_sessions ENABLE TRIGGER USER;
ALTER TABLE assessment_sessions_archive DISABLE TRIGGER USER;
INSERT INTO session_keys VALUES (spec.carol(), spec.alice(), '2019-01-01');
INSERT INTO assessment_sessions_archive (id, user_id, status, reflection_notes, created_at, updated_at) VALUES (spec.carol(), spec.alice(), 'completed', 'open', '2019-01-01', '2019-01-01');
ALTER TABLE assessment_sessions_archive ENABLE TRIGGER USER;
SELECT is((SELECT string_agg(rows::text, ',' ORDER BY table_name) FROM mm_unencrypted_rows() WHERE table_name LIKE 'assessment_sessions%'), '2,1', 'given open rows in partitions and the archive');
SELECT is((SELECT encrypted FROM mm_encrypt_batch('assessment_sessions', NULL, 10)), 2::bigint, 'mm_encrypt_batch() finds them in their partitions');
SELECT is((SELECT encrypted FROM mm_encrypt_batch('assessment_sessions_archive', NULL, 10)), 1::bigint, 'and in the archive''s');
SELECT is((SELECT sum(rows) FROM mm_unencrypted_rows()), 0::numeric, 'none is left');
SELECT is(spec.say('SELECT string_agg(reflection_notes, '','') FROM (SELECT reflection_notes FROM assessment_sessions_clear UNION ALL SELECT reflection_notes FROM assessment_sessions_archive_clear) AS x', 'spec_worker'), 'open,open,open', 'and all open');

-- moved to the archive as it is, by the table's owner, even when its key is gone
DELETE FROM user_keys;
SET LOCAL ROLE mindmeasure_owner;
WITH old AS (DELETE FROM assessment_sessions WHERE id = spec.bob() RETURNING *)
INSERT INTO assessment_sessions_archive SELECT id, user_id, status, category, assessment_type, mood_before, mood_after, text_data, audio_data, visual_data, reflection_notes, created_at, updated_at, failure_reason FROM old;
RESET ROLE;
SELECT is((SELECT count(*) FROM assessment_sessions_archive), 2::bigint, 'a sealed session moves to the archive though nobody can open it any more');
SELECT matches(spec.error('UPDATE assessment_sessions_archive SET mood_after = mood_before', 'spec_worker'), '^MM022 ', 'but nobody else writes what does not open');

-- a trigger that is none of those it was made for
SELECT matches(spec.error('CREATE TRIGGER wrong AFTER INSERT ON session_insights FOR EACH ROW EXECUTE FUNCTION mm_seal(''session_insights''); INSERT INTO session_insights (session_id) VALUES (spec.alice())'), '^22023 mm_seal', 'mm_seal() refuses to be anything but a trigger before a row is written');
SELECT matches(spec.error('CREATE TRIGGER wrong BEFORE INSERT ON session_insights FOR EACH STATEMENT EXECUTE FUNCTION mm_seal(''session_insights''); INSERT INTO session_insights (session_id) VALUES (spec.alice())'), '^22023 mm_seal', 'for a statement');
SELECT matches(spec.error('CREATE TRIGGER wrong BEFORE DELETE ON session_keys FOR EACH ROW EXECUTE FUNCTION mm_seal(''session_insights''); DELETE FROM session_keys'), '^22023 mm_seal', 'or when one is deleted');
SELECT matches(spec.error('CREATE TRIGGER wrong BEFORE INSERT ON profiles FOR EACH ROW EXECUTE FUNCTION mm_seal(); INSERT INTO profiles (user_id) VALUES (spec.alice())'), '^22023 table_name', 'or for a table it does not know');

SELECT * FROM finish();
ROLLBACK;
