-- The documents of a score are put together without JSON text: they are what Postgres' own parser gives.
BEGIN;
SELECT no_plan();
\ir lib/person.psql

-- Numbers of every size that a feature may have, and a history behind them.
CREATE FUNCTION pg_temp.spoken(session uuid, pitch numeric, variance numeric, rate numeric) RETURNS void LANGUAGE sql AS $$
    INSERT INTO audio_analysis (session_id, vocal_characteristics, audio_wellness_score, processed_at) VALUES (session, jsonb_build_object(
        'pitch_mean', pitch, 'pitch_variance', variance, 'speaking_rate', rate, 'volume_mean', 60, 'voice_quality', 'clear',
        'breath_patterns', jsonb_build_object('frequency', 12, 'regularity', 0.5)), 50, now())
$$;
SELECT pg_temp.add_session(1, n, '2025-01-01'::timestamptz + n * interval '1 day') FROM generate_series(1, 12) AS n \g /dev/null
SELECT pg_temp.spoken(pg_temp.session_id(1, n::int), v.pitch, v.variance, v.rate)
FROM unnest('{120,1e-9,0.00001,123456789012345,0.1,1e15,1e16,123456789.123456,1e-60,1e300,9999.9999,10000}'::numeric[],
    '{1,0,1e-5,0.30000000000000004,1e22,12345678901234567890,2.5e-7,100,1000,9999,1e64,1e100}'::numeric[],
    '{-1,100,1000,10000,100000,0.01,0.001,0.0001,99.99,180,-0.5,1e-300}'::numeric[]) WITH ORDINALITY AS v (pitch, variance, rate, n) \g /dev/null
SELECT f.score FROM generate_series(1, 12) AS n, mm_fuse_session(pg_temp.session_id(1, n)) AS f \g /dev/null
SELECT pg_temp.add_session(2, n, '2025-01-01'::timestamptz + n * interval '1 day'),
       pg_temp.analyse(pg_temp.session_id(2, n), 'text'), pg_temp.analyse(pg_temp.session_id(2, n), 'visual') FROM generate_series(1, 40) AS n \g /dev/null
SELECT is(mm_fuse_pending(), 40::bigint, 'forty sessions of a batch, and twelve fused one by one');

-- Uncompressed, as it was stored: || with nothing to add changes nothing.
CREATE TEMP TABLE documents AS
SELECT d || '{}' AS direct, d::text::jsonb AS parsed, pg_column_size(d || '{}') AS bytes, pg_column_size(d::text::jsonb) AS parsed_bytes
FROM (SELECT drivers FROM fusion_outputs UNION ALL SELECT baseline_comparison FROM mind_measure_scores UNION ALL SELECT trend_analysis FROM mind_measure_scores) AS s (d);
SELECT is((SELECT count(*) FROM documents), 156::bigint, 'three documents a score');
SELECT is((SELECT count(*) FROM documents WHERE direct <> parsed OR direct::text <> parsed::text), 0::bigint, 'the same values, written in the same way');
SELECT is((SELECT count(*) FROM documents WHERE bytes <> parsed_bytes), 0::bigint, 'in as many bytes');
SELECT cmp_ok((SELECT count(*) FROM documents WHERE direct::text ~ '\d{16}'), '>', 0::bigint, 'of which there are some');

SELECT * FROM finish();
ROLLBACK;
