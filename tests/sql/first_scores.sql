-- Scores of sessions that had none are written without a plan (src/store/first.rs). What a statement would
-- have written is written, and whoever else has a say in these tables is asked.
BEGIN;
SELECT no_plan();
\ir lib/snapshot.psql
\ir lib/person.psql
\ir lib/speaking.psql

-- Given a person with nine scored sessions, and two new ones of whom one has been told of
SELECT pg_temp.analyse(pg_temp.add_session(1, n, pg_temp.session_time(1, n)), m)
FROM generate_series(1, 11) AS n, unnest('{text,audio}'::text[]) AS m WHERE m = 'text' \g /dev/null
SELECT pg_temp.analyse(pg_temp.session_id(1, n), 'audio') FROM generate_series(1, 11) AS n \g /dev/null
UPDATE assessment_sessions SET mood_after = pg_temp.mood(id::text) WHERE mood_before IS NULL AND mood_after IS NULL;
SELECT count(f) FROM generate_series(1, 9) AS n, mm_fuse_session(pg_temp.session_id(1, n)) AS f \g /dev/null
INSERT INTO session_outcomes (session_id, worse) VALUES (pg_temp.session_id(1, 11), true);
SELECT pg_temp.person_id(1) AS person, pg_temp.session_id(1, 10) AS session, pg_temp.session_id(1, 11) AS told \gset
-- and all that is written
CREATE FUNCTION pg_temp.audited() RETURNS TABLE (line text) LANGUAGE sql AS $$
    SELECT format('%s %s %s %s %s %s', a.action, a.table_name, a.subject, a.row_ids, a.row_count, a.columns)
    FROM audit_log AS a WHERE a.txid = pg_current_xact_id() AND a.id > current_setting('spec.audited')::bigint
$$;
CREATE FUNCTION pg_temp.written(person uuid) RETURNS TABLE (line text) LANGUAGE sql AS $$
    SELECT concat_ws(' ', c.relation, c.key, c.line) FROM pg_temp.computed(person) AS c
    UNION ALL SELECT 'outcome ' || o::text FROM session_outcomes AS o WHERE o.user_id = person
    UNION ALL SELECT format('at %s %s', f.session_id, f.created_at) FROM fusion_outputs AS f WHERE f.user_id = person
    UNION ALL SELECT format('at %s %s', m.session_id, m.calculated_at) FROM mind_measure_scores AS m WHERE m.user_id = person
    UNION ALL SELECT format('at %s %s', b.metric_type, b.last_updated) FROM user_baselines AS b WHERE b.user_id = person
    UNION ALL SELECT format('at %s %s', b.feature_name, b.updated_at) FROM user_feature_baselines AS b WHERE b.user_id = person
    UNION ALL SELECT format('status %s %s', s.status, s.updated_at = now()) FROM assessment_sessions AS s WHERE s.user_id = person
    UNION ALL SELECT format('history %s %s %s', h.table_name, h.action, h.row_key) FROM row_history AS h
        WHERE h.user_id = person AND h.transaction_id = pg_current_xact_id()
    UNION ALL SELECT 'audit ' || a.line FROM pg_temp.audited() AS a
$$;
SELECT set_config('spec.audited', max(id)::text, true) FROM audit_log \g /dev/null
SAVEPOINT before;

-- as it is, and as a statement writes it ------------------------------------------------------
SELECT mm_fuse_session(:'session'), mm_fuse_session(:'told') \g /dev/null
SELECT array_agg(line ORDER BY line) AS lines, count(*) AS count FROM pg_temp.written(:'person') \gset
SELECT cmp_ok(:'count'::int, '>', 100, 'much is written');
SELECT is((SELECT array_agg(line ORDER BY line) FROM pg_temp.audited() AS a WHERE line ~ '^INSERT'),
    (SELECT array_agg(format('INSERT %s %s {%s} 1 ', t, s.subject, i) ORDER BY t, i) FROM audit_subjects AS s, (VALUES ('fusion_outputs', :'session'), ('fusion_outputs', :'told'), ('session_outcomes', :'session')) AS x (t, i) WHERE s.user_id = :'person'),
    'the audit says which rows came, one line a table');
SELECT is((SELECT (worse, derived)::text FROM session_outcomes WHERE session_id = :'told'), '(t,f)', 'what a clinician has said stays');
SELECT cmp_ok((SELECT n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'user_feature_baselines'), '>', 0::bigint, 'baselines are changed in their pages');
ROLLBACK TO SAVEPOINT before;
-- given a trigger of an application's, after the statement
CREATE TABLE pg_temp.seen (what text, rows bigint);
CREATE FUNCTION pg_temp.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO pg_temp.seen SELECT TG_TABLE_NAME, count(*) FROM new_rows; RETURN NULL; END $$;
GRANT ALL ON pg_temp.seen TO PUBLIC;
CREATE TRIGGER see AFTER INSERT ON fusion_outputs REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.see();
SELECT mm_fuse_session(:'session'), mm_fuse_session(:'told') \g /dev/null
SELECT results_eq('SELECT * FROM pg_temp.seen', $$ VALUES ('fusion_outputs', 1::bigint), ('fusion_outputs', 1) $$, 'an application''s trigger is fired');
SELECT is((SELECT array_agg(line ORDER BY line) FROM pg_temp.written(:'person')), :'lines'::text[], 'and all that is written is the same');
ROLLBACK TO SAVEPOINT before;
-- many at once, of whom none has been told of
DELETE FROM session_outcomes WHERE session_id = :'told';
SELECT set_config('spec.audited', max(id)::text, true) FROM audit_log \g /dev/null
SAVEPOINT untold;
SELECT mm_fuse_session(:'session'), mm_fuse_session(:'told') \g /dev/null
SELECT array_agg(line ORDER BY line) AS lines FROM pg_temp.written(:'person') WHERE line !~ '^audit' \gset
ROLLBACK TO SAVEPOINT untold;
SELECT mm_fuse_pending(10) \g /dev/null
SELECT is((SELECT array_agg(line ORDER BY line) FROM pg_temp.written(:'person') WHERE line !~ '^audit'), :'lines'::text[], 'scored together, the same');
SELECT is((SELECT string_agg(line, '; ') FROM pg_temp.audited() AS a WHERE line ~ 'INSERT fusion'),
    (SELECT format('INSERT fusion_outputs %s {%s,%s} 2 ', s.subject, :'session', :'told') FROM audit_subjects AS s WHERE s.user_id = :'person'), 'with one line of the audit');
ROLLBACK TO SAVEPOINT before;

-- whoever else has a say -----------------------------------------------------------------------
-- What scoring raises after a change; both are undone.
CREATE FUNCTION pg_temp.raised(change text, session uuid) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE change;
        PERFORM mm_fuse_session(session);
        RAISE EXCEPTION 'scored %', (SELECT count(*) FROM fusion_outputs WHERE session_id = session);
    EXCEPTION WHEN raise_exception THEN
        RETURN SQLERRM;
    END;
EXCEPTION WHEN OTHERS THEN
    RETURN format('%s, scored %s', SQLSTATE, (SELECT count(*) FROM fusion_outputs WHERE session_id = session));
END $$;
SELECT is(pg_temp.raised(change, :'session'), expected, change) FROM (VALUES
    ('ALTER TABLE fusion_outputs ADD CHECK (score > 1000) NOT VALID', '23514, scored 0'),
    ('ALTER TABLE mind_measure_scores ADD CHECK (combined_score > 1000) NOT VALID', '23514, scored 0'),
    ('ALTER TABLE session_outcomes ADD CHECK (source <> ''self_report'') NOT VALID', '23514, scored 0'),
    ('ALTER TABLE user_feature_baselines ADD CHECK (n < 5) NOT VALID', '23514, scored 0'),
    ('ALTER TABLE user_baselines ADD CHECK (sample_count < 5) NOT VALID', '23514, scored 0'),
    ('ALTER TABLE fusion_outputs ADD COLUMN said text NOT NULL DEFAULT ''x''', 'scored 1'),
    ('ALTER TABLE user_feature_baselines DROP CONSTRAINT user_feature_baselines_user_id_feature_name_key', 'scored 1'),
    ('CREATE UNIQUE INDEX ON user_baselines (last_updated) WHERE metric_type <> ''combined_wellness''; UPDATE user_baselines SET last_updated = now() - id_ * interval ''1 s'' FROM (SELECT id, row_number() OVER () AS id_ FROM user_baselines) AS n WHERE n.id = user_baselines.id', '23505, scored 0'),
    ('CREATE INDEX ON user_baselines USING brin (last_updated)', 'scored 1'),
    ('CREATE INDEX ON user_feature_baselines (n)', 'scored 1')) AS c (change, expected);
-- given a column that the library does not know
ALTER TABLE fusion_outputs ADD COLUMN said text DEFAULT 'as by default';
SELECT mm_fuse_session(:'session') \g /dev/null
SELECT is((SELECT said FROM fusion_outputs WHERE session_id = :'session'), 'as by default', 'a column of an application''s has its default');
ROLLBACK TO SAVEPOINT before;

-- what is there already ------------------------------------------------------------------------
INSERT INTO mind_measure_scores (session_id, combined_score) VALUES (:'session', 1);
SELECT mm_fuse_session(:'session') \g /dev/null
SELECT isnt((SELECT combined_score FROM mind_measure_scores WHERE session_id = :'session'), 1::float8, 'a comparison that is there is written over');
ROLLBACK TO SAVEPOINT before;
DELETE FROM user_feature_baselines WHERE user_id = :'person' AND feature_name = (SELECT min(feature_name) FROM user_feature_baselines WHERE user_id = :'person');
SELECT count(*) AS there FROM user_feature_baselines WHERE user_id = :'person' \gset
SELECT mm_fuse_session(:'session') \g /dev/null
SELECT cmp_ok((SELECT count(*) FROM user_feature_baselines WHERE user_id = :'person'), '>=', :'there'::bigint, 'a baseline that is missing comes anew');
ROLLBACK TO SAVEPOINT before;

-- the indexes know every row -------------------------------------------------------------------
SELECT mm_fuse_session(:'session'), mm_fuse_session(:'told') \g /dev/null
CREATE EXTENSION amcheck;
SELECT lives_ok(format('SELECT bt_index_check(%s, true)', i.indexrelid), i.indexrelid::regclass::text)
FROM pg_index AS i WHERE i.indrelid = ANY ('{fusion_outputs,mind_measure_scores,session_outcomes,user_baselines,user_feature_baselines}'::regclass[]);
SELECT is_empty(format('SELECT * FROM verify_heapam(%L)', t), t || ' is whole') FROM unnest('{fusion_outputs,mind_measure_scores,session_outcomes,user_baselines,user_feature_baselines}'::text[]) AS t;
SELECT * FROM finish();
ROLLBACK;
