-- Nothing beside the tables leaks: partitions, the archive, views, functions, statistics, errors.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/people.psql
INSERT INTO auth.users (id) VALUES (spec.carol());
-- a partition of each partitioned table beside the default one
CREATE TABLE assessment_sessions_archive_2020 PARTITION OF assessment_sessions_archive FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
ALTER TABLE assessment_sessions_archive_2020 OWNER TO mindmeasure_owner;
ALTER TABLE assessment_sessions_archive_2020 ENABLE ROW LEVEL SECURITY;
SELECT mm_time_partition('audit_log', 'month', now());

-- from the first second ---------------------------------------------------------------------------------
SELECT is_empty($$ SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'p') AND relowner = 'mindmeasure_owner'::regrole AND NOT relrowsecurity $$, 'row-level security is on for every table and partition');
SELECT is(spec.outcome(format('%s %s %s', v.verb, c.oid::regclass, v.rest), r, spec.alice()), 'refused', format('%s %s by %s: refused', v.verb, c.oid::regclass, r))
FROM pg_class AS c, unnest('{spec_app,spec_worker,spec_auditor,spec_anon}'::text[]) AS r, (VALUES ('SELECT FROM', ''), ('DELETE FROM', ''), ('TRUNCATE', '')) AS v (verb, rest)
WHERE c.relispartition AND c.relkind IN ('r', 'p') AND c.relowner = 'mindmeasure_owner'::regrole;
SELECT is(spec.outcome(format('%s %s', v, c.oid::regclass), 'spec_anon', spec.alice()), 'refused', format('%s %s by anon: refused', v, c.oid::regclass))
FROM pg_class AS c, unnest('{SELECT FROM,DELETE FROM,TRUNCATE}'::text[]) AS v
WHERE NOT c.relispartition AND c.relkind IN ('r', 'p') AND c.relowner = 'mindmeasure_owner'::regrole;
SELECT is(spec.outcome(format('SELECT %I FROM %s', a.attname, c.oid::regclass), 'spec_anon', spec.alice()), 'refused', format('nor a single column: %s.%s', c.oid::regclass, a.attname))
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND c.relowner = 'mindmeasure_owner'::regrole AND a.attname IN ('id', 'user_id', 'session_id');

-- a view that a DBA makes with security_invoker ------------------------------------------------------------
CREATE VIEW everything WITH (security_invoker = true) AS
SELECT s.id, s.user_id, f.score, t.combined_text FROM assessment_sessions AS s LEFT JOIN fusion_outputs AS f ON f.session_id = s.id LEFT JOIN text_analysis AS t ON t.session_id = s.id;
CREATE VIEW archived WITH (security_invoker = true) AS SELECT * FROM assessment_sessions_archive;
CREATE VIEW part WITH (security_invoker = true) AS SELECT * FROM assessment_sessions_archive_default;
GRANT SELECT ON everything, archived, part TO PUBLIC;
SELECT is(spec.outcome('SELECT FROM ' || v, 'spec_app', spec.alice()), '2', 'Alice sees her two rows through the view ' || v) FROM unnest('{everything,archived}'::text[]) AS v;
SELECT is(spec.outcome('SELECT FROM ' || v, 'spec_app', spec.carol()), '0', 'Carol none through ' || v) FROM unnest('{everything,archived}'::text[]) AS v;
SELECT is(spec.outcome('SELECT FROM ' || v, 'spec_app'), '0', 'nobody none through ' || v) FROM unnest('{everything,archived}'::text[]) AS v;
SELECT is(spec.outcome('SELECT FROM ' || v, 'spec_anon', spec.alice()), 'refused', 'anon is refused at ' || v) FROM unnest('{everything,archived,part}'::text[]) AS v;
SELECT is(spec.outcome('SELECT FROM part', 'spec_app', spec.alice()), 'refused', 'through a view on a partition nobody sees anything');

-- a condition of the caller's does not see rows before the policy has ---------------------------------------
CREATE FUNCTION spec.spy(anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE EXCEPTION 'seen %', $1; END $$;
SELECT is(spec.error(format('SELECT FROM %s WHERE spec.spy(user_id)', t), 'spec_app', spec.carol()), '0 rows', t || ': a cheap condition is not asked of others'' rows')
FROM unnest('{assessment_sessions,assessment_sessions_archive,text_analysis,fusion_outputs,mind_measure_scores,session_insights,user_baselines}'::text[]) AS t;
SELECT is(spec.error('SELECT FROM audit_log WHERE spec.spy(subject)', 'spec_app', 'eeee0000-0000-4000-8000-000000000000'), '0 rows', 'audit_log: neither');

-- a foreign id is answered as one that does not exist ---------------------------------------------------------
CREATE FUNCTION spec.answer(statement text, id uuid, person uuid) RETURNS text LANGUAGE sql
    AS $$ SELECT replace(concat_ws('|', a.rows, a.state, a.message, a.detail, a.hint), $2::text, 'ID') FROM spec.attempt(replace($1, 'ID', quote_literal($2)), 'spec_app', $3) AS a $$;
SELECT is(spec.answer(p.path, spec.session(spec.alice(), n), spec.bob()), spec.answer(p.path, 'eeee0000-0000-4000-8000-000000000000', spec.bob()), format('%s (%s)', p.path, CASE n WHEN 1 THEN 'of another''s session' ELSE 'of another''s archived session' END))
FROM unnest(ARRAY[1, 5]) AS n, unnest(ARRAY[
    'SELECT * FROM mm_fuse_session(ID)', 'SELECT * FROM mm_fuse_session(ID, true)', 'SELECT mm_explain_session(ID)', 'SELECT mm_record_outcome(ID, true)',
    'SELECT * FROM assessment_sessions WHERE id = ID', 'SELECT * FROM assessment_sessions_archive WHERE id = ID', 'SELECT * FROM text_analysis WHERE session_id = ID',
    'SELECT * FROM fusion_outputs WHERE session_id = ID', 'SELECT * FROM mind_measure_scores WHERE session_id = ID', 'SELECT * FROM session_insights WHERE session_id = ID', 'SELECT * FROM session_outcomes WHERE session_id = ID',
    'UPDATE assessment_sessions SET category = ''x'' WHERE id = ID', 'SELECT * FROM audio_analysis WHERE session_id = ID', 'SELECT * FROM session_keys WHERE id = ID', 'DELETE FROM assessment_sessions WHERE id = ID']) AS p (path);
SELECT is(spec.answer(p.path, spec.alice(), spec.bob()), spec.answer(p.path, 'eeee0000-0000-4000-8000-000000000000', spec.bob()), format('%s (of another person)', p.path))
FROM unnest(ARRAY['SELECT * FROM mm_score_history(ID)', 'SELECT mm_report_html(ID)', 'SELECT mm_end_break_glass(ID)', 'SELECT * FROM profiles WHERE user_id = ID', 'SELECT * FROM user_baselines WHERE user_id = ID',
    'SELECT * FROM user_feature_baselines WHERE user_id = ID', 'SELECT * FROM user_calibration WHERE user_id = ID', 'SELECT * FROM audit_subjects WHERE user_id = ID', 'SELECT * FROM break_glass_grants WHERE user_id = ID',
    'INSERT INTO assessment_sessions (user_id) VALUES (ID)', 'INSERT INTO profiles (user_id) VALUES (ID)', 'SELECT mm_fuse_pending()', 'SELECT mm_rescore_user(ID)']) AS p (path);
SELECT is(spec.say(format('SELECT mm_report_html(%L)', spec.alice()), 'spec_app', spec.bob()), spec.say(format('SELECT mm_report_html(%L)', 'eeee0000-0000-4000-8000-000000000000'), 'spec_app', spec.bob()), 'the page of another person is the page of nobody, to the letter');
-- An id of somebody else's that is taken: the same answer whoever's it is.
SELECT is(spec.answer('INSERT INTO assessment_sessions (id) VALUES (ID)', spec.session(spec.alice(), n), spec.bob()), spec.answer('INSERT INTO assessment_sessions (id) VALUES (ID)', spec.session(spec.bob(), 1), spec.bob()), 'a taken id is taken, whoever''s it is, archived or not')
FROM unnest(ARRAY[1, 5, 9]) AS n;

-- what the planner knows of others' rows ------------------------------------------------------------------------
SELECT is(spec.outcome($$ SELECT FROM pg_stats WHERE schemaname = 'public' $$, r, spec.alice()), '0', r || ' reads no statistics of our tables') FROM unnest('{spec_app,spec_anon}'::text[]) AS r;
SELECT is(spec.outcome('SELECT FROM pg_statistic', r, spec.alice()), 'refused', r || ' nor the catalog below them') FROM unnest('{spec_app,spec_anon}'::text[]) AS r;
SELECT is(spec.outcome(format('COPY %s TO STDOUT', t), 'spec_anon', spec.alice()) IN ('refused', '0A000'), true, 'COPY is no way in: ' || t) FROM unnest('{profiles,assessment_sessions}'::text[]) AS t;
SELECT * FROM finish();
ROLLBACK;
