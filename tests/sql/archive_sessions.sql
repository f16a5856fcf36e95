-- archive_old_sessions(): old sessions are in the archive afterwards, whole and once, with the same
-- privacy; on a flat table and on a partitioned one.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/people.psql
DELETE FROM session_keys WHERE id IN (SELECT id FROM assessment_sessions_archive);

CREATE FUNCTION spec.partitioned() RETURNS boolean LANGUAGE sql AS $$ SELECT relkind = 'p' FROM pg_class WHERE oid = 'assessment_sessions'::regclass $$;
-- What is archived by the month, and what stays.
CREATE FUNCTION spec.places() RETURNS TABLE (place text, rows bigint) LANGUAGE sql AS $$
    SELECT 'archive', count(*) FROM assessment_sessions_archive UNION ALL SELECT 'sessions', count(*) FROM assessment_sessions UNION ALL SELECT 'keys', count(*) FROM session_keys WHERE id NOT IN (spec.session(spec.alice(), 9))
$$;

-- given sessions of 40 days in each of two old months, of the month that is two years ago, and of today
SELECT date_trunc('month', now() - interval '30 months', 'UTC') AS old_month, date_trunc('month', now() - interval '29 months', 'UTC') AS next_month, date_trunc('month', now() - interval '28 months', 'UTC') AS third_month \gset
SELECT spec.say(format('SELECT count(*) FROM mm_ensure_partitions(%L, %L)', (:'old_month'::timestamptz AT TIME ZONE 'UTC')::date, (:'next_month'::timestamptz AT TIME ZONE 'UTC')::date), 'spec_worker') WHERE spec.partitioned() \g /dev/null
INSERT INTO assessment_sessions (id, user_id, created_at, status, mood_before, reflection_notes, category)
SELECT gen_random_uuid(), (ARRAY[spec.alice(), spec.bob()])[1 + n % 2], t + n * interval '1 hour', (ARRAY['completed', 'pending', 'failed'])[1 + n % 3], spec.document('mood'), 'note ' || n, NULL
FROM unnest(ARRAY[:'old_month', :'next_month', :'third_month', (now() - interval '2 years 100 hours')::text]::timestamptz[]) AS t, generate_series(0, 39) AS n;
-- The edge: two years ago to the microsecond stays.
INSERT INTO assessment_sessions (user_id, created_at) VALUES (spec.alice(), now() - interval '2 years'), (spec.alice(), now() - interval '2 years' - interval '1 microsecond');
INSERT INTO text_analysis (session_id, text_wellness_score) SELECT id, 50 FROM assessment_sessions WHERE created_at < now() - interval '2 years';
CREATE TABLE spec.rows_before AS SELECT * FROM assessment_sessions;
SELECT tableoid::regclass::text AS leaf, pg_relation_filenode(tableoid) AS file FROM assessment_sessions WHERE created_at = :'old_month' LIMIT 1 \gset

-- when it is archived
SELECT is(spec.say('SELECT archive_old_sessions()', 'spec_worker'), '161', 'archive_old_sessions() says how many it has moved');
SELECT set_eq('SELECT * FROM spec.places()', $$ VALUES ('archive', 161::bigint), ('sessions', 4), ('keys', 165) $$, 'they are in the archive, the others where they were, every key stays');
SELECT set_eq('SELECT id, user_id, status, category, assessment_type, mood_before, mood_after, text_data, audio_data, visual_data, reflection_notes, created_at, updated_at, failure_reason FROM assessment_sessions_archive UNION ALL SELECT id, user_id, status, category, assessment_type, mood_before, mood_after, text_data, audio_data, visual_data, reflection_notes, created_at, updated_at, failure_reason FROM assessment_sessions',
    'SELECT id, user_id, status, category, assessment_type, mood_before, mood_after, text_data, audio_data, visual_data, reflection_notes, created_at, updated_at, failure_reason FROM spec.rows_before', 'column by column as they were');
SELECT is((SELECT count(*) FROM text_analysis AS a JOIN assessment_sessions_archive AS s ON s.id = a.session_id), 161::bigint, 'their analyses stay with them');
SELECT is((SELECT count(*) FROM assessment_sessions_archive_default), 0::bigint, 'each is in a partition of its month');
SELECT is(spec.say('SELECT archive_old_sessions()', 'spec_worker'), '0', 'once more: nothing to move');
SELECT is(spec.say('SELECT archive_old_sessions(''100 years'')', 'spec_worker'), '0', 'none is older than that');
SELECT is((SELECT string_agg(DISTINCT s.relkind::text || c.relrowsecurity || coalesce(c.relacl::text, ''), ' ') FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid JOIN pg_class AS s ON s.oid = i.inhparent WHERE s.relname = 'assessment_sessions_archive'), 'ptrue', 'every partition of the archive is closed');

-- a whole month of a partitioned table changes its parent, and nothing is copied
SELECT is(pg_relation_filenode('assessment_sessions_archive_' || substr(:'leaf', 21))::text, :'file', 'the first month is the very same file') WHERE spec.partitioned();
SELECT is_empty($$ SELECT tgname FROM pg_trigger AS t JOIN pg_inherits ON inhrelid = tgrelid WHERE inhparent = 'assessment_sessions_archive'::regclass AND NOT tgisinternal AND t.tgparentid = 0 $$, 'no trigger has come along but the archive''s own');
SELECT is_empty($$ SELECT x.indexrelid::regclass FROM pg_index AS x JOIN pg_inherits AS i ON i.inhrelid = x.indrelid WHERE i.inhparent = 'assessment_sessions_archive'::regclass AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = x.indexrelid) $$, 'nor an index that the archive has no use for');

-- the archive is as private as the table was
SELECT is(spec.outcome('SELECT FROM assessment_sessions_archive', 'spec_app', spec.alice()), (SELECT count(*)::text FROM assessment_sessions_archive WHERE user_id = spec.alice()), 'people see their own');
SELECT is(spec.outcome('SELECT FROM assessment_sessions_archive', 'spec_app', spec.carol()), '0', 'and nobody else''s');
SELECT is(spec.outcome('UPDATE assessment_sessions_archive SET reflection_notes = NULL', 'spec_app', spec.alice()), 'refused', 'and change nothing');
SELECT is(spec.outcome('SELECT archive_old_sessions()', speaker, spec.alice()), 'refused', 'archive_old_sessions() by ' || speaker || ': refused') FROM unnest('{spec_app,spec_anon,spec_auditor}'::text[]) AS speaker;
SELECT is(spec.error('SELECT mm_fuse_session(id) FROM assessment_sessions_archive LIMIT 1', 'spec_worker'), 'MM002 session_id: the session is archived', 'an archived session is not scored');

-- bad input
SELECT is(spec.error('SELECT archive_old_sessions(NULL)'), '22004 older_than: must not be NULL', 'refused: NULL');
SELECT is(spec.error('SELECT archive_old_sessions(''-1 day'')'), '22023 older_than: must not be negative', 'refused: the future');

-- given a month that has come to the archive whole, with the rules of the table it comes from, and late rows of that month
INSERT INTO assessment_sessions (user_id, created_at, reflection_notes) SELECT spec.carol(), :'old_month'::timestamptz + n * interval '1 minute', 'late ' || n FROM generate_series(1, 5) AS n;
SAVEPOINT late;
SELECT spec.say(format('SELECT mm_move_to_archive(%s, 0, 1000000, now() - interval ''2 years'')', (SELECT DISTINCT tableoid FROM assessment_sessions WHERE reflection_notes LIKE 'late %')), 'mindmeasure_owner') AS moved \gset
ROLLBACK TO late;
SELECT is(:'moved'::text, '5', 'they join it without a statement: its rules are those that held them already');

-- given columns added by hand, in another order and of other kinds --------------------------------
ALTER TABLE assessment_sessions ADD COLUMN clinic text, ADD COLUMN ward text;
UPDATE assessment_sessions SET clinic = 'clinic ' || right(reflection_notes, 1), ward = 'ward' WHERE user_id = spec.carol();
SELECT is(spec.error('SELECT archive_old_sessions()', 'spec_worker'), '42804 clinic, ward: assessment_sessions_archive has no such column of the same type', 'a column that the archive lacks is named, and nothing moves');
ALTER TABLE assessment_sessions_archive ADD COLUMN ward text, ADD COLUMN only_there int, ADD COLUMN clinic int;
SELECT is(spec.error('SELECT archive_old_sessions()', 'spec_worker'), '42804 clinic: assessment_sessions_archive has no such column of the same type', 'so is one of another type');
ALTER TABLE assessment_sessions_archive DROP COLUMN clinic, ADD COLUMN clinic text;
SELECT is(spec.say('SELECT archive_old_sessions()', 'spec_worker'), '5', 'with both columns there, in whatever order, it goes');
SELECT set_eq('SELECT reflection_notes, clinic, ward, only_there FROM assessment_sessions_archive WHERE user_id = spec.carol()',
    'SELECT ''late '' || n AS a, ''clinic '' || n AS b, ''ward'' AS c, NULL::int AS d FROM generate_series(1, 5) AS n', 'and no value has shifted');

-- Without a column that is only there, each value finds its place without a statement as well.
ALTER TABLE assessment_sessions_archive DROP COLUMN only_there;
INSERT INTO assessment_sessions (user_id, created_at, reflection_notes, clinic, ward) VALUES (spec.carol(), :'old_month', 'later', 'clinic 6', 'ward'), (spec.carol(), :'old_month', NULL, NULL, 'ward 7');
SELECT is(spec.say('SELECT archive_old_sessions()', 'spec_worker'), '2', 'the same columns in another order');
SELECT set_eq('SELECT reflection_notes, clinic, ward FROM assessment_sessions_archive WHERE reflection_notes = ''later'' OR ward = ''ward 7''',
    $$ VALUES ('later', 'clinic 6', 'ward'), (NULL, NULL, 'ward 7') $$, 'and no value has shifted');
SELECT is((SELECT count(*) FROM assessment_sessions_archive AS a LEFT JOIN session_keys AS k USING (id, user_id, created_at) WHERE k.id IS NULL), 0::bigint, 'each with its key');

-- what is kept out of line moves along, and the indexes know every row ------------------------------
INSERT INTO assessment_sessions (user_id, created_at, reflection_notes)
SELECT spec.carol(), :'old_month'::timestamptz + n * interval '1 minute', (SELECT string_agg(md5(n::text || g), '') FROM generate_series(1, 900) AS g) FROM generate_series(1, 20) AS n;
CREATE TABLE spec.long_before AS SELECT id, reflection_notes FROM assessment_sessions WHERE length(reflection_notes) = 28800;
SELECT is(spec.say('SELECT archive_old_sessions()', 'spec_worker'), '20', 'given sessions with long notes');
SELECT set_eq('SELECT id, reflection_notes FROM assessment_sessions_archive WHERE length(reflection_notes) = 28800', 'SELECT * FROM spec.long_before', 'every letter is there');
CREATE EXTENSION amcheck;
SELECT lives_ok(format('SELECT bt_index_check(%s, true)', c.oid), 'every row is in ' || c.relname)
FROM pg_class AS c JOIN pg_index AS i ON i.indexrelid = c.oid
WHERE c.relkind = 'i' AND i.indrelid IN (SELECT relid FROM pg_partition_tree('assessment_sessions_archive'));
DELETE FROM session_keys WHERE id IN (SELECT id FROM spec.long_before);

-- moves and losses are told apart by those who watch ----------------------------------------------
CREATE TABLE watched (what text, rows bigint);
GRANT INSERT ON watched TO PUBLIC;
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.watched SELECT current_user || ' ' || coalesce(nullif(current_setting('mindmeasure.moving_to_archive', true), ''), 'never set'), count(*) FROM gone; RETURN NULL; END $$;
CREATE TRIGGER watch AFTER DELETE ON assessment_sessions REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION watch();
INSERT INTO assessment_sessions (user_id, created_at) VALUES (spec.carol(), :'old_month'), (spec.carol(), now());
SELECT is(spec.say('SELECT archive_old_sessions()', 'spec_worker'), '1', 'given one that is moved');
SELECT is(spec.act('DELETE FROM assessment_sessions WHERE user_id = spec.carol()', 'spec_worker'), 1::bigint, 'and one that is deleted');
SELECT results_eq('SELECT what FROM watched WHERE rows > 0', $$ VALUES ('mindmeasure_owner on'), ('spec_worker off') $$, 'a trigger sees which is which');

SELECT * FROM finish();
ROLLBACK;
