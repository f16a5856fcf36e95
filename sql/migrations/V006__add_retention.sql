-- retention_policies -----------------------------------------------------------------
CREATE TABLE @extschema@.retention_policies (
    table_name TEXT NOT NULL,
    action TEXT NOT NULL,
    keep INTERVAL NOT NULL,
    time_column TEXT,
    redacted_columns TEXT[],
    enabled BOOLEAN NOT NULL DEFAULT true,
    reason TEXT,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    PRIMARY KEY (table_name, action),
    CONSTRAINT retention_policies_action CHECK (action IN ('archive', 'drop', 'redact') OR @extschema@.mm_refuse('action', 'one of archive, drop, redact')),
    CONSTRAINT retention_policies_keep CHECK (keep >= interval '1 day' AND keep <= interval '200 years' OR @extschema@.mm_refuse('keep', 'an interval from 1 day to 200 years')),
    CONSTRAINT retention_policies_reason CHECK ((length(reason) <= 1000) IS NOT FALSE OR @extschema@.mm_refuse('reason', 'at most 1000 characters'))
);
COMMENT ON TABLE @extschema@.retention_policies IS 'How long rows are kept, and what becomes of them then: applied by mm_apply_retention(). A table that does not exist is passed over.';
COMMENT ON COLUMN @extschema@.retention_policies.table_name IS 'A table of mindmeasure, without its schema.';
COMMENT ON COLUMN @extschema@.retention_policies.action IS 'archive: to assessment_sessions_archive (assessment_sessions only). drop: rows go, of a table partitioned by time in whole partitions. redact: redacted_columns become NULL.';
COMMENT ON COLUMN @extschema@.retention_policies.keep IS 'Rows older than this are due.';
COMMENT ON COLUMN @extschema@.retention_policies.time_column IS 'The column that says how old a row is; NULL for a table that is partitioned by time: the column it is partitioned by.';
COMMENT ON COLUMN @extschema@.retention_policies.redacted_columns IS 'For redact: the columns that become NULL.';
COMMENT ON COLUMN @extschema@.retention_policies.reason IS 'Why: the rule or the law behind it.';

ALTER TABLE @extschema@.retention_policies ENABLE ROW LEVEL SECURITY;
CREATE POLICY "System can manage retention policies" ON @extschema@.retention_policies
    FOR ALL TO mindmeasure_system USING (true) WITH CHECK (true);
CREATE POLICY "Auditors can view retention policies" ON @extschema@.retention_policies
    FOR SELECT TO mindmeasure_auditor USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.retention_policies TO mindmeasure_system;
GRANT SELECT ON @extschema@.retention_policies TO mindmeasure_auditor;

CREATE TRIGGER guard_retention_policy BEFORE INSERT OR UPDATE ON @extschema@.retention_policies
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_guard_retention_policy();
CREATE TRIGGER update_retention_policies_updated_at BEFORE UPDATE ON @extschema@.retention_policies
    FOR EACH ROW EXECUTE FUNCTION @extschema@.update_updated_at_column();

INSERT INTO @extschema@.retention_policies (table_name, action, keep, time_column, redacted_columns, reason) VALUES
    ('assessment_sessions', 'archive', '2 years', 'created_at', NULL, 'Old sessions leave the table that is worked on.'),
    ('audit_log', 'drop', '6 years', NULL, NULL, 'As long as HIPAA asks for (45 CFR 164.316).'),
    ('row_history', 'drop', '7 days', NULL, NULL, 'The window in which one person can be restored.'),
    ('text_analysis', 'redact', '2 years', 'processed_at', '{combined_text}', 'A transcript is not needed once it is scored.'),
    ('audio_analysis', 'redact', '2 years', 'processed_at', '{transcription}', 'A transcript is not needed once it is scored.');
