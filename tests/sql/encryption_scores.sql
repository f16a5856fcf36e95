-- Scoring opens what it reads: an encrypted history gives the very same bits as an open one.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/encryption.psql
\ir lib/person.psql
\ir lib/snapshot.psql

CREATE FUNCTION pg_temp.live(person int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    session uuid;
BEGIN
    FOR number IN 1 .. 24 LOOP
        session := pg_temp.add_session(person, number, pg_temp.session_time(person, number), pg_temp.session_type(person, number));
        PERFORM pg_temp.analyse(session, m) FROM unnest(pg_temp.modalities(person, number)) AS m;
        PERFORM mm_fuse_session(session);
        -- A further analysis, and a refresh.
        IF number % 5 = 0 THEN
            PERFORM pg_temp.analyse(session, m) FROM unnest(ARRAY['text', 'audio', 'visual', 'passive']) AS m WHERE m <> ALL (pg_temp.modalities(person, number));
            PERFORM mm_fuse_session(session, refresh => true);
        END IF;
        -- And one in the archive.
        IF number = 3 THEN
            WITH old AS (DELETE FROM assessment_sessions WHERE id = session RETURNING *)
            INSERT INTO assessment_sessions_archive SELECT id, user_id, status, category, assessment_type, mood_before, mood_after, text_data, audio_data, visual_data, reflection_notes, created_at, updated_at, failure_reason FROM old;
        END IF;
    END LOOP;
END;
$$;
CREATE FUNCTION pg_temp.gone(person int) RETURNS void LANGUAGE sql AS $$
    DELETE FROM session_keys WHERE user_id = pg_temp.person_id(person);
    DELETE FROM user_baselines WHERE user_id = pg_temp.person_id(person);
    DELETE FROM user_feature_baselines WHERE user_id = pg_temp.person_id(person);
$$;

SELECT pg_temp.live(1);
SELECT ok(pg_temp.remember('open', pg_temp.person_id(1)) > 60, 'given a person whose sessions were scored without encryption');
CREATE TEMP TABLE told AS SELECT session_id, mm_explain_session(session_id) AS words FROM fusion_outputs;
CREATE TEMP TABLE page AS SELECT mm_report_html(pg_temp.person_id(1)) AS page;
SELECT pg_temp.gone(1);
SELECT spec.encryption_on();
SELECT pg_temp.live(1);
SELECT is((SELECT sum(rows) FROM mm_unencrypted_rows()), 0::numeric, 'when they live again, and everything they say is sealed');
SELECT ok((SELECT count(*) FROM text_analysis WHERE sentiment_analysis IS NOT NULL) > 10, 'and they say something');
SELECT pg_temp.remember('sealed', pg_temp.person_id(1));
SELECT pg_temp.same('open', 'sealed');
SELECT set_eq('SELECT session_id, mm_explain_session(session_id) FROM fusion_outputs', 'SELECT session_id, words FROM told', 'the explanations are the same');
SELECT is(mm_report_html(pg_temp.person_id(1)), page, 'and the report') FROM page;
SELECT mm_rescore_user(pg_temp.person_id(1));
SELECT pg_temp.remember('replayed', pg_temp.person_id(1));
SELECT pg_temp.same('open', 'replayed');

-- Numbers at the edges of what JSONB and f64 can hold are the same values open and sealed.
CREATE FUNCTION pg_temp.edge(number int) RETURNS void LANGUAGE sql AS $$
    SELECT pg_temp.add_session(2, number, pg_temp.session_time(2, number));
    INSERT INTO passive_analysis (session_id, sleep_metrics, activity_metrics, passive_wellness_score) VALUES
        (pg_temp.session_id(2, number), (ARRAY['{"duration_hours": 7.1000000000000000888, "efficiency": 1e-400}', '{"duration_hours": 0.1, "efficiency": 0.30000000000000004}'])[1 + number % 2]::jsonb,
         (ARRAY['{"steps": 9007199254740993}', '{"steps": 1e300}'])[1 + number % 2]::jsonb, 50);
    SELECT mm_fuse_session(pg_temp.session_id(2, number));
$$;
SET LOCAL mindmeasure.key_file = '';
DELETE FROM user_keys;
SELECT pg_temp.edge(n) FROM generate_series(1, 8) AS n;
SELECT pg_temp.remember('open', pg_temp.person_id(2));
SELECT pg_temp.gone(2);
SELECT spec.encryption_on();
SELECT pg_temp.edge(n) FROM generate_series(1, 8) AS n;
SELECT pg_temp.remember('sealed', pg_temp.person_id(2));
SELECT is((SELECT count(*) FROM snapshot WHERE label = 'open' AND key LIKE '%000000000002'), (SELECT count(*) FROM snapshot WHERE label = 'sealed' AND key LIKE '%000000000002'), 'numbers at the edges: as many rows');
SELECT is_empty($$ SELECT key, line FROM snapshot WHERE label = 'open' AND key LIKE '%000000000002' EXCEPT SELECT key, line FROM snapshot WHERE label = 'sealed' $$, 'and the same bits');

-- A value that does not open stops the score; it is not scored as if it were missing.
SELECT pg_temp.add_session(3, 1, '2025-01-01'), pg_temp.analyse(pg_temp.session_id(3, 1), 'text');
UPDATE user_keys SET wrapped_by = 'gone' WHERE user_id = pg_temp.person_id(3);
SELECT matches(spec.error(format('SELECT mm_fuse_session(%L)', pg_temp.session_id(3, 1))), '^MM021', 'a session whose key does not open is not scored');
SET LOCAL mindmeasure.settle_interval = 0;
SELECT is((SELECT mm_fuse_pending()), 0::bigint, 'the queue leaves it waiting');
SELECT is((SELECT status FROM assessment_sessions WHERE id = pg_temp.session_id(3, 1)), 'pending', 'for its key file to be mended');
DELETE FROM user_keys WHERE user_id = pg_temp.person_id(3);
SELECT matches(spec.error(format('SELECT mm_fuse_session(%L)', pg_temp.session_id(3, 1))), '^MM022', 'nor one of an erased person');

SELECT * FROM finish();
ROLLBACK;
