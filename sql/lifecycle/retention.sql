-- What is kept for how long: retention_policies, applied.

CREATE FUNCTION @extschema@.mm_guard_retention_policy() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    -- What everything else stands on, and what proves an erasure.
    kept CONSTANT text[] := '{session_keys,mm_schema_migrations,mm_models,retention_policies,user_keys,erasure_log}';
    relation CONSTANT regclass := to_regclass(format('@extschema@.%I', NEW.table_name));
    field text;
    problem text;
BEGIN
    IF NEW.action = 'archive' AND NEW.table_name <> 'assessment_sessions' THEN
        field := 'action';
        problem := 'archive is for assessment_sessions only';
    ELSIF NEW.table_name = ANY (kept) THEN
        field := 'table_name';
        problem := 'rows of this table are not subject to retention';
    ELSIF (NEW.action = 'redact') <> (coalesce(cardinality(NEW.redacted_columns), 0) > 0) THEN
        field := 'redacted_columns';
        problem := 'must name columns for redact, and none for anything else';
    ELSIF relation IS NOT NULL AND (SELECT relowner FROM pg_class WHERE oid = relation) <> 'mindmeasure_owner'::regrole THEN
        field := 'table_name';
        problem := 'is not a table of mindmeasure';
    ELSIF relation IS NOT NULL AND @extschema@.mm_retention_time(relation, NEW.time_column) IS NULL THEN
        field := 'time_column';
        problem := 'must be a column of the table of type timestamptz';
    ELSIF relation IS NOT NULL AND EXISTS (
        SELECT FROM unnest(NEW.redacted_columns) AS c (name)
        LEFT JOIN pg_attribute AS a ON a.attrelid = relation AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
        WHERE a.attname IS NULL OR a.attnotnull OR a.attgenerated <> '') THEN
        field := 'redacted_columns';
        problem := 'must be columns of the table that may be NULL';
    ELSE
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '%: %', field, problem USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, COLUMN = field,
        HINT = 'Nothing was stored. \d+ retention_policies says what each column means.';
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_guard_retention_policy() IS
    'Trigger on retention_policies: what the policy names must exist and be fit for it, where the table exists (23514).';

CREATE FUNCTION @extschema@.mm_retention_time(relation regclass, time_column text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT a.attname::text FROM pg_attribute AS a
    LEFT JOIN pg_partitioned_table AS t ON t.partrelid = a.attrelid AND t.partnatts = 1 AND t.partstrat = 'r'
    WHERE a.attrelid = relation AND a.atttypid = 'timestamptz'::regtype AND NOT a.attisdropped
      AND CASE WHEN time_column IS NULL THEN a.attnum = t.partattrs[0] ELSE a.attname = time_column END
    $$;
COMMENT ON FUNCTION @extschema@.mm_retention_time(regclass, text) IS 'Part of mm_apply_retention(): the column that says how old a row is; NULL where there is none.';

CREATE FUNCTION @extschema@.mm_apply_retention() RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    done bigint := 0;
BEGIN
    CALL @extschema@.mm_retain_in_batches('{archive,drop,redact}', false, done);
    RETURN done;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_apply_retention() IS
    'Applies the enabled retention_policies and returns how many sessions were archived, rows dropped or redacted, and partitions dropped. Rows that somebody is writing at the moment are left for the next call. All in one transaction: for many rows CALL mm_run_retention(). Twice or at once is harmless. Errors: 42501, and those of archive_old_sessions(). System role only.';

CREATE PROCEDURE @extschema@.mm_run_retention(actions text[] DEFAULT '{archive,drop,redact}')
    LANGUAGE plpgsql
    AS $$
DECLARE
    done bigint := 0;
BEGIN
    -- A procedure that commits cannot carry a SET clause.
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    CALL @extschema@.mm_retain_in_batches(actions, true, done);
END;
$$;
COMMENT ON PROCEDURE @extschema@.mm_run_retention(text[]) IS
    'mm_apply_retention(), for the policies with one of these actions, with a commit after every batch. Not inside a transaction block. For pg_cron: mm_schedule_jobs(). System role only.';

CREATE PROCEDURE @extschema@.mm_retain_in_batches(actions text[], commits boolean, INOUT done bigint)
    LANGUAGE plpgsql
    AS $$
DECLARE
    work record;
    batch bigint;
    reached bigint;
    block bigint;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    done := 0;
    FOR work IN SELECT w.* FROM @extschema@.mm_retention_work(actions) AS w LOOP
        reached := 0;
        block := 0;
        IF work.action = 'archive' THEN
            CALL @extschema@.mm_archive_in_batches(work.keep, commits, reached);
        ELSIF work.by_partition THEN
            LOOP
                batch := @extschema@.mm_retention_drop_oldest(work.relation, work.time_column, work.cutoff);
                EXIT WHEN batch = 0;
                reached := reached + batch;
                PERFORM @extschema@.mm_progress(work.task, reached, NULL);
                IF commits THEN
                    COMMIT;
                    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
                    PERFORM @extschema@.mm_show_progress(work.task, reached, NULL);
                END IF;
            END LOOP;
        ELSE
            WHILE block < work.blocks LOOP
                batch := @extschema@.mm_retention_rows(work.relation, work.leaf, work.action, work.time_column, work.redacted_columns,
                                                       work.cutoff, block, block + work.step);
                block := block + work.step;
                CONTINUE WHEN batch = 0;
                reached := reached + batch;
                PERFORM @extschema@.mm_progress(work.task, reached, greatest(reached, work.due));
                IF commits THEN
                    COMMIT;
                    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
                    PERFORM @extschema@.mm_show_progress(work.task, reached, greatest(reached, work.due));
                END IF;
            END LOOP;
        END IF;
        done := done + reached;
    END LOOP;
END;
$$;
COMMENT ON PROCEDURE @extschema@.mm_retain_in_batches(text[], boolean, bigint) IS
    'What mm_apply_retention() and mm_run_retention() share: commits says whether each batch is committed.';

CREATE FUNCTION @extschema@.mm_retention_due(action text, time_column text, redacted_columns text[]) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT format('%I < $1', time_column) || CASE WHEN action = 'redact'
        THEN (SELECT ' AND (' || string_agg(format('%I IS NOT NULL', c), ' OR ') || ')' FROM unnest(redacted_columns) AS c) ELSE '' END
    $$;
COMMENT ON FUNCTION @extschema@.mm_retention_due(text, text, text[]) IS 'Part of mm_apply_retention(): the condition that a row is due; $1 the time before which rows are.';

-- One line for each table, or partition, that a policy has work in.
CREATE FUNCTION @extschema@.mm_retention_work(actions text[])
    RETURNS TABLE (task text, action text, relation regclass, leaf regclass, by_partition boolean, time_column text,
                   redacted_columns text[], keep interval, cutoff timestamptz, blocks bigint, step bigint, due bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    policy record;
BEGIN
    IF NOT @extschema@.mm_caller_is_system() THEN
        RAISE EXCEPTION 'permission denied: retention is for the system role'
            USING ERRCODE = 'insufficient_privilege', HINT = 'SET ROLE mindmeasure_system, or be granted it.';
    END IF;
    IF actions IS NULL OR NOT actions <@ '{archive,drop,redact}' THEN
        RAISE EXCEPTION 'actions: must be of archive, drop, redact' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Give an array, e.g. ''{drop,redact}''.';
    END IF;
    FOR policy IN
        SELECT p.*, to_regclass(format('@extschema@.%I', p.table_name)) AS id
        FROM @extschema@.retention_policies AS p WHERE p.enabled AND p.action = ANY (actions)
        ORDER BY array_position('{archive,redact,drop}', p.action), p.table_name
    LOOP
        -- It may come with a later version.
        CONTINUE WHEN policy.id IS NULL;
        task := policy.action || ' ' || policy.table_name;
        action := policy.action;
        relation := policy.id;
        time_column := @extschema@.mm_retention_time(relation, policy.time_column);
        redacted_columns := policy.redacted_columns;
        keep := policy.keep;
        cutoff := now() - keep;
        by_partition := action = 'drop' AND time_column = @extschema@.mm_retention_time(relation, NULL);
        IF time_column IS NULL THEN
            RAISE WARNING '%: the table has no such time_column', task USING HINT = 'Correct the row of retention_policies.';
        ELSIF action = 'archive' OR by_partition THEN
            RETURN NEXT;
        ELSE
            FOR leaf, blocks, step IN
                SELECT l.id, b.blocks, b.step
                FROM (SELECT relation AS id WHERE NOT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = relation)
                      UNION ALL SELECT t.relid FROM pg_partition_tree(relation) AS t WHERE t.isleaf) AS l
                CROSS JOIN LATERAL @extschema@.mm_archive_blocks(l.id) AS b
            LOOP
                EXECUTE format('SELECT count(*) FROM ONLY %s WHERE ', leaf) || @extschema@.mm_retention_due(action, time_column, redacted_columns)
                INTO due USING cutoff;
                IF due > 0 THEN
                    RETURN NEXT;
                END IF;
            END LOOP;
        END IF;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_retention_work(text[]) IS 'Part of mm_apply_retention(): what is due now by the enabled policies.';

CREATE FUNCTION @extschema@.mm_retention_drop_oldest(relation regclass, time_column text, before timestamptz) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    fallback regclass;
    oldest timestamptz;
BEGIN
    -- Rows that found no partition get one and go with it.
    SELECT p.partition INTO fallback FROM @extschema@.mm_time_partitions(relation) AS p WHERE p.is_default;
    LOOP
        EXIT WHEN fallback IS NULL;
        EXECUTE format('SELECT min(%I) FROM %s WHERE %I < $1', time_column, fallback, time_column) INTO oldest USING before;
        EXIT WHEN oldest IS NULL;
        PERFORM @extschema@.mm_time_partition(relation, 'day', oldest);
    END LOOP;
    SELECT min(p.to_time) INTO oldest FROM @extschema@.mm_time_partitions(relation) AS p WHERE p.to_time <= before;
    IF oldest IS NULL THEN
        RETURN 0;
    END IF;
    RETURN @extschema@.mm_drop_time_partitions(relation, oldest);
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_retention_drop_oldest(regclass, text, timestamptz) IS 'Part of mm_apply_retention(): drops the oldest partition that lies wholly before a time; how many that were, 0 or 1.';

CREATE FUNCTION @extschema@.mm_retention_rows(relation regclass, leaf regclass, action text, time_column text, redacted_columns text[],
                                              before timestamptz, first_block bigint, end_block bigint) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
    AS $$
DECLARE
    affected bigint;
BEGIN
    -- Never waits for a row: what others hold is left for the next run. Through the parent, so
    -- that triggers see one table.
    EXECUTE format($rows$
        WITH due AS MATERIALIZED (
            SELECT r.ctid AS place FROM ONLY %1$s AS r
            WHERE r.ctid >= %2$L::tid AND r.ctid < %3$L::tid AND %4$s
            FOR UPDATE SKIP LOCKED
        ) %5$s WHERE r.tableoid = %6$s AND r.ctid = ANY (ARRAY(SELECT due.place FROM due))
        $rows$, leaf, format('(%s,0)', first_block), format('(%s,0)', least(end_block, 4294967295)),
        @extschema@.mm_retention_due(action, time_column, redacted_columns),
        CASE action WHEN 'drop' THEN format('DELETE FROM %s AS r', relation)
                    ELSE format('UPDATE %s AS r SET ', relation) || (SELECT string_agg(format('%I = NULL', c), ', ') FROM unnest(redacted_columns) AS c) END,
        leaf::oid)
    USING before;
    GET DIAGNOSTICS affected = ROW_COUNT;
    RETURN affected;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_retention_rows(regclass, regclass, text, text, text[], timestamptz, bigint, bigint) IS
    'Part of mm_apply_retention(): drops or redacts the rows that are due in a range of a table''s blocks, in one statement.';
