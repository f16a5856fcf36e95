\pset footer off
SELECT what, sessions, round((sessions / seconds)::numeric) AS "sessions per second" FROM timing;
SELECT qc_overall, count(*), round(100.0 * count(*) / sum(count(*)) OVER (), 1) AS "%" FROM fusion_outputs GROUP BY qc_overall ORDER BY 1;

CREATE TEMP VIEW labelled AS
SELECT f.user_id, f.session_created_at, f.p_worse_fused AS p, o.worse::int AS y,
       -- What is known of the person before this session: their own rate, smoothed by the model's prior.
       (0.25 * 4 + coalesce(sum(o.worse::int) OVER earlier, 0)) / (4 + count(*) OVER earlier) AS own_rate
FROM fusion_outputs AS f JOIN session_outcomes AS o USING (session_id)
WINDOW earlier AS (PARTITION BY f.user_id ORDER BY f.session_created_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);

CREATE FUNCTION pg_temp.auc(p float8[], y int[]) RETURNS float8 LANGUAGE sql AS $$
    SELECT (sum(rank) FILTER (WHERE y = 1) - count(*) FILTER (WHERE y = 1) * (count(*) FILTER (WHERE y = 1) + 1) / 2.0)
           / nullif(count(*) FILTER (WHERE y = 1) * count(*) FILTER (WHERE y = 0), 0)
    FROM (SELECT y, rank() OVER (ORDER BY p) + (count(*) OVER (PARTITION BY p) - 1) / 2.0 AS rank FROM unnest(p, y) AS u (p, y)) AS r
$$;
SELECT predictor, count(*) AS n, round(avg(y)::numeric, 3) AS "base rate", round(avg((p - y) ^ 2)::numeric, 4) AS brier,
       round(pg_temp.auc(array_agg(p), array_agg(y))::numeric, 3) AS auc,
       (SELECT round(avg(within)::numeric, 3) FROM (
           SELECT pg_temp.auc(array_agg(CASE predictor WHEN 'p_worse_fused' THEN l.p ELSE l.own_rate END), array_agg(l.y)) AS within
           FROM labelled AS l GROUP BY l.user_id) AS w) AS "mean within-user auc"
FROM (SELECT 'p_worse_fused' AS predictor, p, y FROM labelled UNION ALL SELECT 'own rate', own_rate, y FROM labelled) AS x
GROUP BY predictor ORDER BY predictor;
