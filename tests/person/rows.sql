-- All rows of a person, or of all others, as one line: how many, and their hash. Scores are compared
-- without the times and ids of writing.
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
\ir ../sql/lib/everything.psql
SELECT sum(rows) || ' ' || md5(string_agg(relation || rows || coalesce(hash, ''), ' ' ORDER BY relation))
FROM (SELECT * FROM pg_temp.rows(:'person', :theirs, '{row_history,fusion_outputs,mind_measure_scores,user_baselines,user_feature_baselines}', false)
      UNION ALL SELECT 'scores', count(*), md5(string_agg(concat_ws(' ', session_id, score, p_worse_fused, score_smoothed), ',' ORDER BY session_id)) FROM fusion_outputs WHERE (user_id = :'person') = :theirs
      UNION ALL SELECT 'baselines', count(*), md5(string_agg(concat_ws(' ', user_id, feature_name, n, mean, m2), ',' ORDER BY user_id, feature_name)) FROM user_feature_baselines WHERE (user_id = :'person') = :theirs) AS x;
