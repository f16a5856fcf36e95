-- A person's scores as rows for a chart, oldest first. Runs with the caller's rights, so the
-- tables' own policies say who sees what; reads only, so it runs on a standby.
CREATE FUNCTION @extschema@.mm_score_history(
    user_id uuid, from_time timestamptz DEFAULT NULL, to_time timestamptz DEFAULT NULL)
    RETURNS TABLE (
        session_id uuid, session_created_at timestamptz,
        score integer, score_smoothed double precision, low double precision, high double precision,
        baseline_mean double precision, baseline_n double precision, baseline_deviation double precision,
        significance text, qc_overall text, after_gap boolean)
    LANGUAGE sql STABLE SECURITY INVOKER SET search_path = pg_catalog, pg_temp
    AS $$
    WITH session AS (
        SELECT f.session_id, f.session_created_at, f.score, f.score_smoothed, f.qc_overall,
               -- A high probability of worse is a low score.
               100 * (1 - (f.drivers #>> '{uncertainty,high}')::float8) AS low,
               100 * (1 - (f.drivers #>> '{uncertainty,low}')::float8) AS high,
               CASE WHEN m.baseline_n > 0 THEN m.baseline_mean END AS baseline_mean,
               m.baseline_n, m.baseline_deviation,
               CASE WHEN m.baseline_deviation IS NOT NULL THEN m.baseline_comparison ->> 'significance' END AS significance,
               f.session_created_at - lag(f.session_created_at) OVER (ORDER BY f.session_created_at, f.session_id) AS pause
        FROM @extschema@.fusion_outputs AS f
        LEFT JOIN @extschema@.mind_measure_scores AS m ON m.session_id = f.session_id
        WHERE f.user_id = $1
          AND (f.session_created_at >= $2 OR $2 IS NULL)
          AND (f.session_created_at < $3 OR $3 IS NULL)
    ), usual AS (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY s.pause) AS pause FROM session AS s
    )
    SELECT s.session_id, s.session_created_at, s.score, s.score_smoothed, s.low, s.high,
           s.baseline_mean, s.baseline_n, s.baseline_deviation, s.significance, s.qc_overall,
           -- Longer than three of the person's usual pauses in this period, and than two days.
           coalesce(s.pause > greatest(3 * usual.pause, interval '48 hours'), false) AS after_gap
    FROM session AS s CROSS JOIN usual
    ORDER BY s.session_created_at, s.session_id
    $$;
