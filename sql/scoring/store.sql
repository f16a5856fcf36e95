-- One session's score and what the person's baselines learnt from it, in one statement.
-- $1 person, $2 to $13 as in baselines.sql, $14 session, $15 the session's time.
WITH fused AS (
    INSERT INTO @extschema@.fusion_outputs AS f (
        session_id, user_id, session_created_at,
        p_worse_fused, p_worse_text, p_worse_audio, p_worse_visual, p_worse_passive,
        score, score_smoothed, smoothed_variance, uncertainty, qc_overall, drivers, model_version,
        raw_text, raw_audio, raw_visual, raw_passive, feature_z, arrived_modalities, learnt_modalities, self_report,
        reported_energy, reported_stress, reported_comfort, reported_social, reported_sleep, decline_watch)
    VALUES ($14, $1, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41)
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
    RETURNING f.created_at
), compared AS (
    INSERT INTO @extschema@.mind_measure_scores (
        session_id, user_id, combined_score, baseline_deviation, is_baseline_session, baseline_n, baseline_mean, baseline_m2,
        baseline_comparison, trend_analysis)
    VALUES ($14, $1, $42, $43, $44, $45, $46, $47, $48, $49)
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
    UPDATE @extschema@.assessment_sessions AS s SET status = 'completed', failure_reason = NULL
    WHERE s.id = $14 AND s.created_at = $15 AND (s.status <> 'completed' OR s.failure_reason IS NOT NULL)
), told AS (
    -- What the self-report says of the session, unless somebody has said it.
    INSERT INTO @extschema@.session_outcomes AS o (session_id, user_id, worse, source, derived, session_created_at)
    SELECT $14, $1, $50, 'self_report', true, $15 WHERE $50 IS NOT NULL
    ON CONFLICT (session_id) DO UPDATE SET worse = excluded.worse, recorded_at = now()
    WHERE o.derived AND o.worse <> excluded.worse
), untold AS (
    DELETE FROM @extschema@.session_outcomes AS o WHERE o.session_id = $14 AND o.derived AND $50 IS NULL
), @baselines@
SELECT created_at FROM fused
