-- A database in use: people, sessions, scores, outcomes, a model; and what the application added itself.
SELECT set_config('search_path', format('%I', nspname) || ', public', false) FROM pg_extension JOIN pg_namespace AS n ON n.oid = extnamespace WHERE extname = 'mindmeasure' \g /dev/null
\ir ../sql/lib/person.psql
INSERT INTO auth.users (id, email, raw_user_meta_data)
SELECT pg_temp.person_id(p), format('person%s@example.org', p), jsonb_build_object('display_name', format(E'Person "%s"\t\\ ünïcode', p)) FROM generate_series(1, 3) AS p;

ALTER TABLE assessment_sessions ADD COLUMN clinic text DEFAULT 'north' CHECK (length(clinic) < 50);
CREATE INDEX sessions_by_clinic ON assessment_sessions (clinic, created_at) WHERE clinic IS NOT NULL;
CREATE POLICY "Auditors see a clinic" ON assessment_sessions FOR SELECT TO mindmeasure_auditor USING (clinic = 'south');
GRANT SELECT (id, clinic) ON assessment_sessions TO mindmeasure_auditor;
COMMENT ON COLUMN assessment_sessions.clinic IS 'Added by the application.';
CREATE TABLE appointment (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, session_id uuid NOT NULL, user_id uuid NOT NULL, at timestamptz,
    FOREIGN KEY (session_id, user_id) REFERENCES session_keys (id, user_id) ON DELETE CASCADE);

SELECT mm_register_model(jsonb_set(jsonb_set(spec, '{baseline,half_life_days}', '30'), '{model_version}', '"of the clinic"')) FROM mm_models WHERE model_version = 'v1.0' \g /dev/null
SELECT mm_activate_model('of the clinic') \g /dev/null
INSERT INTO user_calibration (user_id, modality, a, b, n_points, covariance) VALUES (pg_temp.person_id(1), 'text', 1.1, -0.3, 7, '{0.1,0.01,0.2}');
DO $$
DECLARE
    session uuid;
BEGIN
    FOR person IN 1 .. 3 LOOP
        FOR number IN 1 .. 12 LOOP
            session := pg_temp.add_session(person, number, pg_temp.session_time(person, number), pg_temp.session_type(person, number));
            PERFORM pg_temp.analyse(session, m) FROM unnest(pg_temp.modalities(person, number)) AS m;
            -- The last two are not scored yet.
            IF number <= 10 THEN
                PERFORM mm_fuse_session(session);
                PERFORM mm_record_outcome(session, number % 3 = 0, 'clinician') WHERE number % 2 = 0;
            END IF;
        END LOOP;
    END LOOP;
END;
$$;
UPDATE assessment_sessions SET clinic = 'south', reflection_notes = E'a\nb\\N' WHERE id = pg_temp.session_id(1, 3);
INSERT INTO session_insights (session_id, conversation_summary) VALUES (pg_temp.session_id(1, 3), 'quiet');
INSERT INTO appointment (session_id, user_id) SELECT id, user_id FROM session_keys WHERE user_id = pg_temp.person_id(2);
WITH old AS (DELETE FROM assessment_sessions WHERE id IN (pg_temp.session_id(2, 1), pg_temp.session_id(2, 2)) RETURNING *)
INSERT INTO assessment_sessions_archive (id, user_id, status, category, assessment_type, mood_before, mood_after, text_data, audio_data, visual_data, reflection_notes, created_at, updated_at, failure_reason)
SELECT id, user_id, status, category, assessment_type, mood_before, mood_after, text_data, audio_data, visual_data, reflection_notes, created_at, updated_at, failure_reason FROM old;
