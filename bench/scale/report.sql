-- The table: medians over the rounds; the ratio is the median of the rounds' ratios.
CREATE VIEW bench.report AS
SELECT t.place, rtrim(t.what) AS what, t.compared_with, r.rounds, r.ours, r.other,
       CASE t.measure WHEN 'times' THEN 1 / r.share ELSE r.share END AS ratio, t.measure, t.target,
       CASE t.measure WHEN 'times' THEN 1 / r.share >= t.target ELSE r.share <= t.target END AS met
FROM bench.target AS t
JOIN (SELECT what, count(*) AS rounds, percentile_cont(0.5) WITHIN GROUP (ORDER BY ours) AS ours, percentile_cont(0.5) WITHIN GROUP (ORDER BY other) AS other,
             percentile_cont(0.5) WITHIN GROUP (ORDER BY ours / nullif(other, 0)) AS share
      FROM bench.result GROUP BY what) AS r ON r.what = t.what;
