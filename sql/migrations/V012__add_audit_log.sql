-- audit_subjects ---------------------------------------------------------------------
CREATE TABLE @extschema@.audit_subjects (
    user_id UUID NOT NULL PRIMARY KEY,
    subject UUID NOT NULL DEFAULT gen_random_uuid() CONSTRAINT audit_subjects_subject_key UNIQUE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()
);
COMMENT ON TABLE @extschema@.audit_subjects IS 'Under which pseudonym audit_log names a person. Erasing the person deletes this row and nothing of the audit: its lines then belong to nobody.';
COMMENT ON COLUMN @extschema@.audit_subjects.subject IS 'audit_log.subject and audit_log.actor.';

ALTER TABLE @extschema@.audit_subjects ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Users can view their own pseudonym" ON @extschema@.audit_subjects
    FOR SELECT TO mindmeasure_user USING ((SELECT auth.uid()) = user_id);
CREATE POLICY "Auditors can view pseudonyms" ON @extschema@.audit_subjects
    FOR SELECT TO mindmeasure_auditor USING (true);
GRANT SELECT ON @extschema@.audit_subjects TO mindmeasure_user, mindmeasure_auditor;

CREATE TRIGGER guard_audit_subject BEFORE UPDATE ON @extschema@.audit_subjects
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_refuse_change('user_id', 'subject', 'created_at');

-- audit_log --------------------------------------------------------------------------
-- No key and no unique index: a line is looked up by person, or read from end to end when it is sealed
-- and verified, and every index would be paid for with every statement.
CREATE TABLE @extschema@.audit_log (
    id BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    action TEXT NOT NULL,
    table_name TEXT,
    subject UUID,
    actor UUID,
    actor_verified BOOLEAN NOT NULL DEFAULT @extschema@.mm_identity_is_verified(),
    role_name TEXT NOT NULL DEFAULT coalesce(nullif(current_setting('role'), 'none'), session_user),
    session_role TEXT NOT NULL DEFAULT session_user,
    client_addr INET DEFAULT inet_client_addr(),
    application TEXT DEFAULT current_setting('application_name'),
    row_ids TEXT[],
    row_count BIGINT,
    columns TEXT[],
    detail JSONB
) PARTITION BY RANGE (at);
CREATE TABLE @extschema@.audit_log_default PARTITION OF @extschema@.audit_log DEFAULT;
CREATE INDEX idx_audit_log_subject ON @extschema@.audit_log (subject, at);
-- For mm_unsealed_audit(). Postgres 15 has no BRIN of xid8 itself.
CREATE INDEX idx_audit_log_txid ON @extschema@.audit_log USING brin (((txid::text)::bigint)) WITH (autosummarize = on);
COMMENT ON TABLE @extschema@.audit_log IS 'Who wrote what to whose rows, and when: one line a statement and person. Names of columns, never what is in them. Append-only; sealed by mm_seal_audit(), checked by mm_verify_audit().';
COMMENT ON TABLE @extschema@.audit_log_default IS 'Audit lines of months that have no partition of their own.';
COMMENT ON COLUMN @extschema@.audit_log.txid IS 'The transaction: lines of one transaction have the same.';
COMMENT ON COLUMN @extschema@.audit_log.action IS 'INSERT, UPDATE, DELETE, TRUNCATE, or what a function did: EXPORT, ERASE, BREAK_GLASS …';
COMMENT ON COLUMN @extschema@.audit_log.subject IS 'Whose rows: audit_subjects.subject. NULL where they are nobody''s, or belonged to somebody erased.';
COMMENT ON COLUMN @extschema@.audit_log.actor IS 'The person for whom the request spoke (auth.uid()), as audit_subjects.subject. NULL: none, as with AI workers.';
COMMENT ON COLUMN @extschema@.audit_log.actor_verified IS 'Whether mm_set_identity() had verified the actor.';
COMMENT ON COLUMN @extschema@.audit_log.role_name IS 'The database role after SET ROLE.';
COMMENT ON COLUMN @extschema@.audit_log.session_role IS 'The database role that logged in.';
COMMENT ON COLUMN @extschema@.audit_log.row_ids IS 'Ids of the first 100 rows; row_count says how many there were.';
COMMENT ON COLUMN @extschema@.audit_log.columns IS 'Names of the columns that an UPDATE changed.';
COMMENT ON COLUMN @extschema@.audit_log.detail IS 'What a function has to add: numbers, names, ids. Never data.';

ALTER TABLE @extschema@.audit_log ENABLE ROW LEVEL SECURITY;
-- A partition read directly is not covered by its parent's policies: closed to all but the owner.
ALTER TABLE @extschema@.audit_log_default ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Users can view the audit lines about themselves" ON @extschema@.audit_log
    FOR SELECT TO mindmeasure_user
    USING (subject = (SELECT s.subject FROM @extschema@.audit_subjects AS s WHERE s.user_id = (SELECT auth.uid())));
CREATE POLICY "Auditors can view the audit" ON @extschema@.audit_log
    FOR SELECT TO mindmeasure_auditor USING (true);
GRANT SELECT ON @extschema@.audit_log TO mindmeasure_user, mindmeasure_auditor;

-- A new partition takes over the lines that waited for it in the DEFAULT one.
CREATE TRIGGER keep_audit_log BEFORE UPDATE OR DELETE ON @extschema@.audit_log
    FOR EACH ROW WHEN (current_user <> 'mindmeasure_owner' OR current_setting('mindmeasure.moving_to_partition', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION @extschema@.mm_refuse_rewriting();
CREATE TRIGGER keep_audit_log_whole BEFORE TRUNCATE ON @extschema@.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.mm_refuse_rewriting();
CREATE TRIGGER keep_audit_log_whole BEFORE TRUNCATE ON @extschema@.audit_log_default
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.mm_refuse_rewriting();

-- audit_blocks -----------------------------------------------------------------------
CREATE TABLE @extschema@.audit_blocks (
    number BIGINT NOT NULL PRIMARY KEY,
    sealed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    month DATE NOT NULL,
    horizon xid8 NOT NULL,
    row_count INTEGER NOT NULL,
    first_id BIGINT NOT NULL,
    last_id BIGINT NOT NULL,
    ids BIGINT[] NOT NULL,
    row_hashes BYTEA[] NOT NULL,
    root BYTEA NOT NULL,
    previous_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL
);
COMMENT ON TABLE @extschema@.audit_blocks IS 'The seals of audit_log: each block holds the SHA-256 of up to 10,000 lines of one month and of the block before. Written by mm_seal_audit().';
COMMENT ON COLUMN @extschema@.audit_blocks.horizon IS 'When it was sealed, every transaction before this one had ended and is sealed here or earlier.';
COMMENT ON COLUMN @extschema@.audit_blocks.root IS 'SHA-256 over ids and row_hashes.';
COMMENT ON COLUMN @extschema@.audit_blocks.hash IS 'SHA-256 over number, time, month, horizon, count, root and previous_hash: mm_audit_head().';

ALTER TABLE @extschema@.audit_blocks ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Auditors can view the seals of the audit" ON @extschema@.audit_blocks
    FOR SELECT TO mindmeasure_auditor USING (true);
GRANT SELECT ON @extschema@.audit_blocks TO mindmeasure_auditor;

CREATE TRIGGER keep_audit_blocks BEFORE UPDATE OR DELETE ON @extschema@.audit_blocks
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_refuse_rewriting();
CREATE TRIGGER keep_audit_blocks_whole BEFORE TRUNCATE ON @extschema@.audit_blocks
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.mm_refuse_rewriting();

-- What is audited ----------------------------------------------------------------------
SELECT @extschema@.mm_audit_table(t.name::regclass)
FROM unnest(ARRAY['@extschema@.profiles', '@extschema@.assessment_sessions', '@extschema@.assessment_sessions_archive',
    '@extschema@.text_analysis', '@extschema@.audio_analysis', '@extschema@.visual_analysis', '@extschema@.passive_analysis',
    '@extschema@.session_insights', '@extschema@.session_outcomes', '@extschema@.user_calibration', '@extschema@.mm_models',
    '@extschema@.fusion_outputs', '@extschema@.retention_policies', '@extschema@.erasure_log']) AS t (name);
-- Written with every session or score, of which the tables above tell already.
SELECT @extschema@.mm_audit_table(t.name::regclass, scored => true)
FROM unnest(ARRAY['@extschema@.session_keys', '@extschema@.mind_measure_scores', '@extschema@.user_baselines', '@extschema@.user_feature_baselines',
    '@extschema@.user_keys']) AS t (name);
