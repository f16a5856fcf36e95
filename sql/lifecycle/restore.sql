-- One person's rows as they were at a time of the last days.

-- What has to be done: rows to put back (restore), to take away (remove), to set back (change).
CREATE FUNCTION @extschema@.mm_restore_plan(user_id uuid, at timestamptz)
    RETURNS TABLE (source text, relation regclass, key_column text, key uuid, action text, wanted jsonb)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET extra_float_digits = 1
    SET intervalstyle = 'postgres' SET bytea_output = 'hex'
    AS $$
DECLARE
    recorded record;
    present text;
BEGIN
    -- Sources are the tables whose changes are recorded. A session is one, wherever it lies.
    FOR recorded IN
        SELECT DISTINCT c.oid::regclass AS relation, c.relname::text AS name,
               split_part(encode(t.tgargs, 'escape'), '\000', 1) AS key
        FROM pg_trigger AS t
        JOIN pg_class AS c ON c.oid = t.tgrelid
        WHERE t.tgfoid = '@extschema@.mm_record_history()'::regprocedure
          AND NOT c.relispartition AND c.relname <> 'assessment_sessions_archive'
          AND c.relnamespace = to_regnamespace('@extschema@')
    LOOP
        present := format('SELECT r.%I AS key, %L::regclass AS relation, to_jsonb(r) AS document FROM %s AS r WHERE r.user_id = $1',
            recorded.key, recorded.relation, recorded.relation);
        IF recorded.name = 'assessment_sessions' THEN
            present := present || format(' UNION ALL SELECT r.id, %L::regclass, to_jsonb(r) FROM %s AS r WHERE r.user_id = $1',
                '@extschema@.assessment_sessions_archive', '@extschema@.assessment_sessions_archive');
        END IF;
        RETURN QUERY EXECUTE format($query$
            WITH happened AS (
                -- All of a transaction or nothing: it counts at its last write for the person.
                SELECT h.*, max(h.recorded_at) OVER (PARTITION BY h.transaction_id, h.transaction_at) AS happened_at
                FROM @extschema@.row_history AS h WHERE h.user_id = $1
            ), first AS (
                SELECT DISTINCT ON (k.key) k.key, h.table_name, h.row_before
                FROM happened AS h CROSS JOIN LATERAL unnest(h.row_key || h.other_keys) AS k (key)
                WHERE h.happened_at > $2 AND (CASE h.table_name WHEN 'assessment_sessions_archive' THEN 'assessment_sessions' ELSE h.table_name END = $3
                    -- With a new session its key is new.
                    OR $3 = 'session_keys' AND h.table_name = 'assessment_sessions' AND h.action = 'insert')
                ORDER BY k.key, h.recorded_at
            ), wanted AS (
                -- Without columns that are no more.
                SELECT f.key, f.table_name, (SELECT jsonb_object_agg(d.key, d.value) FROM jsonb_each(f.row_before) AS d
                    WHERE d.key IN (SELECT c.name FROM @extschema@.mm_row_columns($4) AS c)) AS document
                FROM first AS f
            ), present AS (%1$s)
            SELECT $3, coalesce(p.relation, format('%%s.%%I', %2$L, w.table_name)::regclass), $5, w.key,
                   CASE WHEN w.document IS NULL THEN 'remove' WHEN p.document IS NULL THEN 'restore' ELSE 'change' END,
                   w.document
            FROM wanted AS w LEFT JOIN present AS p ON p.key = w.key
            WHERE coalesce(p.document || w.document, w.document)::text IS DISTINCT FROM p.document::text
              -- It goes after its session, unless something else hangs on it.
              AND NOT ($3 = 'session_keys' AND w.document IS NULL)$query$, present, '@extschema@')
        USING user_id, at, recorded.name, recorded.relation, recorded.key;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_restore_plan(uuid, timestamptz) IS
    'What backup_restore_user_data() would do to a person''s source rows: action restore (put back), remove or change, the row''s key, and wanted, the columns as they were. Owner only.';

CREATE FUNCTION @extschema@.backup_restore_user_data(user_id uuid, at timestamptz, dry_run boolean DEFAULT false)
    RETURNS TABLE (table_name text, restored bigint, removed bigint, changed bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    batch CONSTANT integer := 1000;
    counts jsonb;
    total bigint;
    done bigint := 0;
    step record;
BEGIN
    PERFORM @extschema@.mm_require_system();
    IF user_id IS NULL OR at IS NULL OR dry_run IS NULL THEN
        RAISE EXCEPTION 'user_id, at, dry_run: must not be NULL'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Give the person, and the time to go back to.';
    END IF;
    -- Nobody writes rows of the person from here on, and nobody scores them.
    PERFORM @extschema@.mm_close_person(user_id);
    IF EXISTS (SELECT FROM @extschema@.erasure_log AS e WHERE e.person = @extschema@.mm_tombstone(backup_restore_user_data.user_id)) THEN
        RAISE EXCEPTION 'user_id: the person has been erased'
            USING ERRCODE = 'MM004', HINT = 'An erased person is not brought back.';
    END IF;
    IF at > clock_timestamp() THEN
        RAISE EXCEPTION 'at: must be a time in the past'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Mind the time zone: write it out, as in 2024-01-01 12:00:00+00.';
    END IF;
    IF at < @extschema@.mm_history_begins() THEN
        RAISE EXCEPTION 'at: is before row_history begins'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It begins at %s.', @extschema@.mm_history_begins()),
                  HINT = 'Restore a backup to that time on another server (point-in-time recovery), SELECT mm_export_user(user_id) there; '
                         'here move the person''s rows aside and SELECT mm_import_user(document). docs/operations.md, "Restoring one person".';
    END IF;
    IF NOT @extschema@.mm_person_is_known(user_id) THEN
        RAISE EXCEPTION 'user_id: nothing is held on this person'
            USING ERRCODE = 'no_data_found', HINT = 'Give the id that auth.users and profiles.user_id have.';
    END IF;

    SELECT coalesce(jsonb_object_agg(p.label, p.n), '{}'), coalesce(sum(p.n), 0) INTO counts, total
    FROM (SELECT r.source || ' ' || r.action AS label, count(*) AS n
          FROM @extschema@.mm_restore_plan(user_id, at) AS r GROUP BY 1) AS p;
    IF NOT dry_run AND total > 0 THEN
        -- updated_at comes back as it was (update_updated_at_column); all else is recorded as ever.
        PERFORM set_config('mindmeasure.restoring', 'on', true);
        FOR step IN
            SELECT * FROM @extschema@.mm_restore_plan(user_id, at) AS r
            -- What is new makes room first: what hangs on a session before the session. Then the other way round.
            ORDER BY CASE WHEN r.action = 'remove' THEN CASE r.source WHEN 'assessment_sessions' THEN 2 ELSE 1 END
                          ELSE CASE r.source WHEN 'session_keys' THEN 3 WHEN 'assessment_sessions' THEN 4 ELSE 5 END END, r.source, r.key
        LOOP
            IF step.action = 'remove' THEN
                EXECUTE format('DELETE FROM %s AS r WHERE r.%I = $1 AND r.user_id = $2', step.relation, step.key_column) USING step.key, user_id;
                IF step.source = 'assessment_sessions' THEN
                    -- Its identity goes, and with it what scoring made of it; not where only the session's row
                    -- was missing then, and what belongs to it was there.
                    DELETE FROM @extschema@.session_keys AS k WHERE k.id = step.key AND k.user_id = backup_restore_user_data.user_id
                        AND NOT EXISTS (SELECT FROM @extschema@.text_analysis AS a WHERE a.session_id = step.key)
                        AND NOT EXISTS (SELECT FROM @extschema@.audio_analysis AS a WHERE a.session_id = step.key)
                        AND NOT EXISTS (SELECT FROM @extschema@.visual_analysis AS a WHERE a.session_id = step.key)
                        AND NOT EXISTS (SELECT FROM @extschema@.passive_analysis AS a WHERE a.session_id = step.key)
                        AND NOT EXISTS (SELECT FROM @extschema@.session_insights AS i WHERE i.session_id = step.key)
                        AND NOT EXISTS (SELECT FROM @extschema@.session_outcomes AS o WHERE o.session_id = step.key AND NOT o.derived);
                END IF;
            ELSE
                IF step.source = 'assessment_sessions' AND step.action = 'restore' THEN
                    INSERT INTO @extschema@.session_keys (id, user_id, created_at)
                    VALUES (step.key, backup_restore_user_data.user_id, (step.wanted ->> 'created_at')::timestamptz)
                    ON CONFLICT (id) DO NOTHING;
                END IF;
                PERFORM @extschema@.mm_store_row(step.relation, step.wanted,
                    (SELECT array_agg(d.name) FROM jsonb_object_keys(step.wanted) AS d (name)), false,
                    CASE step.action WHEN 'change' THEN step.key_column END);
            END IF;
            done := done + 1;
            IF done % batch = 0 THEN
                PERFORM @extschema@.mm_progress('restore', done, total);
            END IF;
        END LOOP;
        PERFORM set_config('mindmeasure.restoring', '', true);
        -- A session that was not scored then has no score now; all others are scored anew.
        DELETE FROM @extschema@.fusion_outputs AS f USING @extschema@.assessment_sessions AS s
        WHERE f.user_id = backup_restore_user_data.user_id AND s.id = f.session_id AND s.status <> 'completed';
        DELETE FROM @extschema@.mind_measure_scores AS m USING @extschema@.assessment_sessions AS s
        WHERE m.user_id = backup_restore_user_data.user_id AND s.id = m.session_id AND s.status <> 'completed';
        PERFORM @extschema@.mm_rescore_user(user_id);
        PERFORM @extschema@.mm_audit('RESTORE', NULL, user_id, jsonb_build_object('to', at, 'rows', total));
    END IF;

    RETURN QUERY
        SELECT DISTINCT c.relname::text, coalesce((counts ->> (c.relname || ' restore'))::bigint, 0),
               coalesce((counts ->> (c.relname || ' remove'))::bigint, 0), coalesce((counts ->> (c.relname || ' change'))::bigint, 0)
        FROM pg_trigger AS t
        JOIN pg_class AS c ON c.oid = t.tgrelid
        WHERE t.tgfoid = '@extschema@.mm_record_history()'::regprocedure AND NOT c.relispartition AND c.relname <> 'assessment_sessions_archive'
        ORDER BY 1;
END;
$$;
COMMENT ON FUNCTION @extschema@.backup_restore_user_data(uuid, timestamptz, boolean) IS
    'Brings one person''s source rows, archived sessions too, back to how they were at a time of the last days (row_history), scores them anew, and returns how many rows were put back, taken away and set back in each table; nobody else''s row is touched. A transaction counts at its last write for the person. dry_run => true only counts. It is recorded like any change: restoring to just before it undoes it. Errors: 22023 a time before row_history begins (the hint says what to do then) or in the future, MM004 erased, P0002 nothing is held on the person, 55000 not under READ COMMITTED, 22004 NULL. System role only (42501).';

CREATE FUNCTION @extschema@.mm_person_is_known(user_id uuid) RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    place record;
    known boolean := false;
BEGIN
    -- A pseudonym says that somebody with this id has spoken to the database, and nothing more.
    FOR place IN SELECT t.relation FROM @extschema@.mm_person_tables() AS t WHERE t.table_name <> 'audit_subjects' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s AS r WHERE r.user_id = $1)', place.relation) INTO STRICT known USING user_id;
        EXIT WHEN known;
    END LOOP;
    RETURN known;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_person_is_known(uuid) IS 'Whether any table holds a row of the person. Owner only.';
