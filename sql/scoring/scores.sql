-- Many scores, as the parameters of store.sql: an array each. What is an array itself comes end to end
-- ($34: the z of all features, $43: five numbers of the watch), or as text.
MATERIALIZED (SELECT
    x.session_id, x.user_id, x.session_created_at, x.p_worse_fused, x.p_worse_text, x.p_worse_audio, x.p_worse_visual, x.p_worse_passive, x.score,
    x.score_smoothed, x.smoothed_variance, x.uncertainty, x.qc_overall, x.drivers, x.model_version, x.raw_text, x.raw_audio, x.raw_visual, x.raw_passive,
    $34[(x.place - 1) * (cardinality($34::float8[]) / cardinality($15)) + 1 : x.place * (cardinality($34) / cardinality($15))] AS feature_z,
    x.arrived_modalities::text[], x.learnt_modalities::text[], x.self_report, x.reported_energy, x.reported_stress, x.reported_comfort,
    x.reported_social, x.reported_sleep, $43[x.place * 5 - 4 : x.place * 5] AS decline_watch, x.combined_score, x.baseline_deviation,
    x.is_baseline_session, x.baseline_n, x.baseline_mean, x.baseline_m2, x.baseline_comparison, x.trend_analysis, x.outcome,
    x.personal_weights::float4[]
    FROM unnest(
        $15::uuid[], $16::uuid[], $17::timestamptz[], $18::float8[], $19::float8[], $20::float8[], $21::float8[], $22::float8[], $23::int[], $24::float8[],
        $25::float8[], $26::float8[], $27::text[], $28::jsonb[], $29::text[], $30::float8[], $31::float8[], $32::float8[], $33::float8[], $35::text[],
        $36::text[], $37::float8[], $38::float8[], $39::float8[], $40::float8[], $41::float8[], $42::float8[], $44::float8[], $45::float8[], $46::boolean[],
        $47::float8[], $48::float8[], $49::float8[], $50::jsonb[], $51::jsonb[], $52::boolean[], $53::text[]) WITH ORDINALITY
    AS x (
        session_id, user_id, session_created_at, p_worse_fused, p_worse_text, p_worse_audio, p_worse_visual, p_worse_passive, score, score_smoothed,
        smoothed_variance, uncertainty, qc_overall, drivers, model_version, raw_text, raw_audio, raw_visual, raw_passive, arrived_modalities,
        learnt_modalities, self_report, reported_energy, reported_stress, reported_comfort, reported_social, reported_sleep, combined_score,
        baseline_deviation, is_baseline_session, baseline_n, baseline_mean, baseline_m2, baseline_comparison, trend_analysis, outcome,
        personal_weights, place))
