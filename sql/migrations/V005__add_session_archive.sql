-- assessment_sessions_archive --------------------------------------------------------
-- No triggers and no defaults: rows come from assessment_sessions, as they were.
CREATE TABLE @extschema@.assessment_sessions_archive (
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    status TEXT NOT NULL,
    category TEXT,
    assessment_type TEXT,
    mood_before JSONB,
    mood_after JSONB,
    text_data JSONB,
    audio_data JSONB,
    visual_data JSONB,
    reflection_notes TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    failure_reason TEXT,
    PRIMARY KEY (id, user_id, created_at),
    CONSTRAINT assessment_sessions_archive_key_fkey FOREIGN KEY (id, user_id) REFERENCES @extschema@.session_keys (id, user_id) ON DELETE CASCADE
) PARTITION BY RANGE (created_at);
CREATE TABLE @extschema@.assessment_sessions_archive_default PARTITION OF @extschema@.assessment_sessions_archive DEFAULT;
CREATE INDEX idx_sessions_archive_user_date ON @extschema@.assessment_sessions_archive (user_id, created_at DESC);
COMMENT ON TABLE @extschema@.assessment_sessions_archive IS 'Sessions moved out of assessment_sessions by age, by month of created_at. Same rows, same privacy; their analyses and scores stay where they are.';
COMMENT ON TABLE @extschema@.assessment_sessions_archive_default IS 'Archived sessions of months that have no partition of their own.';

ALTER TABLE @extschema@.assessment_sessions_archive ENABLE ROW LEVEL SECURITY;
-- A partition read directly is not covered by its parent's policies: closed to all but the owner.
ALTER TABLE @extschema@.assessment_sessions_archive_default ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Users can view their own archived sessions" ON @extschema@.assessment_sessions_archive
    FOR SELECT TO mindmeasure_user USING ((SELECT auth.uid()) = user_id);
CREATE POLICY "System can manage archived sessions" ON @extschema@.assessment_sessions_archive
    FOR ALL TO mindmeasure_system USING (true) WITH CHECK (true);
GRANT SELECT ON @extschema@.assessment_sessions_archive TO mindmeasure_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.assessment_sessions_archive TO mindmeasure_system;
