-- user_keys --------------------------------------------------------------------------
-- No grants and no policy: nobody but the owner reaches it.
CREATE TABLE @extschema@.user_keys (
    user_id UUID NOT NULL PRIMARY KEY,
    kid TEXT NOT NULL,
    wrapped_by TEXT NOT NULL,
    wrapped BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    rewrapped_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT user_keys_kid CHECK (length(kid) = 8 OR @extschema@.mm_refuse('kid', 'eight characters of base64url')),
    CONSTRAINT user_keys_wrapped CHECK (length(wrapped) = 72 OR @extschema@.mm_refuse('wrapped', '72 bytes: nonce, key, tag'))
);
CREATE INDEX idx_user_keys_wrapped_by ON @extschema@.user_keys (wrapped_by);
COMMENT ON TABLE @extschema@.user_keys IS 'The data key of each person, under which their sensitive fields are sealed; made when first needed, itself sealed under a key of mindmeasure.key_file. Without its row all that the person has ever written stays closed, in every backup too: docs/encryption.md.';
COMMENT ON COLUMN @extschema@.user_keys.kid IS 'Names the data key in its envelopes. Rotation keeps it.';
COMMENT ON COLUMN @extschema@.user_keys.wrapped_by IS 'Id of the key-encryption key in the key file.';
COMMENT ON COLUMN @extschema@.user_keys.wrapped IS 'XChaCha20-Poly1305: nonce (24 bytes), data key (32), tag (16).';
COMMENT ON COLUMN @extschema@.user_keys.rewrapped_at IS 'When mm_rotate_keys() last put it under another key-encryption key.';

ALTER TABLE @extschema@.user_keys ENABLE ROW LEVEL SECURITY;

CREATE TRIGGER guard_user_key_identity BEFORE UPDATE ON @extschema@.user_keys
    FOR EACH ROW WHEN ((OLD.user_id, OLD.kid, OLD.created_at) IS DISTINCT FROM (NEW.user_id, NEW.kid, NEW.created_at))
    EXECUTE FUNCTION @extschema@.mm_refuse_change('user_id', 'kid', 'created_at');

-- What is sealed ---------------------------------------------------------------------
-- Triggers of one event fire in the order of their names. An INSERT is sealed last, when its guards have passed
-- and user_id is filled; an UPDATE first, so that the guards compare what is stored with what will be.

-- A sealed text is longer than what it holds, which mm_seal() has measured. NOT VALID: every row there is was
-- held to less than that, and a large table need not be read again.
ALTER TABLE @extschema@.assessment_sessions
    DROP CONSTRAINT assessment_sessions_reflection_notes,
    ADD CONSTRAINT assessment_sessions_reflection_notes CHECK ((length(reflection_notes) <= 100000 OR @extschema@.mm_is_envelope(reflection_notes)) IS NOT FALSE OR @extschema@.mm_refuse('reflection_notes', 'at most 100000 characters')) NOT VALID;
CREATE TRIGGER seal_session BEFORE INSERT ON @extschema@.assessment_sessions
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_seal('assessment_sessions');
CREATE TRIGGER encrypt_session_change BEFORE UPDATE ON @extschema@.assessment_sessions
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_seal('assessment_sessions');
-- A session that is only encrypted has not been updated: fires after update_sessions_updated_at.
CREATE TRIGGER update_sessions_updated_at_only_encrypted BEFORE UPDATE ON @extschema@.assessment_sessions
    FOR EACH ROW WHEN (@extschema@.mm_encrypting())
    EXECUTE FUNCTION @extschema@.mm_keep_updated_at();

-- Sessions come to the archive sealed; open ones come from an import.
CREATE TRIGGER seal_archived_session BEFORE INSERT ON @extschema@.assessment_sessions_archive
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_seal('assessment_sessions_archive');
CREATE TRIGGER encrypt_archived_session_change BEFORE UPDATE ON @extschema@.assessment_sessions_archive
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_seal('assessment_sessions_archive');

ALTER TABLE @extschema@.text_analysis
    DROP CONSTRAINT text_analysis_combined_text,
    ADD CONSTRAINT text_analysis_combined_text CHECK ((length(combined_text) <= 1000000 OR @extschema@.mm_is_envelope(combined_text)) IS NOT FALSE OR @extschema@.mm_refuse('combined_text', 'at most 1000000 characters')) NOT VALID;
CREATE TRIGGER seal_text_analysis BEFORE INSERT ON @extschema@.text_analysis
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_seal('text_analysis');
CREATE TRIGGER encrypt_text_analysis_change BEFORE UPDATE ON @extschema@.text_analysis
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_seal('text_analysis');

ALTER TABLE @extschema@.audio_analysis
    DROP CONSTRAINT audio_analysis_transcription,
    ADD CONSTRAINT audio_analysis_transcription CHECK ((length(transcription) <= 1000000 OR @extschema@.mm_is_envelope(transcription)) IS NOT FALSE OR @extschema@.mm_refuse('transcription', 'at most 1000000 characters')) NOT VALID;
CREATE TRIGGER seal_audio_analysis BEFORE INSERT ON @extschema@.audio_analysis
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_seal('audio_analysis');
CREATE TRIGGER encrypt_audio_analysis_change BEFORE UPDATE ON @extschema@.audio_analysis
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_seal('audio_analysis');

CREATE TRIGGER seal_visual_analysis BEFORE INSERT ON @extschema@.visual_analysis
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_seal('visual_analysis');
CREATE TRIGGER encrypt_visual_analysis_change BEFORE UPDATE ON @extschema@.visual_analysis
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_seal('visual_analysis');

CREATE TRIGGER seal_passive_analysis BEFORE INSERT ON @extschema@.passive_analysis
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_seal('passive_analysis');
CREATE TRIGGER encrypt_passive_analysis_change BEFORE UPDATE ON @extschema@.passive_analysis
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_seal('passive_analysis');

ALTER TABLE @extschema@.session_insights
    DROP CONSTRAINT session_insights_conversation_summary,
    ADD CONSTRAINT session_insights_conversation_summary CHECK ((length(conversation_summary) <= 100000 OR @extschema@.mm_is_envelope(conversation_summary)) IS NOT FALSE OR @extschema@.mm_refuse('conversation_summary', 'at most 100000 characters')) NOT VALID,
    DROP CONSTRAINT session_insights_notable_changes,
    ADD CONSTRAINT session_insights_notable_changes CHECK ((length(notable_changes) <= 100000 OR @extschema@.mm_is_envelope(notable_changes)) IS NOT FALSE OR @extschema@.mm_refuse('notable_changes', 'at most 100000 characters')) NOT VALID;
CREATE TRIGGER seal_insight BEFORE INSERT ON @extschema@.session_insights
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_seal('session_insights');
CREATE TRIGGER encrypt_insight_change BEFORE UPDATE ON @extschema@.session_insights
    FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_seal('session_insights');

-- The *_clear views ------------------------------------------------------------------
SELECT @extschema@.mm_create_clear_views();
