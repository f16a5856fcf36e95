-- The queue worker: what is ready, in which order, and what one bad session does to the others.
SET client_min_messages = error;
BEGIN;
SELECT no_plan();
\ir lib/snapshot.psql
\ir lib/person.psql

CREATE FUNCTION pg_temp.add(person int, number int, type text, modalities text[], age interval, status text DEFAULT 'pending') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.add_session(person, number, pg_temp.session_time(person, number), type);
    UPDATE assessment_sessions AS s SET status = $6 WHERE id = pg_temp.session_id(person, number) AND s.status <> $6;
    PERFORM pg_temp.analyse(pg_temp.session_id(person, number), m, now() - age) FROM unnest(modalities) AS m;
END;
$$;
CREATE FUNCTION pg_temp.statuses(person int) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(status, ' ' ORDER BY id) FROM assessment_sessions WHERE user_id = pg_temp.person_id(person)
$$;
-- In which order sessions were scored.
CREATE TEMP TABLE scored (step serial, session_id uuid);
GRANT ALL ON scored, scored_step_seq TO mindmeasure_owner;
CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO pg_temp.scored (session_id) VALUES (NEW.session_id); RETURN NULL; END $$;
CREATE TRIGGER zz_note AFTER INSERT OR UPDATE ON fusion_outputs FOR EACH ROW EXECUTE FUNCTION pg_temp.note();

-- Who may, and how many -----------------------------------------------------------------
SELECT throws_ok('SELECT mm_fuse_pending(0)', '22023', NULL, 'at least one session');
SELECT throws_ok('SELECT mm_fuse_pending(NULL)', '22023', NULL, 'a number');
SELECT is(mm_fuse_pending(), 0::bigint, 'an empty queue');
SET LOCAL ROLE mindmeasure_user;
SELECT throws_ok('SELECT mm_fuse_pending()', '42501', NULL, 'not a user');
SET LOCAL ROLE mindmeasure_auditor;
SELECT throws_ok('SELECT mm_fuse_pending()', '42501', NULL, 'not an auditor');
RESET ROLE;
-- Who was given EXECUTE by mistake is refused as well.
SAVEPOINT granted;
GRANT EXECUTE ON FUNCTION mm_fuse_pending(int) TO mindmeasure_user;
SET LOCAL ROLE mindmeasure_user;
SELECT throws_ok('SELECT mm_fuse_pending()', '42501', NULL, 'not a user who may execute it');
ROLLBACK TO SAVEPOINT granted;

-- What is ready ---------------------------------------------------------------------------
SELECT pg_temp.add(1, 1, 'full', '{text,audio,visual,passive}', '0'),          -- all expected: ready
       pg_temp.add(1, 2, 'full', '{text,audio,visual}', '9 min'),              -- waits for passive
       pg_temp.add(1, 3, 'full', '{text}', '11 min'),                          -- settled: ready
       pg_temp.add(1, 4, 'quick', '{text,passive}', '0'),                      -- all expected: ready
       pg_temp.add(1, 5, 'quick', '{audio,visual,text}', '0'),                 -- waits for passive
       pg_temp.add(1, 6, 'voice-only', '{text,audio,passive}', '0'),           -- all expected: ready
       pg_temp.add(1, 7, 'full', '{}', '0'),                                   -- no analysis
       pg_temp.add(1, 8, 'full', '{text}', '2 h'),                             -- the newest analysis is young: waits
       pg_temp.add(1, 9, 'full', '{text}', '2 h', 'processing'),               -- settled: ready
       pg_temp.add(1, 10, 'full', '{text}', '2 h', 'failed'),                  -- has failed
       pg_temp.add(1, 11, 'full', '{text}', '2 h')                             -- archived
\g /dev/null
SELECT pg_temp.analyse(pg_temp.session_id(1, 8), 'audio', now() - interval '1 min') \g /dev/null
WITH old AS (DELETE FROM assessment_sessions WHERE id = pg_temp.session_id(1, 11) RETURNING *)
INSERT INTO assessment_sessions_archive SELECT * FROM old;
SET LOCAL ROLE mindmeasure_system;
SELECT is(mm_fuse_pending(), 5::bigint, 'five are ready');
RESET ROLE;
SELECT is(pg_temp.statuses(1), 'completed pending completed completed pending completed pending pending completed failed', 'the right ones are scored');
SELECT is((SELECT count(*) FROM fusion_outputs), 5::bigint, 'five scores');
SELECT results_eq('SELECT session_id FROM scored ORDER BY step', 'SELECT session_id FROM fusion_outputs ORDER BY session_created_at', 'the oldest first');
SELECT is(mm_fuse_pending(), 0::bigint, 'a second call has nothing to do');
SELECT is((SELECT count(*) FROM scored), 5::bigint, 'and writes nothing');
SET LOCAL mindmeasure.settle_interval = '30s';
SELECT is(mm_fuse_pending(), 2::bigint, 'a shorter settle interval lets the two older ones through');
SET LOCAL mindmeasure.settle_interval = 0;
SELECT is(mm_fuse_pending(), 1::bigint, 'and 0 all that have an analysis');
SELECT is(pg_temp.statuses(1), 'completed completed completed completed completed completed pending completed completed failed', 'but for those without an analysis, and failed ones');
SET LOCAL mindmeasure.settle_interval = '1000d';
SELECT pg_temp.add(1, 12, 'full', '{text}', '900 days') \g /dev/null
SELECT is(mm_fuse_pending(), 0::bigint, 'a long settle interval');
RESET mindmeasure.settle_interval;
SELECT is(mm_fuse_pending(), 1::bigint, 'back to ten minutes');

-- A modality that comes after the score -----------------------------------------------------
TRUNCATE scored;
-- Beyond the window, and of a modality that is scored already.
SELECT pg_temp.analyse(pg_temp.session_id(1, 3), 'audio', now() - interval '2 days') \g /dev/null
SELECT pg_temp.analyse(pg_temp.session_id(1, 4), 'text', now(), 'again') \g /dev/null
SELECT is(mm_fuse_pending(), 0::bigint, 'an old late analysis, and a second one of a scored modality, are left alone');
SELECT pg_temp.analyse(pg_temp.session_id(1, 9), 'passive', now() - interval '23 h') \g /dev/null
SELECT pg_temp.analyse(pg_temp.session_id(1, 4), 'visual', now()) \g /dev/null
SELECT is(mm_fuse_pending(), 2::bigint, 'scored sessions with a new modality are refreshed');
SELECT results_eq('SELECT session_id FROM scored ORDER BY step', $$VALUES (pg_temp.session_id(1, 4)), (pg_temp.session_id(1, 9))$$, 'those and no others, the oldest first');
SELECT is((SELECT arrived_modalities FROM fusion_outputs WHERE session_id = pg_temp.session_id(1, 9)), '{text,passive}', 'with the new modality');
SELECT is(mm_fuse_pending(), 0::bigint, 'once');
SET LOCAL mindmeasure.refresh_window = '3d';
SELECT is(mm_fuse_pending(), 1::bigint, 'a longer refresh window finds the old one');
RESET mindmeasure.refresh_window;
INSERT INTO audio_analysis (session_id, processed_at) VALUES (pg_temp.session_id(1, 9), now());
SELECT is(mm_fuse_pending(), 1::bigint, 'an analysis without anything usable is noticed');
SELECT is(mm_fuse_pending(), 0::bigint, 'once, too');

-- max_sessions, and the order of people ---------------------------------------------------------
TRUNCATE scored;
SELECT pg_temp.add(p, n, 'full', '{text,audio}', '1 h') FROM generate_series(21, 23) AS p, generate_series(1, 3) AS n \g /dev/null
-- Person 23 has the oldest session of all.
INSERT INTO assessment_sessions (id, user_id, created_at) VALUES (pg_temp.session_id(23, 0), pg_temp.person_id(23), '2024-06-01');
SELECT pg_temp.analyse(pg_temp.session_id(23, 0), 'text', now() - interval '1 h') \g /dev/null
SELECT is(mm_fuse_pending(2), 2::bigint, 'no more than max_sessions');
SELECT results_eq('SELECT session_id FROM scored ORDER BY step', $$VALUES (pg_temp.session_id(23, 0)), (pg_temp.session_id(23, 1))$$, 'the oldest, and the next one of that person');
SELECT is(mm_fuse_pending(7), 7::bigint, 'the next seven');
SELECT is(mm_fuse_pending(1000), 1::bigint, 'and the last');
SELECT results_eq($$SELECT person, array_agg(number ORDER BY step) FROM (
        SELECT step, right(session_id::text, 12)::int AS person, left(session_id::text, 8)::int AS number FROM scored) AS s GROUP BY person ORDER BY person$$,
    $$VALUES (21, '{1,2,3}'::int[]), (22, '{1,2,3}'), (23, '{0,1,2,3}')$$, 'each person''s oldest first');

-- A batch scores a person's sessions from memory, in one go; what it cannot, it hands back ---------
SELECT pg_temp.add(p, n, 'full', '{text,audio}', '1 h') FROM generate_series(24, 26) AS p, generate_series(1, 3) AS n \g /dev/null
CREATE FUNCTION pg_temp.batch(people int[]) RETURNS text LANGUAGE sql AS $$
    SELECT array_agg(left(b::text, 8)::int ORDER BY right(b::text, 12), b)::text FROM unnest(mm_fuse_batch(
        (SELECT array_agg(s.id ORDER BY s.user_id, s.created_at, s.id) FROM assessment_sessions AS s JOIN unnest($1) AS p ON s.user_id = pg_temp.person_id(p) WHERE s.status = 'pending'),
        (SELECT array_agg(s.user_id ORDER BY s.user_id, s.created_at, s.id) FROM assessment_sessions AS s JOIN unnest($1) AS p ON s.user_id = pg_temp.person_id(p) WHERE s.status = 'pending'),
        (SELECT array_agg(s.created_at ORDER BY s.user_id, s.created_at, s.id) FROM assessment_sessions AS s JOIN unnest($1) AS p ON s.user_id = pg_temp.person_id(p) WHERE s.status = 'pending'))) AS b
$$;
SELECT is(pg_temp.batch('{24,25}'), NULL, 'two people''s sessions are scored by one batch, none is handed back');
SELECT is((SELECT count(*) FROM fusion_outputs WHERE user_id IN (pg_temp.person_id(24), pg_temp.person_id(25))), 6::bigint, 'all six have a score');
SELECT pg_temp.remember('batch', pg_temp.person_id(24)) \g /dev/null
SELECT is(mm_rescore_user(pg_temp.person_id(24)), 3::bigint, 'a replay of what a batch scored');
SELECT pg_temp.remember('batch replayed', pg_temp.person_id(24)) \g /dev/null
SELECT pg_temp.same('batch', 'batch replayed');
SELECT mm_fuse_session(pg_temp.session_id(26, 2)) \g /dev/null
SELECT is(pg_temp.batch('{26}'), '{1,3}', 'sessions of somebody who has a score that is not earlier are handed back');
SELECT pg_temp.add(27, n, 'full', '{text,audio}', '1 h') FROM generate_series(30, 31) AS n \g /dev/null
SELECT is(pg_temp.batch('{27}'), '{30,31}', 'and those of one time');
SELECT is(mm_fuse_pending(), 4::bigint, 'the worker scores them one by one');
SET LOCAL ROLE mindmeasure_system;
SELECT throws_ok($$ SELECT mm_fuse_batch('{}', '{}', '{}') $$, '42501', NULL, 'nobody but the worker calls it');
RESET ROLE;

-- Sessions that cannot be scored --------------------------------------------------------------------
-- A broken trigger: for one session for good, for another for the time being.
CREATE FUNCTION pg_temp.break() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.session_id = pg_temp.session_id(31, 2) THEN
        RAISE EXCEPTION 'a broken application trigger' USING ERRCODE = 'P0001', DETAIL = 'secret words of the person';
    ELSIF NEW.session_id = pg_temp.session_id(32, 1) THEN
        RAISE EXCEPTION 'could not serialize' USING ERRCODE = '40001';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER aa_break BEFORE INSERT ON fusion_outputs FOR EACH ROW EXECUTE FUNCTION pg_temp.break();
SELECT pg_temp.add(p, n, 'full', '{text,audio}', '1 h') FROM generate_series(31, 33) AS p, generate_series(1, 3) AS n \g /dev/null
SELECT is(mm_fuse_pending(), 7::bigint, 'one bad session does not stop the batch');
SELECT is(pg_temp.statuses(31), 'completed failed completed', 'it becomes failed');
SELECT is((SELECT failure_reason FROM assessment_sessions WHERE id = pg_temp.session_id(31, 2)), 'P0001 a broken application trigger', 'with a reason, without details');
SELECT is(pg_temp.statuses(32), 'pending completed completed', 'one that failed for a passing reason is tried again');
SELECT is((SELECT failure_reason FROM assessment_sessions WHERE id = pg_temp.session_id(32, 1)), NULL, 'and has no reason');
SELECT is(pg_temp.statuses(33), 'completed completed completed', 'other people are not touched');
SELECT is((SELECT count(*) FROM mind_measure_scores WHERE session_id IN (pg_temp.session_id(31, 2), pg_temp.session_id(32, 1))), 0::bigint, 'nothing of the bad sessions is left');
SELECT pg_temp.remember('without the bad one', pg_temp.person_id(31)) \g /dev/null
SELECT is(mm_rescore_user(pg_temp.person_id(31)), 2::bigint, 'the bad session has taught nothing:');
SELECT pg_temp.remember('replayed', pg_temp.person_id(31)) \g /dev/null
SELECT pg_temp.same('without the bad one', 'replayed');
SELECT is(mm_fuse_pending(), 0::bigint, 'a failed session is not tried again');
DROP TRIGGER aa_break ON fusion_outputs;
SELECT is(mm_fuse_pending(), 1::bigint, 'the passing reason has passed');
UPDATE assessment_sessions SET status = 'pending' WHERE id = pg_temp.session_id(31, 2);
SELECT is(mm_fuse_pending(), 1::bigint, 'a failed session can be put back');
SELECT results_eq($$SELECT status, failure_reason FROM assessment_sessions WHERE id = pg_temp.session_id(31, 2)$$, $$VALUES ('completed', NULL::text)$$, 'and loses its reason');

-- A stored state that cannot be read back: the score stays, others are scored.
UPDATE fusion_outputs SET drivers = '{"items": [], "base_logit": 0, "modalities": {"text": {"raw": "x"}}, "uncertainty": {}, "quality": [], "dropped": []}' WHERE session_id = pg_temp.session_id(33, 1);
TRUNCATE scored;
SELECT pg_temp.analyse(pg_temp.session_id(33, n), 'visual', now()) FROM generate_series(1, 2) AS n \g /dev/null
SELECT is(mm_fuse_pending(), 1::bigint, 'a corrupt stored state does not stop the batch');
SELECT results_eq('SELECT session_id FROM scored', $$VALUES (pg_temp.session_id(33, 2))$$, 'the other session is refreshed');
SELECT is(pg_temp.statuses(33), 'completed completed completed', 'the score that is there stays valid');
-- Nor may it take the place of others for ever.
SELECT pg_temp.add(34, 2, 'full', '{text,audio}', '1 h') \g /dev/null
SELECT mm_fuse_pending(1) FROM generate_series(1, 3) \g /dev/null
SELECT is(pg_temp.statuses(34), 'completed', 'with max_sessions => 1 a session that cannot be refreshed does not keep others from being scored');

SELECT * FROM finish();
ROLLBACK;
