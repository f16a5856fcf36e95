-- Partitions by time, of whatever table: one range a month or a day, in UTC.

CREATE FUNCTION @extschema@.mm_time_bounds(partition regclass, OUT from_time timestamptz, OUT to_time timestamptz, OUT is_default boolean)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO'
    AS $$
    SELECT CASE WHEN bound[1] = 'MINVALUE' THEN '-infinity' ELSE btrim(bound[1], '''') END::timestamptz,
           CASE WHEN bound[2] = 'MAXVALUE' THEN 'infinity' ELSE btrim(bound[2], '''') END::timestamptz,
           bound IS NULL
    FROM pg_class AS c
    CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), '^FOR VALUES FROM \((.*)\) TO \((.*)\)$') AS bound
    WHERE c.oid = partition AND c.relispartition
    $$;
COMMENT ON FUNCTION @extschema@.mm_time_bounds(regclass) IS
    'The bounds of a partition by time, as mm_time_partitions() gives them; NULLs where it is none.';

CREATE FUNCTION @extschema@.mm_time_partitions(parent regclass)
    RETURNS TABLE (partition regclass, from_time timestamptz, to_time timestamptz, is_default boolean)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT i.inhrelid::regclass, b.from_time, b.to_time, b.is_default
    FROM pg_inherits AS i
    JOIN pg_class AS c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL @extschema@.mm_time_bounds(i.inhrelid) AS b
    WHERE i.inhparent = parent AND c.relispartition AND NOT i.inhdetachpending
    ORDER BY 2 NULLS LAST
    $$;
COMMENT ON FUNCTION @extschema@.mm_time_partitions(regclass) IS
    'The partitions of a table partitioned by time, oldest first: rows from from_time on, before to_time; infinite where there is no bound, NULL for the DEFAULT partition.';

-- What else a change of partitions locks: one to a table of somebody else's asks for no privilege on it.
CREATE FUNCTION @extschema@.mm_referenced(relation regclass) RETURNS SETOF regclass
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT DISTINCT c.confrelid::regclass FROM pg_constraint AS c
    WHERE c.conrelid = relation AND c.contype = 'f' AND has_table_privilege(c.confrelid, 'UPDATE')
    ORDER BY 1
    $$;
COMMENT ON FUNCTION @extschema@.mm_referenced(regclass) IS 'The tables that a table''s foreign keys refer to and that the caller may lock.';

-- lock_timeout is below deadlock_timeout, at which a waiting lock calls an autovacuum off: that
-- must happen before the short waits. These locks stand in nobody else's way, nor does waiting for them.
CREATE FUNCTION @extschema@.mm_keep_vacuum_off(relation regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '30s'
    AS $$
DECLARE
    item regclass;
BEGIN
    -- What several tables refer to comes first: whoever has it has a free way to the rest.
    FOR item IN
        SELECT r FROM @extschema@.mm_referenced(relation) AS r
        UNION ALL SELECT relation
        UNION ALL SELECT t.partdefid::regclass FROM pg_partitioned_table AS t WHERE t.partrelid = relation AND t.partdefid <> 0
    LOOP
        EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', item);
    END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_keep_vacuum_off(regclass) IS
    'Keeps vacuum and schema changes off a table, its DEFAULT partition and what its foreign keys refer to, until the transaction ends; readers and writers go on. 55P03 after 30 seconds.';

CREATE FUNCTION @extschema@.mm_time_partition(parent regclass, unit text, at timestamptz) RETURNS regclass
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET lock_timeout = '200ms'
    AS $$
DECLARE
    attempts CONSTANT integer := 50;
    attempt integer := 1;
    covering regclass;
    referenced regclass;
BEGIN
    IF parent IS NULL OR unit IS NULL OR at IS NULL THEN
        RAISE EXCEPTION 'parent, unit, at: must not be NULL' USING ERRCODE = 'null_value_not_allowed',
            HINT = 'Give the partitioned table, ''day'' or ''month'', and a time.';
    END IF;
    IF unit NOT IN ('day', 'month') THEN
        RAISE EXCEPTION 'unit: must be one of day, month' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Give ''day'' or ''month''.';
    END IF;
    IF NOT isfinite(at) THEN
        RAISE EXCEPTION 'at: must be a finite time' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Give a time that the partition shall hold.';
    END IF;
    LOOP
        -- Without a lock: nearly always it is there.
        SELECT p.partition INTO covering FROM @extschema@.mm_time_partitions(parent) AS p
        WHERE at >= p.from_time AND at < p.to_time;
        IF covering IS NOT NULL THEN
            RETURN covering;
        END IF;
        IF attempt = 1 THEN
            PERFORM @extschema@.mm_keep_vacuum_off(parent);
        END IF;
        BEGIN
            -- Deletes come by what the table refers to, inserts by the table: each attempt begins at the other end,
            -- so that neither can stand in the way of all.
            IF attempt % 2 = 1 THEN
                FOR referenced IN SELECT r FROM @extschema@.mm_referenced(parent) AS r LOOP
                    EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', referenced);
                END LOOP;
            END IF;
            RETURN @extschema@.mm_make_time_partition(parent, unit, at);
        EXCEPTION WHEN lock_not_available THEN
            -- Whoever queues behind a lock that is waited for waits too: a short wait, then let them pass.
            IF attempt >= attempts THEN
                RAISE EXCEPTION 'the lock on % was not free in % attempts of 200 ms', parent, attempts
                    USING ERRCODE = 'lock_not_available',
                          HINT = 'A long transaction uses the table: see pg_stat_activity. Try again when it has ended.';
            END IF;
            attempt := attempt + 1;
        END;
        PERFORM pg_sleep(0.1 * random());
    END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_time_partition(regclass, text, timestamptz) IS
    'The partition of a table partitioned by time that holds a time; made if there is none: <parent>_y2024m01 (unit month) or <parent>_y2024m01d05 (unit day), in UTC, closed to all but the owner. Rows that waited in the DEFAULT partition move in. Several callers at once get the same one. Errors: 22004 NULL, 22023 unit or time, 42809 not partitioned by time, 42P07 the name is taken, 55P03 locked for too long. Owner only.';

-- One attempt of mm_time_partition(). Not CREATE TABLE … PARTITION OF, which would lock out readers
-- of the parent: made aside, filled, attached. Attaching lets readers and writers of the parent
-- go on and locks its DEFAULT partition only.
CREATE FUNCTION @extschema@.mm_make_time_partition(parent regclass, unit text, at timestamptz) RETURNS regclass
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO'
    -- Lines of audit_log may go from the DEFAULT partition to the new one, and nowhere else.
    SET mindmeasure.moving_to_partition = 'on'
    AS $$
DECLARE
    lowest timestamptz := date_trunc(unit, at, 'UTC');
    highest timestamptz := date_trunc(unit, at, 'UTC') + ('1 ' || unit)::interval;
    key text;
    schema text;
    base text;
    name text;
    existing regclass;
    fallback regclass;
    made regclass;
    condition text;
    columns text;
    foreign_key record;
    number integer := 1;
BEGIN
    SELECT quote_ident(a.attname), quote_ident(n.nspname), c.relname || to_char(lowest, CASE unit WHEN 'day' THEN '"_y"YYYY"m"MM"d"DD' ELSE '"_y"YYYY"m"MM' END)
    INTO key, schema, base
    FROM pg_partitioned_table AS t
    JOIN pg_class AS c ON c.oid = t.partrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = t.partrelid AND a.attnum = t.partattrs[0] AND a.atttypid = 'timestamptz'::regtype
    WHERE t.partrelid = parent AND t.partstrat = 'r' AND t.partnatts = 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% is not partitioned by time', parent USING ERRCODE = 'wrong_object_type',
            HINT = 'It must be PARTITION BY RANGE of one column of type timestamptz.';
    END IF;

    -- One at a time changes the partitions of a table; readers and writers do not notice. But whoever
    -- is about to write into the DEFAULT partition what now gets one of its own would be refused: for
    -- the present month or day writers wait before they choose.
    EXECUTE format('LOCK TABLE ONLY %s IN %s MODE', parent,
        CASE WHEN lowest <= now() AND highest > now() THEN 'SHARE ROW EXCLUSIVE' ELSE 'SHARE UPDATE EXCLUSIVE' END);
    SELECT p.partition INTO existing FROM @extschema@.mm_time_partitions(parent) AS p
    WHERE at >= p.from_time AND at < p.to_time;
    IF existing IS NOT NULL THEN
        RETURN existing;
    END IF;
    -- What others hold of this month or day stays theirs.
    SELECT greatest(lowest, max(p.to_time) FILTER (WHERE p.to_time <= at)),
           least(highest, min(p.from_time) FILTER (WHERE p.from_time > at))
    INTO lowest, highest
    FROM @extschema@.mm_time_partitions(parent) AS p;

    name := base;
    LOOP
        existing := to_regclass(schema || '.' || quote_ident(name));
        EXIT WHEN existing IS NULL;
        IF pg_partition_root(existing) IS DISTINCT FROM parent::oid THEN
            RAISE EXCEPTION 'the name % is taken', existing USING ERRCODE = 'duplicate_table',
                HINT = 'It is no partition of the table. Rename or move it, then try again.';
        END IF;
        number := number + 1;
        name := base || '_' || number;
    END LOOP;
    name := schema || '.' || quote_ident(name);
    condition := format('%s >= %L::timestamptz AND %s < %L::timestamptz', key, lowest, key, highest);
    -- The CHECK stays: with it, attaching here and to the archive scans nothing.
    EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING IDENTITY, CONSTRAINT mm_time_range CHECK (%s))', name, parent, condition);
    made := name::regclass;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', made);

    SELECT p.partition INTO fallback FROM @extschema@.mm_time_partitions(parent) AS p WHERE p.is_default;
    IF fallback IS NOT NULL THEN
        -- From here on nothing comes into it; readers go on until the attaching.
        EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', fallback);
        SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO STRICT columns
        FROM pg_attribute AS a WHERE a.attrelid = parent AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
        EXECUTE format('WITH moved AS (DELETE FROM %s WHERE %s RETURNING %s) INSERT INTO %s (%s) SELECT %s FROM moved',
            fallback, condition, columns, made, columns, columns);
    END IF;
    -- Attaching would check the rows as well, but with the DEFAULT partition locked.
    FOR foreign_key IN
        SELECT quote_ident(c.conname) AS name, pg_get_constraintdef(c.oid) AS definition
        FROM pg_constraint AS c
        -- One to a table of somebody else's is left to the attaching, which asks for no privilege on it.
        WHERE c.conrelid = parent AND c.contype = 'f' AND c.conparentid = 0 AND has_table_privilege(c.confrelid, 'REFERENCES')
    LOOP
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %s %s', made, foreign_key.name, foreign_key.definition);
    END LOOP;
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', parent, made, lowest, highest);
    RETURN made;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_make_time_partition(regclass, text, timestamptz) IS
    'Part of mm_time_partition(): makes the partition, without waiting for locks again.';

CREATE FUNCTION @extschema@.mm_drop_time_partitions(parent regclass, before timestamptz) RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms'
    AS $$
DECLARE
    attempts CONSTANT integer := 50;
    attempt integer := 1;
    old regclass;
    dropped integer := 0;
BEGIN
    IF parent IS NULL OR before IS NULL THEN
        RAISE EXCEPTION 'parent, before: must not be NULL' USING ERRCODE = 'null_value_not_allowed',
            HINT = 'Give the partitioned table, and the time before which its partitions go.';
    END IF;
    -- One at a time drops.
    PERFORM @extschema@.mm_keep_vacuum_off(parent);
    LOOP
        SELECT p.partition INTO old FROM @extschema@.mm_time_partitions(parent) AS p
        WHERE p.to_time <= before ORDER BY p.to_time LIMIT 1;
        EXIT WHEN old IS NULL;
        PERFORM @extschema@.mm_keep_vacuum_off(old);
        BEGIN
            -- In the order of readers, parent first, so that nobody deadlocks with them.
            EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', parent);
            EXECUTE format('DROP TABLE %s', old);
            dropped := dropped + 1;
            CONTINUE;
        EXCEPTION WHEN lock_not_available THEN
            IF attempt >= attempts THEN
                RAISE EXCEPTION 'the lock on % was not free in % attempts of 200 ms', parent, attempts
                    USING ERRCODE = 'lock_not_available',
                          HINT = 'A long transaction uses the table: see pg_stat_activity. Try again when it has ended.';
            END IF;
            attempt := attempt + 1;
        END;
        PERFORM pg_sleep(0.1 * random());
    END LOOP;
    RETURN dropped;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_drop_time_partitions(regclass, timestamptz) IS
    'Drops the partitions that lie wholly before a time, with their rows, and returns how many these were. Rows of the DEFAULT partition stay. Errors: 22004 NULL, 55P03 locked for too long. Owner only.';

-- A table that is read directly is not covered by the policies of its parent: a partition has
-- row-level security of its own, no policy, no grant, and the owner of all other tables.
CREATE FUNCTION @extschema@.mm_close_table(relation regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    grantee text;
BEGIN
    IF (SELECT relowner FROM pg_class WHERE oid = relation) <> 'mindmeasure_owner'::regrole THEN
        EXECUTE format('ALTER TABLE %s OWNER TO mindmeasure_owner', relation);
    END IF;
    IF NOT (SELECT relrowsecurity FROM pg_class WHERE oid = relation) THEN
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
    END IF;
    FOR grantee IN
        SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
        FROM (SELECT relacl AS acl FROM pg_class WHERE oid = relation
              UNION ALL SELECT attacl FROM pg_attribute WHERE attrelid = relation) AS g
        CROSS JOIN LATERAL aclexplode(g.acl) AS a
        WHERE a.grantee <> 'mindmeasure_owner'::regrole
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %s CASCADE', relation, grantee);
    END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_close_table(regclass) IS
    'Closes a table to everybody but mindmeasure_owner, who gets it: row-level security on, no grant. For partitions, which are reached through their parent only.';

-- A partition that somebody types in comes with the default privileges of who typed it, which on
-- Supabase let anybody read it.
CREATE FUNCTION @extschema@.mm_close_new_partitions() RETURNS event_trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO'
    AS $$
DECLARE
    made record;
    bounds record;
BEGIN
    -- In a restore (every pg_dump script turns row_security off) the dump says it all.
    IF current_setting('row_security') = 'off' THEN
        RETURN;
    END IF;
    FOR made IN
        SELECT c.oid::regclass AS relation, parent.oid::regclass AS parent, d.command_tag = 'CREATE TABLE' AS is_empty,
               (SELECT a.attname FROM pg_partitioned_table AS t JOIN pg_attribute AS a ON a.attrelid = t.partrelid AND a.attnum = t.partattrs[0]
                WHERE t.partrelid = parent.oid) AS key
        FROM pg_event_trigger_ddl_commands() AS d
        -- ALTER TABLE parent ATTACH PARTITION names the parent.
        JOIN pg_inherits AS i ON d.objid IN (i.inhrelid, i.inhparent)
        JOIN pg_class AS c ON c.oid = i.inhrelid AND c.relispartition AND c.relkind = 'r'
        JOIN pg_class AS parent ON parent.oid = i.inhparent AND parent.relowner = 'mindmeasure_owner'::regrole
             AND parent.relnamespace = '@extschema@'::regnamespace
        WHERE d.classid = 'pg_class'::regclass AND d.object_type = 'table'
          AND (NOT c.relrowsecurity OR c.relowner <> 'mindmeasure_owner'::regrole OR EXISTS (
              SELECT FROM aclexplode(c.relacl) AS a WHERE a.grantee <> c.relowner))
    LOOP
        -- Not in the query above: it is run for whoever makes a table of their own, and they may not call this.
        SELECT p.from_time, p.to_time INTO bounds FROM @extschema@.mm_time_partitions(made.parent) AS p WHERE p.partition = made.relation;
        -- What mm_time_partition() gives its own: nothing to read when it is attached to the archive.
        IF made.is_empty AND isfinite(bounds.from_time) AND isfinite(bounds.to_time) THEN
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT mm_time_range CHECK (%I >= %L::timestamptz AND %I < %L::timestamptz)',
                made.relation, made.key, bounds.from_time, made.key, bounds.to_time);
        END IF;
        PERFORM @extschema@.mm_close_table(made.relation);
    END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_close_new_partitions() IS
    'Event trigger mindmeasure_close_new_partitions: closes partitions of our tables that are made by hand.';
CREATE EVENT TRIGGER mindmeasure_close_new_partitions ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE')
    EXECUTE FUNCTION @extschema@.mm_close_new_partitions();

CREATE FUNCTION @extschema@.mm_ensure_partitions(
    from_month date DEFAULT pg_catalog.timezone('UTC', pg_catalog.now())::pg_catalog.date,
    to_month date DEFAULT (pg_catalog.timezone('UTC', pg_catalog.now()) OPERATOR(pg_catalog.+) interval '3 months')::pg_catalog.date)
    RETURNS SETOF text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET lock_timeout = '1s'
    AS $$
DECLARE
    sessions CONSTANT regclass := '@extschema@.assessment_sessions';
    -- Tables that get their partitions here, where they exist.
    tables CONSTANT text[] := ARRAY['assessment_sessions month', 'audit_log month', 'row_history day'];
    line text;
    parent regclass;
    unit text;
    covered boolean;
    at timestamptz;
    made text;
BEGIN
    IF NOT @extschema@.mm_caller_is_system() THEN
        RAISE EXCEPTION 'permission denied: mm_ensure_partitions() is for the system role'
            USING ERRCODE = 'insufficient_privilege', HINT = 'SET ROLE mindmeasure_system, or be granted it.';
    END IF;
    IF from_month IS NULL OR to_month IS NULL THEN
        RAISE EXCEPTION 'from_month, to_month: must not be NULL' USING ERRCODE = 'null_value_not_allowed',
            HINT = 'Leave them out for this month and the coming three.';
    END IF;
    IF from_month NOT BETWEEN '1970-01-01' AND '2199-12-31' OR to_month NOT BETWEEN from_month AND '2199-12-31'
       OR to_month - from_month > 3653 THEN
        RAISE EXCEPTION 'from_month, to_month: must be at most ten years in order, from 1970 to 2199' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Give the first and the last month, e.g. ''2024-01-01'', ''2024-12-01''; for more call again.';
    END IF;
    IF (SELECT relkind FROM pg_class WHERE oid = sessions) <> 'p' THEN
        RAISE NOTICE '% is not partitioned: SELECT mm_partition_sessions() first', sessions;
        -- An interrupted mm_partition_sessions_in_steps() of yesterday or before: its CHECK would
        -- refuse new sessions when its months are over.
        IF EXISTS (SELECT FROM pg_constraint AS c WHERE c.conrelid = sessions AND c.conname = 'mm_time_range'
                   AND (regexp_match(pg_get_constraintdef(c.oid), ' < ''([^'']+)'''))[1]::timestamptz < now() + interval '27 days') THEN
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT mm_time_range', sessions);
        END IF;
    END IF;
    FOREACH line IN ARRAY tables LOOP
        unit := split_part(line, ' ', 2);
        parent := to_regclass('@extschema@.' || split_part(line, ' ', 1));
        CONTINUE WHEN parent IS NULL OR NOT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = parent);
        FOR at IN
            SELECT g FROM generate_series(date_trunc('month', from_month)::timestamptz, date_trunc('month', to_month)::timestamptz, interval '1 month') AS g
            WHERE unit = 'month'
            UNION ALL
            -- Days: this one and the coming week, whatever months are asked for.
            SELECT g FROM generate_series(date_trunc('day', now()), date_trunc('day', now()) + interval '7 days', interval '1 day') AS g
            WHERE unit = 'day'
        LOOP
            covered := EXISTS (SELECT FROM @extschema@.mm_time_partitions(parent) AS p WHERE at >= p.from_time AND at < p.to_time);
            made := @extschema@.mm_time_partition(parent, unit, at);
            IF NOT covered THEN
                RETURN NEXT made;
            END IF;
        END LOOP;
    END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_ensure_partitions(date, date) IS
    'Makes the missing monthly partitions (UTC) of assessment_sessions, where it is partitioned, and of audit_log, from from_month to to_month, and the days of row_history for a week; moves rows in that waited in the DEFAULT partition; returns the names made. For pg_cron: mm_schedule_jobs(). Errors: 42501, 22004, 22023, 55P03 locked for too long. System role only.';
