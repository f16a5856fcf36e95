-- Prints what is half-written; nothing when all is well. One transaction: the replay is taken back.
\pset format unaligned
\pset tuples_only on
BEGIN;
\ir ../sql/lib/snapshot.psql
SELECT 'session ' || s.id || ' is ' || s.status || ', fusion ' || (f.session_id IS NOT NULL)::text || ', score ' || (m.session_id IS NOT NULL)::text
FROM assessment_sessions AS s
LEFT JOIN fusion_outputs AS f ON f.session_id = s.id
LEFT JOIN mind_measure_scores AS m ON m.session_id = s.id
WHERE (s.status = 'completed') <> (f.session_id IS NOT NULL) OR (f.session_id IS NULL) <> (m.session_id IS NULL);
SELECT 'session ' || id || ' has failed: ' || failure_reason FROM assessment_sessions WHERE status = 'failed' OR failure_reason IS NOT NULL;
SELECT 'orphan ' || session_id FROM fusion_outputs WHERE session_id NOT IN (SELECT id FROM assessment_sessions);
INSERT INTO snapshot SELECT 'stored', c.* FROM (SELECT DISTINCT user_id FROM session_keys) AS u, pg_temp.computed(u.user_id) AS c;
SELECT mm_rescore_user(user_id) FROM (SELECT DISTINCT user_id FROM session_keys) AS u \g /dev/null
INSERT INTO snapshot SELECT 'replayed', c.* FROM (SELECT DISTINCT user_id FROM session_keys) AS u, pg_temp.computed(u.user_id) AS c;
SELECT 'a replay differs in ' || relation || ': ' || count(*) FROM (
    (SELECT relation, key, line FROM snapshot WHERE label = 'stored' EXCEPT ALL SELECT relation, key, line FROM snapshot WHERE label = 'replayed')
    UNION ALL (SELECT relation, key, line FROM snapshot WHERE label = 'replayed' EXCEPT ALL SELECT relation, key, line FROM snapshot WHERE label = 'stored')) AS d
GROUP BY relation;
ROLLBACK;
