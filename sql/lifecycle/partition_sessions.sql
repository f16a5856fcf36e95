-- assessment_sessions from flat to monthly partitions. Nothing is copied: the table that is there
-- becomes the first partition, and all that hung on it is made anew on the parent, from the catalog.

CREATE FUNCTION @extschema@.mm_partition_sessions() RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET lock_timeout = '200ms'
    AS $$
DECLARE
    sessions CONSTANT regclass := '@extschema@.assessment_sessions';
    attempts CONSTANT integer := 50;
    attempt integer := 1;
BEGIN
    IF NOT pg_has_role('mindmeasure_owner', 'USAGE') THEN
        RAISE EXCEPTION 'permission denied: mm_partition_sessions() is for the owner of the tables'
            USING ERRCODE = 'insufficient_privilege', HINT = 'Call it as a superuser, or as a member of mindmeasure_owner.';
    END IF;
    IF (SELECT relkind FROM pg_class WHERE oid = sessions) = 'p' THEN
        RAISE NOTICE '% is partitioned already', sessions;
        RETURN NULL;
    END IF;
    PERFORM @extschema@.mm_refuse_what_cannot_move(sessions);
    PERFORM @extschema@.mm_keep_vacuum_off(sessions);
    LOOP
        BEGIN
            PERFORM @extschema@.mm_index_for_partitioning(sessions);
            RETURN @extschema@.mm_swap_in_partitions(sessions);
        EXCEPTION WHEN lock_not_available THEN
            -- Whoever queues behind a lock that is waited for waits too: a short wait, then let them pass.
            IF attempt >= attempts THEN
                RAISE EXCEPTION 'the locks on % were not free in % attempts of 200 ms', sessions, attempts
                    USING ERRCODE = 'lock_not_available',
                          HINT = 'A long transaction uses the table: see pg_stat_activity. Try again when it has ended.';
            END IF;
            attempt := attempt + 1;
        END;
        PERFORM pg_sleep(0.1 * random());
    END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_partition_sessions() IS
    'Turns assessment_sessions into a table partitioned by month of created_at (UTC), with a DEFAULT partition: the table that is there becomes the first partition without a copy, with indexes, constraints, policies, triggers, grants, columns, comments, views and foreign keys carried over. Returns the name of the first partition, NULL where there is none. In one transaction: writers wait while one index is built and the rows are read once; CALL mm_partition_sessions_in_steps() spares them most of it. Then mm_ensure_partitions(). Errors: 42501, 0A000 what cannot be carried over, 55P03 locked for too long. Superuser or owner.';

CREATE PROCEDURE @extschema@.mm_partition_sessions_in_steps()
    LANGUAGE plpgsql
    AS $$
BEGIN
    -- A procedure that commits cannot carry a SET clause.
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM @extschema@.mm_start_partitioning();
    PERFORM @extschema@.mm_progress('partition', 1, 3);
    COMMIT;
    PERFORM @extschema@.mm_show_progress('partition', 1, 3);
    PERFORM @extschema@.mm_check_for_partitioning();
    PERFORM @extschema@.mm_progress('partition', 2, 3);
    COMMIT;
    PERFORM @extschema@.mm_show_progress('partition', 2, 3);
    PERFORM @extschema@.mm_partition_sessions();
    PERFORM @extschema@.mm_progress('partition', 3, 3);
END;
$$;
COMMENT ON PROCEDURE @extschema@.mm_partition_sessions_in_steps() IS
    'mm_partition_sessions() with commits between, so that all rows are read while writers go on. Until it ends, created_at must lie within the months the table has, and the coming one. Interrupted, call it again.';

-- The steps of mm_partition_sessions_in_steps().
CREATE FUNCTION @extschema@.mm_start_partitioning() RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET lock_timeout = '200ms' SET client_min_messages = warning
    AS $$
DECLARE
    sessions CONSTANT regclass := '@extschema@.assessment_sessions';
    attempts CONSTANT integer := 50;
    attempt integer := 1;
    lowest timestamptz;
    highest timestamptz;
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = sessions) = 'p' THEN
        RETURN;
    END IF;
    PERFORM @extschema@.mm_refuse_what_cannot_move(sessions);
    EXECUTE format('SELECT date_trunc(''month'', least(min(created_at), now()), ''UTC''), date_trunc(''month'', greatest(max(created_at), now()), ''UTC'') + interval ''2 months'' FROM %s', sessions)
        INTO lowest, highest;
    PERFORM @extschema@.mm_keep_vacuum_off(sessions);
    LOOP
        BEGIN
            PERFORM @extschema@.mm_index_for_partitioning(sessions);
            -- New rows are held to it from now on, the others are read in the next step.
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS mm_time_range', sessions);
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT mm_time_range CHECK (created_at >= %L::timestamptz AND created_at < %L::timestamptz) NOT VALID', sessions, lowest, highest);
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            IF attempt >= attempts THEN
                RAISE;
            END IF;
            attempt := attempt + 1;
        END;
        PERFORM pg_sleep(0.1 * random());
    END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_start_partitioning() IS 'Part of mm_partition_sessions_in_steps(): the index of the coming primary key, and a CHECK on created_at that is not validated yet.';

CREATE FUNCTION @extschema@.mm_check_for_partitioning() RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_constraint WHERE conrelid = '@extschema@.assessment_sessions'::regclass AND conname = 'mm_time_range') THEN
        ALTER TABLE @extschema@.assessment_sessions VALIDATE CONSTRAINT mm_time_range;
    END IF;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_check_for_partitioning() IS 'Part of mm_partition_sessions_in_steps(): validates the CHECK on created_at; readers and writers go on.';

CREATE FUNCTION @extschema@.mm_index_for_partitioning(sessions regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    -- One that was made beforehand, CONCURRENTLY, will do.
    IF NOT EXISTS (
        SELECT FROM pg_index AS i
        WHERE i.indrelid = sessions AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
          AND i.indnatts = 3 AND i.indnkeyatts = 3 AND i.indimmediate
          AND pg_get_indexdef(i.indexrelid) LIKE '% USING btree (id, user_id, created_at)') THEN
        EXECUTE format('CREATE UNIQUE INDEX ON %s (id, user_id, created_at)', sessions);
    END IF;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_index_for_partitioning(regclass) IS 'Part of mm_partition_sessions(): makes the index of the partitioned primary key where there is none.';

CREATE FUNCTION @extschema@.mm_refuse_what_cannot_move(sessions regclass) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    stuck text;
BEGIN
    SELECT string_agg(DISTINCT o.type || ' ' || o.identity, ', ') INTO stuck
    FROM (
        -- Whatever uses the table, or its row type.
        SELECT d.classid, d.objid, d.objsubid FROM pg_depend AS d
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = sessions
          AND NOT (d.classid = 'pg_class'::regclass AND d.objid IN (SELECT indexrelid FROM pg_index WHERE indrelid = sessions))
          AND NOT (d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))
          AND NOT (d.classid = 'pg_type'::regclass AND d.deptype = 'i')
          AND NOT (d.classid IN ('pg_attrdef'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_statistic_ext'::regclass))
          AND NOT (d.classid = 'pg_constraint'::regclass AND EXISTS (
              SELECT FROM pg_constraint AS c WHERE c.oid = d.objid AND (c.conrelid = sessions OR c.contype = 'f' AND @extschema@.mm_foreign_key_to_keys(c.oid) IS NOT NULL)))
          AND NOT (d.classid = 'pg_rewrite'::regclass AND EXISTS (
              SELECT FROM pg_rewrite AS r JOIN pg_class AS v ON v.oid = r.ev_class AND v.relkind = 'v' WHERE r.oid = d.objid))
          AND NOT (d.classid = 'pg_proc'::regclass AND EXISTS (SELECT FROM pg_proc AS p WHERE p.oid = d.objid AND p.prosqlbody IS NOT NULL))
        UNION ALL
        SELECT d.classid, d.objid, d.objsubid FROM pg_depend AS d
        JOIN pg_type AS t ON t.typrelid = sessions AND d.refobjid IN (t.oid, t.typarray)
        WHERE d.refclassid = 'pg_type'::regclass AND d.deptype <> 'i'
        UNION ALL
        SELECT 'pg_class'::regclass, inhrelid, 0 FROM pg_inherits WHERE inhparent = sessions
        UNION ALL
        SELECT 'pg_publication_rel'::regclass, oid, 0 FROM pg_publication_rel WHERE prrelid = sessions
    ) AS user_of
    CROSS JOIN LATERAL pg_identify_object(user_of.classid, user_of.objid, user_of.objsubid) AS o;
    IF stuck IS NOT NULL THEN
        RAISE EXCEPTION 'these cannot be carried over to a partitioned table: %', stuck USING ERRCODE = 'feature_not_supported',
            HINT = 'Drop them, partition, and make them again. A foreign key to assessment_sessions can point to session_keys (id) instead.';
    END IF;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_refuse_what_cannot_move(regclass) IS 'Part of mm_partition_sessions(): 0A000 with every object that uses the table and cannot be carried over.';

CREATE FUNCTION @extschema@.mm_foreign_key_to_keys(constraint_id oid) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
    -- A partitioned table has no unique id for others to point to; session_keys has, the same.
    SELECT regexp_replace(pg_get_constraintdef(c.oid), ' REFERENCES .*?\(([^)]*)\)', ' REFERENCES @extschema@.session_keys(\1)')
    FROM pg_constraint AS c
    WHERE c.oid = constraint_id AND c.contype = 'f'
      AND (SELECT array_agg(a.attname::text ORDER BY a.attname) FROM pg_attribute AS a WHERE a.attrelid = c.confrelid AND a.attnum = ANY (c.confkey))
          IN ('{id}', '{id,user_id}')
    $$;
COMMENT ON FUNCTION @extschema@.mm_foreign_key_to_keys(oid) IS 'Part of mm_partition_sessions(): the definition of a foreign key to assessment_sessions, to session_keys instead; NULL where that has no such key.';

CREATE FUNCTION @extschema@.mm_swap_in_partitions(sessions regclass) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET client_min_messages = warning
    AS $$
DECLARE
    schema CONSTANT text := '@extschema@';
    -- The parent is made under this name and then takes the table's.
    parent CONSTANT text := schema || '.mm_partitioned_sessions';
    base text;
    first_name text;
    has_rows boolean;
    statement text;
    before_swap text[] := '{}';
    on_parent text[] := '{}';
    after_swap text[] := '{}';
    lowest timestamptz;
    highest timestamptz;
    item record;
BEGIN
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', sessions);
    IF (SELECT relkind FROM pg_class WHERE oid = sessions) = 'p' THEN
        RETURN NULL;
    END IF;
    -- Again, under the lock.
    PERFORM @extschema@.mm_refuse_what_cannot_move(sessions);
    SELECT c.relname INTO base FROM pg_class AS c WHERE c.oid = sessions;
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', sessions) INTO has_rows;

    -- Where its rows lie: proven by the CHECK of mm_start_partitioning(), or read.
    SELECT m[1], m[2] INTO lowest, highest
    FROM pg_constraint AS c
    CROSS JOIN LATERAL regexp_match(pg_get_constraintdef(c.oid), '>= ''([^'']+)''.* < ''([^'']+)''') AS m
    WHERE c.conrelid = sessions AND c.conname = 'mm_time_range' AND c.convalidated;
    IF NOT FOUND THEN
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS mm_time_range', sessions);
        EXECUTE format('SELECT date_trunc(''month'', min(created_at), ''UTC''), date_trunc(''month'', greatest(max(created_at), now()), ''UTC'') + interval ''1 month'' FROM %s HAVING count(*) > 0', sessions)
            INTO lowest, highest;
        IF lowest IS NOT NULL THEN
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT mm_time_range CHECK (created_at >= %L::timestamptz AND created_at < %L::timestamptz)', sessions, lowest, highest);
        END IF;
    END IF;
    first_name := base || '_before_' || to_char(coalesce(highest, now()), '"y"YYYY"m"MM');

    -- What hangs on the table, as text, while it still has its name: names in it will be the parent's.
    -- Indexes: on the parent under their names, on the partition under others.
    FOR item IN
        SELECT i.indexrelid::regclass AS index, c.relname AS name, i.indisunique, pg_get_indexdef(i.indexrelid) AS definition,
               obj_description(i.indexrelid, 'pg_class') AS comment, k.conname AS constraint_name, i.indisprimary,
               i.indisvalid AND NOT i.indisexclusion
               AND (NOT i.indisunique OR (SELECT attnum FROM pg_attribute WHERE attrelid = sessions AND attname = 'created_at') = ANY (i.indkey)) AS can_move,
               row_number() OVER (ORDER BY c.relname) AS number
        FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid
        LEFT JOIN pg_constraint AS k ON k.conindid = i.indexrelid AND k.conrelid = sessions AND k.contype IN ('p', 'u', 'x')
        WHERE i.indrelid = sessions
    LOOP
        IF item.indisprimary THEN
            before_swap := before_swap || format('ALTER TABLE %s DROP CONSTRAINT %I', sessions, item.constraint_name);
        ELSIF item.indisunique AND item.definition LIKE '% USING btree (id, user_id, created_at)' AND item.constraint_name IS NULL THEN
            before_swap := before_swap || format('ALTER TABLE %s ADD CONSTRAINT %I PRIMARY KEY USING INDEX %I', sessions, first_name || '_pkey', item.name);
        ELSIF NOT item.can_move THEN
            RAISE WARNING 'index % stays on the first partition only: a partitioned table can be held unique only together with created_at', item.name
                USING HINT = 'Across all partitions id is unique through session_keys.';
            before_swap := before_swap || format('ALTER INDEX %s RENAME TO %I', item.index, first_name || '_' || item.number || '_idx');
        ELSE
            before_swap := before_swap || format('ALTER INDEX %s RENAME TO %I', item.index, first_name || '_' || item.number || '_idx');
            on_parent := on_parent || CASE WHEN item.constraint_name IS NOT NULL
                THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s', parent, item.constraint_name,
                     (SELECT pg_get_constraintdef(k.oid) FROM pg_constraint AS k WHERE k.conrelid = sessions AND k.conname = item.constraint_name))
                ELSE replace(item.definition, format(' ON %s USING ', sessions), format(' ON ONLY %s USING ', parent)) END;
            IF item.comment IS NOT NULL THEN
                after_swap := after_swap || format('COMMENT ON INDEX %s.%I IS %L', schema, item.name, item.comment);
            END IF;
        END IF;
    END LOOP;
    -- Dropped before the index takes its place.
    SELECT array_agg(s ORDER BY s !~ ' DROP CONSTRAINT ') INTO before_swap FROM unnest(before_swap) AS s;
    on_parent := format('ALTER TABLE %s ADD CONSTRAINT %I PRIMARY KEY (id, user_id, created_at)', parent, base || '_pkey') || on_parent;
    -- A check that has not been proven of the rows that are there is not asked of them now.
    FOR item IN SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE conrelid = sessions AND contype = 'c' AND NOT convalidated LOOP
        on_parent := on_parent || format('ALTER TABLE %s DROP CONSTRAINT %I', parent, item.conname)
                               || format('ALTER TABLE %s ADD CONSTRAINT %I %s', parent, item.conname, item.definition);
    END LOOP;
    -- Foreign keys out of the table: the partition's own are found equal and taken in without a look at the rows.
    FOR item IN SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE conrelid = sessions AND contype = 'f' LOOP
        on_parent := on_parent || format('ALTER TABLE %s ADD CONSTRAINT %I %s', parent, item.conname, item.definition);
    END LOOP;
    FOR item IN
        SELECT c.conname, obj_description(c.oid, 'pg_constraint') AS comment FROM pg_constraint AS c
        WHERE c.conrelid = sessions AND c.contype IN ('c', 'f') AND obj_description(c.oid, 'pg_constraint') IS NOT NULL
    LOOP
        after_swap := after_swap || format('COMMENT ON CONSTRAINT %I ON %s IS %L', item.conname, sessions, item.comment);
    END LOOP;
    -- Foreign keys of others into the table.
    FOR item IN SELECT conrelid::regclass AS relation, conname, @extschema@.mm_foreign_key_to_keys(oid) AS definition FROM pg_constraint WHERE confrelid = sessions AND contype = 'f' AND conparentid = 0 LOOP
        -- First of all: it stands on the old primary key.
        before_swap := format('ALTER TABLE %s DROP CONSTRAINT %I', item.relation, item.conname) || before_swap;
        after_swap := after_swap || format('ALTER TABLE %s ADD CONSTRAINT %I %s', item.relation, item.conname, item.definition);
        RAISE INFO 'foreign key % of % points to session_keys from now on', item.conname, item.relation;
    END LOOP;
    -- Triggers, in whatever state they are.
    FOR item IN SELECT oid, tgname, tgenabled, pg_get_triggerdef(oid) AS definition, obj_description(oid, 'pg_trigger') AS comment FROM pg_trigger WHERE tgrelid = sessions AND NOT tgisinternal LOOP
        before_swap := before_swap || format('DROP TRIGGER %I ON %s', item.tgname, sessions);
        after_swap := after_swap || item.definition;
        IF item.tgenabled <> 'O' THEN
            after_swap := after_swap || format('ALTER TABLE %s %s TRIGGER %I', sessions,
                CASE item.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, item.tgname);
        END IF;
        IF item.comment IS NOT NULL THEN
            after_swap := after_swap || format('COMMENT ON TRIGGER %I ON %s IS %L', item.tgname, sessions, item.comment);
        END IF;
    END LOOP;
    -- Its policies, and those of other tables that look into it.
    FOR item IN
        SELECT p.*, p.polrelid = sessions AS own, p.polrelid::regclass AS relation, obj_description(p.oid, 'pg_policy') AS comment,
               (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ') FROM unnest(p.polroles) AS r) AS roles,
               pg_get_expr(p.polqual, p.polrelid) AS visible, pg_get_expr(p.polwithcheck, p.polrelid) AS checked
        FROM pg_policy AS p
        WHERE p.polrelid = sessions OR EXISTS (
            SELECT FROM pg_depend AS d WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = sessions)
    LOOP
        IF item.own THEN
            before_swap := before_swap || format('DROP POLICY %I ON %s', item.polname, sessions);
            statement := format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', item.polname, sessions,
                CASE WHEN item.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                CASE item.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, item.roles);
        ELSE
            statement := format('ALTER POLICY %I ON %s', item.polname, item.relation);
        END IF;
        after_swap := after_swap || (statement || coalesce(' USING (' || item.visible || ')', '') || coalesce(' WITH CHECK (' || item.checked || ')', ''));
        IF item.own AND item.comment IS NOT NULL THEN
            after_swap := after_swap || format('COMMENT ON POLICY %I ON %s IS %L', item.polname, sessions, item.comment);
        END IF;
    END LOOP;
    -- Views on it, and functions whose bodies are bound to it.
    FOR item IN
        SELECT DISTINCT v.oid::regclass AS view, pg_get_viewdef(v.oid) AS definition, v.reloptions
        FROM pg_depend AS d
        JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
        JOIN pg_class AS v ON v.oid = r.ev_class AND v.relkind = 'v'
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = sessions
    LOOP
        after_swap := after_swap || format('CREATE OR REPLACE VIEW %s%s AS %s', item.view, ' WITH (' || array_to_string(item.reloptions, ', ') || ')', item.definition);
    END LOOP;
    FOR item IN
        SELECT DISTINCT pg_get_functiondef(p.oid) AS definition
        FROM pg_depend AS d JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid AND p.prosqlbody IS NOT NULL
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = sessions
    LOOP
        after_swap := after_swap || item.definition;
    END LOOP;
    -- Grants on the table and on its columns.
    FOR item IN
        SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee, a.privilege_type, a.is_grantable, g.column_name
        FROM (SELECT c.relacl AS acl, NULL::text AS column_name, c.relowner FROM pg_class AS c WHERE c.oid = sessions
              UNION ALL
              SELECT t.attacl, quote_ident(t.attname), c.relowner FROM pg_attribute AS t JOIN pg_class AS c ON c.oid = t.attrelid WHERE t.attrelid = sessions AND NOT t.attisdropped) AS g
        CROSS JOIN LATERAL aclexplode(g.acl) AS a
        WHERE a.grantee <> g.relowner
    LOOP
        after_swap := after_swap || format('GRANT %s%s ON %s TO %s%s', item.privilege_type, ' (' || item.column_name || ')', sessions, item.grantee,
            CASE WHEN item.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
    END LOOP;
    -- Counters belong to the column that they count for.
    FOR item IN
        SELECT a.attname, a.attidentity, pg_get_serial_sequence(sessions::text, a.attname::text)::regclass AS sequence
        FROM pg_attribute AS a
        WHERE a.attrelid = sessions AND a.attnum > 0 AND NOT a.attisdropped AND pg_get_serial_sequence(sessions::text, a.attname::text) IS NOT NULL
    LOOP
        IF item.attidentity = '' THEN
            after_swap := after_swap || format('ALTER SEQUENCE %s OWNED BY %s.%I', item.sequence, sessions, item.attname);
        ELSE
            EXECUTE format('SELECT CASE WHEN is_called THEN last_value + 1 ELSE last_value END AS next FROM %s', item.sequence) INTO statement;
            before_swap := before_swap || format('ALTER TABLE %s ALTER COLUMN %I DROP IDENTITY', sessions, item.attname);
            on_parent := on_parent || format('ALTER TABLE %s ALTER COLUMN %I RESTART WITH %s', parent, item.attname, statement);
        END IF;
    END LOOP;
    SELECT format('COMMENT ON TABLE %s IS %L', sessions, obj_description(sessions, 'pg_class')) INTO statement;
    after_swap := after_swap || statement;
    after_swap := after_swap || format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', sessions);
    IF (SELECT relforcerowsecurity FROM pg_class WHERE oid = sessions) THEN
        after_swap := after_swap || format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', sessions);
    END IF;
    EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE (created_at)', parent, sessions);
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS mm_time_range', parent);
    PERFORM @extschema@.mm_close_table(parent::regclass);
    FOREACH statement IN ARRAY before_swap LOOP EXECUTE statement; END LOOP;
    FOREACH statement IN ARRAY on_parent LOOP EXECUTE statement; END LOOP;
    PERFORM @extschema@.mm_close_table(sessions);
    EXECUTE format('ALTER TABLE %s RENAME TO %I', sessions, first_name);
    EXECUTE format('ALTER TABLE %s RENAME TO %I', parent, base);
    EXECUTE format('CREATE TABLE %s.%I PARTITION OF %s.%I DEFAULT', schema, base || '_default', schema, base);
    PERFORM @extschema@.mm_close_table(format('%s.%I', schema, base || '_default')::regclass);
    IF has_rows THEN
        EXECUTE format('ALTER TABLE %s.%I ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', schema, base, sessions, lowest, highest);
    END IF;
    FOREACH statement IN ARRAY after_swap LOOP EXECUTE statement; END LOOP;
    IF has_rows THEN
        RETURN first_name;
    END IF;
    EXECUTE format('DROP TABLE %s', sessions);
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_swap_in_partitions(regclass) IS 'Part of mm_partition_sessions(): the change itself, in one attempt.';
