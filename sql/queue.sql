-- The queue worker. A person's sessions are scored oldest first by one worker at a time, who
-- holds the same lock as mm_fuse_session(); others pass on to the next person.
CREATE FUNCTION @extschema@.mm_fuse_pending(max_sessions integer DEFAULT 1000) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settled CONSTANT timestamptz := now() - coalesce(nullif(current_setting('mindmeasure.settle_interval', true), ''), '10min')::interval;
    window_start CONSTANT timestamptz := now() - coalesce(nullif(current_setting('mindmeasure.refresh_window', true), ''), '1d')::interval;
    -- Sessions whose people are locked and looked at together.
    batch_size CONSTANT integer := 200;
    people CURSOR FOR
        SELECT r.user_id,
               array_agg(r.session_id ORDER BY r.created_at, r.session_id) AS sessions,
               array_agg(r.created_at ORDER BY r.created_at, r.session_id) AS times,
               array_agg(r.refresh ORDER BY r.created_at, r.session_id) AS refreshes
        FROM @extschema@.mm_ready_sessions(settled, window_start, NULL) AS r
        GROUP BY r.user_id ORDER BY min(r.created_at), r.user_id;
    person record;
    room integer;
    -- A batch: sessions, and for each its person, its time, and whether it is scored already.
    sessions uuid[];
    persons uuid[];
    times timestamptz[];
    refreshes boolean[];
    together record;
    one record;
    left_over uuid[];
    done integer;
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
        -- somebody is writing waits for the next call, and the person's later ones with it.
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
        SELECT array_agg(r.id ORDER BY r.place) FILTER (WHERE NOT r.mixed) AS sessions,
               array_agg(r.person ORDER BY r.place) FILTER (WHERE NOT r.mixed) AS persons,
               array_agg(r.at ORDER BY r.place) FILTER (WHERE NOT r.mixed) AS times,
               array_agg(r.id ORDER BY r.place) AS all_sessions,
               array_agg(r.at ORDER BY r.place) AS all_times,
               array_agg(r.refresh ORDER BY r.place) AS all_refreshes,
               array_agg(r.id ORDER BY r.place) FILTER (WHERE r.mixed) AS mixed
        INTO together
        FROM ready AS r;

        left_over := '{}';
        IF together.sessions IS NOT NULL THEN
            BEGIN
                left_over := @extschema@.mm_fuse_batch(together.sessions, together.persons, together.times);
            EXCEPTION WHEN OTHERS THEN
                -- One of them; which one is found out below.
                GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, reason = MESSAGE_TEXT;
                RAISE LOG 'mm_fuse_pending: a batch is scored one by one: % %', state, reason;
                left_over := together.sessions;
            END;
            done := cardinality(together.sessions) - cardinality(left_over);
            scored := scored + done;
            taken := taken + done;
        END IF;

        FOR one IN
            SELECT w.id AS session_id, w.at AS created_at, w.refresh
            FROM unnest(together.all_sessions, together.all_times, together.all_refreshes) WITH ORDINALITY AS w (id, at, refresh, place)
            WHERE w.id = ANY (left_over || together.mixed)
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
    END LOOP;
    CLOSE people;
    RETURN scored;
END;
$$;

-- Sessions ready to be scored, of one person or of all.
CREATE FUNCTION @extschema@.mm_ready_sessions(settled timestamptz, window_start timestamptz, person uuid)
    RETURNS TABLE (session_id uuid, user_id uuid, created_at timestamptz, refresh boolean)
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
    ), expected AS (
        SELECT t.type, array_agg(modality.name) AS names
        FROM unnest(ARRAY['full', 'quick', 'voice-only']) AS t (type)
        JOIN modality ON CASE jsonb_typeof(modality.weight)
            WHEN 'object' THEN coalesce((modality.weight ->> t.type)::float8, 0)
            WHEN 'number' THEN (modality.weight #>> '{}')::float8
            ELSE 1 END > 0
        GROUP BY t.type
    ), waiting AS (
        SELECT s.id, s.user_id, s.created_at, coalesce(s.assessment_type, 'full') AS type
        FROM @extschema@.assessment_sessions AS s
        WHERE s.status IN ('pending', 'processing') AND (person IS NULL OR s.user_id = person)
    ), arrived AS (
        SELECT w.id, array_agg(DISTINCT a.modality) AS names, max(a.processed_at) AS newest
        FROM waiting AS w
        CROSS JOIN LATERAL (
            SELECT 'text' AS modality, x.processed_at FROM @extschema@.text_analysis AS x WHERE x.session_id = w.id
            UNION ALL SELECT 'audio', x.processed_at FROM @extschema@.audio_analysis AS x WHERE x.session_id = w.id
            UNION ALL SELECT 'visual', x.processed_at FROM @extschema@.visual_analysis AS x WHERE x.session_id = w.id
            UNION ALL SELECT 'passive', x.processed_at FROM @extschema@.passive_analysis AS x WHERE x.session_id = w.id) AS a
        GROUP BY w.id
    ), late AS (
        SELECT x.session_id, 'text' AS modality FROM @extschema@.text_analysis AS x WHERE x.processed_at >= window_start AND (person IS NULL OR x.user_id = person)
        UNION ALL SELECT x.session_id, 'audio' FROM @extschema@.audio_analysis AS x WHERE x.processed_at >= window_start AND (person IS NULL OR x.user_id = person)
        UNION ALL SELECT x.session_id, 'visual' FROM @extschema@.visual_analysis AS x WHERE x.processed_at >= window_start AND (person IS NULL OR x.user_id = person)
        UNION ALL SELECT x.session_id, 'passive' FROM @extschema@.passive_analysis AS x WHERE x.processed_at >= window_start AND (person IS NULL OR x.user_id = person)
    )
    SELECT w.id, w.user_id, w.created_at, false
    FROM waiting AS w
    JOIN arrived AS a ON a.id = w.id
    LEFT JOIN expected AS e ON e.type = w.type
    WHERE coalesce(e.names, '{}') <@ a.names OR a.newest <= settled
    UNION
    SELECT s.id, s.user_id, s.created_at, true
    FROM late
    JOIN @extschema@.fusion_outputs AS f ON f.session_id = late.session_id AND late.modality <> ALL (f.arrived_modalities)
    JOIN @extschema@.assessment_sessions AS s ON s.id = f.session_id AND s.created_at = f.session_created_at AND s.status = 'completed'
    $$;
