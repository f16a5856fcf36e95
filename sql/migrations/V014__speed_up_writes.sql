-- Which rows are new ----------------------------------------------------------------------
-- Without WHEN, which Postgres parses anew for every statement: mm_record_new_rows() asks the same.
DO $triggers$
DECLARE
    source text[];
BEGIN
    FOREACH source SLICE 1 IN ARRAY ARRAY[
        ['profiles', '''id'''], ['assessment_sessions', '''id'''], ['assessment_sessions_archive', '''id'''],
        ['text_analysis', '''id'''], ['audio_analysis', '''id'''], ['visual_analysis', '''id'''], ['passive_analysis', '''id'''],
        ['session_insights', '''id'''], ['session_outcomes', '''session_id'''], ['user_feature_baselines', '''id'', ''derived''']]
    LOOP
        EXECUTE format('DROP TRIGGER record_insert ON @extschema@.%I', source[1]);
        EXECUTE format(
            'CREATE TRIGGER record_insert AFTER INSERT ON @extschema@.%I REFERENCING NEW TABLE AS new_rows '
            'FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.mm_record_new_rows(%s)', source[1], source[2]);
    END LOOP;
END
$triggers$;

-- One CHECK a row ----------------------------------------------------------------------------
-- Postgres reads and plans each CHECK anew with every statement. In the order of their names, in which
-- Postgres went through those that this one replaces. NOT VALID: every row there is was held to the same,
-- and a large table need not be read again.
ALTER TABLE @extschema@.assessment_sessions
    DROP CONSTRAINT assessment_sessions_audio_data,
    DROP CONSTRAINT assessment_sessions_category,
    DROP CONSTRAINT assessment_sessions_mood_after,
    DROP CONSTRAINT assessment_sessions_mood_before,
    DROP CONSTRAINT assessment_sessions_reflection_notes,
    DROP CONSTRAINT assessment_sessions_text_data,
    DROP CONSTRAINT assessment_sessions_visual_data,
    ADD CONSTRAINT assessment_sessions_values CHECK (@extschema@.mm_valid_row(
        'audio_data: audio_data, category: 100, mood_after: mood, mood_before: mood, reflection_notes: 100000 or sealed, text_data: text_data, visual_data: visual_data',
        audio_data, category, mood_after, mood_before, reflection_notes, text_data, visual_data)) NOT VALID;
ALTER TABLE @extschema@.text_analysis
    DROP CONSTRAINT text_analysis_cognitive_markers,
    DROP CONSTRAINT text_analysis_combined_text,
    DROP CONSTRAINT text_analysis_linguistic_patterns,
    DROP CONSTRAINT text_analysis_score,
    DROP CONSTRAINT text_analysis_sentiment_analysis,
    ADD CONSTRAINT text_analysis_values CHECK (@extschema@.mm_valid_row(
        'cognitive_markers: cognitive_markers, combined_text: 1000000 or sealed, linguistic_patterns: linguistic_patterns, text_wellness_score: 0..100, sentiment_analysis: sentiment_analysis',
        cognitive_markers, combined_text, linguistic_patterns, text_wellness_score, sentiment_analysis)) NOT VALID;
ALTER TABLE @extschema@.audio_analysis
    DROP CONSTRAINT audio_analysis_emotional_markers,
    DROP CONSTRAINT audio_analysis_prosodic_features,
    DROP CONSTRAINT audio_analysis_score,
    DROP CONSTRAINT audio_analysis_transcription,
    DROP CONSTRAINT audio_analysis_vocal_characteristics,
    ADD CONSTRAINT audio_analysis_values CHECK (@extschema@.mm_valid_row(
        'emotional_markers: emotional_markers, prosodic_features: prosodic_features, audio_wellness_score: 0..100, transcription: 1000000 or sealed, vocal_characteristics: vocal_characteristics',
        emotional_markers, prosodic_features, audio_wellness_score, transcription, vocal_characteristics)) NOT VALID;
ALTER TABLE @extschema@.visual_analysis
    DROP CONSTRAINT visual_analysis_emotional_indicators,
    DROP CONSTRAINT visual_analysis_facial_expressions,
    DROP CONSTRAINT visual_analysis_micro_expressions,
    DROP CONSTRAINT visual_analysis_score,
    ADD CONSTRAINT visual_analysis_values CHECK (@extschema@.mm_valid_row(
        'emotional_indicators: emotional_indicators, facial_expressions: facial_expressions, micro_expressions: micro_expressions, visual_wellness_score: 0..100',
        emotional_indicators, facial_expressions, micro_expressions, visual_wellness_score)) NOT VALID;
ALTER TABLE @extschema@.passive_analysis
    DROP CONSTRAINT passive_analysis_activity_metrics,
    DROP CONSTRAINT passive_analysis_device_usage,
    DROP CONSTRAINT passive_analysis_score,
    DROP CONSTRAINT passive_analysis_sleep_metrics,
    ADD CONSTRAINT passive_analysis_values CHECK (@extschema@.mm_valid_row(
        'activity_metrics: activity_metrics, device_usage: device_usage, passive_wellness_score: 0..100, sleep_metrics: sleep_metrics',
        activity_metrics, device_usage, passive_wellness_score, sleep_metrics)) NOT VALID;
ALTER TABLE @extschema@.session_insights
    DROP CONSTRAINT session_insights_conversation_summary,
    DROP CONSTRAINT session_insights_emotional_themes,
    DROP CONSTRAINT session_insights_follow_up_topics,
    DROP CONSTRAINT session_insights_key_concerns,
    DROP CONSTRAINT session_insights_notable_changes,
    ADD CONSTRAINT session_insights_values CHECK (@extschema@.mm_valid_row(
        'conversation_summary: 100000 or sealed, emotional_themes: emotional_themes, follow_up_topics: follow_up_topics, key_concerns: key_concerns, notable_changes: 100000 or sealed',
        conversation_summary, emotional_themes, follow_up_topics, key_concerns, notable_changes)) NOT VALID;

-- Keys stay while sessions move ----------------------------------------------------------------
-- archive_old_sessions() need then not lock the key of every session, nor ask for it once more.
CREATE TRIGGER hold_keys BEFORE DELETE ON @extschema@.session_keys
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.mm_hold_session_keys();

-- What guards a new session --------------------------------------------------------------------
-- register_session_key asks it now: one call instead of three.
DROP TRIGGER guard_session ON @extschema@.assessment_sessions;
DROP TRIGGER guard_session_times ON @extschema@.assessment_sessions;

-- What scoring writes -------------------------------------------------------------------------
-- It is held to its schemas by the tests, and everybody else by the guard of its numbers.
ALTER TABLE @extschema@.mind_measure_scores
    DROP CONSTRAINT mind_measure_scores_baseline_comparison,
    DROP CONSTRAINT mind_measure_scores_trend_analysis;
DROP TRIGGER guard_score_values ON @extschema@.mind_measure_scores;
CREATE TRIGGER guard_score_values BEFORE INSERT OR UPDATE ON @extschema@.mind_measure_scores
    FOR EACH ROW WHEN (current_user <> 'mindmeasure_owner')
    EXECUTE FUNCTION @extschema@.mm_guard_values('combined_score', '0..100', 'baseline_deviation', '..',
        'baseline_n', '0..', 'baseline_mean', '0..100', 'baseline_m2', '0..', 'baseline_comparison', 'json', 'trend_analysis', 'json');
