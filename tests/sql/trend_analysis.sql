-- trend_analysis: three windows, patterns, correlations with the self-report, the watch for a decline.
BEGIN;
SELECT no_plan();
\ir lib/person.psql
\ir lib/reading.psql
SELECT pg_temp.write_history(1, 60) \g /dev/null

CREATE TEMP TABLE analysed AS
SELECT row_number() OVER (ORDER BY f.session_created_at) AS number, f.*, m.trend_analysis AS document
FROM fusion_outputs AS f JOIN mind_measure_scores AS m USING (session_id);

SELECT is((SELECT count(*) FROM analysed WHERE document IS NULL), 0::bigint, 'every session has one');
SELECT is((SELECT bool_and(mm_validate_json('trend_analysis', 'trend_analysis', document)) FROM analysed), true, 'which fits the interface');
SELECT is((SELECT array_agg(DISTINCT word ORDER BY word) <@ '{declining,improving,insufficient data,stable}' FROM analysed,
    unnest(ARRAY[document ->> 'short_term', document ->> 'medium_term', document ->> 'long_term']) AS word), true, 'in four words');

SELECT is((SELECT document ->> 'long_term' FROM analysed WHERE number = 9), 'insufficient data', 'four sessions beyond the baseline sessions have no direction');
SELECT is((SELECT document #> '{windows,long_term}' FROM analysed WHERE number = 9),
    '{"days": 90, "n": 4, "slope": null, "low": null, "high": null, "p": null}'::jsonb, 'and no figures');
SELECT is((SELECT document ->> 'long_term' FROM analysed WHERE number = 60), 'declining', 'the decline is found');
SELECT is((SELECT (document #>> '{windows,long_term,p}')::float8 < 0.001 AND (document #>> '{windows,long_term,slope}')::float8 < 0 FROM analysed WHERE number = 60), true, 'with p and slope');
SELECT is((SELECT document #>> '{windows,long_term,n}' FROM analysed WHERE number = 60), '55', 'over every session of 90 days but the baseline sessions');
SELECT is((SELECT document #>> '{windows,short_term,n}' FROM analysed WHERE number = 60), '7', 'a week of daily sessions holds seven');
SELECT is((SELECT document #>> '{windows,medium_term,n}' FROM analysed WHERE number = 30), '10', 'a window leaves out what was before it, across the pause too');

-- Patterns
-- Somebody who does not decline: a fall would hide the weekday in its spread.
SELECT pg_temp.write_history(2, 60, fall => 0) \g /dev/null
SELECT is((SELECT count(*) FROM mind_measure_scores AS m, jsonb_array_elements_text(m.trend_analysis -> 'patterns') AS p
    WHERE m.session_id = pg_temp.session_id(2, 60) AND p LIKE 'weekday: lower by % on Mondays%'), 1::bigint, 'Mondays are named');
SELECT is((SELECT trend_analysis ->> 'long_term' FROM mind_measure_scores WHERE session_id = pg_temp.session_id(2, 60)), 'stable', 'and no trend');
SELECT is((SELECT document #>> '{alarm,raised}' FROM analysed WHERE number = 60), 'true', 'the watch for a decline has been raised');
SELECT is((SELECT count(*) FROM analysed, jsonb_array_elements_text(document -> 'patterns') AS p WHERE number = 60 AND p LIKE 'falling: %'), 1::bigint, 'and is named');
SELECT is((SELECT document #>> '{alarm,raised}' FROM analysed WHERE number = 5), 'false', 'not at the beginning');
SELECT is((SELECT count(*) FROM analysed WHERE decline_watch[1] <> greatest(number - 5, 0) OR decline_watch[4] <> (document #>> '{alarm,sum}')::float8), 0::bigint, 'its state is carried from session to session');

-- Correlations
SELECT is((SELECT document -> 'correlations' FROM analysed WHERE number = 3), '[]'::jsonb, 'none under four pairs');
SELECT is((SELECT array_agg(c ->> 'factor') FROM analysed, jsonb_array_elements(document -> 'correlations') AS c WHERE number = 60),
    '{energy_level,stress_level,physical_comfort,social_connection,sleep_quality}', 'every figure of the self-report');
SELECT is((SELECT (c ->> 'correlation')::float8 > 0.5 AND (c ->> 'confidence')::float8 > 0.95 FROM analysed, jsonb_array_elements(document -> 'correlations') AS c
    WHERE number = 60 AND c ->> 'factor' = 'energy_level'), true, 'the one that goes with the score is found');
SELECT is((SELECT round((c ->> 'correlation')::numeric, 9) FROM analysed, jsonb_array_elements(document -> 'correlations') AS c WHERE number = 60 AND c ->> 'factor' = 'energy_level'),
    (SELECT round(corr(1 / (1 + exp(last_value + departure)), reported_energy)::numeric, 9) FROM (
        SELECT reported_energy, ln(p_worse_fused / (1 - p_worse_fused)) - decline_watch[5] AS departure, last_value(decline_watch[5]) OVER (ORDER BY number ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
        FROM analysed) AS x), 'its correlation is Pearson''s, with the score at the own rate of now');
SELECT is((SELECT (c ->> 'n')::int FROM analysed, jsonb_array_elements(document -> 'correlations') AS c WHERE number = 60 AND c ->> 'factor' = 'sleep_quality'),
    (SELECT count(reported_sleep)::int FROM analysed), 'over the sessions that have the figure');

-- A session that measured nothing does not count
SELECT pg_temp.add_session(1, 61, '2025-03-28 12:00+00', 'full') AS empty \gset
INSERT INTO passive_analysis (session_id, sleep_metrics) VALUES (:'empty', '{}') \g /dev/null
SELECT is((SELECT qc_overall FROM mm_fuse_session(:'empty')), 'insufficient', 'a session without evidence');
SELECT is((SELECT trend_analysis -> 'windows' -> 'long_term' -> 'n' FROM mind_measure_scores WHERE session_id = :'empty'), '55'::jsonb, 'is left out of the trend');
SELECT is((SELECT decline_watch[:4] FROM fusion_outputs WHERE session_id = :'empty'), (SELECT decline_watch[:4] FROM analysed WHERE number = 60), 'and of the watch');

-- What is learnt of the own rate is no change: the watch's fifth number is its log-odds
SELECT is((SELECT count(*) FROM analysed AS a CROSS JOIN LATERAL (
        SELECT count(*) AS n, count(*) FILTER (WHERE worse) AS worse FROM session_outcomes AS o WHERE o.user_id = a.user_id AND o.session_created_at < a.session_created_at) AS o
    WHERE abs(decline_watch[5] - ln((1 + o.worse) / (3 + o.n - o.worse::float8))) > 1e-12), 0::bigint, 'the own rate of every session is kept with the watch');
SELECT is((SELECT count(DISTINCT decline_watch[5]) > 10 FROM analysed), true, 'and moves');
-- Somebody whose figures are the same every day, and whose days are said to be worse more and more often
INSERT INTO assessment_sessions (id, user_id, assessment_type, created_at)
SELECT pg_temp.session_id(3, n), pg_temp.person_id(3), 'quick', '2025-01-06 18:00+00'::timestamptz + n * interval '1 day' FROM generate_series(1, 60) AS n;
INSERT INTO text_analysis (session_id, sentiment_analysis, cognitive_markers, text_wellness_score, processed_at)
SELECT pg_temp.session_id(3, n), t.sentiment_analysis, t.cognitive_markers, 60 + n % 3, '2025-01-06 18:00+00'::timestamptz + n * interval '1 day'
FROM generate_series(1, 60) AS n, text_analysis AS t WHERE t.session_id = pg_temp.session_id(2, 60);
DO $$
BEGIN
    FOR n IN 1 .. 60 LOOP
        PERFORM mm_fuse_session(pg_temp.session_id(3, n));
        PERFORM mm_record_outcome(pg_temp.session_id(3, n), n % 40 > 60 - n);
    END LOOP;
END
$$;
CREATE TEMP TABLE unchanged AS SELECT f.score, m.trend_analysis AS document FROM fusion_outputs AS f JOIN mind_measure_scores AS m USING (session_id)
WHERE f.session_id IN (pg_temp.session_id(3, 20), pg_temp.session_id(3, 60)) ORDER BY f.session_created_at;
SELECT cmp_ok((SELECT max(score) - min(score) FROM unchanged), '>=', 5, 'the score follows the own rate');
SELECT is((SELECT document ->> 'long_term' FROM unchanged OFFSET 1), 'stable', 'which is no trend');
SELECT is((SELECT document #>> '{alarm,raised}' FROM unchanged OFFSET 1), 'false', 'and no alarm');
-- Before 1.1.0 it was a watch of scores, with four numbers
UPDATE fusion_outputs SET decline_watch = '{60,70,900,6.9}' WHERE session_id = pg_temp.session_id(3, 60);
SELECT pg_temp.add_session(3, 61, '2025-03-20 18:00+00', 'quick') AS next \gset
INSERT INTO text_analysis (session_id, sentiment_analysis, cognitive_markers, text_wellness_score)
SELECT :'next', sentiment_analysis, cognitive_markers, 60 FROM text_analysis WHERE session_id = pg_temp.session_id(3, 60) \g /dev/null
SELECT mm_fuse_session(:'next') \g /dev/null
SELECT is((SELECT decline_watch[1] FROM fusion_outputs WHERE session_id = :'next'), 1::float8, 'a watch of scores is not gone on with');

SELECT * FROM finish();
ROLLBACK;
