-- break_glass_grants -----------------------------------------------------------------
CREATE TABLE @extschema@.break_glass_grants (
    id UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    user_id UUID NOT NULL,
    auditor_role TEXT NOT NULL,
    auditor_person UUID,
    reason TEXT NOT NULL,
    granted_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE
);
CREATE INDEX idx_break_glass_auditor ON @extschema@.break_glass_grants (auditor_role, expires_at);
CREATE INDEX idx_break_glass_user ON @extschema@.break_glass_grants (user_id, granted_at);
COMMENT ON TABLE @extschema@.break_glass_grants IS 'Which auditor asked to read whose rows, why, and until when; written by mm_break_glass(). The person reads it.';
COMMENT ON COLUMN @extschema@.break_glass_grants.auditor_role IS 'The auditor''s database role.';
COMMENT ON COLUMN @extschema@.break_glass_grants.auditor_person IS 'For whom the auditor''s request spoke (auth.uid()); NULL: for nobody. Only requests that speak for the same read.';
COMMENT ON COLUMN @extschema@.break_glass_grants.ended_at IS 'Ended before its time by mm_end_break_glass().';

ALTER TABLE @extschema@.break_glass_grants ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Users can view who has looked at them" ON @extschema@.break_glass_grants
    FOR SELECT TO mindmeasure_user USING ((SELECT auth.uid()) = user_id);
CREATE POLICY "Auditors can view who has looked at whom" ON @extschema@.break_glass_grants
    FOR SELECT TO mindmeasure_auditor USING (true);
GRANT SELECT ON @extschema@.break_glass_grants TO mindmeasure_user, mindmeasure_auditor;

CREATE TRIGGER guard_break_glass_grant BEFORE UPDATE ON @extschema@.break_glass_grants
    FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL
        OR (OLD.id, OLD.user_id, OLD.auditor_role, OLD.auditor_person, OLD.reason, OLD.granted_at, OLD.expires_at)
        IS DISTINCT FROM (NEW.id, NEW.user_id, NEW.auditor_role, NEW.auditor_person, NEW.reason, NEW.granted_at, NEW.expires_at))
    EXECUTE FUNCTION @extschema@.mm_refuse_change('id', 'user_id', 'auditor_role', 'auditor_person', 'reason', 'granted_at', 'expires_at');
SELECT @extschema@.mm_audit_table('@extschema@.break_glass_grants'::regclass);

-- What an auditor reads then: every table that holds people's rows -----------------------
DO $policies$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['profiles', 'assessment_sessions', 'assessment_sessions_archive', 'text_analysis', 'audio_analysis',
        'visual_analysis', 'passive_analysis', 'session_insights', 'session_outcomes', 'fusion_outputs', 'mind_measure_scores',
        'user_baselines', 'user_feature_baselines', 'user_calibration'] LOOP
        EXECUTE format('CREATE POLICY "Auditors can view a person by breaking the glass" ON @extschema@.%I
            FOR SELECT TO mindmeasure_auditor USING (user_id = ANY ((SELECT @extschema@.mm_broken_glass())::uuid[]))', name);
        EXECUTE format('GRANT SELECT ON @extschema@.%I TO mindmeasure_auditor', name);
    END LOOP;
END
$policies$;
-- The *_clear views open for them as well.
SELECT @extschema@.mm_create_clear_views();

-- What makes a person known again: not after they have been erased ------------------------
CREATE TRIGGER admit_person BEFORE INSERT ON @extschema@.user_keys
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_refuse_erased();
CREATE TRIGGER admit_person BEFORE INSERT ON @extschema@.audit_subjects
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_refuse_erased();
CREATE TRIGGER admit_person BEFORE INSERT ON @extschema@.break_glass_grants
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_refuse_erased();
