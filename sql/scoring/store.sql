-- Scores, and what the people's baselines learnt from them, in one statement. src/store/mod.rs puts scores.sql
-- in the first place, completed.sql in the second, and told.sql or untold.sql in the last where there is an
-- outcome to write or to take away: a part that writes nothing would still be set up and fire the statement's
-- triggers. $1 to $14 are those of baselines.sql: rows of baselines that are known to be there.
WITH scored AS @scored@, fused AS (
    INSERT INTO @extschema@.fusion_outputs AS f (
        session_id, user_id, session_created_at,
        p_worse_fused, p_worse_text, p_worse_audio, p_worse_visual, p_worse_passive, score, score_smoothed, smoothed_variance, uncertainty, qc_overall,
        drivers, model_version, raw_text, raw_audio, raw_visual, raw_passive, feature_z, arrived_modalities, learnt_modalities, self_report, reported_energy,
        reported_stress, reported_comfort, reported_social, reported_sleep, decline_watch@own_weights(, personal_weights|)@)
    SELECT x.session_id, x.user_id, x.session_created_at,
        x.p_worse_fused, x.p_worse_text, x.p_worse_audio, x.p_worse_visual, x.p_worse_passive, x.score, x.score_smoothed, x.smoothed_variance, x.uncertainty,
        x.qc_overall, x.drivers, x.model_version, x.raw_text, x.raw_audio, x.raw_visual, x.raw_passive, x.feature_z, x.arrived_modalities,
        x.learnt_modalities, x.self_report, x.reported_energy, x.reported_stress, x.reported_comfort, x.reported_social, x.reported_sleep, x.decline_watch
        @own_weights(, x.personal_weights|)@
    FROM scored AS x
    ON CONFLICT (session_id) DO UPDATE SET
        p_worse_fused = excluded.p_worse_fused,
        p_worse_text = excluded.p_worse_text,
        p_worse_audio = excluded.p_worse_audio,
        p_worse_visual = excluded.p_worse_visual,
        p_worse_passive = excluded.p_worse_passive,
        score = excluded.score,
        score_smoothed = excluded.score_smoothed,
        smoothed_variance = excluded.smoothed_variance,
        uncertainty = excluded.uncertainty,
        qc_overall = excluded.qc_overall,
        drivers = excluded.drivers,
        model_version = excluded.model_version,
        raw_text = excluded.raw_text,
        raw_audio = excluded.raw_audio,
        raw_visual = excluded.raw_visual,
        raw_passive = excluded.raw_passive,
        feature_z = excluded.feature_z,
        arrived_modalities = excluded.arrived_modalities,
        learnt_modalities = excluded.learnt_modalities,
        self_report = excluded.self_report,
        reported_energy = excluded.reported_energy,
        reported_stress = excluded.reported_stress,
        reported_comfort = excluded.reported_comfort,
        reported_social = excluded.reported_social,
        reported_sleep = excluded.reported_sleep,
        decline_watch = excluded.decline_watch
        @own_weights(, personal_weights = excluded.personal_weights|)@
), compared AS (
    INSERT INTO @extschema@.mind_measure_scores (
        session_id, user_id, combined_score, baseline_deviation, is_baseline_session, baseline_n, baseline_mean, baseline_m2,
        baseline_comparison, trend_analysis)
    SELECT x.session_id, x.user_id, x.combined_score, x.baseline_deviation, x.is_baseline_session, x.baseline_n, x.baseline_mean, x.baseline_m2,
        x.baseline_comparison, x.trend_analysis
    FROM scored AS x
    ON CONFLICT (session_id) DO UPDATE SET
        combined_score = excluded.combined_score,
        baseline_deviation = excluded.baseline_deviation,
        is_baseline_session = excluded.is_baseline_session,
        baseline_n = excluded.baseline_n,
        baseline_mean = excluded.baseline_mean,
        baseline_m2 = excluded.baseline_m2,
        baseline_comparison = excluded.baseline_comparison,
        trend_analysis = excluded.trend_analysis,
        calculated_at = now()
), completed AS (
    @completed@
)@outcomes@, features AS (
    UPDATE @extschema@.user_feature_baselines AS b SET
        modality = x.modality, mean = x.mean, sd = x.sd, n = x.n, m2 = x.m2, sum_w2 = x.sum_w2, last_observed_at = x.observed_at, updated_at = now()
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::float8[], $7::float8[], $8::float8[], $9::timestamptz[])
        AS x (person, name, modality, mean, sd, n, m2, sum_w2, observed_at)
    WHERE b.user_id = x.person AND b.feature_name = x.name
    RETURNING true
), metrics AS (
    UPDATE @extschema@.user_baselines AS b SET
        baseline_score = x.mean::numeric, confidence_level = x.n / (x.n + 5.0), sample_count = x.n, mean = x.mean, m2 = x.m2, last_updated = now()
    FROM unnest($10::uuid[], $11::text[], $12::int[], $13::float8[], $14::float8[]) AS x (person, metric, n, mean, m2)
    WHERE b.user_id = x.person AND b.metric_type = x.metric
    RETURNING true
)
SELECT (SELECT count(*) FROM features) + (SELECT count(*) FROM metrics) AS learnt
