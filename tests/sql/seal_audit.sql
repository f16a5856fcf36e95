-- What has been sealed cannot be changed without being named, not even by a superuser who switches the triggers off.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/people.psql

SELECT is(mm_audit_head(), NULL, 'given nothing has been sealed, there is no head');
SELECT is_empty('SELECT * FROM mm_verify_audit()', 'and nothing is wrong');
SELECT is(spec.say('SELECT mm_seal_audit()', 'spec_worker'), (SELECT count(*)::text FROM audit_log), 'sealing takes every line');
SELECT is(mm_seal_audit(), 0::bigint, 'once');
SELECT is((SELECT count(*) FROM audit_blocks), 1::bigint, 'in a block');
SELECT is(mm_audit_head(), (SELECT '1:' || encode(hash, 'hex') FROM audit_blocks), 'whose hash is the head');
INSERT INTO assessment_sessions (user_id) SELECT spec.alice() FROM generate_series(1, 3);
DO $$ BEGIN FOR i IN 1..12 LOOP PERFORM mm_audit('EXPORT', NULL, spec.alice(), jsonb_build_object('n', i)); END LOOP; END $$;
SELECT is(spec.say('SELECT mm_seal_audit()', 'spec_auditor'), '13', 'what is new goes into the next block');
SELECT is(b.previous_hash, a.hash, 'which holds the hash of the one before') FROM audit_blocks AS a, audit_blocks AS b WHERE a.number = 1 AND b.number = 2;
SELECT spec.act('UPDATE profiles SET first_name = NULL', 'spec_worker');
SELECT mm_seal_audit();
SELECT is_empty('SELECT * FROM mm_verify_audit()', 'nothing is wrong');
SELECT is_empty('SELECT * FROM mm_verify_audit(mm_audit_head())', 'nor with the head that was kept');
SELECT is_empty($$ SELECT * FROM mm_verify_audit((SELECT '2:' || encode(hash, 'hex') FROM audit_blocks WHERE number = 2)) $$, 'nor with an older one');
-- The session's settings change no hash.
SELECT is_empty('SELECT * FROM mm_verify_audit()', format('nor with %s', s.setting))
FROM (VALUES ('TimeZone'), ('DateStyle'), ('IntervalStyle'), ('bytea_output'), ('extra_float_digits')) AS s (setting)
CROSS JOIN LATERAL set_config(s.setting, CASE s.setting WHEN 'TimeZone' THEN 'Asia/Kolkata' WHEN 'DateStyle' THEN 'SQL, DMY' WHEN 'IntervalStyle' THEN 'sql_standard' WHEN 'bytea_output' THEN 'escape' ELSE '-15' END, true);

-- A superuser with the triggers off does something to the sealed log; what mm_verify_audit() then says.
CREATE FUNCTION spec.found(deed text, head text DEFAULT NULL) RETURNS text LANGUAGE plpgsql
    AS $$
DECLARE
    said text;
BEGIN
    SET LOCAL session_replication_role = replica;
    EXECUTE deed;
    SET LOCAL session_replication_role = origin;
    SELECT coalesce(string_agg(concat_ws(' ', v.block, v.row_id - (SELECT first_id FROM audit_blocks WHERE number = 2), v.problem), '; ' ORDER BY v.block, v.row_id, v.problem), 'nothing') INTO said FROM mm_verify_audit(head) AS v;
    RAISE EXCEPTION 'take it back' USING ERRCODE = 'SPEC0';
EXCEPTION
    WHEN SQLSTATE 'SPEC0' THEN RETURN said;
END;
$$;
-- Lines of the second block are numbered from 0.
CREATE FUNCTION spec.line(n int) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT ids[n + 1] FROM audit_blocks WHERE number = 2 $$;
CREATE TABLE spec.second AS SELECT ids FROM audit_blocks WHERE number = 2;
GRANT SELECT ON spec.second TO PUBLIC;

SELECT is(spec.found(format('UPDATE audit_log SET %I = %s WHERE id = spec.line(5)', c.name, c.value)), '2 5 altered', 'an altered ' || c.name || ' is named')
FROM (VALUES ('at', 'at + interval ''1 microsecond'''), ('txid', '''1''::xid8'), ('action', '''READ'''), ('table_name', '''x'''), ('subject', 'gen_random_uuid()'), ('subject', 'NULL'), ('actor', 'gen_random_uuid()'), ('actor_verified', 'NOT actor_verified'),
    ('role_name', '''x'''), ('session_role', '''x'''), ('client_addr', '''10.0.0.1'''), ('application', '''x'''), ('row_ids', '''{x}'''), ('row_count', '7'), ('columns', '''{x}'''), ('detail', '''{"n": null}'''), ('detail', 'NULL')) AS c (name, value);
SELECT set_eq(
    $$ SELECT attname FROM pg_attribute WHERE attrelid = 'audit_log'::regclass AND attnum > 0 AND attname <> 'id' $$,
    ARRAY['at', 'txid', 'action', 'table_name', 'subject', 'actor', 'actor_verified', 'role_name', 'session_role', 'client_addr', 'application', 'row_ids', 'row_count', 'columns', 'detail'],
    'and that was every column');
SELECT is(spec.found('DELETE FROM audit_log WHERE id = spec.line(3)'), '2 3 missing', 'a removed line is named');
SELECT is(spec.found('DELETE FROM audit_log WHERE id IN (spec.line(0), spec.line(12))'), '2 0 missing; 2 12 missing', 'the first and the last one too');
SELECT is(spec.found('DELETE FROM audit_log WHERE id >= spec.line(0)'), (SELECT string_agg(x, '; ' ORDER BY o) FROM (SELECT n AS o, format('2 %s missing', n) FROM generate_series(0, 12) AS n UNION ALL SELECT 100 + n, format('3 %s missing', 13 + n) FROM generate_series(0, 1) AS n) AS s (o, x)),
    'every one of many');
SELECT is(spec.found('INSERT INTO audit_log (id, txid, action) OVERRIDING SYSTEM VALUE VALUES (spec.line(0) + 1000, ''3'', ''FORGED'')'), '1000 inserted', 'a line that is slipped in is named');
SELECT is(spec.found('INSERT INTO audit_log (id, txid, action) OVERRIDING SYSTEM VALUE VALUES (spec.line(4), ''3'', ''FORGED'')'), '4 inserted', 'also under the number of another');
-- He who may switch the triggers off may also do this.
ALTER TABLE audit_log ALTER COLUMN id SET GENERATED BY DEFAULT;
SELECT is(spec.found('UPDATE audit_log SET id = CASE id WHEN spec.line(2) THEN spec.line(7) ELSE spec.line(2) END WHERE id IN (spec.line(2), spec.line(7))'), '2 2 reordered; 2 7 reordered', 'two that have changed places are named');
SELECT is(spec.found('UPDATE audit_log SET id = CASE id WHEN spec.line(11) THEN spec.line(1) ELSE id + 1 END WHERE id BETWEEN spec.line(1) AND spec.line(11)'),
    (SELECT string_agg(format('2 %s reordered', n), '; ' ORDER BY n) FROM generate_series(1, 11) AS n), 'and a whole row of them');

-- the blocks ------------------------------------------------------------------------------------------
SELECT matches(spec.found('DELETE FROM audit_blocks WHERE number = 2'), '2 block missing', 'a removed block is named');
SELECT matches(spec.found('DELETE FROM audit_blocks WHERE number = 1'), '1 block missing', 'the first one too');
SELECT matches(spec.found('DELETE FROM audit_blocks WHERE number = 3', mm_audit_head()), '3 head not in the chain', 'the last one by the head that was kept');
SELECT matches(spec.found('DELETE FROM audit_blocks WHERE number = 2; UPDATE audit_blocks SET number = 2 WHERE number = 3'), '2 block altered', 'closing the gap is seen');
SELECT matches(spec.found(format('UPDATE audit_blocks SET %s WHERE number = 2', c.change)), '2 block altered', 'an altered block is named: ' || c.change)
FROM (VALUES ('row_count = 12'), ('ids[1] = ids[1] - 1'), ('row_hashes[1] = row_hashes[2]'), ('root = sha256(''x'')'), ('hash = sha256(''x'')'), ('previous_hash = sha256(''x'')'), ('sealed_at = sealed_at + interval ''1 second'''), ('month = month + 31'), ('horizon = ''1'''), ('first_id = 1'), ('last_id = 1')) AS c (change);
-- Somebody who rewrites a line and computes its block, and all that follow, anew.
CREATE FUNCTION spec.rewrite() RETURNS void LANGUAGE plpgsql SET timezone = 'UTC'
    AS $$
DECLARE
    b audit_blocks;
    previous bytea := '';
BEGIN
    UPDATE audit_log SET action = 'NEVER' WHERE id = spec.line(5);
    FOR b IN SELECT * FROM audit_blocks ORDER BY number LOOP
        b.row_hashes := (SELECT array_agg(mm_audit_digest(to_jsonb(a)) ORDER BY a.id) FROM audit_log AS a WHERE a.id = ANY (b.ids));
        b.root := mm_audit_root(b.ids, b.row_hashes);
        b.previous_hash := previous;
        b.hash := mm_audit_block_hash(b.number, b.sealed_at, b.month, b.horizon, b.row_count, b.root, b.previous_hash);
        UPDATE audit_blocks SET row_hashes = b.row_hashes, root = b.root, previous_hash = b.previous_hash, hash = b.hash WHERE number = b.number;
        previous := b.hash;
    END LOOP;
END;
$$;
SELECT is(spec.found('SELECT spec.rewrite()'), 'nothing', 'a chain that was rewritten as a whole is consistent');
SELECT is(spec.found('SELECT spec.rewrite()', mm_audit_head()), '3 head not in the chain', 'but is not the one whose head was kept');

-- retention ----------------------------------------------------------------------------------------------
INSERT INTO audit_log (at, action) VALUES ('2000-01-15', 'OLD'), ('2000-01-16', 'OLD'), (now() - interval '5 years', 'NOT SO OLD');
SELECT is(mm_seal_audit(), 3::bigint, 'lines of several months');
SELECT is((SELECT count(*) FROM audit_blocks), 5::bigint, 'are sealed in a block a month');
SELECT is(spec.found('DELETE FROM audit_log WHERE at < ''2000-02-01'''), 'nothing', 'a whole month older than six years may be gone');
SELECT matches(spec.found('DELETE FROM audit_log WHERE at = ''2000-01-15'''), '^4 \d+ missing$', 'but not a part of it');
SELECT matches(spec.found('DELETE FROM audit_log WHERE action = ''NOT SO OLD'''), '^5 \d+ missing$', 'nor a younger one');

-- after a restore into another cluster, whose transactions are numbered anew ----------------------------------
CREATE TABLE spec.kept AS SELECT mm_audit_head() AS head;
SET LOCAL session_replication_role = replica;
UPDATE audit_blocks AS b SET horizon = '4000000000', hash = mm_audit_block_hash(b.number, b.sealed_at, b.month, '4000000000', b.row_count, b.root, b.previous_hash) WHERE number = 5;
INSERT INTO audit_log (txid, action) VALUES ('4000000001', 'NOT YET SEALED THERE');
SET LOCAL session_replication_role = origin;
SELECT mm_audit('EXPORT', NULL, NULL, NULL);
SELECT is_empty('SELECT * FROM mm_verify_audit()', 'a horizon ahead of all transactions is no alarm');
SELECT is(mm_seal_audit(), 2::bigint, 'and what was not sealed there, and what is new, is sealed');
SELECT is_empty('SELECT * FROM mm_verify_audit()', 'and stands');
SELECT is(mm_seal_audit(), 0::bigint, 'once');

-- Lines that move from the DEFAULT partition to that of their month stay sealed as they are.
SELECT spec.say('SELECT mm_time_partition(''audit_log'', ''month'', now())', 'mindmeasure_owner') AS partition \gset
SELECT is_empty('SELECT FROM audit_log_default WHERE at >= date_trunc(''month'', now(), ''UTC'')', 'given the lines have moved to the partition of their month');
SELECT is_empty('SELECT * FROM mm_verify_audit()', 'they stand');
SELECT mm_audit('EXPORT', NULL, NULL, NULL);
SELECT is(mm_seal_audit(), 1::bigint, 'and sealing goes on');
SELECT is(spec.error(format('%s %s', v, :'partition'), 'mindmeasure_owner'), format('42501 %s: is append-only', :'partition'), format('the new partition is append-only too: %s', v)) FROM unnest('{TRUNCATE,DELETE FROM}'::text[]) AS v;

SELECT is(spec.outcome(format('SELECT %s', f), r, spec.alice()), 'refused', format('%s by %s: refused', f, r))
FROM unnest('{mm_seal_audit(),mm_verify_audit(),mm_audit_head(),mm_unsealed_audit(),mm_audit_table(''profiles''),"mm_audit_subject(spec.alice(),true)"}'::text[]) AS f, unnest('{spec_app,spec_anon}'::text[]) AS r;
SELECT is(spec.error('SELECT * FROM mm_verify_audit(''x'')'), '22023 head: must be what mm_audit_head() has returned', 'a head that is none');
SELECT * FROM finish();
ROLLBACK;
