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
