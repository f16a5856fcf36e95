-- Whom a request speaks for: request.jwt.claim.sub, else sub in request.jwt.claims, else nobody.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/people.psql

-- What a user with these two settings sees of assessment_sessions: rows, or the SQLSTATE.
CREATE FUNCTION spec.seen(sub text, claims text) RETURNS text LANGUAGE plpgsql
    AS $$
DECLARE
    n bigint;
BEGIN
    IF sub IS NOT NULL THEN
        PERFORM set_config('request.jwt.claim.sub', sub, true);
    END IF;
    IF claims IS NOT NULL THEN
        PERFORM set_config('request.jwt.claims', claims, true);
    END IF;
    PERFORM set_config('role', 'spec_app', true);
    SELECT count(*) INTO n FROM public.assessment_sessions;
    RAISE EXCEPTION 'take it back' USING ERRCODE = 'SPEC0';
EXCEPTION
    WHEN SQLSTATE 'SPEC0' THEN RETURN n;
    WHEN OTHERS THEN RETURN SQLSTATE;
END;
$$;
SELECT is(spec.seen(NULL, NULL), '0', 'settings that were never set: nobody');
SELECT is(spec.seen(c.sub, c.claims), c.seen, c.name)
FROM (VALUES
    ('request.jwt.claim.sub', 'a11ce000-0000-4000-8000-000000000000', NULL, '2'),
    ('request.jwt.claims', NULL, '{"sub": "a11ce000-0000-4000-8000-000000000000", "role": "authenticated"}', '2'),
    ('both: request.jwt.claim.sub counts', 'b0b00000-0000-4000-8000-000000000000', '{"sub": "a11ce000-0000-4000-8000-000000000000"}', '1'),
    ('an empty request.jwt.claim.sub leaves it to request.jwt.claims', '', '{"sub": "a11ce000-0000-4000-8000-000000000000"}', '2'),
    ('capital letters are the same person', 'A11CE000-0000-4000-8000-000000000000', NULL, '2'),
    ('both empty: nobody', '', '', '0'),
    ('claims without sub: nobody', '', '{"role": "authenticated"}', '0'),
    ('sub null: nobody', '', '{"sub": null}', '0'),
    ('sub empty: nobody', '', '{"sub": ""}', '0'),
    ('claims that are no object: nobody', '', '["a11ce000-0000-4000-8000-000000000000"]', '0'),
    ('a person nobody knows', 'ca401000-0000-4000-8000-000000000000', NULL, '0'),
    ('a sub that is no UUID: an error, and no row', 'alice', NULL, '22P02'),
    ('claims that are no JSON: an error, and no row', '', '{"sub"', '22P02')) AS c (name, sub, claims, seen);

-- and so do statements that write
SELECT is(spec.outcome('INSERT INTO assessment_sessions DEFAULT VALUES', 'spec_app'), '23502', 'nobody cannot create a session');
SELECT is(spec.outcome('INSERT INTO assessment_sessions (user_id) VALUES (spec.alice())', 'spec_app'), 'refused', 'nobody cannot create one for somebody');
SELECT is(spec.outcome('UPDATE assessment_sessions SET reflection_notes = NULL', 'spec_app'), '0', 'nobody changes nothing');
SELECT is(spec.error($$ SELECT mm_fuse_session(spec.session(spec.alice(), 1)) $$, 'spec_app'), 'P0002 session_id: there is no such session', 'nobody reaches no score');
SELECT is(spec.error($$ SELECT mm_fuse_session(spec.session(spec.alice(), 1)) $$, 'spec_app', spec.carol()), 'P0002 session_id: there is no such session',
    'another user is told what they would be told of a session that is not there');
SELECT is(spec.outcome($$ SELECT mm_fuse_session(spec.session(spec.alice(), 1)) $$, 'spec_app', spec.alice()), '1', 'the owner reaches their own score');
SELECT is(spec.outcome($$ SELECT mm_fuse_session(spec.session(spec.alice(), 1)) $$, 'spec_worker'), '1', 'the system reaches everybody''s');
SELECT is(spec.outcome($$ SELECT mm_fuse_session(spec.session(spec.alice(), 1)) $$, speaker, spec.alice()), 'refused', speaker || ' may not call it')
FROM unnest('{spec_anon,spec_auditor}'::text[]) AS speaker;

-- functions --------------------------------------------------------------------------------
SELECT is(spec.outcome(format('SELECT %s', call), speaker, spec.alice()), 'refused', format('%s by %s: refused', call, speaker))
FROM unnest(ARRAY['mm_fuse_pending()', 'mm_update_baselines(spec.alice())', 'mm_rescore_user(spec.alice())', 'mm_register_model(''{}'')', 'mm_activate_model(''v1.0'')',
        'mm_migrate()', 'mm_ready_sessions(now(), now(), NULL)', 'mm_person_lock_key(spec.alice())', 'mm_caller_is_system()',
        'archive_old_sessions()', 'mm_ensure_partitions()', 'mm_partition_sessions()', 'mm_time_partition(''assessment_sessions_archive'', ''month'', now())',
        'mm_drop_time_partitions(''assessment_sessions_archive'', now())', 'mm_apply_retention()', 'mm_schedule_jobs()', 'mm_unschedule_jobs()']) AS call,
    unnest('{spec_app,spec_anon,spec_auditor}'::text[]) AS speaker;
SELECT is(spec.outcome(format('CALL %s', call), speaker, spec.alice()), 'refused', format('%s by %s: refused', call, speaker))
FROM unnest(ARRAY['mm_archive_sessions()', 'mm_run_retention()', 'mm_partition_sessions_in_steps()']) AS call, unnest('{spec_app,spec_anon,spec_auditor}'::text[]) AS speaker;
SELECT is(spec.outcome(format('SELECT %s', call), 'spec_worker'), 'refused', call || ' by the system: refused')
FROM unnest(ARRAY['mm_partition_sessions()', 'mm_time_partition(''assessment_sessions_archive'', ''month'', now())', 'mm_drop_time_partitions(''assessment_sessions_archive'', now())']) AS call;
SELECT is(spec.outcome('SELECT mm_migrate()', 'spec_worker'), 'refused', 'mm_migrate() by the system: refused');
-- A definer function runs as mindmeasure_owner, who is a member of the system role: that must not make a user the system.
SELECT is(spec.say('SELECT mm_caller_is_system()', 'spec_worker'), 'true', 'the system is known as such');
SELECT * FROM finish();
ROLLBACK;
