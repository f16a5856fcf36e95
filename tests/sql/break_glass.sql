-- An auditor sees nobody's rows, until they say whose, why and for how long; the person reads that.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/people.psql
CREATE ROLE spec_other_auditor LOGIN IN ROLE mindmeasure_auditor;
CREATE FUNCTION spec.reads(speaker text, person uuid DEFAULT NULL) RETURNS text LANGUAGE sql
    AS $$
    SELECT string_agg(DISTINCT coalesce(spec.say(format('SELECT string_agg(DISTINCT left(user_id::text, 5), '' '') FROM %I', t), speaker, person), 'none'), ', ')
    FROM unnest('{profiles,assessment_sessions,assessment_sessions_archive,text_analysis,audio_analysis,visual_analysis,passive_analysis,session_insights,session_outcomes,fusion_outputs,mind_measure_scores,user_baselines,user_feature_baselines,user_calibration}'::text[]) AS t
    $$;
CREATE FUNCTION spec.break(speaker text, whom uuid, reason text DEFAULT 'a complaint, ticket 4711', minutes text DEFAULT '60', person uuid DEFAULT NULL) RETURNS text LANGUAGE sql
    AS $$ SELECT spec.error(format('SELECT mm_break_glass(%L, %L, %s)', whom, reason, minutes), speaker, person) $$;

SELECT is(spec.reads('spec_auditor'), 'none', 'given an auditor who sees nobody''s rows, in no table');
SELECT is(spec.say(format('SELECT round(extract(epoch FROM mm_break_glass(%L, ''a complaint, ticket 4711'', 30) - now()) / 60)', spec.alice()), 'spec_auditor'), '30', 'when they break the glass for Alice for 30 minutes');
SELECT is(spec.reads('spec_auditor'), 'a11ce', 'then they read Alice''s rows in every table, and nobody else''s');
SELECT is(spec.reads('spec_other_auditor'), 'none', 'another auditor still reads none');
SELECT is(spec.reads('spec_auditor', spec.carol()), 'none', 'nor does somebody else who shares the login role');
SELECT is(spec.outcome('SELECT FROM assessment_sessions', 'spec_anon'), 'refused', 'nor anon');
SELECT is(spec.outcome(format('%s assessment_sessions %s', v.verb, v.rest), 'spec_auditor'), 'refused', 'they only read: ' || v.verb)
FROM (VALUES ('UPDATE', 'SET category = NULL'), ('DELETE FROM', ''), ('INSERT INTO', '(user_id) VALUES (spec.alice())'), ('TRUNCATE', '')) AS v (verb, rest);
SELECT is(spec.outcome('SELECT FROM assessment_sessions_archive_default', 'spec_auditor'), 'refused', 'a partition stays closed');

-- recorded, and told
SELECT results_eq($$ SELECT a.action, a.role_name, a.detail ->> 'minutes', a.detail ->> 'grant' FROM audit_log AS a JOIN audit_subjects AS s ON s.subject = a.subject WHERE s.user_id = spec.alice() AND a.action = 'BREAK_GLASS' $$,
    $$ SELECT 'BREAK_GLASS', 'spec_auditor', '30', id::text FROM break_glass_grants $$, 'a line of the audit says so');
SELECT is(spec.say($$ SELECT concat_ws('|', auditor_role, reason) FROM break_glass_grants $$, 'spec_app', spec.alice()), 'spec_auditor|a complaint, ticket 4711', 'Alice reads who, and why');
SELECT is(spec.say($$ SELECT count(*) FROM audit_log WHERE action = 'BREAK_GLASS' $$, 'spec_app', spec.alice()), '1', 'and the line');
SELECT is(spec.say('SELECT count(*) FROM break_glass_grants', 'spec_app', spec.bob()), '0', 'Bob does not');
SELECT is(spec.say('SELECT count(*) FROM break_glass_grants', 'spec_other_auditor'), '1', 'every auditor does');
SELECT is(spec.outcome('SELECT FROM break_glass_grants', 'spec_worker'), 'refused', 'the system does not');

-- it ends
SELECT is(spec.say(format('SELECT mm_end_break_glass(%L)', spec.alice()), 'spec_other_auditor'), '0', 'another auditor cannot end it');
SELECT is(spec.say(format('SELECT mm_end_break_glass(%L)', spec.bob()), 'spec_auditor'), '0', 'there is none for Bob to end');
SELECT is(spec.reads('spec_auditor'), 'a11ce', 'so it goes on');
SELECT is(spec.say(format('SELECT mm_end_break_glass(%L)', spec.alice()), 'spec_auditor'), '1', 'when the auditor ends it before its time');
SELECT is(spec.reads('spec_auditor'), 'none', 'then they read nothing more');
SELECT is((SELECT count(*) FROM audit_log WHERE action = 'END_BREAK_GLASS'), 1::bigint, 'and a line says so');
SELECT is(spec.error('UPDATE break_glass_grants SET ended_at = NULL'), '23514 id, user_id, auditor_role, auditor_person, reason, granted_at, expires_at: cannot change after the row has been inserted', 'what has ended is not opened again, not even by a superuser');
SELECT is(spec.error('UPDATE break_glass_grants SET expires_at = ''infinity'''), '23514 id, user_id, auditor_role, auditor_person, reason, granted_at, expires_at: cannot change after the row has been inserted', 'nor made longer');
INSERT INTO break_glass_grants (user_id, auditor_role, reason, granted_at, expires_at) VALUES (spec.bob(), 'spec_auditor', 'an hour ago, for a minute', clock_timestamp() - interval '1 hour', clock_timestamp() - interval '59 minutes');
SELECT is(spec.reads('spec_auditor'), 'none', 'one that has expired gives nothing');
INSERT INTO break_glass_grants (user_id, auditor_role, reason, expires_at) VALUES (spec.bob(), 'spec_auditor', 'until in a moment', clock_timestamp() + interval '200 milliseconds');
SELECT is(spec.say('SELECT count(*) FROM profiles', 'spec_auditor'), '1', 'one that holds gives rows');
SELECT pg_sleep(0.3);
SELECT is(spec.say('SELECT count(*) FROM profiles', 'spec_auditor'), '0', 'and none once it has expired, in the same transaction too');
SELECT is(spec.say(format('SELECT mm_break_glass(%L, ''a complaint, ticket 4711'')', spec.alice()), 'spec_auditor') IS NOT NULL, true, 'given it is broken again, for an hour');
SELECT is(spec.say(format('SELECT mm_end_break_glass(%L)', spec.alice()), 'spec_app', spec.alice()), '1', 'the person themself may end it');
SELECT is(spec.say(format('SELECT mm_break_glass(%L, ''a complaint, ticket 4711'')', spec.bob()), 'spec_auditor') IS NOT NULL AND spec.say(format('SELECT mm_end_break_glass(%L)', spec.bob()), 'spec_worker') = '1', true, 'and so may the system');
SELECT is(spec.say(format('SELECT mm_end_break_glass(%L)', spec.bob()), 'spec_app', spec.alice()), '0', 'another user ends nothing');

-- who may, and with what
SELECT is(spec.break('spec_auditor', spec.alice(), person => spec.alice()), '42501 user_id: must be somebody else', 'nobody breaks it for themself');
SELECT is(spec.break(r, spec.alice()), '42501 permission denied for function mm_break_glass', r || ' may not') FROM unnest('{spec_app,spec_worker,spec_anon}'::text[]) AS r;
SELECT is(spec.break('spec_auditor', NULL), '22004 user_id: is missing', 'a person has to be named');
SELECT is(spec.break('spec_auditor', spec.alice(), c.reason, c.minutes), c.answer, c.name)
FROM (VALUES
    (NULL, '60', '22023 reason: must be 10 to 500 characters', 'no reason'),
    ('too short', '60', '22023 reason: must be 10 to 500 characters', 'nine characters'),
    ('   short        ', '60', '22023 reason: must be 10 to 500 characters', 'blanks do not count'),
    (repeat('x', 501), '60', '22023 reason: must be 10 to 500 characters', '501 characters'),
    ('ten chars!', '60', '1 rows', 'ten'), (repeat('ß', 500), '60', '1 rows', '500'),
    ('a complaint, ticket 4711', '0', '22023 minutes: must be 1 to 240', 'no minute'), ('a complaint, ticket 4711', '-1', '22023 minutes: must be 1 to 240', 'less than none'),
    ('a complaint, ticket 4711', '241', '22023 minutes: must be 1 to 240', '241 minutes'), ('a complaint, ticket 4711', 'NULL', '22023 minutes: must be 1 to 240', 'minutes NULL'),
    ('a complaint, ticket 4711', '1', '1 rows', 'one'), ('a complaint, ticket 4711', '240', '1 rows', '240')) AS c (reason, minutes, answer, name);
SELECT is(spec.break('spec_auditor', 'eeee0000-0000-4000-8000-000000000000'), '1 rows', 'whether there is such a person is not told');
SELECT is(spec.outcome(format('%s break_glass_grants %s', v.verb, v.rest), r, spec.alice()), 'refused', format('%s break_glass_grants by %s: refused', v.verb, r))
FROM (VALUES ('UPDATE', 'SET ended_at = NULL'), ('DELETE FROM', ''), ('INSERT INTO', '(user_id, auditor_role, reason, expires_at) VALUES (spec.alice(), ''spec_auditor'', '''', ''infinity'')'), ('TRUNCATE', '')) AS v (verb, rest),
    unnest('{spec_app,spec_worker,spec_auditor,spec_anon}'::text[]) AS r;

-- The policy asks once a query, and an index finds the person's rows.
CREATE FUNCTION spec.plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; lines text := '';
BEGIN
    PERFORM set_config('role', 'spec_auditor', true), set_config('enable_seqscan', 'off', true);
    FOR line IN EXECUTE 'EXPLAIN ' || query LOOP lines := lines || line || E'\n'; END LOOP;
    PERFORM set_config('role', 'none', true), set_config('enable_seqscan', 'on', true);
    RETURN lines;
END $$;
SELECT matches(spec.plan('SELECT * FROM text_analysis'), p.found, 'the policy is asked once and goes by the index: ' || p.found) FROM unnest('{InitPlan 1,"Index Cond: .user_id = ANY"}'::text[]) AS p (found);
SELECT doesnt_match(spec.plan('SELECT * FROM text_analysis'), 'Filter', 'and nothing is left to be asked row by row');
SELECT * FROM finish();
ROLLBACK;
