-- The newest score of everybody, as a table for people.
\pset footer off
\pset null '-'
\echo
\echo 'SIMULATED people. Score 0-100: chance that somebody is NOT doing worse than their own usual.'
\echo 'smoothed: over time. +-: half of the 90 % interval, in score points. Top driver: the sign'
\echo 'is the direction it moves this score. falling: smoothed score below 50 and 15 or more below 14 days before.'
\echo

WITH scored AS (
    SELECT f.*, row_number() OVER (PARTITION BY user_id ORDER BY session_created_at DESC) AS newest,
        count(*) OVER (PARTITION BY user_id) AS sessions
    FROM public.fusion_outputs AS f
)
SELECT p.display_name AS who,
    s.sessions,
    s.score,
    round(s.score_smoothed::numeric, 1) AS smoothed,
    round((50 * s.uncertainty)::numeric, 1) AS "+-",
    s.qc_overall AS quality,
    driver.name AS "top driver",
    CASE WHEN s.score_smoothed < 50 AND s.score_smoothed - earlier.score_smoothed <= -15
        THEN format('falling (%s)', round((s.score_smoothed - earlier.score_smoothed)::numeric)) ELSE '' END AS mark
FROM scored AS s
JOIN public.profiles AS p USING (user_id)
LEFT JOIN LATERAL (
    SELECT e.score_smoothed
    FROM public.fusion_outputs AS e
    WHERE e.user_id = s.user_id AND e.session_created_at <= s.session_created_at - interval '14 days'
    ORDER BY e.session_created_at DESC
    LIMIT 1
) AS earlier ON true
LEFT JOIN LATERAL (
    -- A contribution is log-odds of worse: it moves the score the other way.
    SELECT format('%s %s', CASE WHEN contribution > 0 THEN '-' ELSE '+' END, feature) AS name
    FROM jsonb_to_recordset(s.drivers -> 'items') AS item (feature text, contribution float8)
    WHERE feature NOT IN ('other', 'limit')
    ORDER BY abs(contribution) DESC
    LIMIT 1
) AS driver ON true
WHERE s.newest = 1
ORDER BY p.display_name;
