-- mm_models --------------------------------------------------------------------------
CREATE TABLE @extschema@.mm_models (
    model_version TEXT NOT NULL PRIMARY KEY,
    spec JSONB NOT NULL,
    is_active BOOLEAN NOT NULL DEFAULT false,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX idx_models_one_active ON @extschema@.mm_models (is_active) WHERE is_active;
COMMENT ON TABLE @extschema@.mm_models IS 'Scoring models as data: mm_register_model() adds one, mm_activate_model() chooses. A registered model never changes.';
COMMENT ON COLUMN @extschema@.mm_models.spec IS 'The model: features, modalities, fusion and the rest; docs/scoring.md.';
COMMENT ON COLUMN @extschema@.mm_models.is_active IS 'The one model that scores new sessions.';

ALTER TABLE @extschema@.mm_models ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Everyone known can view models" ON @extschema@.mm_models
    FOR SELECT TO mindmeasure_user, mindmeasure_system, mindmeasure_auditor USING (true);
GRANT SELECT ON @extschema@.mm_models TO mindmeasure_user, mindmeasure_system, mindmeasure_auditor;

-- A scored row must stay explainable by the model it names.
CREATE TRIGGER guard_model BEFORE UPDATE ON @extschema@.mm_models
    FOR EACH ROW WHEN ((OLD.model_version, OLD.spec, OLD.created_at) IS DISTINCT FROM (NEW.model_version, NEW.spec, NEW.created_at))
    EXECUTE FUNCTION @extschema@.mm_refuse_change('model_version', 'spec', 'created_at');

-- session_outcomes -------------------------------------------------------------------
CREATE TABLE @extschema@.session_outcomes (
    session_id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL,
    worse BOOLEAN NOT NULL,
    source TEXT NOT NULL DEFAULT 'clinician',
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    session_created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    derived BOOLEAN NOT NULL DEFAULT false,
    CONSTRAINT session_outcomes_session_fkey FOREIGN KEY (session_id, user_id) REFERENCES @extschema@.session_keys (id, user_id) ON DELETE CASCADE,
    CONSTRAINT session_outcomes_source CHECK ((length(source) BETWEEN 1 AND 100) IS NOT FALSE OR @extschema@.mm_refuse('source', '1 to 100 characters'))
);
CREATE INDEX idx_session_outcomes_user_time ON @extschema@.session_outcomes (user_id, session_created_at) INCLUDE (worse);
COMMENT ON TABLE @extschema@.session_outcomes IS 'What was really the case at a session: was the person worse than usual? Recorded by mm_record_outcome(); scoring learns the person''s own worse-rate from earlier ones.';
COMMENT ON COLUMN @extschema@.session_outcomes.worse IS 'Whether the person was worse than their own usual at this session.';
COMMENT ON COLUMN @extschema@.session_outcomes.source IS 'Who says so, e.g. clinician, self_report.';
COMMENT ON COLUMN @extschema@.session_outcomes.derived IS 'Computed by scoring from the self-reports, not said by anybody: a recorded outcome takes its place, and a replay computes it anew.';
COMMENT ON COLUMN @extschema@.session_outcomes.session_created_at IS 'The session''s time; only outcomes of earlier sessions count for a score.';

ALTER TABLE @extschema@.session_outcomes ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Users can view their own outcomes" ON @extschema@.session_outcomes
    FOR SELECT TO mindmeasure_user USING ((SELECT auth.uid()) = user_id);
CREATE POLICY "System can manage outcomes" ON @extschema@.session_outcomes
    FOR ALL TO mindmeasure_system USING (true) WITH CHECK (true);
GRANT SELECT ON @extschema@.session_outcomes TO mindmeasure_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.session_outcomes TO mindmeasure_system;

CREATE TRIGGER fill_outcome_owner BEFORE INSERT ON @extschema@.session_outcomes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_fill_owner();
CREATE TRIGGER fill_outcome_time BEFORE INSERT ON @extschema@.session_outcomes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_fill_session_time();
CREATE TRIGGER guard_outcome_identity BEFORE UPDATE ON @extschema@.session_outcomes
    FOR EACH ROW WHEN ((OLD.session_id, OLD.user_id, OLD.session_created_at) IS DISTINCT FROM (NEW.session_id, NEW.user_id, NEW.session_created_at))
    EXECUTE FUNCTION @extschema@.mm_refuse_change('session_id', 'user_id', 'session_created_at');
