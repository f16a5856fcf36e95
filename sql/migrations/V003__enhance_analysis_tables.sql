-- The indexes that text_analysis has, for its sisters ---------------------------------
CREATE INDEX idx_audio_analysis_processed ON @extschema@.audio_analysis (processed_at);
CREATE INDEX idx_audio_analysis_user ON @extschema@.audio_analysis (user_id, processed_at);
CREATE INDEX idx_visual_analysis_session ON @extschema@.visual_analysis (session_id);
CREATE INDEX idx_visual_analysis_score ON @extschema@.visual_analysis (visual_wellness_score);
CREATE INDEX idx_visual_analysis_processed ON @extschema@.visual_analysis (processed_at);
CREATE INDEX idx_visual_analysis_user ON @extschema@.visual_analysis (user_id, processed_at);

-- passive_analysis -------------------------------------------------------------------
CREATE TABLE @extschema@.passive_analysis (
    id UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    session_id UUID NOT NULL,
    sleep_metrics JSONB,
    activity_metrics JSONB,
    device_usage JSONB,
    passive_wellness_score NUMERIC,
    processed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    user_id UUID NOT NULL,
    CONSTRAINT passive_analysis_session_fkey FOREIGN KEY (session_id, user_id) REFERENCES @extschema@.session_keys (id, user_id) ON DELETE CASCADE,
    CONSTRAINT passive_analysis_score CHECK ((passive_wellness_score BETWEEN 0 AND 100) IS NOT FALSE OR @extschema@.mm_refuse('passive_wellness_score', 'a number from 0 to 100')),
    CONSTRAINT passive_analysis_sleep_metrics CHECK (@extschema@.mm_validate_json('sleep_metrics', 'sleep_metrics', sleep_metrics)),
    CONSTRAINT passive_analysis_activity_metrics CHECK (@extschema@.mm_validate_json('activity_metrics', 'activity_metrics', activity_metrics)),
    CONSTRAINT passive_analysis_device_usage CHECK (@extschema@.mm_validate_json('device_usage', 'device_usage', device_usage))
);
CREATE INDEX idx_passive_analysis_session ON @extschema@.passive_analysis (session_id);
CREATE INDEX idx_passive_analysis_score ON @extschema@.passive_analysis (passive_wellness_score);
CREATE INDEX idx_passive_analysis_processed ON @extschema@.passive_analysis (processed_at);
CREATE INDEX idx_passive_analysis_user ON @extschema@.passive_analysis (user_id, processed_at);
COMMENT ON TABLE @extschema@.passive_analysis IS 'What sensors told without being asked, for a session: sleep, activity, device use. No user reads it directly. The newest processed_at is scored.';
COMMENT ON COLUMN @extschema@.passive_analysis.passive_wellness_score IS 'The worker''s own wellness score, 0 to 100, higher is better.';
COMMENT ON COLUMN @extschema@.passive_analysis.user_id IS 'The session''s person; filled from session_keys when left out.';

ALTER TABLE @extschema@.passive_analysis ENABLE ROW LEVEL SECURITY;
CREATE POLICY "System can manage passive analysis" ON @extschema@.passive_analysis
    FOR ALL TO mindmeasure_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.passive_analysis TO mindmeasure_system;

CREATE TRIGGER fill_passive_analysis_owner BEFORE INSERT ON @extschema@.passive_analysis
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_fill_owner();
CREATE TRIGGER guard_passive_analysis_identity BEFORE UPDATE ON @extschema@.passive_analysis
    FOR EACH ROW WHEN ((OLD.id, OLD.session_id, OLD.user_id) IS DISTINCT FROM (NEW.id, NEW.session_id, NEW.user_id))
    EXECUTE FUNCTION @extschema@.mm_refuse_change('id', 'session_id', 'user_id');
