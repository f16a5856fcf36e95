-- The document's JSON interfaces as JSON Schemas: valid documents are accepted, a single change is
-- refused with its path, defaults are valid, and what scoring writes fits its own schema.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/documents.psql

CREATE FUNCTION spec.verdict(schema text, document jsonb) RETURNS text LANGUAGE sql
    AS $$
    SELECT CASE WHEN a.state IS NULL THEN 'accepted' ELSE a.state || ' ' || a.message END
    FROM spec.attempt(format('SELECT mm_validate_json(%L, ''doc'', $1::jsonb)', schema), 'mindmeasure_user', NULL, document::text) AS a
    $$;

-- the schemas ------------------------------------------------------------------------------
SELECT set_eq(
    $$ SELECT regexp_split_to_table(rtrim(substr((spec.attempt('SELECT mm_json_schema(''none'')')).hint, 8), '.'), ', ') $$,
    'SELECT name FROM spec.documents', 'there is a fixture for every schema, and a schema for every fixture');
SELECT ok(s ->> '$schema' = 'https://json-schema.org/draft/2020-12/schema' AND s ->> 'title' <> '' AND s ->> 'description' <> '', name || ' is a titled JSON Schema of draft 2020-12')
FROM (SELECT name, mm_json_schema(name) AS s FROM spec.documents) AS d ORDER BY name;
SELECT is(mm_json_schema(NULL), NULL, 'no name, no schema');
SELECT is(spec.outcome('SELECT mm_json_schema(''mood'')', role), '1', role || ' may read them')
FROM unnest('{mindmeasure_user,mindmeasure_system,mindmeasure_auditor}'::text[]) AS role;

-- every document column is held to one -----------------------------------------------------
CREATE TABLE spec.columns (relation text, name text, schema text);
INSERT INTO spec.columns VALUES
    ('profiles', 'wellness_goals', 'wellness_goals'),
    ('assessment_sessions', 'mood_before', 'mood'), ('assessment_sessions', 'mood_after', 'mood'), ('assessment_sessions', 'text_data', 'text_data'),
    ('assessment_sessions', 'audio_data', 'audio_data'), ('assessment_sessions', 'visual_data', 'visual_data'),
    ('text_analysis', 'sentiment_analysis', 'sentiment_analysis'), ('text_analysis', 'cognitive_markers', 'cognitive_markers'), ('text_analysis', 'linguistic_patterns', 'linguistic_patterns'),
    ('audio_analysis', 'vocal_characteristics', 'vocal_characteristics'), ('audio_analysis', 'prosodic_features', 'prosodic_features'), ('audio_analysis', 'emotional_markers', 'emotional_markers'),
    ('visual_analysis', 'facial_expressions', 'facial_expressions'), ('visual_analysis', 'micro_expressions', 'micro_expressions'), ('visual_analysis', 'emotional_indicators', 'emotional_indicators'),
    ('passive_analysis', 'sleep_metrics', 'sleep_metrics'), ('passive_analysis', 'activity_metrics', 'activity_metrics'), ('passive_analysis', 'device_usage', 'device_usage'),
    ('mind_measure_scores', 'baseline_comparison', 'baseline_comparison'), ('mind_measure_scores', 'trend_analysis', 'trend_analysis'),
    ('session_insights', 'key_concerns', 'key_concerns'), ('session_insights', 'emotional_themes', 'emotional_themes'), ('session_insights', 'follow_up_topics', 'follow_up_topics');
SELECT set_eq(
    'SELECT relation, name, schema FROM spec.columns',
    $$ SELECT conrelid::regclass::text, a.attname::text, (regexp_match(pg_get_constraintdef(c.oid), '^CHECK \(mm_validate_json\(''(\w+)''::text, ''\w+''::text, (\w+)\)\)$'))[1]
       FROM pg_constraint AS c JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
       WHERE c.convalidated AND c.coninhcount = 0 AND pg_get_constraintdef(c.oid) ~ format('^CHECK \(mm_validate_json\(''\w+''::text, ''%s''::text, %1$s\)\)$', a.attname)
       UNION ALL
       -- One CHECK a row: the rules, then the columns in the same order.
       SELECT conrelid::regclass::text, a.attname::text, f.rule
       FROM pg_constraint AS c, regexp_match(pg_get_constraintdef(c.oid), '^CHECK \(mm_valid_row\(''([^'']*)''::text, (.*)\)\) NOT VALID$') AS m (parts),
            unnest(string_to_array(m.parts[1], ', '), string_to_array(m.parts[2], ', ')) AS u (field_and_rule, name), LATERAL (SELECT split_part(field_and_rule, ': ', 1), split_part(field_and_rule, ': ', 2)) AS f (field, rule),
            pg_attribute AS a
       WHERE c.coninhcount = 0 AND a.attrelid = c.conrelid AND a.attname = u.name AND f.field = u.name AND a.atttypid = 'jsonb'::regtype
       UNION ALL
       -- What scoring writes: a guard that holds everybody else to it.
       SELECT g.relation, g.arguments[i], g.arguments[i]
       FROM (SELECT t.tgrelid::regclass::text AS relation, string_to_array(encode(t.tgargs, 'escape'), '\000') AS arguments
             FROM pg_trigger AS t WHERE t.tgfoid = 'mm_guard_values'::regproc AND t.tgparentid = 0) AS g,
            generate_subscripts(g.arguments, 1) AS i
       WHERE g.arguments[i + 1] = 'json' $$,
    'each column is checked against its schema, under its own name');
-- mm_models.spec is checked by mm_register_model(); drivers may hold rows of another system, the archive and history rows as they were; audit_log is written by our own functions.
SELECT is_empty(
    $$ SELECT attrelid::regclass::text, attname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
       WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname !~ '^assessment_sessions_archive' AND atttypid = 'jsonb'::regtype AND attnum > 0
         AND (c.relname, attname) NOT IN (('mm_models', 'spec'), ('fusion_outputs', 'drivers'), ('row_history', 'row_before'), ('audit_log', 'detail'))
       EXCEPT SELECT relation, name FROM spec.columns $$,
    'no document column is left out');

CREATE FUNCTION spec.default_of(relation text, name text) RETURNS jsonb LANGUAGE plpgsql
    AS $$
DECLARE
    value jsonb;
BEGIN
    EXECUTE format('SELECT %s', (SELECT coalesce(pg_get_expr(adbin, adrelid), 'NULL') FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
                                 WHERE attrelid = relation::regclass AND attname = name)) INTO value;
    RETURN value;
END;
$$;
SELECT is(spec.verdict(schema, spec.default_of(relation, name)), 'accepted', format('the default of %s.%s is valid: %s', relation, name, spec.default_of(relation, name)))
FROM spec.columns WHERE spec.default_of(relation, name) IS NOT NULL ORDER BY relation, name;
SELECT is((SELECT count(*) FROM spec.columns WHERE spec.default_of(relation, name) IS NOT NULL), 4::bigint, 'four columns have a default, as in the document');

-- valid documents --------------------------------------------------------------------------
SELECT is(spec.verdict(name, body), 'accepted', 'the fixture ' || name || ' is accepted') FROM spec.documents ORDER BY name;
SELECT is(spec.verdict(name, body || '{"some key of an app": {"of": ["any", "shape"]}}'), 'accepted', name || ': unknown keys are allowed')
FROM spec.documents WHERE jsonb_typeof(body) = 'object' ORDER BY name;

-- a required key left out ------------------------------------------------------------------
SELECT is(spec.verdict(d.name, d.body - r.key), format('23514 doc.%s: is missing', r.key), format('%s without %s', d.name, r.key))
FROM spec.documents AS d CROSS JOIN LATERAL jsonb_array_elements_text(mm_json_schema(d.name) -> 'required') AS r (key) ORDER BY d.name, r.key;
SELECT is(spec.verdict(d.name, d.body #- p.path::text[]), format('23514 doc.%s: is missing', p.at), format('%s without %s', d.name, p.at))
FROM (VALUES
    ('wellness_goals', '{goals,1,id}', 'goals[1].id'), ('wellness_goals', '{goals,1,title}', 'goals[1].title'), ('wellness_goals', '{goals,1,category}', 'goals[1].category'),
    ('wellness_goals', '{goals,0,priority}', 'goals[0].priority'), ('wellness_goals', '{goals,0,completed}', 'goals[0].completed'), ('wellness_goals', '{goals,0,created_at}', 'goals[0].created_at'),
    ('mood', '{emotional_state,primary}', 'emotional_state.primary'), ('mood', '{emotional_state,intensity}', 'emotional_state.intensity'),
    ('text_data', '{processing_metadata,source}', 'processing_metadata.source'),
    ('sentiment_analysis', '{sentiment_scores,positive}', 'sentiment_scores.positive'), ('sentiment_analysis', '{sentiment_scores,negative}', 'sentiment_scores.negative'), ('sentiment_analysis', '{sentiment_scores,neutral}', 'sentiment_scores.neutral'),
    ('vocal_characteristics', '{breath_patterns,frequency}', 'breath_patterns.frequency'), ('vocal_characteristics', '{breath_patterns,regularity}', 'breath_patterns.regularity'),
    ('prosodic_features', '{pause_patterns,frequency}', 'pause_patterns.frequency'), ('prosodic_features', '{pause_patterns,duration_mean}', 'pause_patterns.duration_mean'), ('prosodic_features', '{pause_patterns,placement}', 'pause_patterns.placement'),
    ('facial_expressions', '{primary_emotions,2,emotion}', 'primary_emotions[2].emotion'), ('facial_expressions', '{primary_emotions,2,duration}', 'primary_emotions[2].duration'),
    ('facial_expressions', '{expression_changes,0,timestamp}', 'expression_changes[0].timestamp'), ('facial_expressions', '{expression_changes,0,from_emotion}', 'expression_changes[0].from_emotion'), ('facial_expressions', '{expression_changes,0,to_emotion}', 'expression_changes[0].to_emotion'),
    ('baseline_comparison', '{comparison_period,start_date}', 'comparison_period.start_date'), ('baseline_comparison', '{comparison_period,end_date}', 'comparison_period.end_date'), ('baseline_comparison', '{comparison_period,session_count}', 'comparison_period.session_count'),
    ('trend_analysis', '{correlations,0,factor}', 'correlations[0].factor'), ('trend_analysis', '{correlations,0,correlation}', 'correlations[0].correlation'), ('trend_analysis', '{correlations,0,confidence}', 'correlations[0].confidence'),
    ('key_concerns', '{concerns,0,concern}', 'concerns[0].concern'), ('key_concerns', '{concerns,0,category}', 'concerns[0].category'), ('key_concerns', '{concerns,0,severity}', 'concerns[0].severity'),
    ('key_concerns', '{concerns,0,mentioned_count}', 'concerns[0].mentioned_count'), ('key_concerns', '{concerns,0,first_mentioned}', 'concerns[0].first_mentioned'), ('key_concerns', '{concerns,0,context}', 'concerns[0].context'),
    ('emotional_themes', '{themes,gratitude,frequency}', 'themes.*.frequency'), ('emotional_themes', '{themes,gratitude,intensity}', 'themes.*.intensity'),
    ('emotional_themes', '{themes,gratitude,context}', 'themes.*.context'), ('emotional_themes', '{themes,gratitude,trend}', 'themes.*.trend')) AS p (name, path, at)
JOIN spec.documents AS d USING (name);

-- an optional key left out -----------------------------------------------------------------
SELECT is(spec.verdict(d.name, d.body #- p.path::text[]), 'accepted', format('%s may do without %s', d.name, p.path))
FROM (VALUES
    ('wellness_goals', '{goals,0,description}'), ('wellness_goals', '{goals,0,target_date}'), ('mood', '{emotional_state,secondary}'), ('mood', '{sleep_quality}'), ('mood', '{notes}'),
    ('text_data', '{transcripts}'), ('text_data', '{user_input}'), ('text_data', '{conversation_data}'), ('text_data', '{processing_metadata}'),
    ('text_data', '{processing_metadata,quality_score}'), ('text_data', '{processing_metadata,language}')) AS p (name, path)
JOIN spec.documents AS d USING (name);

-- words and ranges of the interfaces --------------------------------------------------------
CREATE TABLE spec.enums (name text, path text[], at text, words text[]);
INSERT INTO spec.enums VALUES
    ('wellness_goals', '{goals,0,category}', 'goals[0].category', '{sleep,stress,mood,energy,focus,social}'),
    ('wellness_goals', '{goals,0,priority}', 'goals[0].priority', '{low,medium,high}'),
    ('text_data', '{processing_metadata,source}', 'processing_metadata.source', '{manual,voice_transcript,chat}'),
    ('sentiment_analysis', '{overall_sentiment}', 'overall_sentiment', '{positive,negative,neutral}'),
    ('baseline_comparison', '{significance}', 'significance', '{low,medium,high}'),
    ('baseline_comparison', '{trend}', 'trend', '{improving,stable,declining}'),
    ('key_concerns', '{concerns,0,severity}', 'concerns[0].severity', '{low,medium,high}'),
    ('emotional_themes', '{themes,gratitude,trend}', 'themes.*.trend', '{increasing,stable,decreasing}');
SELECT is(spec.verdict(e.name, jsonb_set(d.body, e.path, to_jsonb(w.word))), 'accepted', format('%s.%s may be %s', e.name, e.at, w.word))
FROM spec.enums AS e JOIN spec.documents AS d USING (name) CROSS JOIN unnest(e.words) AS w (word);
SELECT is(split_part(spec.verdict(e.name, jsonb_set(d.body, e.path, w.value::jsonb)), ' of ', 1), format('23514 doc.%s: must be one', e.at), format('%s.%s may not be %s', e.name, e.at, w.value))
FROM spec.enums AS e JOIN spec.documents AS d USING (name) CROSS JOIN unnest(ARRAY['"critical"', '""', '"LOW"', 'null', '1']) AS w (value);

SELECT is(spec.verdict('mood', jsonb_set(spec.document('mood'), p.path::text[], v.value::jsonb)),
    CASE v.verdict WHEN 'accepted' THEN v.verdict ELSE format('23514 doc.%s: %s', array_to_string(p.path::text[], '.'), v.verdict) END,
    format('mood.%s = %s: %s', array_to_string(p.path::text[], '.'), v.value, v.verdict))
FROM unnest(ARRAY['{emotional_state,intensity}', '{energy_level}', '{stress_level}', '{sleep_quality}', '{physical_comfort}', '{social_connection}']) AS p (path)
CROSS JOIN (VALUES ('1', 'accepted'), ('10', 'accepted'), ('5.5', 'accepted'), ('0', 'must be at least 1'), ('0.99', 'must be at least 1'), ('11', 'must be at most 10'), ('10.01', 'must be at most 10'),
    ('-5', 'must be at least 1'), ('"5"', 'must be of type number'), ('null', 'must be of type number')) AS v (value, verdict);

-- wrong types ------------------------------------------------------------------------------
SELECT is(spec.verdict(d.name, jsonb_set(d.body, p.path::text[], p.value::jsonb)), format('23514 doc.%s: must be of type %s', p.at, p.type), format('%s.%s must be of type %s', d.name, p.at, p.type))
FROM (VALUES
    ('wellness_goals', '{goals}', '"x"', 'goals', 'array'), ('wellness_goals', '{goals,0}', '"x"', 'goals[0]', 'object'), ('wellness_goals', '{goals,0,completed}', '"no"', 'goals[0].completed', 'boolean'),
    ('mood', '{emotional_state}', '"calm"', 'emotional_state', 'object'), ('mood', '{emotional_state,primary}', '1', 'emotional_state.primary', 'string'), ('mood', '{timestamp}', '1', 'timestamp', 'string'),
    ('text_data', '{transcripts}', '"x"', 'transcripts', 'array'), ('text_data', '{user_input}', '{}', 'user_input', 'string'), ('text_data', '{conversation_data}', '{}', 'conversation_data', 'array'),
    ('text_data', '{processing_metadata,quality_score}', '"x"', 'processing_metadata.quality_score', 'number'),
    ('sentiment_analysis', '{confidence}', '"x"', 'confidence', 'number'), ('sentiment_analysis', '{mood_indicators}', '{}', 'mood_indicators', 'array'), ('sentiment_analysis', '{mood_indicators,0}', '1', 'mood_indicators[0]', 'string'),
    ('cognitive_markers', '{cognitive_load}', 'null', 'cognitive_load', 'number'), ('cognitive_markers', '{focus_indicators,1}', '1', 'focus_indicators[1]', 'string'),
    ('vocal_characteristics', '{pitch_variance}', '"x"', 'pitch_variance', 'number'), ('vocal_characteristics', '{voice_quality}', '1', 'voice_quality', 'string'), ('vocal_characteristics', '{breath_patterns}', '[]', 'breath_patterns', 'object'),
    ('prosodic_features', '{rhythm_stability}', '"x"', 'rhythm_stability', 'number'), ('prosodic_features', '{pause_patterns,placement}', '"x"', 'pause_patterns.placement', 'array'),
    ('facial_expressions', '{overall_expressiveness}', '"x"', 'overall_expressiveness', 'number'), ('facial_expressions', '{expression_changes}', '{}', 'expression_changes', 'array'),
    ('baseline_comparison', '{deviation}', '"x"', 'deviation', 'number'), ('trend_analysis', '{short_term}', '1', 'short_term', 'string'), ('trend_analysis', '{correlations,0,correlation}', '"x"', 'correlations[0].correlation', 'number'),
    ('key_concerns', '{concerns,0,mentioned_count}', '"x"', 'concerns[0].mentioned_count', 'number'), ('emotional_themes', '{themes}', '[]', 'themes', 'object'),
    ('emotional_themes', '{themes,gratitude,intensity}', '"x"', 'themes.*.intensity', 'number'), ('sleep_metrics', '{duration_hours}', '"x"', 'duration_hours', 'number'),
    ('activity_metrics', '{steps}', '"x"', 'steps', 'number'), ('device_usage', '{unlock_count}', '"x"', 'unlock_count', 'number')) AS p (name, path, value, at, type)
JOIN spec.documents AS d USING (name);
SELECT is(spec.verdict(d.name, v.value::jsonb) = 'accepted', v.value = '[]' AND d.name IN ('wellness_goals', 'key_concerns', 'follow_up_topics'), format('%s is %s %s', v.value, d.name,
    CASE WHEN v.value = '[]' AND d.name IN ('wellness_goals', 'key_concerns', 'follow_up_topics') THEN '(the column''s default)' ELSE 'no more' END))
FROM spec.documents AS d CROSS JOIN unnest(ARRAY['[]', '"text"', '1', 'true', 'null']) AS v (value);

-- a user hears of every failing path at once, up to twenty
SELECT is(array_length(regexp_split_to_array(spec.verdict('mood', '{}'), '; '), 1), 6, 'an empty mood: six failures in one error');
SELECT matches(spec.verdict('follow_up_topics', (SELECT jsonb_agg(n) FROM generate_series(1, 100) AS n)), '; and 80 more$', 'a hundred failures: twenty, and the number of the rest');

-- what scoring writes ----------------------------------------------------------------------
INSERT INTO assessment_sessions (id, user_id, assessment_type, mood_before, created_at)
SELECT md5('session ' || n)::uuid, spec.alice(), (ARRAY['full', 'quick', 'voice-only'])[n % 3 + 1], spec.document('mood'), now() - make_interval(days => 30 - n) FROM generate_series(1, 12) AS n;
INSERT INTO text_analysis (session_id, sentiment_analysis, cognitive_markers)
SELECT md5('session ' || n)::uuid, jsonb_set(spec.document('sentiment_analysis'), '{sentiment_scores,negative}', to_jsonb(n / 20.0)), spec.document('cognitive_markers') FROM generate_series(1, 10) AS n;
INSERT INTO audio_analysis (session_id, vocal_characteristics, audio_wellness_score) SELECT md5('session ' || n)::uuid, spec.document('vocal_characteristics'), 5 * n FROM generate_series(4, 12) AS n;
INSERT INTO visual_analysis (session_id, facial_expressions) VALUES (md5('session 11')::uuid, spec.document('facial_expressions'));
INSERT INTO passive_analysis (session_id, sleep_metrics, device_usage) VALUES (md5('session 12')::uuid, '{}', '{"unlock_count": -5}');
SELECT is(spec.act('SELECT f.* FROM (SELECT id FROM assessment_sessions ORDER BY created_at) AS s CROSS JOIN LATERAL mm_fuse_session(s.id) AS f', 'spec_worker'), 12::bigint, 'given twelve scored sessions');
SELECT is(spec.verdict('drivers', drivers), 'accepted', 'the drivers of a scored session fit mm_json_schema(''drivers''), ' || qc_overall) FROM fusion_outputs ORDER BY session_created_at;
SELECT ok(bool_and(drivers ?& '{items,base_logit,modalities,uncertainty,quality,dropped}'::text[]), 'and have all of its keys') FROM fusion_outputs;
SELECT is_empty($$ SELECT session_id FROM fusion_outputs WHERE abs((drivers ->> 'base_logit')::float8 + (SELECT sum((i ->> 'contribution')::float8) FROM jsonb_array_elements(drivers -> 'items') AS i) - ln(p_worse_fused / (1 - p_worse_fused))) > 1e-9 $$,
    'base_logit and all contributions add up to the log-odds of p_worse_fused');
SELECT is((SELECT string_agg(d ->> 'feature', ',') FROM fusion_outputs, jsonb_array_elements(drivers -> 'dropped') AS d WHERE session_id = md5('session 12')::uuid), 'passive.unlock_count', 'a reading outside its domain is named there');

SELECT * FROM finish();
ROLLBACK;
