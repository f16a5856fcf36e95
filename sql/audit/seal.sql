-- Sealing: each block holds the hashes of its lines and the hash of the block before, so that what
-- has been sealed cannot be changed, removed, added to or reordered without being named, not even by
-- a superuser with triggers disabled. Whoever rewrites the whole chain is found out by a head
-- (mm_audit_head()) that was kept elsewhere.

-- Hash of one line: SHA-256 over all of it but its id, as canonical JSON (keys in order, times in
-- UTC). Columns that are NULL are left out, so that a later column changes no old hash. Without the
-- id, so that two lines that have changed places are told from two that were altered.
CREATE FUNCTION @extschema@.mm_audit_digest(line jsonb) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT sha256(convert_to((jsonb_strip_nulls(line - 'id' - 'detail') || jsonb_build_object('detail', line -> 'detail'))::text, 'UTF8'))
    $$;
COMMENT ON FUNCTION @extschema@.mm_audit_digest(jsonb) IS
    'SHA-256 of a line of audit_log, given as to_jsonb(line) with TimeZone UTC; its id does not count.';

CREATE FUNCTION @extschema@.mm_audit_root(ids bigint[], row_hashes bytea[]) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT sha256(convert_to(string_agg(u.id || ':' || encode(u.hash, 'hex'), ',' ORDER BY u.position), 'UTF8'))
    FROM unnest(ids, row_hashes) WITH ORDINALITY AS u (id, hash, position)
    $$;
COMMENT ON FUNCTION @extschema@.mm_audit_root(bigint[], bytea[]) IS
    'SHA-256 over the ids and hashes of a block''s lines, in their order.';

CREATE FUNCTION @extschema@.mm_audit_block_hash(
    number bigint, sealed_at timestamptz, month date, horizon xid8, row_count integer, root bytea, previous_hash bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT sha256(convert_to(concat_ws('|', number, (extract(epoch FROM sealed_at) * 1000000)::bigint, month - DATE '2000-01-01',
        horizon::text, row_count, encode(root, 'hex'), encode(previous_hash, 'hex')), 'UTF8'))
    $$;
COMMENT ON FUNCTION @extschema@.mm_audit_block_hash(bigint, timestamptz, date, xid8, integer, bytea, bytea) IS
    'SHA-256 of a block of audit_blocks.';

-- Lines that no block holds. Only those of transactions that had not all ended when the last block was
-- made can be among them. A horizon that lies ahead of all transactions is from another cluster (this
-- database was restored from a dump): then every line is looked at.
CREATE FUNCTION @extschema@.mm_unsealed_audit() RETURNS TABLE (id bigint, at timestamptz, hash bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
    -- The share of the audit that is not sealed yet is small, which the planner cannot know; its penalty would call for JIT.
    SET enable_seqscan = off SET jit = off
    AS $$
    WITH candidate AS MATERIALIZED (
        SELECT a.id, a.at, to_jsonb(a) AS line FROM @extschema@.audit_log AS a
        WHERE (a.txid::text)::bigint >= coalesce((
            SELECT CASE WHEN b.horizon <= pg_snapshot_xmax(pg_current_snapshot()) THEN (b.horizon::text)::bigint END
            FROM @extschema@.audit_blocks AS b ORDER BY b.number DESC LIMIT 1), 0)
    )
    SELECT c.id, c.at, @extschema@.mm_audit_digest(c.line)
    FROM candidate AS c
    LEFT JOIN (
        SELECT sealed.id
        FROM @extschema@.audit_blocks AS b CROSS JOIN LATERAL unnest(b.ids) AS sealed (id)
        WHERE b.last_id >= (SELECT min(x.id) FROM candidate AS x)) AS s ON s.id = c.id
    WHERE s.id IS NULL
    $$;
COMMENT ON FUNCTION @extschema@.mm_unsealed_audit() IS
    'Ids, times and hashes of the lines of audit_log that are not sealed yet. System role and auditor.';

-- A trigger against TRUNCATE is a statement's and passes on to no partition: each gets its own.
CREATE FUNCTION @extschema@.mm_keep_audit_whole() RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    open regclass;
BEGIN
    FOR open IN
        SELECT i.inhrelid FROM pg_inherits AS i
        WHERE i.inhparent = '@extschema@.audit_log'::regclass
          AND NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = i.inhrelid AND t.tgname = 'keep_audit_log_whole')
    LOOP
        EXECUTE format('CREATE TRIGGER keep_audit_log_whole BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.mm_refuse_rewriting()', open);
    END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_keep_audit_whole() IS
    'Lets nobody TRUNCATE a partition of audit_log that was made since the last call. Part of mm_seal_audit().';

CREATE FUNCTION @extschema@.mm_seal_audit() RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
    AS $$
DECLARE
    part record;
    last_number bigint;
    last_hash bytea;
    sealing_time timestamptz;
    seen xid8;
    sealed bigint := 0;
BEGIN
    PERFORM @extschema@.mm_keep_audit_whole();
    -- One at a time; readers go on.
    LOCK TABLE @extschema@.audit_blocks IN SHARE ROW EXCLUSIVE MODE;
    SELECT b.number, b.hash INTO last_number, last_hash FROM @extschema@.audit_blocks AS b ORDER BY b.number DESC LIMIT 1;
    -- Taken before the lines are read: what ends in between is seen now and looked for again.
    seen := pg_snapshot_xmin(pg_current_snapshot());
    FOR part IN
        SELECT l.month, array_agg(l.id ORDER BY l.id) AS ids, array_agg(l.hash ORDER BY l.id) AS hashes, count(*)::integer AS lines
        FROM (SELECT u.id, date_trunc('month', u.at)::date AS month, u.hash,
                     (row_number() OVER (PARTITION BY date_trunc('month', u.at) ORDER BY u.id) - 1) / 10000 AS chunk
              FROM @extschema@.mm_unsealed_audit() AS u) AS l
        GROUP BY l.month, l.chunk ORDER BY l.month, l.chunk
    LOOP
        sealing_time := clock_timestamp();
        INSERT INTO @extschema@.audit_blocks AS b (number, sealed_at, month, horizon, row_count, first_id, last_id, ids, row_hashes, root, previous_hash, hash)
        SELECT n.number, sealing_time, part.month, seen, part.lines, part.ids[1], part.ids[part.lines], part.ids, part.hashes, n.root, n.previous_hash,
               @extschema@.mm_audit_block_hash(n.number, sealing_time, part.month, seen, part.lines, n.root, n.previous_hash)
        FROM (SELECT coalesce(last_number, 0) + 1 AS number, coalesce(last_hash, ''::bytea) AS previous_hash,
                     @extschema@.mm_audit_root(part.ids, part.hashes) AS root) AS n
        RETURNING b.number, b.hash INTO last_number, last_hash;
        sealed := sealed + part.lines;
    END LOOP;
    RETURN sealed;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_seal_audit() IS
    'Seals every line of audit_log that can be seen and is not sealed yet into hash-chained blocks of at most 10,000 lines of one month; returns how many lines. Lines of transactions that are still open are sealed by a later call. Run it often, e.g. hourly. System role and auditor.';

CREATE FUNCTION @extschema@.mm_audit_head() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT b.number || ':' || encode(b.hash, 'hex') FROM @extschema@.audit_blocks AS b ORDER BY b.number DESC LIMIT 1
    $$;
COMMENT ON FUNCTION @extschema@.mm_audit_head() IS
    'Number and hash of the newest block, to be kept where nobody who administers this database can write; mm_verify_audit(head) holds the chain against it. NULL: nothing is sealed yet. System role and auditor.';

CREATE FUNCTION @extschema@.mm_verify_audit(head text DEFAULT NULL) RETURNS TABLE (block bigint, row_id bigint, problem text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
    AS $$
DECLARE
    -- Months that lie wholly before this may have been taken away by retention.
    kept_from CONSTANT date := (now() - interval '6 years')::date;
    last record;
BEGIN
    IF head IS NOT NULL AND head !~ '^[1-9][0-9]{0,17}:[0-9a-f]{64}$' THEN
        RAISE EXCEPTION 'head: must be what mm_audit_head() has returned'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'A number, a colon and 64 hexadecimal digits.';
    END IF;
    -- The chain.
    RETURN QUERY
    WITH chain AS (
        SELECT b.*, lag(b.number) OVER (ORDER BY b.number) AS number_before, lag(b.hash) OVER (ORDER BY b.number) AS hash_before
        FROM @extschema@.audit_blocks AS b
    )
    SELECT n.number, NULL::bigint, 'block missing'
    FROM chain AS c CROSS JOIN LATERAL generate_series(coalesce(c.number_before, 0) + 1, c.number - 1) AS n (number)
    UNION ALL
    SELECT c.number, NULL, 'block altered'
    FROM chain AS c
    WHERE c.root IS DISTINCT FROM @extschema@.mm_audit_root(c.ids, c.row_hashes)
       OR c.hash <> @extschema@.mm_audit_block_hash(c.number, c.sealed_at, c.month, c.horizon, c.row_count, c.root, c.previous_hash)
       OR (c.row_count, c.first_id, c.last_id) IS DISTINCT FROM (cardinality(c.ids), c.ids[1], c.ids[cardinality(c.ids)])
    UNION ALL
    SELECT c.number, NULL, 'block does not follow the one before'
    FROM chain AS c
    WHERE c.number = coalesce(c.number_before, 0) + 1 AND c.previous_hash <> coalesce(c.hash_before, ''::bytea)
    UNION ALL
    SELECT split_part(head, ':', 1)::bigint, NULL, 'head not in the chain'
    WHERE head IS NOT NULL AND NOT EXISTS (
        SELECT FROM chain AS c WHERE c.number = split_part(head, ':', 1)::bigint AND encode(c.hash, 'hex') = split_part(head, ':', 2));
    -- The lines.
    SELECT b.horizon, b.horizon > pg_snapshot_xmax(pg_current_snapshot()) AS foreign_cluster INTO last
    FROM @extschema@.audit_blocks AS b ORDER BY b.number DESC LIMIT 1;
    RETURN QUERY
    WITH line AS MATERIALIZED (
        SELECT a.id, a.txid, @extschema@.mm_audit_digest(to_jsonb(a)) AS hash,
               row_number() OVER (PARTITION BY a.id ORDER BY a.at) AS occurrence
        FROM @extschema@.audit_log AS a
    ), sealed AS MATERIALIZED (
        SELECT b.number, b.month, u.id, u.hash
        FROM @extschema@.audit_blocks AS b CROSS JOIN LATERAL unnest(b.ids, b.row_hashes) AS u (id, hash)
    ), gone AS (
        SELECT s.number, bool_and(l.id IS NULL) AND min(s.month) + interval '1 month' <= kept_from AS by_retention
        FROM sealed AS s LEFT JOIN line AS l ON l.id = s.id GROUP BY s.number
    )
    SELECT s.number, s.id, 'missing'
    FROM sealed AS s JOIN gone AS g ON g.number = s.number
    WHERE NOT g.by_retention AND NOT EXISTS (SELECT FROM line AS l WHERE l.id = s.id)
    UNION ALL
    SELECT s.number, s.id, CASE WHEN EXISTS (SELECT FROM sealed AS other WHERE other.hash = l.hash) THEN 'reordered' ELSE 'altered' END
    FROM sealed AS s JOIN line AS l ON l.id = s.id AND l.occurrence = 1
    WHERE l.hash <> s.hash
    UNION ALL
    SELECT NULL, l.id, 'inserted'
    FROM line AS l LEFT JOIN sealed AS s ON s.id = l.id
    WHERE l.occurrence > 1 OR s.id IS NULL AND NOT last.foreign_cluster AND l.txid < last.horizon
    ORDER BY 1, 2;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_verify_audit(text) IS
    'What is wrong with the sealed audit, one row each; none: nothing. row_id names the line that is altered, missing, inserted or reordered, block the block that is missing, altered, or does not follow the one before. head: what mm_audit_head() returned once and was kept elsewhere; finds a chain that was cut or rewritten as a whole. Whole months older than six years may be gone. System role and auditor. Errors: 22023 head.';
