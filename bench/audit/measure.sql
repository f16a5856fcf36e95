-- Alternating rounds, each taken back: medians over rounds of microseconds a statement, of the backend's
-- own processor time, which other load on the machine does not distort (Linux; 10 ms fine).
SET client_min_messages = warning;
CREATE FUNCTION processor_us() RETURNS float8 LANGUAGE sql AS $$
    SELECT (f[12]::float8 + f[13]::float8) * 10000
    FROM string_to_array(substring(pg_read_file('/proc/self/stat') FROM '\) (.*)$'), ' ') AS f
$$;
CREATE FUNCTION audit_triggers(state text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE t record;
BEGIN
    FOR t IN SELECT tgrelid::regclass AS relation, tgname FROM pg_trigger WHERE tgfoid = 'mm_audit_statement'::regproc LOOP
        EXECUTE format('ALTER TABLE %s %s TRIGGER %I', t.relation, state, t.tgname);
    END LOOP;
END $$;
CREATE FUNCTION insert_analyses(target text, n int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    started float8; ids uuid[]; s uuid;
BEGIN
    SELECT array_agg(id) INTO ids FROM (SELECT id FROM seed.assessment_sessions, generate_series(1, 100) ORDER BY random() LIMIT n) AS x;
    started := processor_us();
    FOREACH s IN ARRAY ids LOOP
        EXECUTE format('INSERT INTO %s (session_id, text_wellness_score, sentiment_analysis) VALUES ($1, 50, $2)', target) USING s,
            '{"overall_sentiment": "negative", "confidence": 0.86, "emotional_tone": "weary", "mood_indicators": ["fatigue", "worry"], "sentiment_scores": {"positive": 0.08, "negative": 0.71, "neutral": 0.21}}'::jsonb;
    END LOOP;
    RETURN (processor_us() - started) / n;
END $$;
CREATE FUNCTION score_sessions(n int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    started float8; ids uuid[]; s uuid;
BEGIN
    WITH made AS (INSERT INTO assessment_sessions (user_id) SELECT p.id FROM person AS p, generate_series(1, score_sessions.n / 100) RETURNING id)
    SELECT array_agg(id) INTO ids FROM made;
    INSERT INTO text_analysis (session_id, text_wellness_score, sentiment_analysis)
    SELECT unnest(ids), 50, '{"overall_sentiment": "negative", "confidence": 0.86, "emotional_tone": "weary", "mood_indicators": ["fatigue", "worry"], "sentiment_scores": {"positive": 0.08, "negative": 0.71, "neutral": 0.21}}';
    started := processor_us();
    FOREACH s IN ARRAY ids LOOP
        PERFORM FROM mm_fuse_session(s);
    END LOOP;
    RETURN (processor_us() - started) / n;
END $$;
CREATE TABLE measured (what text, microseconds float8);
-- A procedure may end transactions: each measurement starts from the same tables.
CREATE PROCEDURE measure(rounds int, each int) LANGUAGE plpgsql AS $$
DECLARE v float8;
BEGIN
    FOR round IN 1 .. rounds LOOP
        PERFORM audit_triggers('ENABLE'); COMMIT;
        v := insert_analyses('seed.text_analysis', each); ROLLBACK; INSERT INTO measured VALUES ('analysis, as the seed', v); COMMIT;
        v := insert_analyses('text_analysis', each); ROLLBACK; INSERT INTO measured VALUES ('analysis, audited', v); COMMIT;
        v := score_sessions(each); ROLLBACK; INSERT INTO measured VALUES ('score, audited', v); COMMIT;
        PERFORM audit_triggers('DISABLE'); COMMIT;
        v := insert_analyses('text_analysis', each); ROLLBACK; INSERT INTO measured VALUES ('analysis, not audited', v); COMMIT;
        v := score_sessions(each); ROLLBACK; INSERT INTO measured VALUES ('score, not audited', v); COMMIT;
    END LOOP;
    PERFORM audit_triggers('ENABLE'); COMMIT;
END $$;
CALL measure(1, :each);
TRUNCATE measured;
CALL measure(:rounds, :each);
SELECT format('%-24s %6s us', what, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY microseconds)::numeric, 1)) FROM measured GROUP BY what ORDER BY what;
SELECT format('score, audited / not audited: %s', round((a.m / b.m)::numeric, 2))
FROM (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY microseconds) AS m FROM measured WHERE what = 'score, audited') AS a,
     (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY microseconds) AS m FROM measured WHERE what = 'score, not audited') AS b;
SELECT format('analysis, audited / as the seed: %s', round((a.m / b.m)::numeric, 2))
FROM (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY microseconds) AS m FROM measured WHERE what = 'analysis, audited') AS a,
     (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY microseconds) AS m FROM measured WHERE what = 'analysis, as the seed') AS b;
