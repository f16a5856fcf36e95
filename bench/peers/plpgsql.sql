-- The same scoring in SQL and PL/pgSQL, as a good database developer would write it: on the same tables, one
-- call a session, set-based where that is faster. It reads the active model, and gives the numbers that
-- mm_fuse_session() gives (check.sql). It leaves out, in its own favour: patterns in words, ties in trends,
-- refresh of a scored session, features of a wrong type, limits of log-odds, forgetting baselines, archived
-- sessions, who may call it, and decryption.
SET check_function_bodies = off;

-- What there is of the model, ready for use; the paths of RFC 9535 as Postgres writes them.
CREATE TABLE bench.modality AS
SELECT m::int, name, coalesce((s ->> 'intercept')::float8, 0) AS intercept, (s ->> 'reliability')::float8 AS reliability,
       s -> 'expected_weight' AS expected, (c ->> 'a')::float8 AS a, (c ->> 'b')::float8 AS b, (c ->> 'sd_a')::float8 AS sd_a, (c ->> 'sd_b')::float8 AS sd_b,
       (SELECT sum(abs((f ->> 'weight')::float8)) FROM jsonb_array_elements(spec -> 'features') AS f WHERE f ->> 'modality' = name) AS weight
FROM mm_models
CROSS JOIN unnest('{text,audio,visual,passive}'::text[]) WITH ORDINALITY AS n (name, m)
CROSS JOIN LATERAL (SELECT spec -> 'modalities' -> name AS s, spec -> 'modalities' -> name -> 'calibration_prior' AS c) AS x
WHERE is_active;
CREATE TABLE bench.feature AS
SELECT place::int, m.m, f ->> 'name' AS name, d.doc::int,
       CASE WHEN f ->> 'path' ~ '^\$(\.\w+)*$' THEN string_to_array(substr(f ->> 'path', 3), '.') END AS keys,
       CASE WHEN f ->> 'path' !~ '^\$(\.\w+)*$' THEN replace(regexp_replace(f ->> 'path', '\[\?(.*)\]', '[*] ? (\1)'), '''', '"')::jsonpath END AS path,
       coalesce(f ->> 'reduce', 'first') AS reduce, coalesce(f ->> 'transform', 'identity') AS transform,
       (f ->> 'weight')::float8 AS weight, (f ->> 'population_mean')::float8 AS mu, (f ->> 'population_sd')::float8 AS sigma
FROM mm_models, jsonb_array_elements(spec -> 'features') WITH ORDINALITY AS x (f, place)
JOIN bench.modality AS m ON m.name = f ->> 'modality'
JOIN unnest('{sentiment_analysis,cognitive_markers,linguistic_patterns,text_wellness_score,vocal_characteristics,prosodic_features,emotional_markers,audio_wellness_score,
    facial_expressions,micro_expressions,emotional_indicators,visual_wellness_score,sleep_metrics,activity_metrics,device_usage,passive_wellness_score}'::text[])
    WITH ORDINALITY AS d (name, doc) ON d.name = f ->> 'document'
WHERE is_active;
ALTER TABLE bench.feature ADD PRIMARY KEY (name);
CREATE TABLE bench.model AS
SELECT model_version, (b ->> 'kappa0')::float8 AS kappa0, (b ->> 'nu0')::float8 AS nu0, (b ->> 'clip_sd')::float8 AS clip_sd, (b ->> 'clip_min_n')::float8 AS clip_min_n,
       (b ->> 'z_limit')::float8 AS z_limit, (f ->> 'rho')::float8 AS rho, (f ->> 'prior_rate')::float8 AS prior_rate, (f ->> 'prior_strength')::float8 AS prior_strength,
       (f ->> 'miss_var')::float8 AS miss_var, (s ->> 'q_per_day')::float8 AS q_per_day, (s ->> 'r_min')::float8 AS r_min, (s ->> 'p0')::float8 AS p0,
       (q ->> 'min_reliability')::float8 AS min_reliability, (q ->> 'min_coverage')::float8 AS min_coverage, (q ->> 'low_coverage')::float8 AS low_coverage,
       (q ->> 'max_uncertainty')::float8 AS max_uncertainty, (q ->> 'min_baseline_n')::float8 AS min_baseline_n,
       (o ->> 'threshold_sd')::float8 AS threshold_sd, (o ->> 'min_reports')::int AS min_reports, (spec #>> '{drivers,top}')::int AS top
FROM mm_models CROSS JOIN LATERAL (SELECT spec -> 'baseline' AS b, spec -> 'fusion' AS f, spec -> 'smoothing' AS s, spec -> 'quality' AS q, spec -> 'outcome' AS o) AS x
WHERE is_active;

-- The normal distribution: Hart's and West's function (West 2005), Wichura's quantile (AS 241, 1988).
CREATE FUNCTION bench.normal_cdf(z float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    x CONSTANT float8 := abs(z);
    p float8;
BEGIN
    IF x > 37 THEN
        p := 0;
    ELSIF x < 7.07106781186547 THEN
        p := exp(-x * x / 2) * ((((((3.52624965998911e-02 * x + 0.700383064443688) * x + 6.37396220353165) * x + 33.912866078383) * x + 112.079291497871) * x + 221.213596169931) * x + 220.206867912376)
            / (((((((8.83883476483184e-02 * x + 1.75566716318264) * x + 16.064177579207) * x + 86.7807322029461) * x + 296.564248779674) * x + 637.333633378831) * x + 793.826512519948) * x + 440.413735824752);
    ELSE
        p := exp(-x * x / 2) / (x + 1 / (x + 2 / (x + 3 / (x + 4 / (x + 0.65))))) / 2.506628274631;
    END IF;
    RETURN CASE WHEN z > 0 THEN 1 - p ELSE p END;
END;
$$;
-- The z of the probability between -z and z, and of the tail beyond it: each where it is accurate.
CREATE FUNCTION bench.normal_quantile(central float8, tail float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    q CONSTANT float8 := central / 2;
    r float8;
BEGIN
    IF q <= 0.425 THEN
        r := 0.180625 - q * q;
        RETURN q * (((((((2.5090809287301226727e3 * r + 3.3430575583588128105e4) * r + 6.7265770927008700853e4) * r + 4.5921953931549871457e4) * r + 1.3731693765509461125e4) * r + 1.9715909503065514427e3) * r + 1.3314166789178437745e2) * r + 3.3871328727963666080e0)
            / (((((((5.2264952788528545610e3 * r + 2.8729085735721942674e4) * r + 3.9307895800092710610e4) * r + 2.1213794301586595867e4) * r + 5.3941960214247511077e3) * r + 6.8718700749205790830e2) * r + 4.2313330701600911252e1) * r + 1);
    END IF;
    r := sqrt(-ln(greatest(tail, 1e-300)));
    IF r <= 5 THEN
        r := r - 1.6;
        RETURN (((((((7.74545014278341407640e-4 * r + 2.27238449892691845833e-2) * r + 2.41780725177450611770e-1) * r + 1.27045825245236838258e0) * r + 3.64784832476320460504e0) * r + 5.76949722146069140550e0) * r + 4.63033784615654529590e0) * r + 1.42343711074968357734e0)
            / (((((((1.05075007164441684324e-9 * r + 5.47593808499534494600e-4) * r + 1.51986665636164571966e-2) * r + 1.48103976427480074590e-1) * r + 6.89767334985100004550e-1) * r + 1.67638483018380384940e0) * r + 2.05319162663775882187e0) * r + 1);
    END IF;
    r := r - 5;
    RETURN (((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 1.24266094738807843860e-3) * r + 2.65321895265761230930e-2) * r + 2.96560571828504891230e-1) * r + 1.78482653991729133580e0) * r + 5.46378491116411436990e0) * r + 6.65790464350110377720e0)
        / (((((((2.04426310338993978564e-15 * r + 1.42151175831644588870e-7) * r + 1.84631831751005468180e-5) * r + 7.86869131145613259100e-4) * r + 1.48753612908506148525e-2) * r + 1.36929880922735805310e-1) * r + 5.99832206555887937690e-1) * r + 1);
END;
$$;

-- P(|T| < t) for whole nu (Abramowitz & Stegun 26.7.3 and 4).
CREATE FUNCTION bench.student_central(t float8, nu int) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    c2 CONSTANT float8 := nu / (nu + t * t);
    s CONSTANT float8 := t / sqrt(nu + t * t);
    term float8;
    total float8;
BEGIN
    IF nu % 2 = 0 THEN
        term := 1;
        total := 1;
        FOR j IN 1 .. nu / 2 - 1 LOOP
            term := term * c2 * (2 * j - 1) / (2 * j);
            total := total + term;
        END LOOP;
        RETURN s * total;
    END IF;
    term := sqrt(c2);
    total := CASE WHEN nu > 1 THEN term ELSE 0 END;
    FOR j IN 1 .. (nu - 3) / 2 LOOP
        term := term * c2 * (2 * j) / (2 * j + 1);
        total := total + term;
    END LOOP;
    RETURN 0.63661977236758134 * (atan(t / sqrt(nu::float8)) + s * total);
END;
$$;
-- Hill 1970 (CACM algorithm 395): from nu = 60 on it is exact to 2e-11.
CREATE FUNCTION bench.hill(t float8, nu float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    a CONSTANT float8 := nu - 0.5;
    b CONSTANT float8 := 48 * a * a;
    x CONSTANT float8 := t * t / nu;
    -- ln(1 + x) for small x too (Kahan).
    w2 CONSTANT float8 := a * CASE WHEN 1 + x = 1 THEN x ELSE ln(1 + x) * x / ((1 + x) - 1) END;
BEGIN
    RETURN sqrt(w2) * (1 + (w2 + 3) / b - (((4 * w2 + 33) * w2 + 240) * w2 + 855) / (10 * b * (b + 0.8 * w2 * w2 + 100)));
END;
$$;
CREATE FUNCTION bench.student_to_normal(t float8, nu int) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    central float8;
BEGIN
    IF nu > 60 THEN
        RETURN sign(t) * bench.hill(abs(t), nu);
    END IF;
    central := bench.student_central(abs(t), nu);
    RETURN sign(t) * bench.normal_quantile(central, (1 - central) / 2);
END;
$$;
CREATE FUNCTION bench.student_two_sided(t float8, nu int) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN nu > 60 THEN 2 * bench.normal_cdf(-bench.hill(abs(t), nu)) ELSE 1 - bench.student_central(abs(t), nu) END
$$;
CREATE FUNCTION bench.logistic(x float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN x >= 0 THEN 1 / (1 + exp(-x)) ELSE exp(x) / (1 + exp(x)) END
$$;

-- Exact two-sided p of Mann-Kendall without ties, looked up (Kendall 1975): the orders of n by inversions.
CREATE TABLE bench.mann_kendall (n int, s int, p float8, PRIMARY KEY (n, s));
DO $$
DECLARE
    orders float8[] := '{1}';
    next float8[];
BEGIN
    FOR n IN 2 .. 10 LOOP
        next := array_fill(0::float8, ARRAY[n * (n - 1) / 2 + 1]);
        FOR i IN 1 .. cardinality(orders) LOOP
            FOR added IN 0 .. n - 1 LOOP
                next[i + added] := next[i + added] + orders[i];
            END LOOP;
        END LOOP;
        orders := next;
        INSERT INTO bench.mann_kendall
        SELECT n, cardinality(orders) - 1 - 2 * (i - 1), (SELECT sum(o) FROM unnest(orders) WITH ORDINALITY AS x (o, j)
            WHERE abs(cardinality(orders) - 1 - 2 * (j - 1)) >= abs(cardinality(orders) - 1 - 2 * (i - 1))) / (SELECT sum(o) FROM unnest(orders) AS o)
        FROM generate_series(1, cardinality(orders)) AS i;
    END LOOP;
END;
$$;

CREATE TYPE bench.window AS (n int, slope float8, low float8, high float8, p float8, word text);
-- Theil and Sen's slope with Sen's interval, Mann and Kendall's p, of (day, y) in order of time.
CREATE FUNCTION bench.trend(times float8[], scores float8[]) RETURNS bench.window LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    size CONSTANT int := coalesce(cardinality(scores), 0);
    slopes float8[];
    balance int;
    count int;
    variance float8;
    half float8;
    w bench.window;
BEGIN
    w.n := size;
    w.word := 'insufficient data';
    IF size < 5 THEN
        RETURN w;
    END IF;
    SELECT array_agg(slope ORDER BY slope), sum(sign(slope)) INTO slopes, balance
    FROM (SELECT (b.y - a.y) / (b.day - a.day) AS slope
          FROM unnest(times, scores) WITH ORDINALITY AS a (day, y, i) JOIN unnest(times, scores) WITH ORDINALITY AS b (day, y, i) ON b.i > a.i) AS pairs;
    count := cardinality(slopes);
    variance := size * (size - 1) * (2.0 * size + 5) / 18;
    IF size <= 10 THEN
        SELECT p INTO w.p FROM bench.mann_kendall AS k WHERE k.n = w.n AND k.s = balance;
    ELSE
        w.p := least(1, 2 * bench.normal_cdf(-abs((balance - sign(balance)) / sqrt(variance))));
    END IF;
    w.slope := CASE count % 2 WHEN 1 THEN slopes[count / 2 + 1] ELSE 0.5 * slopes[count / 2] + 0.5 * slopes[count / 2 + 1] END;
    half := 1.959963984540054 * sqrt(variance);
    w.low := slopes[greatest(1, round(0.5 * (count - half))::int)];
    w.high := slopes[least(count, round(0.5 * (count + half))::int + 1)];
    w.word := CASE WHEN w.p >= 0.05 THEN 'stable' WHEN balance > 0 THEN 'improving' ELSE 'declining' END;
    RETURN w;
END;
$$;
CREATE FUNCTION bench.window_json(w bench.window, days int) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('days', days, 'n', w.n, 'slope', w.slope, 'low', w.low, 'high', w.high, 'p', w.p)
$$;
-- CUSUM's limit: higher where scores go together, each half about its line.
CREATE FUNCTION bench.decline_limit(y float8[]) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN cardinality(y) < 4 OR coalesce(max(squares), 0) = 0 THEN 7
        ELSE (SELECT 7 * (1 + r) / (1 - r) FROM (SELECT greatest(0, least(0.9, max(neighbours / squares) + (2 + 4 * greatest(max(neighbours / squares), 0)) * max(halves) / cardinality(y))) AS r) AS c) END
    FROM (SELECT sum(rest * next) AS neighbours, sum(rest * rest) AS squares, count(DISTINCT half) AS halves
          FROM (SELECT half, rest, lead(rest) OVER (PARTITION BY half ORDER BY i) AS next
                FROM (SELECT i, half, value - (regr_intercept(value, i) OVER h + regr_slope(value, i) OVER h * i) AS rest
                      FROM (SELECT i, value, (cardinality(y) >= 40 AND i > cardinality(y) / 2) AS half FROM unnest(y) WITH ORDINALITY AS u (value, i)) AS v
                      WINDOW h AS (PARTITION BY half)) AS lines) AS shifted) AS sums
$$;

CREATE TYPE bench.term AS (place int, m int, name text, x float8, z float8, weight float8, n float8, mean float8, m2 float8);
CREATE TYPE bench.evidence AS (m int, name text, raw float8, logit float8, r float8, a float8, b float8, variance float8, counts float8[], expected float8);

CREATE FUNCTION bench.within(x jsonb) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN x::float8 BETWEEN 1 AND 10 THEN x::float8 END
$$;

CREATE FUNCTION bench.fuse_plpgsql(session uuid) RETURNS float8 LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off AS $$
DECLARE
    model bench.model;
    s assessment_sessions;
    t text_analysis;
    a audio_analysis;
    v visual_analysis;
    p passive_analysis;
    person uuid;
    at timestamptz;
    docs jsonb[];
    arrived text[];
    wellness float8[];
    terms bench.term[];
    evidence bench.evidence[];
    part bench.evidence;
    own_rate float8;
    base float8;
    squares float8 := 0;
    spread float8 := 0;
    total float8 := 0;
    kappa float8 := 0;
    k_eff float8 := 0;
    mean_logit float8 := 0;
    fused float8;
    p_fused float8;
    v_cal float8 := 0;
    v_dis float8 := 0;
    covered float8 := 0;
    expected float8;
    coverage float8;
    v_all float8;
    low float8;
    high float8;
    best float8;
    median_n float8;
    qc text;
    reasons text[] := '{}';
    usable boolean;
    y float8;
    last record;
    level float8;
    level_variance float8;
    r_s float8;
    gain float8;
    past record;
    watch float8[];
    better float8;
    settling int;
    t_value float8;
    mood jsonb;
    factors float8[];
    report float8;
    reports record;
    stability float8;
    outcome boolean;
    deviation float8;
    deviation_p float8;
    combined_n float8 := 0;
    combined_mean float8 := 0;
    combined_m2 float8 := 0;
    combined_sd float8;
    compared record;
    before int;
    windows bench.window[];
    cusum_limit float8;
    correlations jsonb;
    items jsonb;
    base_logit float8;
    feature_z float8[];
BEGIN
    -- The session and its newest analyses.
    SELECT k.user_id, k.created_at INTO person, at FROM session_keys AS k WHERE k.id = session;
    PERFORM FROM fusion_outputs AS f WHERE f.session_id = session;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    SELECT * INTO s FROM assessment_sessions WHERE id = session AND created_at = at FOR NO KEY UPDATE;
    SELECT * INTO t FROM text_analysis AS x WHERE x.session_id = session ORDER BY x.processed_at DESC, x.id DESC LIMIT 1;
    SELECT * INTO a FROM audio_analysis AS x WHERE x.session_id = session ORDER BY x.processed_at DESC, x.id DESC LIMIT 1;
    SELECT * INTO v FROM visual_analysis AS x WHERE x.session_id = session ORDER BY x.processed_at DESC, x.id DESC LIMIT 1;
    SELECT * INTO p FROM passive_analysis AS x WHERE x.session_id = session ORDER BY x.processed_at DESC, x.id DESC LIMIT 1;
    SELECT * INTO model FROM bench.model;
    arrived := array_remove(ARRAY[CASE WHEN t.id IS NOT NULL THEN 'text' END, CASE WHEN a.id IS NOT NULL THEN 'audio' END,
        CASE WHEN v.id IS NOT NULL THEN 'visual' END, CASE WHEN p.id IS NOT NULL THEN 'passive' END], NULL);
    wellness := ARRAY[t.text_wellness_score, a.audio_wellness_score, v.visual_wellness_score, p.passive_wellness_score]::float8[];
    docs := ARRAY[t.sentiment_analysis, t.cognitive_markers, t.linguistic_patterns, to_jsonb(wellness[1]), a.vocal_characteristics, a.prosodic_features, a.emotional_markers, to_jsonb(wellness[2]),
        v.facial_expressions, v.micro_expressions, v.emotional_indicators, to_jsonb(wellness[3]), p.sleep_metrics, p.activity_metrics, p.device_usage, to_jsonb(wellness[4])];

    -- Features against the person's baselines.
    SELECT array_agg(ROW(f.place, f.m, f.name, f.x,
               greatest(-model.z_limit, least(model.z_limit, bench.student_to_normal(
                   (f.x - (f.mu + own.share * own.gap))
                   / (sqrt((model.nu0 * f.sigma * f.sigma + own.m2 + model.kappa0 * own.share * own.gap * own.gap) / (model.nu0 + own.n)) * sqrt(1 + 1 / (model.kappa0 + own.n))),
                   (model.nu0 + own.n)::int))),
               f.weight, own.n, own.mean, own.m2)::bench.term ORDER BY f.place)
    INTO terms
    FROM (SELECT f.*, CASE f.transform WHEN 'log1p' THEN ln(1 + r.x) WHEN 'logit' THEN ln(r.x / (1 - r.x)) ELSE r.x END AS x
          FROM bench.feature AS f
          CROSS JOIN LATERAL (SELECT CASE f.reduce
              WHEN 'first' THEN (SELECT n::float8 FROM (SELECT nullif(docs[f.doc] #> f.keys, 'null') AS n) AS one)
              WHEN 'count' THEN jsonb_array_length(docs[f.doc] #> f.keys)
              WHEN 'mean' THEN (SELECT avg(n::float8) FROM jsonb_path_query(docs[f.doc], f.path) AS n)
              ELSE (SELECT sum(n::float8) FROM jsonb_path_query(docs[f.doc], f.path) AS n) END AS x) AS r
          WHERE docs[f.doc] IS NOT NULL AND r.x IS NOT NULL) AS f
    LEFT JOIN user_feature_baselines AS b ON b.user_id = person AND b.feature_name = f.name AND b.n > 0
    CROSS JOIN LATERAL (SELECT coalesce(b.n, 0) AS n, b.mean, coalesce(b.m2, 0) AS m2, coalesce(b.n / (model.kappa0 + b.n), 0) AS share, coalesce(b.mean - f.mu, 0) AS gap) AS own;
    SELECT array_agg(z.z ORDER BY f.place) INTO feature_z FROM bench.feature AS f LEFT JOIN unnest(terms) AS z ON z.place = f.place;

    SELECT (model.prior_strength * model.prior_rate + count(*) FILTER (WHERE worse)) / (model.prior_strength + count(*)) INTO own_rate
    FROM session_outcomes WHERE user_id = person AND session_created_at < at;
    base := ln(own_rate / (1 - own_rate));

    -- Evidence, calibrated, with its reliability.
    SELECT array_agg(ROW(x.m, x.name, x.raw, x.a * x.raw + x.b, x.reliability * coalesce(q.quality, 1) * x.present / x.weight, x.a, x.b,
               greatest(0, x.raw * (x.var_a * x.raw + 2 * x.cov) + x.var_b), x.counts, x.expected)::bench.evidence ORDER BY x.m),
           max(x.all_expected)
    INTO evidence, expected
    FROM (SELECT m.m, m.name, m.intercept + z.raw AS raw, m.reliability, z.present, m.weight, z.counts, (m.expected ->> s.assessment_type)::float8 AS expected,
                 (SELECT sum((o.expected ->> s.assessment_type)::float8) FROM bench.modality AS o) AS all_expected,
                 coalesce(c.a, m.a) AS a,
                 CASE WHEN c.b IS NULL THEN coalesce(m.b, base) WHEN c.own_logit IS NULL THEN c.b ELSE c.b + base - c.own_logit END AS b,
                 coalesce(c.covariance[1], m.sd_a ^ 2) AS var_a, coalesce(c.covariance[2], 0) AS cov, coalesce(c.covariance[3], m.sd_b ^ 2) AS var_b
          FROM (SELECT z.m, sum(z.weight * z.z) AS raw, sum(abs(z.weight)) AS present, array_agg(z.n ORDER BY z.place) AS counts FROM unnest(terms) AS z GROUP BY z.m) AS z
          JOIN bench.modality AS m ON m.m = z.m
          LEFT JOIN user_calibration AS c ON c.user_id = person AND c.modality = m.name) AS x
    LEFT JOIN LATERAL (SELECT (s.text_data #> '{processing_metadata,quality_score}')::float8 AS quality WHERE x.m = 1) AS q ON true;

    -- Fusion and its uncertainty.
    FOREACH part IN ARRAY evidence LOOP
        squares := squares + part.r * part.r;
        total := total + part.r;
        mean_logit := mean_logit + part.r * part.logit;
        covered := covered + least(1, part.r) * part.expected;
        best := greatest(best, part.r);
    END LOOP;
    spread := squares + model.rho * (total * total - squares);
    IF spread > 0 THEN
        kappa := squares / spread;
        k_eff := total * total / spread;
        mean_logit := mean_logit / total;
    END IF;
    fused := base;
    FOREACH part IN ARRAY evidence LOOP
        fused := fused + kappa * part.r * (part.logit - base);
        v_cal := v_cal + (kappa * part.r) ^ 2 * part.variance;
        v_dis := v_dis + part.r * (part.logit - mean_logit) ^ 2;
    END LOOP;
    v_dis := CASE WHEN cardinality(evidence) > 1 AND total > 0 THEN v_dis / total / k_eff ELSE 0 END;
    coverage := covered / expected;
    v_all := v_cal + v_dis + model.miss_var * (1 - coverage);
    p_fused := greatest(1e-6, least(1 - 1e-6, bench.logistic(fused)));
    low := bench.logistic(fused - 1.6448536269514722 * sqrt(v_all));
    high := bench.logistic(fused + 1.6448536269514722 * sqrt(v_all));
    y := 100 * (1 - p_fused);

    -- Quality.
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY n) INTO median_n FROM unnest(terms);
    IF best < model.min_reliability THEN
        reasons := reasons || format('no modality reaches reliability %s (best %s)', model.min_reliability, round(best::numeric, 2));
    END IF;
    IF coverage < model.min_coverage THEN
        reasons := reasons || format('coverage %s is below %s', round(coverage::numeric, 2), model.min_coverage);
    END IF;
    usable := reasons = '{}';
    IF coverage < model.low_coverage AND coverage >= model.min_coverage THEN
        reasons := reasons || format('coverage %s is below %s', round(coverage::numeric, 2), model.low_coverage);
    END IF;
    IF high - low > model.max_uncertainty THEN
        reasons := reasons || format('uncertainty %s is above %s', round((high - low)::numeric, 2), model.max_uncertainty);
    END IF;
    IF median_n < model.min_baseline_n THEN
        reasons := reasons || format('the median baseline rests on %s earlier values, below %s', round(median_n::numeric, 1)::float8, model.min_baseline_n);
    END IF;
    qc := CASE WHEN NOT usable THEN 'insufficient' WHEN reasons = '{}' THEN 'reliable' ELSE 'low' END;

    -- Smoothing, and the watch for a decline.
    SELECT f.score_smoothed, f.smoothed_variance, f.session_created_at, f.decline_watch INTO last FROM fusion_outputs AS f
    WHERE f.user_id = person AND f.session_created_at < at ORDER BY f.session_created_at DESC, f.session_id DESC LIMIT 1;
    r_s := greatest(model.r_min, (100 * (high - low) / 3.2897) ^ 2);
    IF last.session_created_at IS NULL THEN
        level := 100 * (1 - own_rate);
        level_variance := model.p0;
    ELSE
        level := last.score_smoothed;
        level_variance := last.smoothed_variance + model.q_per_day * extract(epoch FROM at - last.session_created_at)::float8 / 86400;
    END IF;
    gain := level_variance / (level_variance + r_s);
    level := level + gain * (y - level);
    level_variance := (1 - gain) * level_variance;
    watch := CASE WHEN cardinality(last.decline_watch) = 5 THEN last.decline_watch ELSE '{0,0,0,0,0}' END;
    SELECT b.sample_count, b.mean, b.m2 INTO combined_n, combined_mean, combined_m2 FROM user_baselines AS b WHERE b.user_id = person AND b.metric_type = 'combined_wellness';
    combined_n := coalesce(combined_n, 0);
    combined_sd := CASE WHEN combined_n >= 2 THEN sqrt(combined_m2 / (combined_n - 1)) END;
    IF usable AND combined_n >= 5 THEN
        better := base - ln(p_fused / (1 - p_fused));
        IF watch[1] >= 5 AND watch[3] > 0 THEN
            t_value := (better - watch[2]) / sqrt(watch[3] / (watch[1] - 1)) / sqrt((watch[1] + 1) / watch[1]);
            watch[4] := greatest(0, watch[4] - greatest(-4, least(4, bench.student_to_normal(t_value, watch[1]::int - 1))) - 0.5);
        END IF;
        watch := ARRAY[watch[1] + 1, watch[2] + (better - watch[2]) / (watch[1] + 1),
            watch[3] + (better - watch[2]) * (better - (watch[2] + (better - watch[2]) / (watch[1] + 1))), watch[4]];
    END IF;
    watch[5] := base;

    -- The self-report.
    mood := coalesce(s.mood_after, s.mood_before);
    factors := ARRAY[bench.within(mood -> 'energy_level'), bench.within(mood -> 'stress_level'), bench.within(mood -> 'physical_comfort'),
        bench.within(mood -> 'social_connection'), bench.within(mood -> 'sleep_quality')];
    report := factors[1] + 11 - factors[2] + factors[3] + factors[4];
    report := coalesce((report + factors[5]) / 5, report / 4);
    IF report IS NOT NULL THEN
        SELECT count(*) AS n, avg(f.self_report) AS mean, stddev_samp(f.self_report) AS sd INTO reports
        FROM fusion_outputs AS f WHERE f.user_id = person AND f.session_created_at < at AND f.self_report IS NOT NULL;
        IF reports.n >= greatest(2, model.min_reports - 1) THEN
            outcome := report < reports.mean - model.threshold_sd * reports.sd;
        END IF;
    END IF;

    -- The last ninety days, with this session, as if the own rate had always been what it is: trends and the
    -- limit of the alarm without the baseline sessions, correlations with all.
    SELECT array_agg(h.day ORDER BY h.place) FILTER (WHERE h.y IS NOT NULL) AS days, array_agg(h.y ORDER BY h.place) FILTER (WHERE h.y IS NOT NULL) AS y,
           count(*) FILTER (WHERE h.y IS NOT NULL AND h.day <= -7) AS before_week, count(*) FILTER (WHERE h.y IS NOT NULL AND h.day <= -30) AS before_month,
           array_agg(h.report ORDER BY h.place) FILTER (WHERE h.report IS NOT NULL AND h.day >= -30) AS reports,
           array_agg(h.energy ORDER BY h.place) FILTER (WHERE h.y IS NOT NULL) AS energy, array_agg(h.stress ORDER BY h.place) FILTER (WHERE h.y IS NOT NULL) AS stress,
           array_agg(h.comfort ORDER BY h.place) FILTER (WHERE h.y IS NOT NULL) AS comfort, array_agg(h.social ORDER BY h.place) FILTER (WHERE h.y IS NOT NULL) AS social,
           array_agg(h.sleep ORDER BY h.place) FILTER (WHERE h.y IS NOT NULL) AS sleep
    INTO past
    FROM (SELECT row_number() OVER (ORDER BY f.session_created_at, f.session_id) AS place, extract(epoch FROM f.session_created_at - at)::float8 / 86400 AS day,
                 CASE WHEN f.qc_overall <> 'insufficient' THEN 100 * bench.logistic(ln((model.prior_strength * model.prior_rate + f.worse) / (model.prior_strength * (1 - model.prior_rate) + f.n - f.worse))
                     - base - ln(f.p_worse_fused / (1 - f.p_worse_fused))) END AS y, f.self_report AS report,
                 f.reported_energy AS energy, f.reported_stress AS stress, f.reported_comfort AS comfort, f.reported_social AS social, f.reported_sleep AS sleep
          FROM (SELECT h.*, sum(h.outcome) OVER earlier AS n, sum(h.outcome * h.was_worse) OVER earlier AS worse
                FROM (SELECT f.session_id, f.session_created_at, f.p_worse_fused, f.qc_overall, f.self_report, f.reported_energy, f.reported_stress, f.reported_comfort, f.reported_social,
                             f.reported_sleep, 0 AS outcome, 0 AS was_worse
                      FROM (SELECT f.* FROM fusion_outputs AS f WHERE f.user_id = person AND f.session_created_at < at AND f.session_created_at > at - interval '2160 hours'
                            ORDER BY f.session_created_at DESC, f.session_id DESC LIMIT 400) AS f
                      UNION ALL
                      SELECT NULL, o.session_created_at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, o.worse::int
                      FROM session_outcomes AS o WHERE o.user_id = person AND o.session_created_at < at) AS h
                WINDOW earlier AS (ORDER BY h.session_created_at, h.outcome ROWS UNBOUNDED PRECEDING)) AS f
          WHERE f.outcome = 0
          UNION ALL
          SELECT 1000, 0, CASE WHEN usable THEN y END, report, factors[1], factors[2], factors[3], factors[4], factors[5]) AS h;
    settling := greatest(0, 5 - combined_n + cardinality(past.y) - CASE WHEN usable THEN 1 ELSE 0 END);
    past.before_week := greatest(past.before_week, settling);
    past.before_month := greatest(past.before_month, settling);
    windows := ARRAY[bench.trend(past.days[past.before_week + 1:], past.y[past.before_week + 1:]), bench.trend(past.days[past.before_month + 1:], past.y[past.before_month + 1:]),
        bench.trend(past.days[settling + 1:], past.y[settling + 1:])];
    cusum_limit := coalesce(bench.decline_limit(past.y[settling + 1:]), 7);
    SELECT coalesce(jsonb_agg(jsonb_build_object('factor', name, 'correlation', r, 'confidence', 1 - adjusted, 'n', n, 'effective_n', worth, 'p', chance, 'p_adjusted', adjusted) ORDER BY i), '[]')
    INTO correlations
    FROM (SELECT *, least(1, min(chance * many / rank) OVER (ORDER BY rank DESC)) AS adjusted
          FROM (SELECT *, row_number() OVER (ORDER BY chance, i DESC) AS rank, count(*) OVER () AS many
                FROM (SELECT i, name, n, r, worth,
                             CASE WHEN worth > 3 THEN least(1, 2 * bench.normal_cdf(-abs(atanh(greatest(-1 + 1e-15, least(1 - 1e-15, r))) * sqrt(worth - 3)))) ELSE 1 END AS chance
                      FROM (SELECT i, name, n, r, n * (1 - lag) / (1 + lag) AS worth
                            FROM (SELECT i, name, count(*) AS n, corr(x, score) AS r, greatest(0, sum((x - mx) * (nx - mx)) * sum((score - ms) * (ns - ms)) / nullif(sum((x - mx) ^ 2) * sum((score - ms) ^ 2), 0)) AS lag
                                  FROM (SELECT f.i, f.name, u.x, u.score, avg(u.x) OVER w AS mx, avg(u.score) OVER w AS ms, lead(u.x) OVER o AS nx, lead(u.score) OVER o AS ns
                                        FROM (VALUES (1, 'energy_level', past.energy), (2, 'stress_level', past.stress), (3, 'physical_comfort', past.comfort), (4, 'social_connection', past.social),
                                            (5, 'sleep_quality', past.sleep)) AS f (i, name, xs)
                                        CROSS JOIN LATERAL unnest(f.xs, past.y) WITH ORDINALITY AS u (x, score, place)
                                        WHERE u.x IS NOT NULL
                                        WINDOW w AS (PARTITION BY f.i), o AS (PARTITION BY f.i ORDER BY u.place)) AS pairs
                                  GROUP BY i, name HAVING count(*) >= 4) AS sums
                            WHERE r IS NOT NULL) AS worths) AS tested) AS ranked) AS listed;
    -- How steady the self-reports are.
    IF report IS NOT NULL THEN
        SELECT CASE WHEN count(d) >= 2 THEN greatest(0, least(100, 100 - 100 * sqrt(sum(d * d) / count(d)) / 9)) END INTO stability
        FROM (SELECT r - lag(r) OVER (ORDER BY i) AS d FROM unnest(past.reports) WITH ORDINALITY AS u (r, i)) AS x;
    END IF;

    -- Against the person's own scores so far.
    SELECT min(f.session_created_at) AS first, max(f.session_created_at) AS last INTO compared FROM fusion_outputs AS f
    WHERE f.user_id = person AND f.session_created_at < at AND f.qc_overall <> 'insufficient';
    SELECT count(*) INTO before FROM (SELECT FROM fusion_outputs AS f WHERE f.user_id = person AND f.session_created_at < at LIMIT 5) AS few;
    IF combined_n >= 3 AND combined_sd > 0 THEN
        deviation := (y - combined_mean) / (combined_sd * sqrt((combined_n + 1) / combined_n));
        deviation_p := bench.student_two_sided(deviation, combined_n::int - 1);
    END IF;

    -- What moved it.
    WITH ranked AS (
        SELECT z.*, e.name AS modality, kappa * e.r * e.a * z.weight * z.z AS contribution, row_number() OVER (ORDER BY abs(e.r * e.a * (z.weight * z.z)) DESC, z.place) AS rank
        FROM unnest(terms) AS z JOIN unnest(evidence) AS e ON e.m = z.m),
    listed AS (
        SELECT rank, contribution, jsonb_build_object('feature', name, 'modality', modality, 'value', x, 'z', z, 'baseline_mean', mean, 'baseline_n', n, 'contribution', contribution) AS item
        FROM ranked WHERE rank <= model.top
        UNION ALL
        SELECT 1000 + m, sum(contribution), jsonb_build_object('feature', 'other', 'modality', modality, 'count', count(*), 'contribution', sum(contribution))
        FROM ranked WHERE rank > model.top GROUP BY m, modality)
    SELECT jsonb_agg(item ORDER BY rank), ln(p_fused / (1 - p_fused)) - sum(contribution) INTO items, base_logit FROM listed;

    INSERT INTO fusion_outputs (session_id, user_id, session_created_at, p_worse_fused, p_worse_text, p_worse_audio, p_worse_visual, p_worse_passive,
        score, score_smoothed, smoothed_variance, uncertainty, qc_overall, drivers, model_version, raw_text, raw_audio, raw_visual, raw_passive, feature_z,
        arrived_modalities, learnt_modalities, self_report, reported_energy, reported_stress, reported_comfort, reported_social, reported_sleep, decline_watch)
    SELECT session, person, at, p_fused, bench.logistic(max(x.logit) FILTER (WHERE x.m = 1)), bench.logistic(max(x.logit) FILTER (WHERE x.m = 2)),
        bench.logistic(max(x.logit) FILTER (WHERE x.m = 3)), bench.logistic(max(x.logit) FILTER (WHERE x.m = 4)),
        round(y), level, level_variance, high - low, qc,
        jsonb_build_object('items', items, 'base_logit', base_logit, 'quality', to_jsonb(reasons), 'dropped', '[]'::jsonb,
            'modalities', jsonb_object_agg(x.name, jsonb_build_object('raw', x.raw, 'logit', x.logit, 'reliability', x.r, 'contribution', kappa * x.r * (x.logit - base),
                'a', x.a, 'b', x.b, 'variance', x.variance, 'baseline_n', to_jsonb(x.counts))),
            'uncertainty', jsonb_build_object('calibration', v_cal, 'disagreement', v_dis, 'missing', model.miss_var * (1 - coverage), 'total', v_all, 'low', low, 'high', high, 'coverage', coverage)),
        model.model_version, max(x.raw) FILTER (WHERE x.m = 1), max(x.raw) FILTER (WHERE x.m = 2), max(x.raw) FILTER (WHERE x.m = 3), max(x.raw) FILTER (WHERE x.m = 4), feature_z,
        arrived, CASE WHEN usable THEN array_agg(x.name ORDER BY x.m) ELSE '{}' END, report, factors[1], factors[2], factors[3], factors[4], factors[5], watch
    FROM unnest(evidence) AS x;
    INSERT INTO mind_measure_scores (session_id, user_id, combined_score, baseline_deviation, is_baseline_session, baseline_n, baseline_mean, baseline_m2, baseline_comparison, trend_analysis)
    VALUES (session, person, round(y), deviation, before < 5, combined_n, coalesce(combined_mean, 0), coalesce(combined_m2, 0),
        jsonb_build_object('deviation', coalesce(deviation, 0), 'significance', CASE WHEN deviation_p <= 0.01 THEN 'high' WHEN deviation_p <= 0.1 THEN 'medium' ELSE 'low' END,
            'trend', CASE windows[2].word WHEN 'insufficient data' THEN 'stable' ELSE windows[2].word END, 'confidence_level', coalesce(1 - deviation_p, 0),
            'comparison_period', jsonb_build_object('start_date', (coalesce(compared.first, at) AT TIME ZONE 'UTC')::date, 'end_date', (coalesce(compared.last, at) AT TIME ZONE 'UTC')::date, 'session_count', combined_n),
            'p', deviation_p, 'n', combined_n, 'mean', combined_mean, 'sd', combined_sd, 'slope', windows[2].slope, 'trend_p', windows[2].p, 'trend_n', windows[2].n),
        jsonb_build_object('short_term', windows[1].word, 'medium_term', windows[2].word, 'long_term', windows[3].word, 'patterns', '[]'::jsonb, 'correlations', correlations,
            'windows', jsonb_build_object('short_term', bench.window_json(windows[1], 7), 'medium_term', bench.window_json(windows[2], 30), 'long_term', bench.window_json(windows[3], 90)),
            'alarm', jsonb_build_object('raised', watch[4] > cusum_limit, 'sum', watch[4], 'limit', cusum_limit)));
    UPDATE assessment_sessions SET status = 'completed', failure_reason = NULL WHERE id = session AND created_at = at;
    IF outcome IS NOT NULL THEN
        INSERT INTO session_outcomes AS o (session_id, user_id, worse, source, derived, session_created_at) VALUES (session, person, outcome, 'self_report', true, at)
        ON CONFLICT (session_id) DO UPDATE SET worse = excluded.worse, recorded_at = now() WHERE o.derived AND o.worse <> excluded.worse;
    END IF;
    IF NOT usable THEN
        RETURN p_fused;
    END IF;

    -- What was learnt.
    INSERT INTO user_feature_baselines AS b (user_id, feature_name, modality, mean, sd, n, m2, sum_w2, last_observed_at)
    SELECT person, z.name, e.name, coalesce(z.mean + (u.x - z.mean) / (z.n + 1), u.x),
           CASE WHEN z.n >= 1 THEN sqrt((z.m2 + (u.x - z.mean) ^ 2 * z.n / (z.n + 1)) / z.n) END,
           z.n + 1, z.m2 + coalesce((u.x - z.mean) ^ 2 * z.n / (z.n + 1), 0), z.n + 1, at
    FROM unnest(terms) AS z JOIN unnest(evidence) AS e ON e.m = z.m
    CROSS JOIN LATERAL (SELECT CASE WHEN z.n >= model.clip_min_n AND z.m2 > 0
        THEN greatest(z.mean - model.clip_sd * sqrt(z.m2 / (z.n - 1)), least(z.mean + model.clip_sd * sqrt(z.m2 / (z.n - 1)), z.x)) ELSE z.x END AS x) AS u
    ON CONFLICT (user_id, feature_name) DO UPDATE SET modality = excluded.modality, mean = excluded.mean, sd = excluded.sd, n = excluded.n, m2 = excluded.m2,
        sum_w2 = excluded.sum_w2, last_observed_at = excluded.last_observed_at, updated_at = now();
    INSERT INTO user_baselines AS b (user_id, metric_type, baseline_score, confidence_level, sample_count, mean, m2)
    SELECT person, x.metric, l.mean::numeric, l.n / (l.n + 5.0), l.n, l.mean, l.m2
    FROM (SELECT 'combined_wellness' AS metric, y AS value
          UNION ALL SELECT e.name || '_wellness', coalesce(wellness[e.m], 100 * (1 - bench.logistic(e.logit))) FROM unnest(evidence) AS e WHERE e.m < 4
          UNION ALL SELECT 'mood_stability', stability WHERE stability IS NOT NULL
          UNION ALL SELECT 'stress_levels', 10 * factors[2] WHERE factors[2] IS NOT NULL) AS x
    LEFT JOIN user_baselines AS b ON b.user_id = person AND b.metric_type = x.metric
    CROSS JOIN LATERAL (SELECT CASE WHEN b.sample_count >= model.clip_min_n AND b.m2 > 0
        THEN greatest(b.mean - model.clip_sd * sqrt(b.m2 / (b.sample_count - 1)), least(b.mean + model.clip_sd * sqrt(b.m2 / (b.sample_count - 1)), x.value)) ELSE x.value END AS value) AS u
    CROSS JOIN LATERAL (SELECT coalesce(b.sample_count, 0) + 1 AS n, CASE WHEN b.sample_count > 0 THEN b.mean + (u.value - b.mean) / (b.sample_count + 1) ELSE u.value END AS mean,
        coalesce(b.m2 + (u.value - b.mean) ^ 2 * b.sample_count / (b.sample_count + 1), 0) AS m2) AS l
    ON CONFLICT (user_id, metric_type) DO UPDATE SET baseline_score = excluded.baseline_score, confidence_level = excluded.confidence_level,
        sample_count = excluded.sample_count, mean = excluded.mean, m2 = excluded.m2, last_updated = now();
    RETURN p_fused;
END;
$$;

-- One call a session, each a transaction of its own: microseconds of processor time.
CREATE PROCEDURE bench.plpgsql_each(ids uuid[], INOUT took float8) LANGUAGE plpgsql AS $$
DECLARE
    id uuid;
    before CONSTANT float8 := bench.spent();
BEGIN
    FOREACH id IN ARRAY ids LOOP
        PERFORM bench.fuse_plpgsql(id);
        COMMIT;
    END LOOP;
    took := (bench.spent() - before) / cardinality(ids);
END;
$$;
GRANT SELECT ON bench.modality, bench.feature, bench.model, bench.mann_kendall TO PUBLIC;
