-- assessment_sessions → assessment_sessions_archive. Whole months of a partitioned table change their
-- parent; all other old rows move in batches, each DELETE and INSERT in one statement.

CREATE FUNCTION @extschema@.archive_old_sessions(older_than interval DEFAULT '2 years') RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    moved bigint := 0;
BEGIN
    CALL @extschema@.mm_archive_in_batches(older_than, false, moved);
    RETURN moved;
END;
$$;
COMMENT ON FUNCTION @extschema@.archive_old_sessions(interval) IS
    'Moves sessions older than older_than to assessment_sessions_archive and returns how many these were; their keys, analyses and scores stay. A session that somebody is writing at the moment is left for the next call. All in one transaction, so its locks stay to the end and new sessions may wait for it: for many rows CALL mm_archive_sessions(). Twice or at once is harmless. Errors: 42501, 22004 NULL, 22023 older_than, 42804 a column that the archive lacks, 55P03 locked for too long. System role only.';

CREATE PROCEDURE @extschema@.mm_archive_sessions(older_than interval DEFAULT '2 years')
    LANGUAGE plpgsql
    AS $$
DECLARE
    moved bigint := 0;
BEGIN
    -- A procedure that commits cannot carry a SET clause.
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    CALL @extschema@.mm_archive_in_batches(older_than, true, moved);
END;
$$;
COMMENT ON PROCEDURE @extschema@.mm_archive_sessions(interval) IS
    'archive_old_sessions() with a commit after every month and every batch of some 5000 rows: no lock outlives its batch, and what is done stays done. Not inside a transaction block. For pg_cron: mm_schedule_jobs(). System role only.';

CREATE PROCEDURE @extschema@.mm_archive_in_batches(older_than interval, commits boolean, INOUT moved bigint)
    LANGUAGE plpgsql
    AS $$
DECLARE
    cutoff timestamptz;
    total bigint;
    leaves regclass[];
    months regclass[];
    month_rows bigint[];
    leaf regclass;
    month timestamptz;
    block bigint;
    blocks bigint;
    step bigint;
    batch bigint;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    moved := 0;
    cutoff := @extschema@.mm_archive_cutoff(older_than);
    PERFORM @extschema@.mm_archive_turn();
    IF commits THEN
        -- What came into the archive's DEFAULT partition goes into months of its own.
        SELECT nullif(t.partdefid, 0)::regclass INTO leaf FROM pg_partitioned_table AS t
        WHERE t.partrelid = '@extschema@.assessment_sessions_archive'::regclass;
        FOREACH month IN ARRAY CASE WHEN leaf IS NULL THEN '{}' ELSE @extschema@.mm_archive_months(leaf, 'infinity') END LOOP
            PERFORM @extschema@.mm_archive_make_month(month);
            CALL @extschema@.mm_archive_commit(moved, total);
        END LOOP;
    END IF;
    SELECT coalesce(sum(w.old_rows), 0), coalesce(array_agg(w.leaf) FILTER (WHERE NOT w.whole), '{}'),
           coalesce(array_agg(w.leaf) FILTER (WHERE w.whole), '{}'), array_agg(w.old_rows) FILTER (WHERE w.whole)
    INTO total, leaves, months, month_rows
    FROM @extschema@.mm_archive_work(cutoff) AS w;
    IF total = 0 THEN
        RETURN;
    END IF;
    IF commits THEN
        -- Nor keep the locks of counting.
        CALL @extschema@.mm_archive_commit(moved, total);
    END IF;
    -- All that locks session_keys comes before the first row moves: whoever deletes a key meanwhile waits for
    -- that row with a lock on session_keys of their own.
    FOREACH leaf IN ARRAY months LOOP
        batch := @extschema@.mm_archive_month(leaf, cutoff, month_rows[array_position(months, leaf)]);
        IF batch IS NULL THEN
            leaves := leaves || leaf;
            CONTINUE;
        END IF;
        moved := moved + batch;
        total := greatest(moved, total);
        PERFORM @extschema@.mm_progress('archive', moved, total);
        IF commits THEN
            CALL @extschema@.mm_archive_commit(moved, total);
        END IF;
    END LOOP;
    -- A new month of the archive locks session_keys, which every new session needs, to the end of the
    -- transaction: too long for a backlog in one. Its rows then wait in the DEFAULT partition.
    IF commits OR total <= 5000 THEN
        FOREACH leaf IN ARRAY leaves LOOP
            FOREACH month IN ARRAY @extschema@.mm_archive_months(leaf, cutoff) LOOP
                PERFORM @extschema@.mm_archive_make_month(month);
                IF commits THEN
                    CALL @extschema@.mm_archive_commit(moved, total);
                END IF;
            END LOOP;
        END LOOP;
    END IF;
    FOREACH leaf IN ARRAY leaves LOOP
        -- Once through the table by its blocks: what is deleted is not read again. Where nothing is committed
        -- between, large batches: the more entries of an index are sorted together, the cheaper each.
        SELECT b.blocks, b.step INTO blocks, step FROM @extschema@.mm_archive_blocks(leaf) AS b;
        step := step * CASE WHEN commits THEN 1 ELSE 20 END;
        block := 0;
        WHILE block < blocks LOOP
            batch := @extschema@.mm_archive_rows(leaf, block, block + step, cutoff);
            block := block + step;
            IF batch > 0 THEN
                moved := moved + batch;
                total := greatest(moved, total);
                PERFORM @extschema@.mm_progress('archive', moved, total);
            END IF;
            IF commits THEN
                CALL @extschema@.mm_archive_commit(moved, total);
            END IF;
        END LOOP;
    END LOOP;
END;
$$;
COMMENT ON PROCEDURE @extschema@.mm_archive_in_batches(interval, boolean, bigint) IS
    'What archive_old_sessions() and mm_archive_sessions() share: commits says whether each batch is committed.';

CREATE PROCEDURE @extschema@.mm_archive_commit(moved bigint, total bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM @extschema@.mm_archive_turn();
    PERFORM @extschema@.mm_show_progress('archive', moved, total);
END;
$$;
COMMENT ON PROCEDURE @extschema@.mm_archive_commit(bigint, bigint) IS
    'Part of mm_archive_sessions(): commits a batch, and takes its turn again.';

-- Two that archive take turns, by the transaction: each reads the tables that the other locks.
CREATE FUNCTION @extschema@.mm_archive_turn() RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
    AS $$ SELECT pg_advisory_xact_lock(hashtextextended('mindmeasure.archive', 0)) $$;
COMMENT ON FUNCTION @extschema@.mm_archive_turn() IS 'Part of archive_old_sessions(): waits until nobody else archives in this moment.';

CREATE FUNCTION @extschema@.mm_archive_cutoff(older_than interval) RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NOT @extschema@.mm_caller_is_system() THEN
        RAISE EXCEPTION 'permission denied: archiving is for the system role'
            USING ERRCODE = 'insufficient_privilege', HINT = 'SET ROLE mindmeasure_system, or be granted it.';
    END IF;
    IF older_than IS NULL THEN
        RAISE EXCEPTION 'older_than: must not be NULL' USING ERRCODE = 'null_value_not_allowed',
            HINT = 'Give an interval, e.g. ''2 years''.';
    END IF;
    IF older_than < interval '0' THEN
        RAISE EXCEPTION 'older_than: must not be negative' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Give an interval, e.g. ''2 years''.';
    END IF;
    -- No session is older than session_keys allows.
    IF older_than > interval '300 years' THEN
        RETURN '-infinity';
    END IF;
    RETURN now() - older_than;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_archive_cutoff(interval) IS 'Part of archive_old_sessions(): checks the caller and the interval; the time before which sessions go.';

CREATE FUNCTION @extschema@.mm_archive_fits(leaf regclass) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT c.relowner = 'mindmeasure_owner'::regrole AND NOT EXISTS (
        SELECT FROM (SELECT * FROM pg_attribute WHERE attrelid = leaf AND attnum > 0 AND NOT attisdropped) AS here
        FULL JOIN (SELECT * FROM pg_attribute WHERE attrelid = '@extschema@.assessment_sessions_archive'::regclass AND attnum > 0 AND NOT attisdropped) AS there
            USING (attname)
        WHERE here.attrelid IS NULL OR there.attrelid IS NULL
           OR (here.atttypid, here.atttypmod, here.attcollation, here.attgenerated, here.attidentity)
              IS DISTINCT FROM (there.atttypid, there.atttypmod, there.attcollation, there.attgenerated, there.attidentity)
           OR there.attnotnull AND NOT here.attnotnull)
    FROM pg_class AS c WHERE c.oid = leaf
    $$;
COMMENT ON FUNCTION @extschema@.mm_archive_fits(regclass) IS 'Part of archive_old_sessions(): whether a partition has exactly the archive''s columns, in whatever order.';

-- Which tables hold old rows, and whether they may go as a whole. What lies before the time by its bounds
-- is counted without a look at the rows.
CREATE FUNCTION @extschema@.mm_archive_work(cutoff timestamptz) RETURNS TABLE (leaf regclass, whole boolean, old_rows bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
    AS $$
DECLARE
    sessions CONSTANT regclass := '@extschema@.assessment_sessions';
    is_old boolean;
BEGIN
    FOR leaf, is_old, whole IN
        WITH archived AS MATERIALIZED (
            SELECT a.from_time, a.to_time FROM @extschema@.mm_time_partitions('@extschema@.assessment_sessions_archive') AS a WHERE NOT a.is_default
        ), parts AS MATERIALIZED (
            SELECT p.* FROM @extschema@.mm_time_partitions(sessions) AS p WHERE p.is_default OR p.from_time < cutoff
        )
        SELECT p.partition, NOT p.is_default AND p.to_time <= cutoff,
               NOT p.is_default AND p.to_time <= cutoff AND NOT EXISTS (SELECT FROM archived AS a WHERE a.from_time < p.to_time AND a.to_time > p.from_time)
        FROM parts AS p
        UNION ALL
        SELECT c.oid::regclass, false, false FROM pg_class AS c WHERE c.oid = sessions AND c.relkind = 'r'
    LOOP
        EXECUTE format(CASE WHEN is_old THEN 'SELECT count(*) FROM ONLY %s' ELSE 'SELECT count(*) FROM ONLY %s WHERE created_at < $1' END, leaf)
        INTO old_rows USING cutoff;
        IF old_rows > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_archive_work(timestamptz) IS 'Part of archive_old_sessions(): tables with sessions before a time, how many, and whether they lie wholly before it and where the archive has nothing yet; oldest first.';

-- The columns that move, by name; an error where one would be lost.
CREATE FUNCTION @extschema@.mm_archive_columns() RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    columns text;
    lacking text;
BEGIN
    SELECT string_agg(quote_ident(s.attname), ', ' ORDER BY s.attnum) FILTER (WHERE a.attgenerated = ''),
           string_agg(s.attname, ', ' ORDER BY s.attnum) FILTER (WHERE a.attname IS NULL)
    INTO columns, lacking
    FROM pg_attribute AS s
    LEFT JOIN pg_attribute AS a ON a.attrelid = '@extschema@.assessment_sessions_archive'::regclass AND a.attname = s.attname AND NOT a.attisdropped
        AND a.atttypid = s.atttypid AND (a.atttypmod = s.atttypmod OR a.atttypmod = -1)
    WHERE s.attrelid = '@extschema@.assessment_sessions'::regclass AND s.attnum > 0 AND NOT s.attisdropped;
    IF lacking IS NOT NULL THEN
        RAISE EXCEPTION '%: assessment_sessions_archive has no such column of the same type', lacking USING ERRCODE = 'datatype_mismatch',
            HINT = 'Nothing was moved. Add the column to assessment_sessions_archive as well, then archive again.';
    END IF;
    RETURN columns;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_archive_columns() IS 'Part of archive_old_sessions(): the columns that move, by name; 42804 where the archive lacks one.';

CREATE FUNCTION @extschema@.mm_archive_months(leaf regclass, cutoff timestamptz) RETURNS timestamptz[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    months timestamptz[];
BEGIN
    PERFORM @extschema@.mm_archive_columns();
    -- Another archiver may have had its turn.
    IF leaf <> '@extschema@.assessment_sessions'::regclass AND NOT EXISTS (
        SELECT FROM pg_inherits WHERE inhrelid = leaf
          AND inhparent IN ('@extschema@.assessment_sessions'::regclass, '@extschema@.assessment_sessions_archive'::regclass)) THEN
        RETURN '{}';
    END IF;
    EXECUTE format('SELECT array_agg(DISTINCT date_trunc(''month'', created_at, ''UTC'')) FROM ONLY %s WHERE created_at < $1', leaf)
    INTO months USING cutoff;
    RETURN coalesce(months, '{}');
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_archive_months(regclass, timestamptz) IS 'Part of archive_old_sessions(): the months of the sessions before a time in a table.';

CREATE FUNCTION @extschema@.mm_archive_make_month(month timestamptz) RETURNS regclass
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT @extschema@.mm_time_partition('@extschema@.assessment_sessions_archive', 'month', month) $$;
COMMENT ON FUNCTION @extschema@.mm_archive_make_month(timestamptz) IS 'Part of archive_old_sessions(): the archive''s partition for a month.';

CREATE FUNCTION @extschema@.mm_archive_blocks(leaf regclass) RETURNS TABLE (blocks bigint, step bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT pg_relation_size(c.oid) / current_setting('block_size')::bigint,
           -- Blocks that hold some 5000 rows; where nothing is known, 20 a block.
           greatest(1, 5000 / greatest(1, CASE WHEN c.relpages > 0 AND c.reltuples > 0 THEN c.reltuples / c.relpages ELSE 20 END))::bigint
    FROM pg_class AS c WHERE c.oid = leaf
    $$;
COMMENT ON FUNCTION @extschema@.mm_archive_blocks(regclass) IS 'Part of archive_old_sessions(): how many blocks a table has, and how many make a batch.';

-- src/archive
CREATE FUNCTION @extschema@.mm_hold_session_keys() RETURNS trigger
    LANGUAGE c SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'mm_hold_session_keys';
COMMENT ON FUNCTION @extschema@.mm_hold_session_keys() IS
    'Trigger on session_keys, once a DELETE: waits while sessions move to the archive, so that none loses its key on the way.';

-- The plan must not hang on what is known of the tables: a batch is small, and is found by keys.
CREATE FUNCTION @extschema@.mm_archive_rows(leaf regclass, first_block bigint, end_block bigint, cutoff timestamptz) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
    AS $$
DECLARE
    columns CONSTANT text := @extschema@.mm_archive_columns();
    moved bigint;
BEGIN
    -- It may have become the archive's meanwhile.
    IF leaf <> '@extschema@.assessment_sessions'::regclass AND NOT EXISTS (
        SELECT FROM pg_inherits WHERE inhrelid = leaf AND inhparent = '@extschema@.assessment_sessions'::regclass) THEN
        RETURN 0;
    END IF;
    -- History and audit tell a move from a loss by this and by who does it.
    PERFORM set_config('mindmeasure.moving_to_archive', 'on', true);
    moved := @extschema@.mm_move_to_archive(leaf, first_block, end_block, cutoff);
    IF moved IS NULL THEN
        -- Never waits for a row, so that it cannot deadlock with scoring or erasing: what others
        -- hold, session or key, is left for the next run. Deleted through the parent, so that
        -- triggers see one table, flat or partitioned.
        EXECUTE format($move$
            WITH old AS MATERIALIZED (
                SELECT s.id, s.user_id, s.created_at
                FROM ONLY %1$s AS s
                JOIN @extschema@.session_keys AS k ON k.id = s.id AND k.user_id = s.user_id
                WHERE s.ctid >= %3$L::tid AND s.ctid < %4$L::tid AND s.created_at < $1
                FOR UPDATE OF s SKIP LOCKED FOR KEY SHARE OF k SKIP LOCKED
            ), moved AS (
                DELETE FROM @extschema@.assessment_sessions AS s USING old
                WHERE s.id = old.id AND s.user_id = old.user_id AND s.created_at = old.created_at
                RETURNING s.*
            )
            INSERT INTO @extschema@.assessment_sessions_archive (%2$s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM moved
            $move$, leaf, columns, format('(%s,0)', first_block), format('(%s,0)', least(end_block, 4294967295)))
        USING cutoff;
        GET DIAGNOSTICS moved = ROW_COUNT;
    END IF;
    PERFORM set_config('mindmeasure.moving_to_archive', 'off', true);
    IF moved > 0 THEN
        PERFORM @extschema@.mm_audit('ARCHIVE', 'assessment_sessions', NULL, jsonb_build_object('rows', moved));
    END IF;
    RETURN moved;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_archive_rows(regclass, bigint, bigint, timestamptz) IS
    'Part of archive_old_sessions(): moves the sessions before a time that lie in a range of a table''s blocks: mm_move_to_archive(), or one statement.';

-- One month: from the one parent to the other, with a CHECK that proves its bounds, foreign key, key
-- and index equal: nothing is read. NULL where that is not possible.
CREATE FUNCTION @extschema@.mm_archive_month(leaf regclass, cutoff timestamptz, rows bigint) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET lock_timeout = '200ms' SET client_min_messages = warning
    AS $$
DECLARE
    sessions CONSTANT regclass := '@extschema@.assessment_sessions';
    archive CONSTANT regclass := '@extschema@.assessment_sessions_archive';
    attempts CONSTANT integer := 50;
    attempt integer := 1;
    bounds record;
    new_name text;
    item text;
BEGIN
    -- Another archiver may have had its turn.
    IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = leaf AND inhparent = sessions) THEN
        RETURN 0;
    END IF;
    PERFORM @extschema@.mm_keep_vacuum_off(t) FROM unnest(ARRAY[sessions, archive, leaf]) AS t;
    LOOP
        BEGIN
            -- Readers and inserts come by the parents, deletes by session_keys: every other attempt begins there,
            -- so that neither can stand in the way of all.
            IF attempt % 2 = 0 THEN
                LOCK TABLE ONLY @extschema@.session_keys IN ACCESS EXCLUSIVE MODE;
            END IF;
            LOCK TABLE ONLY @extschema@.assessment_sessions IN ACCESS EXCLUSIVE MODE;
            LOCK TABLE ONLY @extschema@.assessment_sessions_archive IN SHARE UPDATE EXCLUSIVE MODE;
            IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = leaf AND inhparent = sessions) THEN
                RETURN 0; -- somebody else has moved it
            END IF;
            SELECT b.from_time, b.to_time INTO STRICT bounds FROM @extschema@.mm_time_bounds(leaf) AS b;
            IF bounds.to_time > cutoff THEN
                RETURN NULL;
            END IF;
            new_name := '@extschema@.' || quote_ident((SELECT relname FROM pg_class WHERE oid = archive) || '_' ||
                to_char(bounds.from_time, CASE WHEN bounds.from_time = date_trunc('month', bounds.from_time) AND bounds.to_time = bounds.from_time + interval '1 month'
                                               THEN '"y"YYYY"m"MM' ELSE '"from_y"YYYY"m"MM"d"DD"h"HH24MISS' END));
            IF NOT @extschema@.mm_archive_fits(leaf) OR to_regclass(new_name) IS NOT NULL THEN
                RETURN NULL;
            END IF;
            EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', sessions, leaf);
            -- The archive has no triggers; those of the parent have gone with the detaching.
            FOR item IN SELECT format('DROP TRIGGER %I ON %s', t.tgname, leaf) FROM pg_trigger AS t WHERE t.tgrelid = leaf AND NOT t.tgisinternal LOOP
                EXECUTE item;
            END LOOP;
            EXECUTE format('ALTER TABLE %s RENAME TO %s', leaf, split_part(new_name, '.', -1));
            EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', archive, leaf, bounds.from_time, bounds.to_time);
            -- Of no use there.
            SELECT 'DROP INDEX ' || string_agg(i.indexrelid::regclass::text, ', ') INTO item FROM pg_index AS i
            WHERE i.indrelid = leaf AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = i.indexrelid)
              AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = leaf AND conindid = i.indexrelid);
            IF item IS NOT NULL THEN
                EXECUTE item;
            END IF;
            PERFORM @extschema@.mm_audit('ARCHIVE', 'assessment_sessions', NULL, jsonb_build_object('rows', rows, 'partition', leaf::text));
            RETURN rows;
        EXCEPTION
            WHEN lock_not_available THEN
                -- Whoever queues behind a lock that is waited for waits too: a short wait, then let them pass.
                IF attempt >= attempts THEN
                    RAISE EXCEPTION 'the locks on % and % were not free in % attempts of 200 ms', sessions, archive, attempts
                        USING ERRCODE = 'lock_not_available',
                              HINT = 'A long transaction uses the tables: see pg_stat_activity. What was moved stays moved; call again when it has ended.';
                END IF;
                attempt := attempt + 1;
            -- The month does not fit as it is: its rows move by themselves, and tell if they cannot.
            WHEN datatype_mismatch OR invalid_object_definition OR check_violation OR wrong_object_type OR invalid_table_definition THEN
                RETURN NULL;
        END;
        PERFORM pg_sleep(0.1 * random());
    END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_archive_month(regclass, timestamptz, bigint) IS
    'Part of archive_old_sessions(): makes a partition that lies wholly before a time one of the archive; returns its rows, NULL where it does not fit.';
