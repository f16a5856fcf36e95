-- erasure_log ------------------------------------------------------------------------
-- That somebody was erased, without saying who: keeps a restore, an import or a late insert from
-- bringing them back.
CREATE TABLE @extschema@.erasure_log (
    person BYTEA NOT NULL PRIMARY KEY,
    reason TEXT NOT NULL,
    requested_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    erased_at TIMESTAMP WITH TIME ZONE,
    rows_erased BIGINT NOT NULL DEFAULT 0,
    pending_user_id UUID,
    CONSTRAINT erasure_log_person CHECK (octet_length(person) = 32),
    CONSTRAINT erasure_log_reason CHECK (reason ~ '^[A-Za-z][A-Za-z0-9 _./#-]{0,99}$' OR @extschema@.mm_refuse('reason', '1 to 100 letters, digits, blanks or _ . / # -, beginning with a letter')),
    CONSTRAINT erasure_log_pending_user_id CHECK ((pending_user_id IS NULL) = (erased_at IS NOT NULL))
);
CREATE INDEX idx_erasure_log_unfinished ON @extschema@.erasure_log (requested_at) WHERE erased_at IS NULL;
COMMENT ON TABLE @extschema@.erasure_log IS 'One row a person erased by mm_erase_user(): why and when, not who.';
COMMENT ON COLUMN @extschema@.erasure_log.person IS 'mm_tombstone(user_id): tells whoever has the id that it was erased, and nobody else anything.';
COMMENT ON COLUMN @extschema@.erasure_log.reason IS 'A word or a reference, e.g. user request; no names.';
COMMENT ON COLUMN @extschema@.erasure_log.erased_at IS 'When nothing was left; NULL: asked for when an account was deleted, and still to be done by mm_finish_erasures().';
COMMENT ON COLUMN @extschema@.erasure_log.pending_user_id IS 'Who, only until it is done.';

ALTER TABLE @extschema@.erasure_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY "System and auditors can view erasures" ON @extschema@.erasure_log
    FOR SELECT TO mindmeasure_system, mindmeasure_auditor USING (true);
GRANT SELECT ON @extschema@.erasure_log TO mindmeasure_system;
GRANT SELECT (person, reason, requested_at, erased_at, rows_erased) ON @extschema@.erasure_log TO mindmeasure_auditor;

-- Everything that is a person's hangs on one of these. Scoring writes baselines under the person's
-- lock, for sessions that are there.
CREATE TRIGGER admit_person BEFORE INSERT ON @extschema@.session_keys
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_refuse_erased();
CREATE TRIGGER admit_person BEFORE INSERT ON @extschema@.profiles
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_refuse_erased();
CREATE TRIGGER admit_person BEFORE INSERT ON @extschema@.user_baselines
    FOR EACH ROW WHEN (current_user <> 'mindmeasure_owner') EXECUTE FUNCTION @extschema@.mm_refuse_erased();
CREATE TRIGGER admit_person BEFORE INSERT ON @extschema@.user_feature_baselines
    FOR EACH ROW WHEN (current_user <> 'mindmeasure_owner') EXECUTE FUNCTION @extschema@.mm_refuse_erased();
CREATE TRIGGER admit_person BEFORE INSERT ON @extschema@.user_calibration
    FOR EACH ROW WHEN (current_user <> 'mindmeasure_owner') EXECUTE FUNCTION @extschema@.mm_refuse_erased();
