-- What baselines have learnt, whether they are there or not; store.sql writes those that are. An array a column.
WITH features AS (
    INSERT INTO @extschema@.user_feature_baselines (
        user_id, feature_name, modality, mean, sd, n, m2, sum_w2, last_observed_at)
    SELECT x.person, x.name, x.modality, x.mean, x.sd, x.n, x.m2, x.sum_w2, x.observed_at
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::float8[], $7::float8[], $8::float8[], $9::timestamptz[])
        AS x (person, name, modality, mean, sd, n, m2, sum_w2, observed_at)
    ON CONFLICT (user_id, feature_name) DO UPDATE SET
        modality = excluded.modality, mean = excluded.mean, sd = excluded.sd, n = excluded.n, m2 = excluded.m2,
        sum_w2 = excluded.sum_w2, last_observed_at = excluded.last_observed_at, updated_at = now()
), metrics AS (
    INSERT INTO @extschema@.user_baselines (
        user_id, metric_type, baseline_score, confidence_level, sample_count, mean, m2)
    SELECT x.person, x.metric, x.mean::numeric, x.n / (x.n + 5.0), x.n, x.mean, x.m2
    FROM unnest($10::uuid[], $11::text[], $12::int[], $13::float8[], $14::float8[]) AS x (person, metric, n, mean, m2)
    ON CONFLICT (user_id, metric_type) DO UPDATE SET
        baseline_score = excluded.baseline_score, confidence_level = excluded.confidence_level,
        sample_count = excluded.sample_count, mean = excluded.mean, m2 = excluded.m2, last_updated = now()
)
SELECT
