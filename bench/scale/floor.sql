-- The floor: plain SQL that reads the rows mm_fuse_session() reads and writes the rows it writes, with
-- constants for all it computes. One transaction, plans kept, no round trips. Runs as the tables' owner,
-- as scoring does, so the same triggers, checks and indexes are met.
CREATE TABLE bench.constants AS
SELECT f.drivers, f.feature_z, f.arrived_modalities, f.learnt_modalities, f.decline_watch, m.baseline_comparison, m.trend_analysis
FROM fusion_outputs AS f JOIN mind_measure_scores AS m USING (session_id) JOIN bench.template AS t ON t.user_id = f.user_id
WHERE t.kind = '100' ORDER BY f.session_created_at DESC, f.session_id LIMIT 1;

CREATE FUNCTION bench.floor(session uuid, c bench.constants) RETURNS void LANGUAGE plpgsql
    SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    person uuid;
    at timestamptz;
BEGIN
    SELECT k.user_id, k.created_at INTO person, at FROM session_keys AS k WHERE k.id = session;
    PERFORM model_version, created_at FROM mm_models WHERE is_active;
    PERFORM FROM fusion_outputs WHERE session_id = session;
    PERFORM * FROM assessment_sessions WHERE id = session FOR NO KEY UPDATE;
    PERFORM * FROM text_analysis WHERE session_id = session;
    PERFORM * FROM audio_analysis WHERE session_id = session;
    PERFORM * FROM visual_analysis WHERE session_id = session;
    PERFORM * FROM passive_analysis WHERE session_id = session;
    PERFORM feature_name, n, mean, m2, sum_w2, last_observed_at FROM user_feature_baselines WHERE user_id = person;
    PERFORM modality, a, b, covariance FROM user_calibration WHERE user_id = person;
    PERFORM count(*), count(*) FILTER (WHERE worse) FROM session_outcomes WHERE user_id = person AND session_created_at < at;
    PERFORM metric_type, sample_count, mean, m2 FROM user_baselines WHERE user_id = person;
    PERFORM session_created_at, p_worse_fused, qc_overall, reported_energy, reported_stress, reported_comfort, reported_social, reported_sleep
        FROM fusion_outputs WHERE user_id = person AND session_created_at < at AND session_created_at > at - interval '90 days'
        ORDER BY session_created_at DESC LIMIT 400;
    PERFORM avg(self_report) FROM fusion_outputs WHERE user_id = person AND session_created_at < at;
    PERFORM score_smoothed, smoothed_variance, session_created_at, decline_watch FROM fusion_outputs
        WHERE user_id = person AND session_created_at < at ORDER BY session_created_at DESC LIMIT 1;
    PERFORM session_created_at FROM fusion_outputs WHERE user_id = person ORDER BY session_created_at LIMIT 1;

    INSERT INTO fusion_outputs (session_id, user_id, session_created_at, p_worse_fused, p_worse_text, p_worse_audio, p_worse_visual,
        score, score_smoothed, smoothed_variance, uncertainty, qc_overall, drivers, model_version, raw_text, raw_audio, raw_visual,
        feature_z, arrived_modalities, learnt_modalities, self_report, reported_energy, reported_stress, reported_comfort, reported_social, reported_sleep, decline_watch)
    VALUES (session, person, at, 0.3, 0.3, 0.3, 0.3, 70, 68, 25, 0.3, 'reliable', c.drivers, 'v1.0', 0.1, 0.1, 0.1,
        c.feature_z, c.arrived_modalities, c.learnt_modalities, 5.5, 5, 5, 5, 5, 5, c.decline_watch);
    INSERT INTO mind_measure_scores (session_id, user_id, combined_score, baseline_deviation, is_baseline_session, baseline_n, baseline_mean, baseline_m2, baseline_comparison, trend_analysis)
    VALUES (session, person, 70, -0.5, false, 40, 66, 3000, c.baseline_comparison, c.trend_analysis);
    UPDATE assessment_sessions SET status = 'completed' WHERE id = session;
    INSERT INTO session_outcomes (session_id, user_id, worse, source, derived, session_created_at) VALUES (session, person, false, 'self_report', true, at);
    UPDATE user_feature_baselines SET mean = 0.5, sd = 0.2, n = 41, m2 = 1.6, sum_w2 = 41, last_observed_at = at, updated_at = now() WHERE user_id = person;
    UPDATE user_baselines SET baseline_score = 66, confidence_level = 0.9, sample_count = 41, mean = 66, m2 = 3000, last_updated = now() WHERE user_id = person;
END;
$$;
