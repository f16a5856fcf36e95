-- retention_policies and mm_apply_retention(): what is due goes, and nothing else.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/people.psql

-- the defaults
SELECT set_eq('SELECT table_name, action, keep, enabled FROM retention_policies', $$ VALUES
    ('assessment_sessions', 'archive', interval '2 years', true), ('audit_log', 'drop', '6 years', true), ('row_history', 'drop', '7 days', true),
    ('text_analysis', 'redact', '2 years', true), ('audio_analysis', 'redact', '2 years', true) $$, 'sessions are archived after 2 years, audit kept 6 years, history 7 days, transcripts 2 years');

-- what a policy may say
SELECT is(spec.error('INSERT INTO retention_policies (table_name, action, keep, time_column, redacted_columns) VALUES (' || c.given || ')', 'spec_worker'), c.expected, c.given)
FROM (VALUES
    ('''text_analysis'', ''erase'', ''1 year'', ''processed_at'', NULL', '23514 action: must be one of archive, drop, redact'),
    ('''text_analysis'', ''drop'', ''23 hours'', ''processed_at'', NULL', '23514 keep: must be an interval from 1 day to 200 years'),
    ('''text_analysis'', ''drop'', ''-1 year'', ''processed_at'', NULL', '23514 keep: must be an interval from 1 day to 200 years'),
    ('''text_analysis'', ''archive'', ''1 year'', ''processed_at'', NULL', '23514 action: archive is for assessment_sessions only'),
    ('''session_keys'', ''drop'', ''1 year'', ''created_at'', NULL', '23514 table_name: rows of this table are not subject to retention'),
    ('''text_analysis'', ''drop'', ''1 year'', NULL, NULL', '23514 time_column: must be a column of the table of type timestamptz'),
    ('''text_analysis'', ''drop'', ''1 year'', ''combined_text'', NULL', '23514 time_column: must be a column of the table of type timestamptz'),
    ('''text_analysis'', ''drop'', ''1 year'', ''processed_at'', ''{combined_text}''', '23514 redacted_columns: must name columns for redact, and none for anything else'),
    ('''visual_analysis'', ''redact'', ''1 year'', ''processed_at'', NULL', '23514 redacted_columns: must name columns for redact, and none for anything else'),
    ('''visual_analysis'', ''redact'', ''1 year'', ''processed_at'', ''{combined_text}''', '23514 redacted_columns: must be columns of the table that may be NULL'),
    ('''visual_analysis'', ''redact'', ''1 year'', ''processed_at'', ''{user_id}''', '23514 redacted_columns: must be columns of the table that may be NULL'),
    ('''coming_later'', ''drop'', ''1 year'', ''processed_at'', NULL', '1 rows'),
    ('''visual_analysis'', ''redact'', ''1 year'', ''processed_at'', ''{facial_expressions}''', '1 rows')) AS c (given, expected);
SELECT isnt((spec.attempt('INSERT INTO retention_policies (table_name, action, keep) VALUES (''session_keys'', ''drop'', ''1 year'')', 'spec_worker')).hint, '', 'a refusal has a hint');

-- given analyses older and younger than two years, and sessions
UPDATE text_analysis SET combined_text = 'old words', processed_at = now() - interval '2 years 1 second', sentiment_analysis = spec.document('sentiment_analysis') WHERE user_id = spec.alice();
UPDATE text_analysis SET combined_text = 'young words', processed_at = now() - interval '2 years' WHERE user_id = spec.bob();
UPDATE audio_analysis SET transcription = 'said', processed_at = '2000-01-01';
INSERT INTO assessment_sessions (user_id, created_at) VALUES (spec.carol(), '2010-01-01');
CREATE TABLE spec.text_before AS SELECT * FROM text_analysis;
INSERT INTO retention_policies (table_name, action, keep, time_column, enabled) VALUES ('coming_later', 'drop', '1 year', 'at', true), ('session_insights', 'drop', '1 day', 'created_at', false), ('fusion_outputs', 'drop', '10 years', 'created_at', true);
UPDATE session_insights SET key_concerns = '[]';

-- when retention is applied
SELECT is(spec.say('SELECT mm_apply_retention()', 'spec_worker'), '6', 'mm_apply_retention() says how much it did: 1 session, 2 and 3 transcripts');
SELECT set_eq('SELECT user_id, combined_text FROM text_analysis', $$ VALUES (spec.alice(), NULL), (spec.alice(), NULL), (spec.bob(), 'young words') $$, 'transcripts that are due are gone');
SELECT set_eq('SELECT id, sentiment_analysis, text_wellness_score, processed_at FROM text_analysis', 'SELECT id, sentiment_analysis, text_wellness_score, processed_at FROM spec.text_before', 'what was found in them stays');
SELECT is((SELECT count(*) FROM audio_analysis WHERE transcription IS NULL), 3::bigint, 'spoken ones too');
SELECT is((SELECT count(*) FROM assessment_sessions_archive WHERE user_id = spec.carol()), 1::bigint, 'the old session is in the archive');
SELECT is((SELECT count(*) FROM session_insights), 3::bigint, 'a policy that is not enabled does nothing');
SELECT is((SELECT count(*) FROM fusion_outputs), 3::bigint, 'nor one of which nothing is due');
SELECT is(spec.say('SELECT mm_apply_retention()', 'spec_worker'), '0', 'once more: nothing to do');

-- rows of a plain table, and partitions
UPDATE retention_policies SET enabled = true WHERE table_name = 'session_insights';
CREATE TABLE spec.insights AS SELECT id FROM session_insights;
ALTER TABLE session_insights DISABLE TRIGGER USER;
UPDATE session_insights SET created_at = now() - interval '2 days' WHERE user_id = spec.alice();
ALTER TABLE session_insights ENABLE TRIGGER USER;
CREATE TABLE day_log (happened_at timestamptz NOT NULL, note text) PARTITION BY RANGE (happened_at);
CREATE TABLE day_log_default PARTITION OF day_log DEFAULT;
ALTER TABLE day_log OWNER TO mindmeasure_owner;
INSERT INTO day_log SELECT date_trunc('day', now(), 'UTC') - n * interval '1 day' + interval '1 hour' FROM generate_series(0, 20) AS n;
SELECT mm_time_partition('day_log', 'day', now() - n * interval '1 day') FROM generate_series(5, 12) AS n \g /dev/null
INSERT INTO retention_policies (table_name, action, keep) VALUES ('day_log', 'drop', '7 days');
SELECT is(spec.say('SELECT mm_apply_retention()', 'spec_worker'), '15', 'when it is applied: 2 rows and 13 days');
SELECT is((SELECT string_agg(user_id::text, ' ') FROM session_insights), spec.bob()::text, 'rows that are due are gone, others stay');
SELECT set_eq('SELECT happened_at FROM day_log', 'SELECT date_trunc(''day'', now(), ''UTC'') - n * interval ''1 day'' + interval ''1 hour'' FROM generate_series(0, 7) AS n', 'days that lie wholly before are gone, those that waited in the DEFAULT partition too');

-- who may
SELECT is(spec.outcome('SELECT mm_apply_retention()', speaker, spec.alice()), 'refused', 'mm_apply_retention() by ' || speaker || ': refused') FROM unnest('{spec_app,spec_anon,spec_auditor}'::text[]) AS speaker;
SELECT is(spec.outcome('CALL mm_run_retention(''{everything}'')', 'spec_worker'), '22023', 'mm_run_retention() knows its actions');

-- jobs where pg_cron is not
SELECT is(spec.error('SELECT mm_schedule_jobs()', 'spec_worker'), '55000 pg_cron is not loaded in this server', 'mm_schedule_jobs() says that pg_cron is absent') WHERE current_setting('cron.database_name', true) IS NULL;
SELECT matches((spec.attempt('SELECT mm_schedule_jobs()', 'spec_worker')).hint, 'shared_preload_libraries', 'and what to do') WHERE current_setting('cron.database_name', true) IS NULL;
SELECT is(spec.say('SELECT mm_unschedule_jobs()', 'spec_worker'), '0', 'mm_unschedule_jobs() finds none');

SELECT * FROM finish();
ROLLBACK;
