-- One score, as the parameters of store.sql: put into each place where it is used.
NOT MATERIALIZED (SELECT
    $15::uuid AS session_id, $16::uuid AS user_id, $17::timestamptz AS session_created_at, $18::float8 AS p_worse_fused, $19::float8 AS p_worse_text,
    $20::float8 AS p_worse_audio, $21::float8 AS p_worse_visual, $22::float8 AS p_worse_passive, $23::int AS score, $24::float8 AS score_smoothed,
    $25::float8 AS smoothed_variance, $26::float8 AS uncertainty, $27::text AS qc_overall, $28::jsonb AS drivers, $29::text AS model_version,
    $30::float8 AS raw_text, $31::float8 AS raw_audio, $32::float8 AS raw_visual, $33::float8 AS raw_passive, $34::float8[] AS feature_z,
    $35::text[] AS arrived_modalities, $36::text[] AS learnt_modalities, $37::float8 AS self_report, $38::float8 AS reported_energy,
    $39::float8 AS reported_stress, $40::float8 AS reported_comfort, $41::float8 AS reported_social, $42::float8 AS reported_sleep,
    $43::float8[] AS decline_watch, $44::float8 AS combined_score, $45::float8 AS baseline_deviation, $46::boolean AS is_baseline_session,
    $47::float8 AS baseline_n, $48::float8 AS baseline_mean, $49::float8 AS baseline_m2, $50::jsonb AS baseline_comparison, $51::jsonb AS trend_analysis,
    $52::boolean AS outcome, $53::float4[] AS personal_weights)
