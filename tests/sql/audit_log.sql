-- Who wrote what to whose rows is written down, once a statement and person, and never what was in them.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/people.psql
INSERT INTO auth.users (id, email) VALUES (spec.carol(), 'carol@example.org');
CREATE FUNCTION spec.subject(person uuid) RETURNS uuid LANGUAGE sql AS $$ SELECT subject FROM audit_subjects WHERE user_id = person $$;
-- The lines since the last look, in short.
CREATE SEQUENCE spec.seen;
SELECT setval('spec.seen', (SELECT max(id) FROM audit_log));
CREATE FUNCTION spec.lines() RETURNS SETOF text LANGUAGE plpgsql
    AS $$
DECLARE
    before CONSTANT bigint := (SELECT last_value FROM spec.seen);
BEGIN
    RETURN QUERY
    SELECT format('%s %s: %s rows of %s by %s', a.action, a.table_name, a.row_count,
               coalesce((SELECT left(user_id::text, 5) FROM audit_subjects WHERE subject = a.subject), 'nobody'),
               coalesce((SELECT left(user_id::text, 5) FROM audit_subjects WHERE subject = a.actor), 'nobody')) ||
           coalesce(' ' || a.columns::text, '')
    FROM audit_log AS a WHERE a.id > before ORDER BY a.id;
    PERFORM setval('spec.seen', (SELECT max(id) FROM audit_log));
END;
$$;

-- every kind of write ---------------------------------------------------------------------------
SELECT spec.act('INSERT INTO assessment_sessions (id) VALUES (spec.session(spec.carol(), 1))', 'spec_app', spec.carol());
SELECT results_eq('SELECT spec.lines()', ARRAY['INSERT assessment_sessions: 1 rows of ca401 by ca401'], 'a session is created by its person');
SELECT spec.act($$ UPDATE assessment_sessions SET category = 'sleep', reflection_notes = 'SECRET marker' $$, 'spec_app', spec.carol());
SELECT results_eq('SELECT spec.lines()', ARRAY['UPDATE assessment_sessions: 1 rows of ca401 by ca401 {category,reflection_notes}'], 'an UPDATE names the columns that changed');
SELECT spec.act($$ INSERT INTO text_analysis (session_id, text_wellness_score, combined_text) SELECT id, 40, 'SECRET marker' FROM assessment_sessions $$, 'spec_worker');
SELECT results_eq('SELECT spec.lines()', ARRAY['INSERT text_analysis: 2 rows of a11ce by nobody', 'INSERT text_analysis: 1 rows of b0b00 by nobody', 'INSERT text_analysis: 1 rows of ca401 by nobody'],
    'one statement of a worker over three people leaves three lines');
SELECT spec.act('DELETE FROM session_insights', 'spec_worker');
SELECT results_eq('SELECT spec.lines()', ARRAY['DELETE session_insights: 2 rows of a11ce by nobody', 'DELETE session_insights: 1 rows of b0b00 by nobody'], 'a DELETE');
SELECT spec.act('UPDATE audio_analysis SET audio_wellness_score = 51 WHERE false', 'spec_worker');
SELECT is_empty('SELECT spec.lines()', 'a statement that meets no row leaves no line');
SELECT spec.act('UPDATE audio_analysis SET audio_wellness_score = audio_wellness_score WHERE user_id = spec.bob()', 'spec_worker');
SELECT results_eq('SELECT spec.lines()', ARRAY['UPDATE audio_analysis: 1 rows of b0b00 by nobody'], 'one that changes nothing says so: no column is named');
SELECT spec.act($$ INSERT INTO user_feature_baselines (user_id, feature_name, mean) VALUES (spec.carol(), 'x', 1) ON CONFLICT (user_id, feature_name) DO UPDATE SET mean = 2 $$, 'spec_app', spec.carol());
SELECT results_eq('SELECT spec.lines()', ARRAY['INSERT user_feature_baselines: 1 rows of ca401 by ca401'], 'INSERT … ON CONFLICT');
SELECT spec.say($$ SELECT mm_register_model(jsonb_set(spec, '{model_version}', '"v1.1"')) FROM mm_models $$, 'spec_worker');
SELECT results_eq('SELECT spec.lines()', ARRAY['INSERT mm_models: 1 rows of nobody by nobody'], 'a model, of nobody');
SELECT is((SELECT row_ids FROM audit_log WHERE table_name = 'mm_models' ORDER BY id DESC LIMIT 1), '{v1.1}', 'by its version');
INSERT INTO auth.users (id) VALUES ('d0000000-0000-4000-8000-000000000000');
SELECT results_eq('SELECT spec.lines()', ARRAY['INSERT profiles: 1 rows of d0000 by nobody'], 'a sign-up');

-- scoring ---------------------------------------------------------------------------------------
SELECT spec.say('SELECT score FROM mm_fuse_session(spec.session(spec.carol(), 1))', 'spec_app', spec.carol());
SELECT set_eq('SELECT spec.lines()', ARRAY['INSERT fusion_outputs: 1 rows of ca401 by ca401', 'UPDATE assessment_sessions: 1 rows of ca401 by ca401 {status}'],
    'a score leaves one line for the score and one for the session it completes, none for what it has learnt');
SELECT spec.act('UPDATE user_baselines SET baseline_score = 1 WHERE user_id = spec.alice()', 'spec_worker');
SELECT isnt_empty('SELECT spec.lines()', 'anybody else who writes a baseline leaves a line');
SELECT spec.say('SELECT mm_record_outcome(spec.session(spec.carol(), 1), true)', 'spec_app', spec.carol());
SELECT results_eq('SELECT spec.lines()', ARRAY['INSERT session_outcomes: 1 rows of ca401 by ca401'], 'an outcome that somebody records');

SELECT spec.say('SELECT mm_rescore_user(spec.carol())', 'spec_worker');
SELECT set_eq('SELECT DISTINCT split_part(l, '':'', 1) FROM spec.lines() AS l', ARRAY['UPDATE fusion_outputs'], 'a replay tells of the scores alone');

-- who --------------------------------------------------------------------------------------------
SELECT spec.act('UPDATE profiles SET display_name = ''SECRET marker'' WHERE user_id = spec.alice()', 'spec_app', spec.alice());
SELECT results_eq(
    $$ SELECT action, table_name, subject = spec.subject(spec.alice()), actor = subject, actor_verified, role_name, session_role, client_addr, row_count, columns, detail, txid = pg_current_xact_id(), at > now() FROM audit_log ORDER BY id DESC LIMIT 1 $$,
    $$ VALUES ('UPDATE', 'profiles', true, true, false, 'spec_app', session_user::text COLLATE "default", NULL::inet, 1::bigint, '{display_name}'::text[], NULL::jsonb, true, true) $$,
    'a line says who: person, whether verified, role, login role, where from; and what, whose, when, in which transaction');
SELECT is((SELECT row_ids FROM audit_log ORDER BY id DESC LIMIT 1), (SELECT ARRAY[id::text] FROM profiles WHERE user_id = spec.alice()), 'and which rows');
INSERT INTO assessment_sessions (user_id) SELECT spec.bob() FROM generate_series(1, 1000);
SELECT is((SELECT (cardinality(row_ids), row_count) FROM audit_log ORDER BY id DESC LIMIT 1), (100, 1000::bigint), 'of a thousand rows the first hundred ids');

SELECT lives_ok(format('SELECT set_config(''request.jwt.claims'', %L, true); SET LOCAL ROLE spec_worker; INSERT INTO session_insights (session_id) VALUES (%L); RESET ROLE', claims, spec.session(spec.bob(), 1)), 'a worker whose claims name no person writes as ever: ' || claims)
FROM unnest(ARRAY['{"sub": "worker@clients", "role": "service_role"}', '{"sub": 5}', '{"sub', '[]', '']) AS claims;
SELECT is((SELECT count(*) FROM audit_log WHERE table_name = 'session_insights' AND action = 'INSERT' AND role_name = 'spec_worker' AND actor IS NULL), 5::bigint, 'and leaves lines by nobody');
SET LOCAL request.jwt.claims = '{"sub": "worker@clients"}';
SELECT lives_ok('SELECT mm_audit(''EXPORT'', NULL, NULL, NULL)', 'so does a function that writes a line itself');
SET LOCAL request.jwt.claims = '';
SET LOCAL mindmeasure.require_verified_identity = on;
SELECT spec.act('INSERT INTO session_insights (session_id) VALUES (spec.session(spec.bob(), 1))', 'spec_worker', spec.alice());
SELECT is((SELECT actor FROM audit_log ORDER BY id DESC LIMIT 1), NULL, 'where verification is required, a claim is not written down as the person');
SET LOCAL mindmeasure.require_verified_identity = off;

-- never what was in the rows ---------------------------------------------------------------------------
SELECT is_empty($$ SELECT FROM audit_log AS a WHERE a::text ~ 'SECRET' $$, 'nothing that was written is in a line');
SELECT is_empty(format($$ SELECT FROM audit_log AS a WHERE a::text ~ '%s|%s|%s' $$, spec.bob(), spec.carol(), spec.alice()) , 'nor the id of a person');

-- every table that holds people's rows -------------------------------------------------------------------
SELECT is_empty($$
    SELECT c.relname FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname NOT IN ('audit_subjects', 'audit_log', 'audit_blocks', 'mm_schema_migrations', 'row_history')
      AND (SELECT count(*) FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgfoid = 'mm_audit_statement'::regproc) <> 4 $$,
    'every table is under the audit');

-- nobody writes, nobody rewrites ------------------------------------------------------------------------
SELECT is(spec.outcome(s.statement, r.speaker, spec.alice()), 'refused', format('%s by %s: refused', split_part(s.statement, ' ', 1) || ' ' || t.name, r.speaker))
FROM unnest('{audit_log,audit_blocks,audit_subjects}'::text[]) AS t (name)
CROSS JOIN LATERAL (VALUES (format('INSERT INTO %I DEFAULT VALUES', t.name)), (format('UPDATE %I SET %s', t.name, CASE t.name WHEN 'audit_log' THEN 'action = ''x''' WHEN 'audit_blocks' THEN 'row_count = 0' ELSE 'subject = gen_random_uuid()' END)),
    (format('DELETE FROM %I', t.name)), (format('TRUNCATE %I', t.name))) AS s (statement)
CROSS JOIN unnest('{spec_app,spec_worker,spec_auditor,spec_anon}'::text[]) AS r (speaker);
SELECT matches(spec.error('UPDATE audit_log SET action = ''x''', r), '^42501 audit_log_\w+: is append-only', r || ' cannot rewrite a line')
FROM unnest('{postgres,mindmeasure_owner}'::text[]) AS r;
SELECT matches(spec.error('DELETE FROM audit_log', r), '^42501 audit_log_\w+: is append-only', r || ' cannot delete one') FROM unnest('{postgres,mindmeasure_owner}'::text[]) AS r;
SELECT is(spec.error('TRUNCATE audit_log', r), '42501 audit_log: is append-only', r || ' cannot empty it') FROM unnest('{postgres,mindmeasure_owner}'::text[]) AS r;
SELECT is(spec.error('TRUNCATE audit_log_default', r), '42501 audit_log_default: is append-only', r || ' nor a partition of it') FROM unnest('{postgres,mindmeasure_owner}'::text[]) AS r;
SELECT is(spec.outcome(format('SELECT mm_audit(''EXPORT'', NULL, %L, NULL)', spec.alice()), r, spec.alice()), 'refused', r || ' cannot forge a line') FROM unnest('{spec_app,spec_worker,spec_auditor,spec_anon}'::text[]) AS r;

-- who reads ------------------------------------------------------------------------------------------
SELECT is(spec.say('SELECT count(*) FROM audit_log', 'spec_app', spec.alice()), (SELECT count(*)::text FROM audit_log WHERE subject = spec.subject(spec.alice())), 'a person reads the lines about themself');
SELECT cmp_ok((SELECT count(*) FROM audit_log WHERE subject = spec.subject(spec.alice())), '>', 5::bigint, 'of which there are some');
SELECT is(spec.say('SELECT count(*) FROM audit_log', 'spec_app'), '0', 'nobody reads none');
SELECT is(spec.say('SELECT count(*) FROM audit_log', 'spec_app', 'eeee0000-0000-4000-8000-000000000000'), '0', 'a person without lines reads none');
SELECT is(spec.say('SELECT count(*) FROM audit_log', 'spec_auditor'), (SELECT count(*)::text FROM audit_log), 'an auditor reads all');
SELECT is(spec.outcome('SELECT FROM audit_log', 'spec_worker'), 'refused', 'the system reads none');

-- what the extension's own functions write ----------------------------------------------------------------
SELECT mm_audit('EXPORT', NULL, spec.alice(), '{"tables": 12}');
SELECT results_eq('SELECT action, subject, detail FROM audit_log ORDER BY id DESC LIMIT 1', $$ VALUES ('EXPORT', spec.subject(spec.alice()), '{"tables": 12}'::jsonb) $$, 'mm_audit() adds a line');
-- An erasure cuts the lines from the person, and makes no new link.
DELETE FROM audit_subjects WHERE user_id = spec.bob();
SELECT spec.act('DELETE FROM text_analysis WHERE user_id = spec.bob()', 'spec_worker');
SELECT mm_audit('ERASE', NULL, spec.bob(), '{"rows": 9}');
SELECT is_empty('SELECT FROM audit_subjects WHERE user_id = spec.bob()', 'after an erasure nothing links the lines to the person');
SELECT is((SELECT count(*) FROM audit_log WHERE subject IS NULL AND action IN ('DELETE', 'ERASE')), 2::bigint, 'and what is written of it names nobody');
-- The move to the archive writes one line itself.
SELECT spec.lines();
SET LOCAL mindmeasure.moving_to_archive = 'on';
SELECT spec.act('DELETE FROM visual_analysis WHERE user_id = spec.alice()', 'spec_worker');
SELECT isnt_empty('SELECT spec.lines()', 'the setting of the archive hides nothing of anybody else');
SELECT spec.act('DELETE FROM passive_analysis WHERE user_id = spec.alice()', 'mindmeasure_owner');
SELECT is_empty('SELECT spec.lines()', 'it spares the owner, who moves the rows, a line for each person');
-- A restore brings the audit along; nobody but a superuser restores.
SELECT spec.lines();
CREATE ROLE spec_bypass BYPASSRLS IN ROLE mindmeasure_system;
SET LOCAL row_security = off;
INSERT INTO session_insights (session_id) VALUES (spec.session(spec.alice(), 2));
SELECT is_empty('SELECT spec.lines()', 'what a superuser does with row_security off, as pg_dump''s scripts do, is a restore');
INSERT INTO session_insights (session_id) VALUES (spec.session(spec.alice(), 1));
SELECT spec.act('DELETE FROM session_insights', 'spec_bypass');
SELECT isnt_empty('SELECT spec.lines()', 'a role with BYPASSRLS is audited with row_security off too');
SET LOCAL row_security = on;
-- a table of the application
CREATE TABLE public.appointment (id int, user_id uuid);
SELECT mm_audit_table('public.appointment');
INSERT INTO public.appointment VALUES (1, spec.alice());
SELECT results_eq('SELECT spec.lines()', ARRAY['INSERT appointment: 1 rows of a11ce by nobody'], 'an application''s own table can be put under the audit');
SELECT * FROM finish();
ROLLBACK;
