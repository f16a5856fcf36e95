-- Export opens what is sealed, history too, for who may have it; import seals it again.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/encryption.psql
SELECT spec.encryption_on();

-- given a person who has written, and changed it
SELECT is(spec.act('INSERT INTO assessment_sessions (id, user_id, reflection_notes) VALUES (spec.alice(), spec.alice(), ''first words'')', 'spec_worker'), 1::bigint, 'given a person who has written');
SELECT is(spec.act('UPDATE assessment_sessions SET reflection_notes = ''second words''', 'spec_app', spec.alice()), 1::bigint, 'and changed it');
SELECT is_empty($$ SELECT FROM assessment_sessions AS s, row_history AS h WHERE s::text LIKE '%words%' OR h::text LIKE '%words%' $$, 'which is stored sealed, in its history too');

-- when she takes her data with her
CREATE TABLE spec.document AS SELECT spec.say('SELECT mm_export_user(spec.alice())', 'spec_app', spec.alice())::jsonb AS d;
SELECT is((SELECT d #>> '{tables,assessment_sessions,0,reflection_notes}' FROM spec.document), 'second words', 'then she reads what she wrote');
SELECT is((SELECT count(*) FROM spec.document, jsonb_array_elements(d #> '{tables,row_history}') AS h WHERE h #>> '{row_before,reflection_notes}' = 'first words'), 1::bigint, 'and what it was before');
SELECT is((SELECT d::text LIKE '%mm_enc%' FROM spec.document), false, 'nothing in it is sealed');
SELECT is((SELECT d -> 'tables' ?| '{user_keys,audit_subjects}' OR d -> 'columns' ?| '{user_keys,audit_subjects}' FROM spec.document), false, 'and no key is in it');
SELECT is(spec.outcome('SELECT mm_export_user(spec.alice())', 'spec_app', spec.bob()), 'refused', 'another person gets nothing');
SELECT is((SELECT count(*) FROM audit_log AS a JOIN audit_subjects AS s USING (subject) WHERE a.action = 'EXPORT' AND s.user_id = spec.alice()), 1::bigint, 'the audit has a line about it');

-- when it comes back into an empty place
SET LOCAL session_replication_role = replica;
DELETE FROM assessment_sessions; DELETE FROM session_keys; DELETE FROM row_history; DELETE FROM profiles;
DELETE FROM user_keys; DELETE FROM user_baselines; DELETE FROM user_feature_baselines;
SET LOCAL session_replication_role = origin;
GRANT USAGE ON SCHEMA spec TO mindmeasure_system;
GRANT SELECT ON spec.document TO mindmeasure_system;
SELECT matches(spec.error(format('SELECT mm_import_user(jsonb_set(d, ''{tables,assessment_sessions,0,reflection_notes}'', ''"mm_enc:1:%s:%s:%s"'')) FROM spec.document', repeat('A', 8), repeat('A', 32), repeat('A', 40)), 'spec_worker'),
    '^22023 document.tables.assessment_sessions: holds sealed values', 'a document with sealed values is refused');
SELECT cmp_ok(spec.say('SELECT mm_import_user(d) FROM spec.document', 'spec_worker')::bigint, '>', 2::bigint, 'it is imported');
SELECT is_empty($$ SELECT FROM assessment_sessions AS s, row_history AS h WHERE s::text LIKE '%words%' OR h::text LIKE '%words%' $$, 'sealed again, history too');
SELECT is(spec.say('SELECT reflection_notes FROM assessment_sessions_clear', 'spec_app', spec.alice()), 'second words', 'and she reads it');
SELECT is((SELECT count(*) FROM audit_log WHERE action = 'IMPORT'), 1::bigint, 'the audit has a line about it');
SELECT is(spec.say('SELECT sum(erased) > 2 FROM mm_erase_user(spec.alice(), ''test'')', 'spec_worker'), 'true', 'and when she is erased');
SELECT is((SELECT count(*) FROM user_keys WHERE user_id = spec.alice()), 0::bigint, 'her key is gone');
SELECT is((SELECT array_agg(subject) FROM audit_log WHERE action = 'ERASE'), ARRAY[NULL::uuid], 'and the audit has a line that names nobody');
SELECT * FROM finish();
ROLLBACK;
