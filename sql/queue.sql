-- The queue worker. A person's sessions are scored oldest first by one worker at a time, who
-- holds the same lock as mm_fuse_session(); others pass on to the next person.
CREATE FUNCTION @extschema@.mm_fuse_pending(max_sessions integer DEFAULT 1000) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settled CONSTANT timestamptz := now() - coalesce(nullif(current_setting('mindmeasure.settle_interval', true), ''), '10min')::interval;
    window_start CONSTANT timestamptz := now() - coalesce(nullif(current_setting('mindmeasure.refresh_window', true), ''), '1d')::interval;
    person record;
    ready record;
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
    FOR person IN
        SELECT r.user_id FROM @extschema@.mm_ready_sessions(settled, window_start, NULL) AS r
        GROUP BY r.user_id ORDER BY min(r.created_at), r.user_id
    LOOP
        EXIT WHEN taken >= max_sessions;
        CONTINUE WHEN NOT pg_try_advisory_xact_lock(@extschema@.mm_person_lock_key(person.user_id));
        -- Read again under the lock: another worker may just have committed these.
        FOR ready IN
            SELECT r.session_id, r.created_at, r.refresh
            FROM @extschema@.mm_ready_sessions(settled, window_start, person.user_id) AS r
            ORDER BY r.created_at, r.session_id
        LOOP
            EXIT WHEN taken >= max_sessions;
            PERFORM FROM @extschema@.assessment_sessions AS s
            WHERE s.id = ready.session_id AND s.created_at = ready.created_at FOR UPDATE SKIP LOCKED;
            -- Somebody is writing this session: it and the person's later ones wait for the next call.
            EXIT WHEN NOT FOUND;
            BEGIN
                PERFORM @extschema@.mm_fuse_session(ready.session_id, ready.refresh);
                scored := scored + 1;
                taken := taken + 1;
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, reason = MESSAGE_TEXT;
                -- Not the session's fault (MM02x: the key file's): retried by the next call, and not counted, so that such
                -- sessions cannot use up every batch.
                IF left(state, 2) IN ('40', '53', '55', '57', '58') OR state IN ('MM020', 'MM021', 'MM024') OR ready.refresh THEN
                    RAISE WARNING 'session %: % %', ready.session_id, state, reason;
                ELSE
                    taken := taken + 1;
                    UPDATE @extschema@.assessment_sessions AS s
                    SET status = 'failed', failure_reason = left(state || ' ' || reason, 1000)
                    WHERE s.id = ready.session_id AND s.created_at = ready.created_at;
                END IF;
            END;
        END LOOP;
    END LOOP;
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
