-- An envelope opens in its place and unchanged, or not at all: neither read nor written.
-- 50 envelopes, every bit; tests/encryption takes 1,000 where MINDMEASURE_FULL is 1.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/documents.psql
\ir lib/encryption.psql
\ir lib/envelopes.psql
SELECT spec.encryption_on();
SELECT spec.fill_envelopes(50);
SELECT is((SELECT count(*) FROM spec.envelopes), 50::bigint, 'given fifty envelopes of two people, texts and documents');
SELECT is((SELECT count(*) FROM spec.envelopes AS e WHERE spec.opens(e, e)), 50::bigint, 'each opens in its place');
SELECT is((SELECT sum((e.value ->> 'bits')::bigint) FROM (SELECT spec.flipped(e) AS value FROM spec.envelopes AS e) AS e), (SELECT sum(8 * octet_length(e.body)) FROM spec.envelopes AS e)::numeric, 'when every single bit of each is changed');
SELECT is((SELECT string_agg(x.value ->> 'accepted', ' ') FROM (SELECT spec.flipped(e) AS value FROM spec.envelopes AS e) AS x WHERE (x.value ->> 'accepted') IS NOT NULL), NULL, 'then none is taken for the value, nor for an open one');
SELECT is((SELECT count(*) FROM spec.envelopes AS e JOIN spec.envelopes AS p ON (e.relation, e.field, e.row_id, e.person) <> (p.relation, p.field, p.row_id, p.person) AND e.json = p.json AND spec.opens(e, p)), 0::bigint, 'no envelope opens in the place of another: table, column, row or person');

-- each part of a place alone
CREATE TABLE spec.one AS SELECT mm_encrypt('audio_analysis', 'vocal_characteristics', spec.alice(), spec.alice(), '{}'::jsonb) AS body;
SELECT matches(spec.error(format('SELECT mm_decrypt(%L, %L, %L, %L, body) FROM spec.one', c.t, c.c, c.r, c.u)), c.expected, c.name)
FROM (VALUES ('audio_analysis', 'vocal_characteristics', spec.alice(), spec.alice(), '^1 rows', 'it opens where it was made'),
    ('visual_analysis', 'facial_expressions', spec.alice(), spec.alice(), '^MM023 facial_expressions: the sealed value is not authentic', 'in another table it does not'),
    ('audio_analysis', 'prosodic_features', spec.alice(), spec.alice(), '^MM023', 'nor in another column'),
    ('audio_analysis', 'vocal_characteristics', spec.bob(), spec.alice(), '^MM023', 'nor in another row'),
    ('audio_analysis', 'vocal_characteristics', spec.alice(), spec.bob(), '^MM022', 'nor for another person')) AS c (t, c, r, u, expected, name);
-- a thief who renames it to the other person's key
SELECT matches(spec.error(format('SELECT mm_decrypt(''audio_analysis'', ''vocal_characteristics'', spec.alice(), spec.bob(), jsonb_set(body, ''{kid}'', to_jsonb((SELECT kid FROM user_keys WHERE user_id = spec.bob())))) FROM spec.one')), '^MM023', 'nor under the name of the other person''s key');

-- when they are written
SELECT is((SELECT string_agg(DISTINCT left(spec.error(format('UPDATE assessment_sessions SET reflection_notes = %L WHERE id = %L', e.body, s.id), 'spec_worker'), 5), ',') FROM spec.envelopes AS e CROSS JOIN assessment_sessions AS s WHERE NOT e.json AND (e.relation, e.field, e.row_id) IS DISTINCT FROM ('assessment_sessions', 'reflection_notes', s.id)), 'MM022,MM023', 'a foreign text is refused on writing');
SELECT is((SELECT string_agg(DISTINCT left(spec.error(format('UPDATE assessment_sessions SET text_data = %L WHERE id = %L', e.body, s.id), 'spec_worker'), 5), ',') FROM spec.envelopes AS e CROSS JOIN assessment_sessions AS s WHERE e.json AND (e.relation, e.field, e.row_id) IS DISTINCT FROM ('assessment_sessions', 'text_data', s.id)), 'MM022,MM023', 'so is a foreign document');
SELECT is(left(spec.error(format('UPDATE assessment_sessions SET text_data = %L', c.body), 'spec_worker'), 5), '23514', c.body || ' is refused')
FROM (VALUES ('{"mm_enc": 1}'), ('{"mm_enc": 2, "kid": "AAAAAAAA", "n": "", "c": ""}'), ('{"mm_enc": null}'), ('{"kid": "a", "n": "b", "c": "d"}'), ('{"mm_enc": 1, "kid": "AAAAAAAA", "n": "AAAA", "c": "AAAA", "x": 1}')) AS c (body);
SELECT is(left(spec.error(format('UPDATE assessment_sessions SET reflection_notes = %L', c.body), 'spec_worker'), 5), '23514', c.body || ' is refused')
FROM (VALUES ('mm_enc:'), ('mm_enc:1:AAAAAAAA:AAAA:AAAA'), ('mm_enc:2:see there'), ('x:AAAAAAAA:' || repeat('A', 32) || ':' || repeat('A', 22))) AS c (body);
SELECT is(spec.error('UPDATE assessment_sessions SET reflection_notes = $1', 'spec_worker', NULL, c.body), '2 rows', c.body || ' is open text')
FROM (VALUES ('at 10:15:00: tired'), ('mm_enc'), ('MM_ENC:1:a:b:c')) AS c (body);
SELECT is(spec.error(format('INSERT INTO profiles (user_id, wellness_goals) VALUES (spec.carol(), %L)', body), 'spec_worker'), '23514 wellness_goals: is not an encrypted column', 'a column that is not encrypted takes no envelope') FROM spec.one;
-- A key cannot be moved to another person, nor to another name.
UPDATE user_keys SET wrapped = (SELECT wrapped FROM user_keys WHERE user_id = spec.bob()) WHERE user_id = spec.alice();
SELECT matches(spec.error('SELECT mm_decrypt(''audio_analysis'', ''vocal_characteristics'', spec.alice(), spec.alice(), body) FROM spec.one'), '^MM021', 'a key exchanged for another person''s opens nothing');

SELECT * FROM finish();
ROLLBACK;
