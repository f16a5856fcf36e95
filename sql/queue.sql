-- The queue worker. A person's sessions are scored oldest first by one worker at a time, who
-- holds the same lock as mm_fuse_session(); others pass on to the next person.
CREATE FUNCTION @extschema@.mm_fuse_pending(max_sessions integer DEFAULT 1000) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settled CONSTANT timestamptz := now() - coalesce(nullif(current_setting('mindmeasure.settle_interval', true), ''), '10min')::interval;
    window_start CONSTANT timestamptz := now() - coalesce(nullif(current_setting('mindmeasure.refresh_window', true), ''), '1d')::interval;
    -- Sessions whose people are locked and looked at together, and that one subtransaction scores: what it
    -- has taken of memory, a few MB whatever their number, stays until the transaction ends.
    batch_size CONSTANT integer := 2000;
    -- In the select list, where it goes on when the next person is fetched.
    people CURSOR FOR
        SELECT (r.ready).* FROM (SELECT @extschema@.mm_ready_people(settled, window_start, NULL) AS ready) AS r;
    person record;
    room integer;
    -- A batch: sessions, and for each its person, its time, and whether it is scored already.
    sessions uuid[];
    persons uuid[];
    times timestamptz[];
    refreshes boolean[];
    together record;
    -- Where ranges of the batch end that are still to be scored, the next one last; and where that one begins.
    ends integer[];
    first integer;
    last integer;
    one record;
    left_over uuid[];
    scored bigint := 0;
    taken integer := 0;
    state text;
    reason text;
BEGIN
    IF NOT @extschema@.mm_caller_is_system() THEN
        RAISE EXCEPTION 'permission denied: mm_fuse_pending() is for the system role'
            USING ERRCODE = 'insufficient_privilege', HINT = 'SET ROLE mindmeasure_system, or be granted it.';
    END IF;
    IF max_sessions IS NULL OR max_sessions < 1 THEN
        RAISE EXCEPTION 'max_sessions: must be 1 or more'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Give the most sessions one call should score, e.g. 1000.';
    END IF;
    OPEN people;
    WHILE taken < max_sessions LOOP
        sessions := '{}';
        persons := '{}';
        times := '{}';
        refreshes := '{}';
        LOOP
            room := least(batch_size, max_sessions - taken) - cardinality(sessions);
            EXIT WHEN room <= 0;
            FETCH people INTO person;
            EXIT WHEN NOT FOUND;
            CONTINUE WHEN NOT pg_try_advisory_xact_lock(@extschema@.mm_person_lock_key(person.user_id));
            -- All of a person's at once, up to what was asked for.
            room := max_sessions - taken - cardinality(sessions);
            sessions := sessions || person.sessions[1:room];
            times := times || person.times[1:room];
            refreshes := refreshes || person.refreshes[1:room];
            persons := persons || array_fill(person.user_id, ARRAY[least(room, cardinality(person.sessions))]);
        END LOOP;
        EXIT WHEN sessions = '{}';

        -- Read again under the locks: another worker may just have committed these. A session that
        -- somebody is writing waits for the next call, and the person's later ones with it. People with
        -- something to refresh come last.
        WITH held AS MATERIALIZED (
            SELECT s.id, s.status
            FROM unnest(sessions, times) AS w (id, at)
            JOIN @extschema@.assessment_sessions AS s ON s.id = w.id AND s.created_at = w.at
            FOR UPDATE OF s SKIP LOCKED
        ), seen AS (
            SELECT w.*, h.status, bool_or(h.id IS NULL) OVER (PARTITION BY w.person ORDER BY w.place) AS waits
            FROM unnest(sessions, persons, times, refreshes) WITH ORDINALITY AS w (id, person, at, refresh, place)
            LEFT JOIN held AS h ON h.id = w.id
        ), ready AS (
            SELECT s.*, bool_or(s.refresh) OVER (PARTITION BY s.person) AS mixed
            FROM seen AS s
            WHERE NOT s.waits AND s.refresh = (s.status = 'completed') AND s.status <> 'failed'
        )
        SELECT array_agg(r.id ORDER BY r.mixed, r.place) AS sessions,
               array_agg(r.person ORDER BY r.mixed, r.place) AS persons,
               array_agg(r.at ORDER BY r.mixed, r.place) AS times,
               array_agg(r.refresh ORDER BY r.mixed, r.place) AS refreshes,
               count(*) AS number,
               count(*) FILTER (WHERE NOT r.mixed) AS unmixed
        INTO together
        FROM ready AS r;

        first := 1;
        ends := ARRAY[together.number, together.unmixed];
        WHILE ends <> '{}' LOOP
            last := ends[cardinality(ends)];
            left_over := together.sessions[first:last];
            IF first <= last AND last <= together.unmixed THEN
                BEGIN
                    left_over := @extschema@.mm_fuse_batch(left_over, together.persons[first:last], together.times[first:last]);
                    scored := scored + last - first + 1 - cardinality(left_over);
                    taken := taken + last - first + 1 - cardinality(left_over);
                EXCEPTION WHEN OTHERS THEN
                    -- One of them: which one, the halves tell.
                    IF first < last THEN
                        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, reason = MESSAGE_TEXT;
                        RAISE LOG 'mm_fuse_pending: % sessions are scored in halves: % %', last - first + 1, state, reason;
                        ends := ends || (first + last) / 2;
                        CONTINUE;
                    END IF;
                END;
            END IF;
            FOR one IN
                SELECT w.id AS session_id, w.at AS created_at, w.refresh
                FROM unnest(together.sessions[first:last], together.times[first:last], together.refreshes[first:last]) WITH ORDINALITY AS w (id, at, refresh, place)
                WHERE w.id = ANY (left_over)
                ORDER BY w.place
            LOOP
                BEGIN
                    PERFORM @extschema@.mm_fuse_session(one.session_id, one.refresh);
                    scored := scored + 1;
                    taken := taken + 1;
                EXCEPTION WHEN OTHERS THEN
                    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, reason = MESSAGE_TEXT;
                    -- Not the session's fault (MM02x: the key file's): retried by the next call, and not counted, so that such
                    -- sessions cannot use up every batch.
                    IF left(state, 2) IN ('40', '53', '55', '57', '58') OR state IN ('MM020', 'MM021', 'MM024') OR one.refresh THEN
                        RAISE WARNING 'session %: % %', one.session_id, state, reason;
                    ELSE
                        taken := taken + 1;
                        UPDATE @extschema@.assessment_sessions AS s
                        SET status = 'failed', failure_reason = left(state || ' ' || reason, 1000)
                        WHERE s.id = one.session_id AND s.created_at = one.created_at;
                    END IF;
                END;
            END LOOP;
            first := last + 1;
            ends := trim_array(ends, 1);
        END LOOP;
    END LOOP;
    CLOSE people;
    RETURN scored;
END;
$$;

-- People with sessions ready to be scored, whoever has waited longest first; one person or all. Which of a person's
-- waiting sessions are ready is asked when the person's row is fetched: a long queue costs whoever
-- takes a few people no more than a look at each session that waits.
CREATE FUNCTION @extschema@.mm_ready_people(settled timestamptz, window_start timestamptz, person uuid)
    RETURNS TABLE (user_id uuid, sessions uuid[], times timestamptz[], refreshes boolean[])
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
    WITH modality AS (
        -- As the active model says; a modality it does not mention under modalities counts fully.
        SELECT f.name, m.spec -> 'modalities' -> f.name -> 'expected_weight' AS weight
        FROM @extschema@.mm_models AS m
        CROSS JOIN LATERAL (
            SELECT DISTINCT x ->> 'modality' AS name FROM jsonb_array_elements(m.spec -> 'features') AS x
            UNION SELECT k FROM jsonb_object_keys(coalesce(m.spec -> 'modalities', '{}')) AS k) AS f
        WHERE m.is_active
    ), expected AS MATERIALIZED (
        SELECT t.type, array_agg(modality.name) AS names
        FROM unnest(ARRAY['full', 'quick', 'voice-only']) AS t (type)
        JOIN modality ON CASE jsonb_typeof(modality.weight)
            WHEN 'object' THEN coalesce((modality.weight ->> t.type)::float8, 0)
            WHEN 'number' THEN (modality.weight #>> '{}')::float8
            ELSE 1 END > 0
        GROUP BY t.type
    ), late AS MATERIALIZED (
        -- One look at a score, however many analyses of its session have come, and at nothing else unless one is new.
        SELECT f.session_id, f.session_created_at
        FROM (SELECT x.session_id, array_agg(x.modality) AS modalities
              FROM (SELECT a.session_id, 'text' AS modality FROM @extschema@.text_analysis AS a WHERE a.processed_at >= window_start AND (person IS NULL OR a.user_id = person)
                    UNION ALL SELECT a.session_id, 'audio' FROM @extschema@.audio_analysis AS a WHERE a.processed_at >= window_start AND (person IS NULL OR a.user_id = person)
                    UNION ALL SELECT a.session_id, 'visual' FROM @extschema@.visual_analysis AS a WHERE a.processed_at >= window_start AND (person IS NULL OR a.user_id = person)
                    UNION ALL SELECT a.session_id, 'passive' FROM @extschema@.passive_analysis AS a WHERE a.processed_at >= window_start AND (person IS NULL OR a.user_id = person)) AS x
              GROUP BY x.session_id) AS arrived
        JOIN @extschema@.fusion_outputs AS f ON f.session_id = arrived.session_id AND NOT f.arrived_modalities @> arrived.modalities
    ), waiting AS (
        SELECT s.id, s.user_id, s.created_at, coalesce(s.assessment_type, 'full') AS type, false AS refresh
        FROM @extschema@.assessment_sessions AS s
        WHERE s.status IN ('pending', 'processing') AND (person IS NULL OR s.user_id = person)
        UNION ALL
        SELECT s.id, s.user_id, s.created_at, s.assessment_type, true
        FROM late AS l
        JOIN @extschema@.assessment_sessions AS s ON s.id = l.session_id AND s.created_at = l.session_created_at AND s.status = 'completed'
    )
    SELECT p.user_id, r.sessions, r.times, r.refreshes
    FROM (SELECT w.user_id, min(w.created_at) AS since, array_agg(w.id) AS sessions, array_agg(w.created_at) AS times,
                 array_agg(w.type) AS types, array_agg(w.refresh) AS refreshes
          FROM waiting AS w GROUP BY w.user_id ORDER BY since, w.user_id) AS p
    CROSS JOIN LATERAL (
        SELECT array_agg(s.id ORDER BY s.at, s.id) AS sessions, array_agg(s.at ORDER BY s.at, s.id) AS times,
               array_agg(s.refresh ORDER BY s.at, s.id) AS refreshes
        FROM unnest(p.sessions, p.times, p.types, p.refreshes) AS s (id, at, type, refresh)
        LEFT JOIN expected AS e ON e.type = s.type
        CROSS JOIN LATERAL (
            SELECT array_agg(a.modality) AS modalities, max(a.processed_at) AS newest
            FROM (SELECT 'text' AS modality, x.processed_at FROM @extschema@.text_analysis AS x WHERE x.session_id = s.id
                  UNION ALL SELECT 'audio', x.processed_at FROM @extschema@.audio_analysis AS x WHERE x.session_id = s.id
                  UNION ALL SELECT 'visual', x.processed_at FROM @extschema@.visual_analysis AS x WHERE x.session_id = s.id
                  UNION ALL SELECT 'passive', x.processed_at FROM @extschema@.passive_analysis AS x WHERE x.session_id = s.id) AS a
            WHERE NOT s.refresh) AS arrived
        WHERE s.refresh OR arrived.newest <= settled OR arrived.modalities @> coalesce(e.names, '{}')) AS r
    WHERE r.sessions IS NOT NULL
    ORDER BY p.since, p.user_id
    $$;

-- The same, a row a session.
CREATE FUNCTION @extschema@.mm_ready_sessions(settled timestamptz, window_start timestamptz, person uuid)
    RETURNS TABLE (session_id uuid, user_id uuid, created_at timestamptz, refresh boolean)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT s.id, p.user_id, s.at, s.refresh
    FROM @extschema@.mm_ready_people(settled, window_start, person) AS p
    CROSS JOIN LATERAL unnest(p.sessions, p.times, p.refreshes) AS s (id, at, refresh)
    $$;
