-- shape: flat
-- The document's dashboard query under row-level security reads ten scores, not all of a person's:
-- with LIMIT the planner counts but a share of the cost of reading them all.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql

-- given forty people of 250 sessions and one of 1,500
SET LOCAL session_replication_role = replica;
CREATE TEMP TABLE s AS
SELECT gen_random_uuid() AS id, md5('person ' || p)::uuid AS user_id, now() - n * interval '7 h' AS at
FROM generate_series(0, 40) AS p, generate_series(1, CASE p WHEN 0 THEN 1500 ELSE 250 END) AS n;
INSERT INTO session_keys SELECT id, user_id, at FROM s;
INSERT INTO assessment_sessions (id, user_id, created_at) SELECT id, user_id, at FROM s ORDER BY at;
INSERT INTO mind_measure_scores (session_id, user_id, combined_score, trend_analysis)
SELECT id, user_id, 50, NULL FROM s ORDER BY at;
RESET session_replication_role;
ANALYZE session_keys, assessment_sessions, mind_measure_scores;

CREATE FUNCTION spec.plan(person uuid, how text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    plan text := '';
BEGIN
    PERFORM set_config('request.jwt.claims', json_build_object('sub', person)::text, true), set_config('role', 'mindmeasure_user', true);
    PERFORM set_config('plan_cache_mode', CASE how WHEN 'generic' THEN 'force_generic_plan' ELSE 'force_custom_plan' END, true);
    FOR line IN EXECUTE format('EXPLAIN (COSTS off) EXECUTE dashboard (%L)', person) LOOP
        plan := plan || line || E'\n';
    END LOOP;
    PERFORM set_config('role', 'none', true);
    RETURN plan;
END;
$$;
PREPARE dashboard (uuid) AS
SELECT s.*, ms.combined_score, ms.baseline_deviation
FROM assessment_sessions s
LEFT JOIN mind_measure_scores ms ON s.id = ms.session_id
WHERE s.user_id = $1
ORDER BY s.created_at DESC
LIMIT 10;

-- then scores are looked up by session, however the query is sent
SELECT matches(spec.plan(md5('person ' || p)::uuid, how), 'Index (Only )?Scan using \S+ on mind_measure_scores ms\n\s+Index Cond: \(session_id = s\.id\)',
    format('person %s, %s plan: scores are found by session', p, how))
FROM unnest('{0,1}'::int[]) AS p, unnest('{custom,generic}'::text[]) AS how;
SELECT doesnt_match(spec.plan(md5('person 0')::uuid, 'custom'), 'Bitmap|Materialize|Sort', 'nothing is read whole, or sorted');

-- At ten million sessions that hangs on what the planner believes of one person's share.
SELECT ok((SELECT 'n_distinct=-0.0003' = ANY (attoptions) FROM pg_attribute WHERE attrelid = 'mind_measure_scores'::regclass AND attname = 'user_id'),
    'a person is taken to have so many scores that reading them all is never the cheaper way');


-- Nor is time spent on where the random ids of sessions begin and end.
CREATE FUNCTION spec.known() RETURNS bigint LANGUAGE sql AS
    $$ SELECT count(*) FROM pg_stats WHERE tablename = 'mind_measure_scores' AND attname = 'session_id' $$;
SELECT is(spec.known(), 0::bigint, 'ANALYZE writes nothing down of them');
-- As it is after an update from 1.0.0, and stays for every later ANALYZE.
ALTER TABLE mind_measure_scores ALTER COLUMN session_id SET STATISTICS -1;
ANALYZE mind_measure_scores;
ALTER TABLE mind_measure_scores ALTER COLUMN session_id SET STATISTICS 0;
SELECT is(spec.known(), 1::bigint, 'what it wrote down before');
SELECT is_empty('SELECT * FROM mm_migrate()', 'there is nothing to migrate');
SELECT is(spec.known(), 0::bigint, 'is taken away by mm_migrate()');

SELECT * FROM finish();
ROLLBACK;
