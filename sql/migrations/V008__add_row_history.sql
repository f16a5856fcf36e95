-- row_history ------------------------------------------------------------------------
-- What rows of source tables were before they were changed or deleted, and which rows are new: with
-- it one person's rows go back to a time of the last days (backup_restore_user_data). By day, so
-- that old days go as a whole.
CREATE TABLE @extschema@.row_history (
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    user_id UUID NOT NULL,
    table_name TEXT NOT NULL,
    row_key UUID NOT NULL,
    other_keys UUID[] NOT NULL DEFAULT '{}',
    action TEXT NOT NULL,
    row_before JSONB,
    transaction_id XID8 NOT NULL DEFAULT pg_current_xact_id(),
    transaction_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, recorded_at, table_name, row_key),
    CONSTRAINT row_history_action CHECK (action IN ('begin', 'insert', 'update', 'delete')),
    CONSTRAINT row_history_row_before CHECK ((action IN ('update', 'delete')) = (row_before IS NOT NULL))
) PARTITION BY RANGE (recorded_at);
CREATE TABLE @extschema@.row_history_default PARTITION OF @extschema@.row_history DEFAULT;
COMMENT ON TABLE @extschema@.row_history IS 'What rows of source tables were before a change, and which rows are new; written by triggers, kept for days, read by backup_restore_user_data(). Documents are kept as they were stored.';
COMMENT ON TABLE @extschema@.row_history_default IS 'History of days that have no partition of their own.';
COMMENT ON COLUMN @extschema@.row_history.recorded_at IS 'When the statement wrote, by the clock. A transaction counts at its last write for the person.';
COMMENT ON COLUMN @extschema@.row_history.row_key IS 'The row''s key: id, or session_id in session_outcomes.';
COMMENT ON COLUMN @extschema@.row_history.other_keys IS 'Of an insert of several rows of the person: the keys of the others.';
COMMENT ON COLUMN @extschema@.row_history.action IS 'insert, update or delete; begin marks that history was written from here on, after a while without (row of nobody: user_id is all zeros).';
COMMENT ON COLUMN @extschema@.row_history.row_before IS 'The row as it was before an update or delete.';

ALTER TABLE @extschema@.row_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE @extschema@.row_history_default ENABLE ROW LEVEL SECURITY;
CREATE POLICY "System can view row history" ON @extschema@.row_history
    FOR SELECT TO mindmeasure_system USING (true);
GRANT SELECT ON @extschema@.row_history TO mindmeasure_system;

-- One insert a statement, however many rows it met. Not where rows are moved into the archive, nor
-- where a person is erased or brought in with their history: those say so, and only the owner can.
-- Nor in a restore, whose dump has the history (every pg_dump script turns row_security off).
DO $triggers$
DECLARE
    source text[];
    event text[];
BEGIN
    FOREACH source SLICE 1 IN ARRAY ARRAY[
        ['profiles', 'id'], ['assessment_sessions', 'id'], ['assessment_sessions_archive', 'id'],
        ['text_analysis', 'id'], ['audio_analysis', 'id'], ['visual_analysis', 'id'], ['passive_analysis', 'id'],
        ['session_insights', 'id'], ['session_outcomes', 'session_id'], ['user_feature_baselines', 'id'], ['session_keys', 'id']]
    LOOP
        FOREACH event SLICE 1 IN ARRAY ARRAY[['insert', 'NEW TABLE AS new_rows'], ['update', 'OLD TABLE AS old_rows'], ['delete', 'OLD TABLE AS old_rows']] LOOP
            -- A key comes and goes with its session; only its deletion takes more than that with it.
            CONTINUE WHEN source[1] = 'session_keys' AND event[1] <> 'delete';
            EXECUTE format(
                'CREATE TRIGGER record_%s AFTER %s ON @extschema@.%I REFERENCING %s FOR EACH STATEMENT '
                'WHEN (current_setting(''row_security'') <> ''off'' AND (current_user <> ''mindmeasure_owner'' OR %s)) '
                'EXECUTE FUNCTION @extschema@.mm_record_history(%L)',
                event[1], upper(event[1]), source[1], event[2],
                -- What scoring learns is derived; what a user puts there is not.
                CASE source[1] WHEN 'user_feature_baselines' THEN 'current_setting(''mindmeasure.restoring'', true) = ''on''' ELSE
                    'coalesce(current_setting(''mindmeasure.moving_to_archive'', true), '''') <> ''on'' '
                    'AND coalesce(current_setting(''mindmeasure.without_history'', true), '''') <> ''on''' END,
                source[2]);
        END LOOP;
    END LOOP;
END
$triggers$;
