-- base_logit + all contributions = logit of the stored probability, on every row ever written, however
-- extreme the model and the calibrations; and nothing but finite numbers in range is stored.
BEGIN;
SELECT no_plan();
\ir lib/snapshot.psql
\ir lib/person.psql

-- Every row ever written, also those that a refresh or a replay replaced.
CREATE TEMP TABLE written (p_worse_fused float8, p float8[], score int, score_smoothed float8, uncertainty float8, drivers jsonb, computed text);
GRANT ALL ON pg_temp.written TO mindmeasure_owner;
CREATE FUNCTION pg_temp.keep_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pg_temp.written VALUES (NEW.p_worse_fused, ARRAY[NEW.p_worse_text, NEW.p_worse_audio, NEW.p_worse_visual, NEW.p_worse_passive],
        NEW.score, NEW.score_smoothed, NEW.uncertainty, NEW.drivers, NEW::text);
    RETURN NULL;
END;
$$;
CREATE TRIGGER zz_keep_written AFTER INSERT OR UPDATE ON fusion_outputs FOR EACH ROW EXECUTE FUNCTION pg_temp.keep_written();

CREATE FUNCTION pg_temp.model(version text, change text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    spec jsonb := (SELECT m.spec FROM mm_models AS m WHERE model_version = 'v1.0');
BEGIN
    spec := jsonb_set(spec, '{model_version}', to_jsonb(version));
    CASE change
    WHEN 'none' THEN NULL;
    WHEN 'heavy' THEN  -- weights of 100, now for, now against
        spec := jsonb_set(spec, '{features}', (
            SELECT jsonb_agg(f || jsonb_build_object('weight', CASE WHEN n % 3 = 0 THEN -100 ELSE 100 END) ORDER BY n)
            FROM jsonb_array_elements(spec -> 'features') WITH ORDINALITY AS x (f, n)));
    WHEN 'one-sided' THEN
        spec := jsonb_set(spec, '{features}', (
            SELECT jsonb_agg(f || jsonb_build_object('weight', 100 * sign((f ->> 'weight')::numeric + 0.001)) ORDER BY n)
            FROM jsonb_array_elements(spec -> 'features') WITH ORDINALITY AS x (f, n)));
    WHEN 'narrow' THEN  -- a population so narrow that every z is at its limit, and steep priors
        spec := jsonb_set(spec, '{features}', (
            SELECT jsonb_agg(f || '{"population_sd": 1e-9, "weight": 3.7}' ORDER BY n)
            FROM jsonb_array_elements(spec -> 'features') WITH ORDINALITY AS x (f, n)));
        spec := jsonb_set(spec, '{modalities,audio,calibration_prior}', '{"a": 50, "b": -40, "sd_a": 20, "sd_b": 30}');
        spec := jsonb_set(spec, '{modalities,text,intercept}', '-90');
        spec := jsonb_set(spec, '{fusion}', '{"rho": 0.9, "prior_rate": 0.001, "prior_strength": 0, "miss_var": 25}');
    WHEN 'opposed' THEN  -- modalities that contradict each other, next to no prior
        spec := jsonb_set(spec, '{fusion,rho}', '[[1,-0.3,-0.3,-0.3],[-0.3,1,-0.3,-0.3],[-0.3,-0.3,1,-0.3],[-0.3,-0.3,-0.3,1]]');
        spec := jsonb_set(spec, '{fusion,prior_rate}', '0.999');
        spec := jsonb_set(spec, '{drivers,top}', '1');
    WHEN 'all items' THEN
        spec := jsonb_set(spec, '{drivers,top}', '42');
        spec := jsonb_set(spec, '{fusion,rho}', '1');
    END CASE;
    RETURN mm_register_model(spec);
END;
$$;

-- Four people a model: without calibrations, and with ordinary, steep and inverted ones.
CREATE FUNCTION pg_temp.live(first_person int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    session uuid;
    names text[];
    a float8; b float8;
BEGIN
    FOR person IN first_person .. first_person + 3 LOOP
        a := (ARRAY[NULL, 1.3, 1000, -1000])[1 + person - first_person];
        b := (ARRAY[NULL, -0.4, -1000, 1000])[1 + person - first_person];
        IF a IS NOT NULL THEN
            INSERT INTO user_calibration (user_id, modality, a, b, covariance)
            SELECT pg_temp.person_id(person), m, a, b, ARRAY[a * a / 10, 0, 10]
            FROM unnest(ARRAY['text', 'audio', 'visual', 'passive']) WITH ORDINALITY AS x (m, n) WHERE n <> 2 OR a < 10;
        END IF;
        FOR number IN 1 .. 24 LOOP
            session := pg_temp.add_session(person, number, pg_temp.session_time(person, number), pg_temp.session_type(person, number));
            names := pg_temp.modalities(person, number);
            PERFORM pg_temp.analyse(session, m) FROM unnest(names) AS m WHERE number % 3 <> 0 OR m <> names[cardinality(names)] OR cardinality(names) = 1;
            PERFORM mm_fuse_session(session);
            IF number % 3 = 0 AND cardinality(names) > 1 THEN
                PERFORM pg_temp.analyse(session, names[cardinality(names)]);
                PERFORM mm_fuse_session(session, true);
            END IF;
            -- A person of whom only one thing is ever heard.
            PERFORM mm_record_outcome(session, person % 2 = 0);
        END LOOP;
        PERFORM mm_rescore_user(pg_temp.person_id(person));
    END LOOP;
END;
$$;

CREATE TEMP TABLE finding (model text, n bigint, off float8, bad_probability bigint, bad_score bigint, clipped bigint, limits bigint, not_a_number bigint);
CREATE FUNCTION pg_temp.look(model text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO finding
    SELECT model, count(*),
        max(abs(d.base + d.contributions - ln(w.p_worse_fused / (1 - w.p_worse_fused)))),
        count(*) FILTER (WHERE NOT (w.p_worse_fused BETWEEN 1e-6 * (1 - 1e-9) AND 1 - 1e-6 * (1 - 1e-9))
            OR EXISTS (SELECT FROM unnest(w.p) AS p WHERE NOT p BETWEEN 0 AND 1)
            OR NOT w.uncertainty BETWEEN 0 AND 1 OR NOT w.score_smoothed BETWEEN 0 AND 100),
        count(*) FILTER (WHERE w.score <> floor(100 * (1 - w.p_worse_fused) + 0.5)),
        count(*) FILTER (WHERE w.p_worse_fused NOT BETWEEN 2e-6 AND 1 - 2e-6),
        count(*) FILTER (WHERE w.drivers -> 'items' @> '[{"feature": "limit"}]'),
        count(*) FILTER (WHERE w.computed ~* 'nan|infinity' OR w.drivers::text ~* 'nan|infinity')
    FROM written AS w
    CROSS JOIN LATERAL (
        SELECT (w.drivers ->> 'base_logit')::float8 AS base,
               coalesce((SELECT sum((i ->> 'contribution')::float8 ORDER BY n) FROM jsonb_array_elements(w.drivers -> 'items') WITH ORDINALITY AS x (i, n)), 0) AS contributions) AS d;
    TRUNCATE written;
$$;

SELECT mm_activate_model(pg_temp.model(change, change)), pg_temp.live(10 * n::int), pg_temp.look(change)
FROM unnest(ARRAY['none', 'heavy', 'one-sided', 'narrow', 'opposed', 'all items']) WITH ORDINALITY AS x (change, n) ORDER BY n \g /dev/null

SELECT ok(n >= 4 * 2 * 24, format('%s: every row was looked at: %s', model, n)) FROM finding;
SELECT ok(off <= 1e-12, format('%s: base_logit + contributions = logit of p, to 1e-12 (off by %s)', model, off)) FROM finding;
SELECT is(bad_probability, 0::bigint, format('%s: every probability, uncertainty and level is in its range', model)) FROM finding;
SELECT is(bad_score, 0::bigint, format('%s: score = round(100 (1 - p))', model)) FROM finding;
SELECT is(not_a_number, 0::bigint, format('%s: nothing is NaN or infinite', model)) FROM finding;
SELECT ok((SELECT sum(clipped) FROM finding WHERE model IN ('heavy', 'one-sided', 'narrow')) > 50, 'many of the rows lie at the limit of p');
SELECT ok((SELECT sum(limits) FROM finding) > 50, 'and many have an item for the limit');
SELECT ok(EXISTS (SELECT FROM fusion_outputs WHERE drivers -> 'items' @> '[{"feature": "other"}]'), 'and the items beyond the top are summed');

-- The baselines and scores beside them
SELECT is_empty($$SELECT c.relation, c.key FROM generate_series(10, 63) AS p, pg_temp.computed(pg_temp.person_id(p)) AS c WHERE c.line ~* '\mnan\M|infinity'$$,
    'nothing is NaN or infinite in any table');
SELECT is_empty($$SELECT session_id FROM mind_measure_scores AS m JOIN fusion_outputs AS f USING (session_id) WHERE m.combined_score <> f.score$$,
    'combined_score = score');

SELECT * FROM finish();
ROLLBACK;
