-- The table: medians over the rounds; the ratio is the median of the rounds' ratios.
CREATE OR REPLACE VIEW bench.report AS
SELECT t.place, rtrim(t.what) AS what, t.compared_with, r.rounds, t.unit, r.ours, r.other,
       CASE t.measure WHEN 'times' THEN 1 / r.share WHEN 'share' THEN r.share END AS ratio, t.measure, t.target,
       CASE t.measure WHEN 'times' THEN 1 / r.share >= t.target WHEN 'share' THEN r.share <= t.target ELSE r.ours <= t.target END AS met
FROM bench.target AS t
JOIN (SELECT what, count(*) AS rounds, percentile_cont(0.5) WITHIN GROUP (ORDER BY ours) AS ours, percentile_cont(0.5) WITHIN GROUP (ORDER BY other) AS other,
             percentile_cont(0.5) WITHIN GROUP (ORDER BY ours / nullif(other, 0)) AS share
      FROM bench.result GROUP BY what) AS r ON r.what = t.what;
CREATE OR REPLACE VIEW bench.printed AS
SELECT place, what, concat_ws(' ', round(ours::numeric, 1), nullif(unit, '')) AS ours, compared_with, coalesce(round(other::numeric, 1) || ' ' || unit, '') AS other,
       CASE WHEN ratio IS NOT NULL THEN round(ratio::numeric, 2) || CASE measure WHEN 'times' THEN ' × faster' ELSE ' ×' END ELSE '' END AS ratio,
       CASE WHEN target IS NOT NULL THEN concat_ws(' ', CASE measure WHEN 'times' THEN '≥' ELSE '≤' END, target, CASE measure WHEN 'amount' THEN nullif(unit, '') END) ELSE '' END AS target,
       CASE met WHEN true THEN 'yes' WHEN false THEN 'no' ELSE '' END AS met
FROM bench.report;
