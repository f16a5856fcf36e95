-- profiles ---------------------------------------------------------------------------
CREATE TABLE @extschema@.profiles (
    id UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    -- One index serves as the seed's UNIQUE and as its idx_profiles_user_id.
    user_id UUID NOT NULL CONSTRAINT idx_profiles_user_id UNIQUE,
    display_name TEXT,
    first_name TEXT,
    last_name TEXT,
    avatar_url TEXT,
    wellness_goals JSONB DEFAULT '[]'::jsonb,
    assessment_frequency TEXT DEFAULT 'weekly'::text,
    onboarding_completed BOOLEAN DEFAULT false,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    CONSTRAINT profiles_display_name CHECK ((length(display_name) <= 200) IS NOT FALSE OR @extschema@.mm_refuse('display_name', 'at most 200 characters')),
    CONSTRAINT profiles_first_name CHECK ((length(first_name) <= 200) IS NOT FALSE OR @extschema@.mm_refuse('first_name', 'at most 200 characters')),
    CONSTRAINT profiles_last_name CHECK ((length(last_name) <= 200) IS NOT FALSE OR @extschema@.mm_refuse('last_name', 'at most 200 characters')),
    CONSTRAINT profiles_avatar_url CHECK ((length(avatar_url) <= 2048) IS NOT FALSE OR @extschema@.mm_refuse('avatar_url', 'at most 2048 characters')),
    CONSTRAINT profiles_assessment_frequency CHECK ((length(assessment_frequency) <= 50) IS NOT FALSE OR @extschema@.mm_refuse('assessment_frequency', 'at most 50 characters')),
    CONSTRAINT profiles_wellness_goals CHECK (@extschema@.mm_validate_json('wellness_goals', 'wellness_goals', wellness_goals))
);
CREATE INDEX idx_profiles_created_at ON @extschema@.profiles (created_at);
COMMENT ON TABLE @extschema@.profiles IS 'A person''s profile and preferences; one row a person, made at sign-up by handle_new_user().';
COMMENT ON COLUMN @extschema@.profiles.user_id IS 'The person: auth.users.id.';
COMMENT ON COLUMN @extschema@.profiles.wellness_goals IS 'WellnessGoals, see mm_json_schema(''wellness_goals'').';
COMMENT ON COLUMN @extschema@.profiles.assessment_frequency IS 'How often the person wants to be asked, e.g. daily, weekly.';

ALTER TABLE @extschema@.profiles ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Users can view their own profile" ON @extschema@.profiles
    FOR SELECT TO mindmeasure_user USING ((SELECT auth.uid()) = user_id);
CREATE POLICY "Users can create their own profile" ON @extschema@.profiles
    FOR INSERT TO mindmeasure_user WITH CHECK ((SELECT auth.uid()) = user_id);
CREATE POLICY "Users can update their own profile" ON @extschema@.profiles
    FOR UPDATE TO mindmeasure_user USING ((SELECT auth.uid()) = user_id);
CREATE POLICY "System can manage profiles" ON @extschema@.profiles
    FOR ALL TO mindmeasure_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON @extschema@.profiles TO mindmeasure_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.profiles TO mindmeasure_system;

CREATE TRIGGER guard_profile_times BEFORE INSERT ON @extschema@.profiles
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_refuse_forged_times();
CREATE TRIGGER guard_profile_identity BEFORE UPDATE ON @extschema@.profiles
    FOR EACH ROW WHEN ((OLD.id, OLD.user_id, OLD.created_at) IS DISTINCT FROM (NEW.id, NEW.user_id, NEW.created_at))
    EXECUTE FUNCTION @extschema@.mm_refuse_change('id', 'user_id', 'created_at');
CREATE TRIGGER update_profiles_updated_at BEFORE UPDATE ON @extschema@.profiles
    FOR EACH ROW EXECUTE FUNCTION @extschema@.update_updated_at_column();

-- session_keys -----------------------------------------------------------------------
CREATE TABLE @extschema@.session_keys (
    id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT session_keys_id_user_id_key UNIQUE (id, user_id),
    CONSTRAINT session_keys_created_at CHECK (created_at BETWEEN '1970-01-01 00:00:00+00' AND '2199-12-31 23:59:59+00' OR @extschema@.mm_refuse('created_at', 'a time from 1970 to 2199'))
);
CREATE INDEX idx_session_keys_user ON @extschema@.session_keys (user_id, created_at);
COMMENT ON TABLE @extschema@.session_keys IS 'Identity of every session that exists or has existed: outlives the session row when it is archived, so that all that belongs to it keeps a real foreign key and its id is never given again. Written by a trigger on assessment_sessions.';

ALTER TABLE @extschema@.session_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY "System can manage session keys" ON @extschema@.session_keys
    FOR ALL TO mindmeasure_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.session_keys TO mindmeasure_system;

CREATE TRIGGER guard_session_key_identity BEFORE UPDATE ON @extschema@.session_keys
    FOR EACH ROW WHEN ((OLD.id, OLD.user_id, OLD.created_at) IS DISTINCT FROM (NEW.id, NEW.user_id, NEW.created_at))
    EXECUTE FUNCTION @extschema@.mm_refuse_change('id', 'user_id', 'created_at');

-- assessment_sessions ----------------------------------------------------------------
CREATE TABLE @extschema@.assessment_sessions (
    id UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    user_id UUID NOT NULL DEFAULT auth.uid(),
    status TEXT NOT NULL DEFAULT 'pending'::text,
    category TEXT DEFAULT 'general'::text,
    assessment_type TEXT DEFAULT 'full'::text,
    mood_before JSONB,
    mood_after JSONB,
    text_data JSONB,
    audio_data JSONB,
    visual_data JSONB,
    reflection_notes TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    failure_reason TEXT,
    CONSTRAINT assessment_sessions_key_fkey FOREIGN KEY (id, user_id) REFERENCES @extschema@.session_keys (id, user_id) ON DELETE CASCADE,
    CONSTRAINT assessment_sessions_category CHECK ((length(category) <= 100) IS NOT FALSE OR @extschema@.mm_refuse('category', 'at most 100 characters')),
    CONSTRAINT assessment_sessions_reflection_notes CHECK ((length(reflection_notes) <= 100000) IS NOT FALSE OR @extschema@.mm_refuse('reflection_notes', 'at most 100000 characters')),
    CONSTRAINT assessment_sessions_mood_before CHECK (@extschema@.mm_validate_json('mood', 'mood_before', mood_before)),
    CONSTRAINT assessment_sessions_mood_after CHECK (@extschema@.mm_validate_json('mood', 'mood_after', mood_after)),
    CONSTRAINT assessment_sessions_text_data CHECK (@extschema@.mm_validate_json('text_data', 'text_data', text_data)),
    CONSTRAINT assessment_sessions_audio_data CHECK (@extschema@.mm_validate_json('audio_data', 'audio_data', audio_data)),
    CONSTRAINT assessment_sessions_visual_data CHECK (@extschema@.mm_validate_json('visual_data', 'visual_data', visual_data))
);
ALTER TABLE @extschema@.assessment_sessions
    ADD CONSTRAINT check_status_valid
    CHECK (status IN ('pending', 'processing', 'completed', 'failed'));
ALTER TABLE @extschema@.assessment_sessions
    ADD CONSTRAINT check_assessment_type_valid
    CHECK (assessment_type IN ('full', 'quick', 'voice-only'));
CREATE INDEX idx_sessions_user_id ON @extschema@.assessment_sessions (user_id);
CREATE INDEX idx_sessions_status ON @extschema@.assessment_sessions (status);
CREATE INDEX idx_sessions_user_date ON @extschema@.assessment_sessions (user_id, created_at DESC);
CREATE INDEX idx_sessions_type ON @extschema@.assessment_sessions (assessment_type);
COMMENT ON TABLE @extschema@.assessment_sessions IS 'One assessment of one person: what was asked and answered. Scored by mm_fuse_session().';
COMMENT ON COLUMN @extschema@.assessment_sessions.status IS 'pending, processing, completed (scored; set by the system only) or failed (see failure_reason).';
COMMENT ON COLUMN @extschema@.assessment_sessions.assessment_type IS 'full, quick or voice-only: which modalities are expected (mm_models, expected_weight).';
COMMENT ON COLUMN @extschema@.assessment_sessions.mood_before IS 'MoodData before the session, see mm_json_schema(''mood'').';
COMMENT ON COLUMN @extschema@.assessment_sessions.mood_after IS 'MoodData after the session; may be added after scoring.';
COMMENT ON COLUMN @extschema@.assessment_sessions.created_at IS 'When the session took place. Set by the database; the system role may import past ones. Fixed.';
COMMENT ON COLUMN @extschema@.assessment_sessions.failure_reason IS 'Why mm_fuse_pending() could not score it: SQLSTATE and message, without personal data.';

ALTER TABLE @extschema@.assessment_sessions ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Users can view their own assessment sessions" ON @extschema@.assessment_sessions
    FOR SELECT TO mindmeasure_user USING ((SELECT auth.uid()) = user_id);
CREATE POLICY "Users can create their own assessment sessions" ON @extschema@.assessment_sessions
    FOR INSERT TO mindmeasure_user WITH CHECK ((SELECT auth.uid()) = user_id);
CREATE POLICY "Users can update their own assessment sessions" ON @extschema@.assessment_sessions
    FOR UPDATE TO mindmeasure_user USING ((SELECT auth.uid()) = user_id);
CREATE POLICY "System can manage assessment sessions" ON @extschema@.assessment_sessions
    FOR ALL TO mindmeasure_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON @extschema@.assessment_sessions TO mindmeasure_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.assessment_sessions TO mindmeasure_system;

-- Triggers of one event fire in the order of their names: guards, then the key.
CREATE TRIGGER guard_session BEFORE INSERT ON @extschema@.assessment_sessions
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_guard_session();
CREATE TRIGGER guard_session_times BEFORE INSERT ON @extschema@.assessment_sessions
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_refuse_forged_times();
CREATE TRIGGER register_session_key BEFORE INSERT ON @extschema@.assessment_sessions
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_register_session_key();
CREATE TRIGGER guard_session_change BEFORE UPDATE ON @extschema@.assessment_sessions
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_guard_session();
CREATE TRIGGER guard_session_identity BEFORE UPDATE ON @extschema@.assessment_sessions
    FOR EACH ROW WHEN ((OLD.id, OLD.user_id, OLD.created_at) IS DISTINCT FROM (NEW.id, NEW.user_id, NEW.created_at))
    EXECUTE FUNCTION @extschema@.mm_refuse_change('id', 'user_id', 'created_at');
CREATE TRIGGER update_sessions_updated_at BEFORE UPDATE ON @extschema@.assessment_sessions
    FOR EACH ROW EXECUTE FUNCTION @extschema@.update_updated_at_column();

-- text_analysis ----------------------------------------------------------------------
CREATE TABLE @extschema@.text_analysis (
    id UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    session_id UUID NOT NULL,
    combined_text TEXT,
    sentiment_analysis JSONB,
    cognitive_markers JSONB,
    linguistic_patterns JSONB,
    text_wellness_score NUMERIC,
    processed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    user_id UUID NOT NULL,
    CONSTRAINT text_analysis_session_fkey FOREIGN KEY (session_id, user_id) REFERENCES @extschema@.session_keys (id, user_id) ON DELETE CASCADE,
    CONSTRAINT text_analysis_combined_text CHECK ((length(combined_text) <= 1000000) IS NOT FALSE OR @extschema@.mm_refuse('combined_text', 'at most 1000000 characters')),
    CONSTRAINT text_analysis_score CHECK ((text_wellness_score BETWEEN 0 AND 100) IS NOT FALSE OR @extschema@.mm_refuse('text_wellness_score', 'a number from 0 to 100')),
    CONSTRAINT text_analysis_sentiment_analysis CHECK (@extschema@.mm_validate_json('sentiment_analysis', 'sentiment_analysis', sentiment_analysis)),
    CONSTRAINT text_analysis_cognitive_markers CHECK (@extschema@.mm_validate_json('cognitive_markers', 'cognitive_markers', cognitive_markers)),
    CONSTRAINT text_analysis_linguistic_patterns CHECK (@extschema@.mm_validate_json('linguistic_patterns', 'linguistic_patterns', linguistic_patterns))
);
CREATE INDEX idx_text_analysis_session ON @extschema@.text_analysis (session_id);
CREATE INDEX idx_text_analysis_score ON @extschema@.text_analysis (text_wellness_score);
CREATE INDEX idx_text_analysis_processed ON @extschema@.text_analysis (processed_at);
CREATE INDEX idx_text_analysis_user ON @extschema@.text_analysis (user_id, processed_at);
COMMENT ON TABLE @extschema@.text_analysis IS 'What an AI worker found in a session''s text. Several rows for one session: the newest processed_at is scored.';
COMMENT ON COLUMN @extschema@.text_analysis.text_wellness_score IS 'The worker''s own wellness score, 0 to 100, higher is better.';
COMMENT ON COLUMN @extschema@.text_analysis.user_id IS 'The session''s person; filled from session_keys when left out.';

ALTER TABLE @extschema@.text_analysis ENABLE ROW LEVEL SECURITY;
CREATE POLICY "System can create text analysis" ON @extschema@.text_analysis
    FOR INSERT TO mindmeasure_system WITH CHECK (true);
CREATE POLICY "System can view text analysis" ON @extschema@.text_analysis
    FOR SELECT TO mindmeasure_system USING (true);
CREATE POLICY "System can update text analysis" ON @extschema@.text_analysis
    FOR UPDATE TO mindmeasure_system USING (true);
CREATE POLICY "System can delete text analysis" ON @extschema@.text_analysis
    FOR DELETE TO mindmeasure_system USING (true);
CREATE POLICY "Users can view their own text analysis" ON @extschema@.text_analysis
    FOR SELECT TO mindmeasure_user USING ((SELECT auth.uid()) = user_id);
GRANT SELECT ON @extschema@.text_analysis TO mindmeasure_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.text_analysis TO mindmeasure_system;

CREATE TRIGGER fill_text_analysis_owner BEFORE INSERT ON @extschema@.text_analysis
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_fill_owner();
CREATE TRIGGER guard_text_analysis_identity BEFORE UPDATE ON @extschema@.text_analysis
    FOR EACH ROW WHEN ((OLD.id, OLD.session_id, OLD.user_id) IS DISTINCT FROM (NEW.id, NEW.session_id, NEW.user_id))
    EXECUTE FUNCTION @extschema@.mm_refuse_change('id', 'session_id', 'user_id');

-- audio_analysis ---------------------------------------------------------------------
CREATE TABLE @extschema@.audio_analysis (
    id UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    session_id UUID NOT NULL,
    transcription TEXT,
    vocal_characteristics JSONB,
    prosodic_features JSONB,
    emotional_markers JSONB,
    audio_wellness_score NUMERIC,
    processed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    user_id UUID NOT NULL,
    CONSTRAINT audio_analysis_session_fkey FOREIGN KEY (session_id, user_id) REFERENCES @extschema@.session_keys (id, user_id) ON DELETE CASCADE,
    CONSTRAINT audio_analysis_transcription CHECK ((length(transcription) <= 1000000) IS NOT FALSE OR @extschema@.mm_refuse('transcription', 'at most 1000000 characters')),
    CONSTRAINT audio_analysis_score CHECK ((audio_wellness_score BETWEEN 0 AND 100) IS NOT FALSE OR @extschema@.mm_refuse('audio_wellness_score', 'a number from 0 to 100')),
    CONSTRAINT audio_analysis_vocal_characteristics CHECK (@extschema@.mm_validate_json('vocal_characteristics', 'vocal_characteristics', vocal_characteristics)),
    CONSTRAINT audio_analysis_prosodic_features CHECK (@extschema@.mm_validate_json('prosodic_features', 'prosodic_features', prosodic_features)),
    CONSTRAINT audio_analysis_emotional_markers CHECK (@extschema@.mm_validate_json('emotional_markers', 'emotional_markers', emotional_markers))
);
CREATE INDEX idx_audio_analysis_session ON @extschema@.audio_analysis (session_id);
CREATE INDEX idx_audio_analysis_score ON @extschema@.audio_analysis (audio_wellness_score);
COMMENT ON TABLE @extschema@.audio_analysis IS 'What an AI worker found in a session''s voice recording. No user reads it directly. The newest processed_at is scored.';
COMMENT ON COLUMN @extschema@.audio_analysis.audio_wellness_score IS 'The worker''s own wellness score, 0 to 100, higher is better.';
COMMENT ON COLUMN @extschema@.audio_analysis.user_id IS 'The session''s person; filled from session_keys when left out.';

ALTER TABLE @extschema@.audio_analysis ENABLE ROW LEVEL SECURITY;
CREATE POLICY "System can manage audio analysis" ON @extschema@.audio_analysis
    FOR ALL TO mindmeasure_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.audio_analysis TO mindmeasure_system;

CREATE TRIGGER fill_audio_analysis_owner BEFORE INSERT ON @extschema@.audio_analysis
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_fill_owner();
CREATE TRIGGER guard_audio_analysis_identity BEFORE UPDATE ON @extschema@.audio_analysis
    FOR EACH ROW WHEN ((OLD.id, OLD.session_id, OLD.user_id) IS DISTINCT FROM (NEW.id, NEW.session_id, NEW.user_id))
    EXECUTE FUNCTION @extschema@.mm_refuse_change('id', 'session_id', 'user_id');

-- visual_analysis --------------------------------------------------------------------
CREATE TABLE @extschema@.visual_analysis (
    id UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    session_id UUID NOT NULL,
    facial_expressions JSONB,
    micro_expressions JSONB,
    emotional_indicators JSONB,
    visual_wellness_score NUMERIC,
    processed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    user_id UUID NOT NULL,
    CONSTRAINT visual_analysis_session_fkey FOREIGN KEY (session_id, user_id) REFERENCES @extschema@.session_keys (id, user_id) ON DELETE CASCADE,
    CONSTRAINT visual_analysis_score CHECK ((visual_wellness_score BETWEEN 0 AND 100) IS NOT FALSE OR @extschema@.mm_refuse('visual_wellness_score', 'a number from 0 to 100')),
    CONSTRAINT visual_analysis_facial_expressions CHECK (@extschema@.mm_validate_json('facial_expressions', 'facial_expressions', facial_expressions)),
    CONSTRAINT visual_analysis_micro_expressions CHECK (@extschema@.mm_validate_json('micro_expressions', 'micro_expressions', micro_expressions)),
    CONSTRAINT visual_analysis_emotional_indicators CHECK (@extschema@.mm_validate_json('emotional_indicators', 'emotional_indicators', emotional_indicators))
);
COMMENT ON TABLE @extschema@.visual_analysis IS 'What an AI worker found in a session''s video. No user reads it directly. The newest processed_at is scored.';
COMMENT ON COLUMN @extschema@.visual_analysis.visual_wellness_score IS 'The worker''s own wellness score, 0 to 100, higher is better.';
COMMENT ON COLUMN @extschema@.visual_analysis.user_id IS 'The session''s person; filled from session_keys when left out.';

ALTER TABLE @extschema@.visual_analysis ENABLE ROW LEVEL SECURITY;
CREATE POLICY "System can manage visual analysis" ON @extschema@.visual_analysis
    FOR ALL TO mindmeasure_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.visual_analysis TO mindmeasure_system;

CREATE TRIGGER fill_visual_analysis_owner BEFORE INSERT ON @extschema@.visual_analysis
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_fill_owner();
CREATE TRIGGER guard_visual_analysis_identity BEFORE UPDATE ON @extschema@.visual_analysis
    FOR EACH ROW WHEN ((OLD.id, OLD.session_id, OLD.user_id) IS DISTINCT FROM (NEW.id, NEW.session_id, NEW.user_id))
    EXECUTE FUNCTION @extschema@.mm_refuse_change('id', 'session_id', 'user_id');

-- fusion_outputs ---------------------------------------------------------------------
CREATE TABLE @extschema@.fusion_outputs (
    session_id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL,
    p_worse_fused DOUBLE PRECISION NOT NULL,
    p_worse_audio DOUBLE PRECISION,
    p_worse_visual DOUBLE PRECISION,
    p_worse_text DOUBLE PRECISION,
    p_worse_passive DOUBLE PRECISION,
    score INTEGER NOT NULL,
    score_smoothed DOUBLE PRECISION NOT NULL,
    uncertainty DOUBLE PRECISION NOT NULL,
    qc_overall TEXT NOT NULL DEFAULT 'reliable',
    drivers JSONB,
    model_version TEXT NOT NULL DEFAULT 'v1.0',
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    session_created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    smoothed_variance DOUBLE PRECISION NOT NULL DEFAULT 0,
    raw_text DOUBLE PRECISION,
    raw_audio DOUBLE PRECISION,
    raw_visual DOUBLE PRECISION,
    raw_passive DOUBLE PRECISION,
    feature_z DOUBLE PRECISION[] NOT NULL DEFAULT '{}',
    arrived_modalities TEXT[] NOT NULL DEFAULT '{}',
    learnt_modalities TEXT[] NOT NULL DEFAULT '{}',
    self_report DOUBLE PRECISION,
    reported_energy DOUBLE PRECISION,
    reported_stress DOUBLE PRECISION,
    reported_comfort DOUBLE PRECISION,
    reported_social DOUBLE PRECISION,
    reported_sleep DOUBLE PRECISION,
    decline_watch DOUBLE PRECISION[] NOT NULL DEFAULT '{0,0,0,0}',
    CONSTRAINT fusion_outputs_session_fkey FOREIGN KEY (session_id, user_id) REFERENCES @extschema@.session_keys (id, user_id) ON DELETE CASCADE
);
CREATE INDEX idx_fusion_outputs_user_time ON @extschema@.fusion_outputs (user_id, session_created_at DESC);
COMMENT ON TABLE @extschema@.fusion_outputs IS 'The score of each session, written by mm_fuse_session(); docs/scoring.md.';
COMMENT ON COLUMN @extschema@.fusion_outputs.p_worse_fused IS 'Probability, 0 to 1, that the person is doing worse than their own usual at this session.';
COMMENT ON COLUMN @extschema@.fusion_outputs.p_worse_text IS 'The same from the text alone; NULL where there was no usable text feature. Likewise audio, visual, passive.';
COMMENT ON COLUMN @extschema@.fusion_outputs.score IS 'round(100 (1 - p_worse_fused)), 0 to 100, higher is better.';
COMMENT ON COLUMN @extschema@.fusion_outputs.score_smoothed IS 'Level of the score after this session, 0 to 100: local-level Kalman filter over the person''s sessions.';
COMMENT ON COLUMN @extschema@.fusion_outputs.uncertainty IS 'Width, 0 to 1, of the 90 % interval of p_worse_fused.';
COMMENT ON COLUMN @extschema@.fusion_outputs.qc_overall IS 'reliable, low or insufficient; the reasons are in drivers.quality.';
COMMENT ON COLUMN @extschema@.fusion_outputs.drivers IS 'What moved the score, in log-odds: base_logit + all contributions = logit(p_worse_fused). See mm_json_schema(''drivers'').';
COMMENT ON COLUMN @extschema@.fusion_outputs.session_created_at IS 'The session''s time: the order in which a person''s sessions are smoothed.';
COMMENT ON COLUMN @extschema@.fusion_outputs.smoothed_variance IS 'Variance of score_smoothed, score points squared: the filter''s state.';
COMMENT ON COLUMN @extschema@.fusion_outputs.raw_text IS 'Weighted sum of the text features'' z plus intercept, log-odds before calibration; NULL where absent. Likewise audio, visual, passive.';
COMMENT ON COLUMN @extschema@.fusion_outputs.feature_z IS 'z of every feature, in the order of the model''s features; NULL where absent.';
COMMENT ON COLUMN @extschema@.fusion_outputs.arrived_modalities IS 'Modalities whose analysis had arrived when the session was last fused; a later one is scored by refresh.';
COMMENT ON COLUMN @extschema@.fusion_outputs.learnt_modalities IS 'Modalities whose baselines have learnt this session; each learns once.';
COMMENT ON COLUMN @extschema@.fusion_outputs.self_report IS 'Composite of the person''s self-report, 1 to 10, higher is better; NULL where none was given.';
COMMENT ON COLUMN @extschema@.fusion_outputs.reported_energy IS 'The self-report''s energy level, 1 to 10; NULL where it was not given. Kept beside the score so that trends need not open the mood documents. Likewise stress, comfort, social, sleep.';
COMMENT ON COLUMN @extschema@.fusion_outputs.decline_watch IS 'State of the watch for a decline after this session: n, mean and m2 of the usable scores so far, and the one-sided CUSUM in own standard deviations.';

ALTER TABLE @extschema@.fusion_outputs ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Users can view their own fusion outputs" ON @extschema@.fusion_outputs
    FOR SELECT TO mindmeasure_user USING ((SELECT auth.uid()) = user_id);
CREATE POLICY "System can manage fusion outputs" ON @extschema@.fusion_outputs
    FOR ALL TO mindmeasure_system USING (true) WITH CHECK (true);
GRANT SELECT ON @extschema@.fusion_outputs TO mindmeasure_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.fusion_outputs TO mindmeasure_system;

-- Scoring writes as mindmeasure_owner, takes the person from session_keys itself, and the foreign key holds for all.
CREATE TRIGGER fill_fusion_output_owner BEFORE INSERT ON @extschema@.fusion_outputs
    FOR EACH ROW WHEN (current_user <> 'mindmeasure_owner') EXECUTE FUNCTION @extschema@.mm_fill_owner();
CREATE TRIGGER fill_fusion_output_time BEFORE INSERT ON @extschema@.fusion_outputs
    FOR EACH ROW WHEN (NEW.session_created_at IS NULL)
    EXECUTE FUNCTION @extschema@.mm_fill_session_time();
-- Values of a score have no CHECK: scoring is tested to stay in range, and a CHECK on a table written
-- with every score costs its parsing each time. Everybody else is held to them here.
CREATE TRIGGER guard_fusion_output_values BEFORE INSERT OR UPDATE ON @extschema@.fusion_outputs
    FOR EACH ROW WHEN (current_user <> 'mindmeasure_owner')
    EXECUTE FUNCTION @extschema@.mm_guard_values('p_worse_fused', '0..1', 'p_worse_audio', '0..1', 'p_worse_visual', '0..1',
        'p_worse_text', '0..1', 'p_worse_passive', '0..1', 'score', '0..100', 'score_smoothed', '0..100', 'uncertainty', '0..1',
        'qc_overall', 'reliable|low|insufficient', 'smoothed_variance', '0..', 'self_report', '1..10', 'reported_energy', '1..10', 'reported_stress', '1..10',
        'reported_comfort', '1..10', 'reported_social', '1..10', 'reported_sleep', '1..10');
CREATE TRIGGER guard_fusion_output_identity BEFORE UPDATE ON @extschema@.fusion_outputs
    FOR EACH ROW WHEN ((OLD.session_id, OLD.user_id, OLD.created_at, OLD.session_created_at)
        IS DISTINCT FROM (NEW.session_id, NEW.user_id, NEW.created_at, NEW.session_created_at))
    EXECUTE FUNCTION @extschema@.mm_refuse_change('session_id', 'user_id', 'created_at', 'session_created_at');

-- mind_measure_scores ----------------------------------------------------------------
CREATE TABLE @extschema@.mind_measure_scores (
    id UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    session_id UUID NOT NULL CONSTRAINT mind_measure_scores_session_id_key UNIQUE,
    user_id UUID NOT NULL,
    combined_score DOUBLE PRECISION NOT NULL,
    baseline_deviation DOUBLE PRECISION,
    is_baseline_session BOOLEAN NOT NULL DEFAULT false,
    baseline_comparison JSONB,
    trend_analysis JSONB,
    calculated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    baseline_n DOUBLE PRECISION NOT NULL DEFAULT 0,
    baseline_mean DOUBLE PRECISION NOT NULL DEFAULT 0,
    baseline_m2 DOUBLE PRECISION NOT NULL DEFAULT 0,
    CONSTRAINT mind_measure_scores_session_fkey FOREIGN KEY (session_id, user_id) REFERENCES @extschema@.session_keys (id, user_id) ON DELETE CASCADE,
    CONSTRAINT mind_measure_scores_baseline_comparison CHECK (@extschema@.mm_validate_json('baseline_comparison', 'baseline_comparison', baseline_comparison)),
    CONSTRAINT mind_measure_scores_trend_analysis CHECK (@extschema@.mm_validate_json('trend_analysis', 'trend_analysis', trend_analysis))
);
CREATE INDEX idx_scores_session ON @extschema@.mind_measure_scores (session_id);
CREATE INDEX idx_scores_combined ON @extschema@.mind_measure_scores (combined_score);
CREATE INDEX idx_scores_calculated ON @extschema@.mind_measure_scores (calculated_at);
CREATE INDEX idx_scores_baseline ON @extschema@.mind_measure_scores (is_baseline_session, calculated_at);
CREATE INDEX idx_scores_user ON @extschema@.mind_measure_scores (user_id);
COMMENT ON TABLE @extschema@.mind_measure_scores IS 'Each session''s score against the person''s own baseline, for dashboards. Written with fusion_outputs.';
COMMENT ON COLUMN @extschema@.mind_measure_scores.combined_score IS 'The session''s score, 0 to 100, higher is better.';
COMMENT ON COLUMN @extschema@.mind_measure_scores.baseline_deviation IS 'Distance from the person''s mean of earlier sessions in standard deviations of prediction (Crawford & Howell 1998); below 0 is worse. NULL with fewer than 3 earlier sessions or no spread.';
COMMENT ON COLUMN @extschema@.mind_measure_scores.is_baseline_session IS 'One of the person''s first five scored sessions, from which the baseline is first learnt.';
COMMENT ON COLUMN @extschema@.mind_measure_scores.baseline_comparison IS 'This session against the person''s own baseline: deviation, significance, trend of 30 days, period; with p, n, slope. See mm_json_schema(''baseline_comparison'').';
COMMENT ON COLUMN @extschema@.mind_measure_scores.trend_analysis IS 'Trends of 7, 30 and 90 days, patterns, correlations with the self-report, the alarm for a decline. See mm_json_schema(''trend_analysis'').';
COMMENT ON COLUMN @extschema@.mind_measure_scores.baseline_n IS 'The combined_wellness baseline it was compared with (n, mean, m2), before it learnt this session.';

ALTER TABLE @extschema@.mind_measure_scores ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Users can view their own scores" ON @extschema@.mind_measure_scores
    FOR SELECT TO mindmeasure_user USING ((SELECT auth.uid()) = user_id);
CREATE POLICY "System can manage scores" ON @extschema@.mind_measure_scores
    FOR ALL TO mindmeasure_system USING (true) WITH CHECK (true);
GRANT SELECT ON @extschema@.mind_measure_scores TO mindmeasure_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.mind_measure_scores TO mindmeasure_system;

CREATE TRIGGER fill_score_owner BEFORE INSERT ON @extschema@.mind_measure_scores
    FOR EACH ROW WHEN (current_user <> 'mindmeasure_owner') EXECUTE FUNCTION @extschema@.mm_fill_owner();
CREATE TRIGGER guard_score_values BEFORE INSERT OR UPDATE ON @extschema@.mind_measure_scores
    FOR EACH ROW WHEN (current_user <> 'mindmeasure_owner')
    EXECUTE FUNCTION @extschema@.mm_guard_values('combined_score', '0..100', 'baseline_deviation', '..',
        'baseline_n', '0..', 'baseline_mean', '0..100', 'baseline_m2', '0..');
CREATE TRIGGER guard_score_identity BEFORE UPDATE ON @extschema@.mind_measure_scores
    FOR EACH ROW WHEN ((OLD.id, OLD.session_id, OLD.user_id) IS DISTINCT FROM (NEW.id, NEW.session_id, NEW.user_id))
    EXECUTE FUNCTION @extschema@.mm_refuse_change('id', 'session_id', 'user_id');

-- session_insights -------------------------------------------------------------------
CREATE TABLE @extschema@.session_insights (
    id UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    session_id UUID NOT NULL,
    key_concerns JSONB DEFAULT '[]'::jsonb,
    emotional_themes JSONB DEFAULT '{}'::jsonb,
    conversation_summary TEXT,
    notable_changes TEXT,
    follow_up_topics JSONB DEFAULT '[]'::jsonb,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    user_id UUID NOT NULL,
    CONSTRAINT session_insights_session_fkey FOREIGN KEY (session_id, user_id) REFERENCES @extschema@.session_keys (id, user_id) ON DELETE CASCADE,
    CONSTRAINT session_insights_key_concerns CHECK (@extschema@.mm_validate_json('key_concerns', 'key_concerns', key_concerns)),
    CONSTRAINT session_insights_emotional_themes CHECK (@extschema@.mm_validate_json('emotional_themes', 'emotional_themes', emotional_themes)),
    CONSTRAINT session_insights_follow_up_topics CHECK (@extschema@.mm_validate_json('follow_up_topics', 'follow_up_topics', follow_up_topics)),
    CONSTRAINT session_insights_conversation_summary CHECK ((length(conversation_summary) <= 100000) IS NOT FALSE OR @extschema@.mm_refuse('conversation_summary', 'at most 100000 characters')),
    CONSTRAINT session_insights_notable_changes CHECK ((length(notable_changes) <= 100000) IS NOT FALSE OR @extschema@.mm_refuse('notable_changes', 'at most 100000 characters'))
);
CREATE INDEX idx_session_insights_session ON @extschema@.session_insights (session_id);
CREATE INDEX idx_session_insights_user ON @extschema@.session_insights (user_id, created_at);
COMMENT ON TABLE @extschema@.session_insights IS 'What an AI worker wrote about a session for the person: concerns, themes, summary, topics to follow up.';
COMMENT ON COLUMN @extschema@.session_insights.user_id IS 'The session''s person; filled from session_keys when left out.';

ALTER TABLE @extschema@.session_insights ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Users can view their own insights" ON @extschema@.session_insights
    FOR SELECT TO mindmeasure_user USING ((SELECT auth.uid()) = user_id);
CREATE POLICY "System can manage insights" ON @extschema@.session_insights
    FOR ALL TO mindmeasure_system USING (true) WITH CHECK (true);
GRANT SELECT ON @extschema@.session_insights TO mindmeasure_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.session_insights TO mindmeasure_system;

CREATE TRIGGER fill_insight_owner BEFORE INSERT ON @extschema@.session_insights
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_fill_owner();
CREATE TRIGGER guard_insight_identity BEFORE UPDATE ON @extschema@.session_insights
    FOR EACH ROW WHEN ((OLD.id, OLD.session_id, OLD.user_id, OLD.created_at) IS DISTINCT FROM (NEW.id, NEW.session_id, NEW.user_id, NEW.created_at))
    EXECUTE FUNCTION @extschema@.mm_refuse_change('id', 'session_id', 'user_id', 'created_at');

-- user_feature_baselines -------------------------------------------------------------
CREATE TABLE @extschema@.user_feature_baselines (
    id UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    user_id UUID NOT NULL,
    feature_name TEXT NOT NULL,
    mean DOUBLE PRECISION NOT NULL,
    sd DOUBLE PRECISION,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    modality TEXT,
    n DOUBLE PRECISION NOT NULL DEFAULT 0,
    m2 DOUBLE PRECISION NOT NULL DEFAULT 0,
    sum_w2 DOUBLE PRECISION NOT NULL DEFAULT 0,
    last_observed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT user_feature_baselines_user_id_feature_name_key UNIQUE (user_id, feature_name),
    CONSTRAINT user_feature_baselines_feature_name CHECK (length(feature_name) BETWEEN 1 AND 200 OR @extschema@.mm_refuse('feature_name', '1 to 200 characters'))
);
COMMENT ON TABLE @extschema@.user_feature_baselines IS 'What is usual for a person, feature by feature; learnt by scoring (winsorised Welford), rebuilt by mm_update_baselines().';
COMMENT ON COLUMN @extschema@.user_feature_baselines.mean IS 'The person''s mean of the feature, on the model''s transformed scale.';
COMMENT ON COLUMN @extschema@.user_feature_baselines.sd IS 'Standard deviation (divisor n-1); NULL while n < 2.';
COMMENT ON COLUMN @extschema@.user_feature_baselines.n IS 'Number of sessions learnt; with forgetting, the sum of their weights.';
COMMENT ON COLUMN @extschema@.user_feature_baselines.m2 IS 'Sum of squared deviations from the mean.';
COMMENT ON COLUMN @extschema@.user_feature_baselines.sum_w2 IS 'Sum of squared weights; equals n without forgetting.';
COMMENT ON COLUMN @extschema@.user_feature_baselines.last_observed_at IS 'Time of the last session learnt.';

ALTER TABLE @extschema@.user_feature_baselines ENABLE ROW LEVEL SECURITY;
CREATE POLICY "System can manage feature baselines" ON @extschema@.user_feature_baselines
    FOR ALL TO mindmeasure_system USING (true) WITH CHECK (true);
CREATE POLICY "Users can view their own feature baselines" ON @extschema@.user_feature_baselines
    FOR SELECT TO mindmeasure_user USING ((SELECT auth.uid()) = user_id);
CREATE POLICY "Users can create their own feature baselines" ON @extschema@.user_feature_baselines
    FOR INSERT TO mindmeasure_user WITH CHECK ((SELECT auth.uid()) = user_id);
CREATE POLICY "Users can update their own feature baselines" ON @extschema@.user_feature_baselines
    FOR UPDATE TO mindmeasure_user USING ((SELECT auth.uid()) = user_id);
-- n stays 0 in a row a user makes: scoring does not count it until it has learnt itself.
GRANT SELECT, INSERT (id, user_id, feature_name, mean, sd), UPDATE (mean, sd) ON @extschema@.user_feature_baselines TO mindmeasure_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.user_feature_baselines TO mindmeasure_system;

CREATE TRIGGER guard_feature_baseline_values BEFORE INSERT OR UPDATE ON @extschema@.user_feature_baselines
    FOR EACH ROW WHEN (current_user <> 'mindmeasure_owner')
    EXECUTE FUNCTION @extschema@.mm_guard_values('modality', 'text|audio|visual|passive', 'mean', '..', 'sd', '0..',
        'n', '0..', 'm2', '0..', 'sum_w2', '0..');
CREATE TRIGGER guard_feature_baseline_identity BEFORE UPDATE ON @extschema@.user_feature_baselines
    FOR EACH ROW WHEN ((OLD.id, OLD.user_id, OLD.feature_name, OLD.created_at) IS DISTINCT FROM (NEW.id, NEW.user_id, NEW.feature_name, NEW.created_at))
    EXECUTE FUNCTION @extschema@.mm_refuse_change('id', 'user_id', 'feature_name', 'created_at');
-- Scoring writes updated_at itself; the trigger is for everybody else.
CREATE TRIGGER update_user_feature_baselines_updated_at BEFORE UPDATE ON @extschema@.user_feature_baselines
    FOR EACH ROW WHEN (NEW.updated_at = OLD.updated_at)
    EXECUTE FUNCTION @extschema@.update_updated_at_column();

-- user_calibration -------------------------------------------------------------------
CREATE TABLE @extschema@.user_calibration (
    id UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    user_id UUID NOT NULL,
    modality TEXT NOT NULL,
    a DOUBLE PRECISION NOT NULL,
    b DOUBLE PRECISION NOT NULL,
    n_points INTEGER NOT NULL DEFAULT 0,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    covariance DOUBLE PRECISION[] NOT NULL,
    fitted_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    CONSTRAINT user_calibration_user_id_modality_key UNIQUE (user_id, modality),
    CONSTRAINT user_calibration_modality CHECK ((modality IN ('text', 'audio', 'visual', 'passive')) IS NOT FALSE OR @extschema@.mm_refuse('modality', 'one of text, audio, visual, passive')),
    CONSTRAINT user_calibration_a CHECK ((a BETWEEN -1000 AND 1000) IS NOT FALSE OR @extschema@.mm_refuse('a', 'a number from -1000 to 1000')),
    CONSTRAINT user_calibration_b CHECK ((b BETWEEN -1000 AND 1000) IS NOT FALSE OR @extschema@.mm_refuse('b', 'a number from -1000 to 1000')),
    CONSTRAINT user_calibration_n_points CHECK ((n_points >= 0) IS NOT FALSE OR @extschema@.mm_refuse('n_points', '0 or more')),
    CONSTRAINT user_calibration_covariance CHECK ((array_ndims(covariance) = 1 AND cardinality(covariance) = 3 AND array_position(covariance, NULL) IS NULL
        AND covariance[1] >= 0 AND covariance[1] <= 1e6 AND covariance[3] >= 0 AND covariance[3] <= 1e6
        AND covariance[2] BETWEEN -1e6 AND 1e6 AND covariance[2] * covariance[2] <= covariance[1] * covariance[3] * (1 + 1e-9)) IS NOT FALSE OR @extschema@.mm_refuse('covariance', 'three finite numbers: variance of a, covariance, variance of b'))
);
COMMENT ON TABLE @extschema@.user_calibration IS 'How a modality''s evidence translates into a probability for one person: logit p_worse = a raw + b. No row: the model''s prior.';
COMMENT ON COLUMN @extschema@.user_calibration.n_points IS 'Labelled sessions the fit rests on.';
COMMENT ON COLUMN @extschema@.user_calibration.covariance IS 'Posterior covariance of (a, b): var a, cov, var b.';

ALTER TABLE @extschema@.user_calibration ENABLE ROW LEVEL SECURITY;
CREATE POLICY "System can manage calibration" ON @extschema@.user_calibration
    FOR ALL TO mindmeasure_system USING (true) WITH CHECK (true);
CREATE POLICY "Users can view their own calibration" ON @extschema@.user_calibration
    FOR SELECT TO mindmeasure_user USING ((SELECT auth.uid()) = user_id);
GRANT SELECT ON @extschema@.user_calibration TO mindmeasure_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.user_calibration TO mindmeasure_system;

CREATE TRIGGER guard_calibration_identity BEFORE UPDATE ON @extschema@.user_calibration
    FOR EACH ROW WHEN ((OLD.id, OLD.user_id, OLD.modality, OLD.created_at) IS DISTINCT FROM (NEW.id, NEW.user_id, NEW.modality, NEW.created_at))
    EXECUTE FUNCTION @extschema@.mm_refuse_change('id', 'user_id', 'modality', 'created_at');
CREATE TRIGGER update_user_calibration_updated_at BEFORE UPDATE ON @extschema@.user_calibration
    FOR EACH ROW EXECUTE FUNCTION @extschema@.update_updated_at_column();
