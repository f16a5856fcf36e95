-- Partitions by time, of whatever table: one range a month or a day, in UTC.

CREATE FUNCTION @extschema@.mm_time_partitions(parent regclass)
    RETURNS TABLE (partition regclass, from_time timestamptz, to_time timestamptz, is_default boolean)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO'
    AS $$
    SELECT c.oid::regclass,
           CASE WHEN bound[1] = 'MINVALUE' THEN '-infinity' ELSE btrim(bound[1], '''') END::timestamptz,
           CASE WHEN bound[2] = 'MAXVALUE' THEN 'infinity' ELSE btrim(bound[2], '''') END::timestamptz,
           bound IS NULL
    FROM pg_inherits AS i
    JOIN pg_class AS c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), '^FOR VALUES FROM \((.*)\) TO \((.*)\)$') AS bound
    WHERE i.inhparent = parent AND c.relispartition AND NOT i.inhdetachpending
    ORDER BY 2 NULLS LAST
    $$;
COMMENT ON FUNCTION @extschema@.mm_time_partitions(regclass) IS
    'The partitions of a table partitioned by time, oldest first: rows from from_time on, before to_time; infinite where there is no bound, NULL for the DEFAULT partition.';

CREATE FUNCTION @extschema@.mm_time_partition(parent regclass, unit text, at timestamptz) RETURNS regclass
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET lock_timeout = '200ms'
    AS $$
DECLARE
    attempts CONSTANT integer := 50;
    attempt integer := 1;
    found regclass;
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
        SELECT p.partition INTO found FROM @extschema@.mm_time_partitions(parent) AS p
        WHERE at >= p.from_time AND at < p.to_time;
        IF found IS NOT NULL THEN
            RETURN found;
        END IF;
        BEGIN
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

    -- One at a time changes the partitions of a table; readers and writers do not notice.
    EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', parent);
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
        FROM pg_constraint AS c WHERE c.conrelid = parent AND c.contype = 'f' AND c.conparentid = 0
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
    LOOP
        SELECT p.partition INTO old FROM @extschema@.mm_time_partitions(parent) AS p
        WHERE p.to_time <= before ORDER BY p.to_time LIMIT 1;
        EXIT WHEN old IS NULL;
        BEGIN
            -- In the order of readers, parent first, so that nobody deadlocks with them.
            EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', parent);
            -- Somebody else may have dropped it meanwhile.
            IF EXISTS (SELECT FROM @extschema@.mm_time_partitions(parent) AS p WHERE p.partition = old) THEN
                EXECUTE format('DROP TABLE %s', old);
                dropped := dropped + 1;
            END IF;
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
