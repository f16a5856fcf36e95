-- Where a person's rows are, and how a row becomes a document and back. Both are read from the
-- catalog: a table or column that somebody adds is not forgotten.

CREATE FUNCTION @extschema@.mm_person_tables()
    RETURNS TABLE (relation regclass, table_name text, is_ours boolean)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
    WITH person AS (
        SELECT c.oid, c.relname::text AS name,
               c.relowner = 'mindmeasure_owner'::regrole AND c.relnamespace = to_regnamespace('@extschema@') AS ours
        FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'user_id' AND a.atttypid = 'uuid'::regtype AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
    )
    SELECT p.oid::regclass, p.name, p.ours
    FROM person AS p
    WHERE CASE WHEN p.ours
          -- What outlives the person: what was done with their data, and by whom.
          THEN p.name <> 'audit_log'
          ELSE has_table_privilege(p.oid, 'SELECT, DELETE') AND EXISTS (
               SELECT FROM pg_constraint AS k JOIN person AS o ON o.oid = k.confrelid AND o.ours
               WHERE k.conrelid = p.oid AND k.contype = 'f') END
    -- A session moves from the table to the archive, never back: who reads in this order misses none.
    ORDER BY p.ours, p.name = 'session_keys', p.name
    $$;
COMMENT ON FUNCTION @extschema@.mm_person_tables() IS
    'The tables that hold rows of a person (user_id): ours, and those that reference ours and that mindmeasure_owner may empty. session_keys, on which most hang, comes last.';

CREATE FUNCTION @extschema@.mm_row_columns(relation regclass)
    RETURNS TABLE (name text, kind text, type text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT a.attname::text,
           -- jsonb: JSON null is not NULL. text: what JSON would not give back as it was.
           CASE WHEN a.atttypid = 'jsonb'::regtype THEN 'document'
                WHEN a.atttypid = 'json'::regtype OR t.typnamespace <> 'pg_catalog'::regnamespace THEN 'text'
                ELSE 'value' END,
           format_type(a.atttypid, a.atttypmod)
    FROM pg_attribute AS a
    JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    ORDER BY a.attnum
    $$;
COMMENT ON FUNCTION @extschema@.mm_row_columns(regclass) IS
    'The columns of a table that are stored, and how each stands in a row''s document: as a value, as a document (left out where it is NULL; null is JSON null), or as text.';

-- SQL for a row r of the table as one jsonb object.
CREATE FUNCTION @extschema@.mm_row_document(relation regclass) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT 'to_jsonb(r)'
        -- What is computed from the row is not part of it.
        || coalesce((SELECT string_agg(format(' - %L', a.attname), '') FROM pg_attribute AS a
                     WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> ''), '')
        || coalesce(format(' - array_remove(ARRAY[%s]::text[], NULL)',
               string_agg(format('CASE WHEN r.%I IS NULL THEN %L END', c.name, c.name), ', ') FILTER (WHERE c.kind = 'document')), '')
        || coalesce(format(' || jsonb_build_object(%s)',
               string_agg(format('%L, r.%I::text', c.name, c.name), ', ') FILTER (WHERE c.kind = 'text')), '')
    FROM @extschema@.mm_row_columns(relation) AS c
    $$;
COMMENT ON FUNCTION @extschema@.mm_row_document(regclass) IS 'Part of mm_export_user(): SQL that makes a document of a row r.';

-- Puts one document into the table as a row, or into the row that has the key.
CREATE FUNCTION @extschema@.mm_store_row(relation regclass, document jsonb, names text[], json_nulls boolean, key text DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres'
    AS $$
DECLARE
    columns text;
    expressions text;
    aside text[];
    stored bigint;
BEGIN
    SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.name),
           string_agg(CASE c.kind WHEN 'value' THEN format('p.%I', c.name)
                                  WHEN 'text' THEN format('(d.document ->> %L)::%s', c.name, c.type)
                                  WHEN 'document' THEN format(CASE WHEN json_nulls THEN 'd.document -> %L' ELSE 'nullif(d.document -> %L, ''null'')' END, c.name)
                      END, ', ' ORDER BY c.name),
           array_agg(c.name) FILTER (WHERE c.kind <> 'value')
    INTO columns, expressions, aside
    FROM @extschema@.mm_row_columns(relation) AS c
    WHERE c.name = ANY (names);
    IF key IS NULL THEN
        EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s '
                       'FROM jsonb_array_elements(CASE jsonb_typeof($1) WHEN ''array'' THEN $1 ELSE jsonb_build_array($1) END) AS d (document) '
                       'CROSS JOIN LATERAL jsonb_populate_record(NULL::%s, d.document - $2) AS p',
                       relation, columns, expressions, relation)
        USING document, coalesce(aside, '{}');
    ELSE
        EXECUTE format('UPDATE %s AS r SET (%s) = ROW(%s) '
                       'FROM (SELECT $1 AS document) AS d CROSS JOIN LATERAL jsonb_populate_record(NULL::%s, d.document - $2) AS p '
                       'WHERE r.%I = p.%I AND r.user_id = p.user_id',
                       relation, columns, expressions, relation, key, key)
        USING document, coalesce(aside, '{}');
    END IF;
    GET DIAGNOSTICS stored = ROW_COUNT;
    RETURN stored;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_store_row(regclass, jsonb, text[], boolean, text) IS
    'Part of mm_import_user() and backup_restore_user_data(): inserts a row''s document, or an array of them, or updates the row with the same key. names: the columns written; json_nulls: a document column''s null is JSON null, not NULL.';

CREATE FUNCTION @extschema@.mm_require_system() RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NOT @extschema@.mm_caller_is_system() THEN
        RAISE EXCEPTION 'permission denied: this is for the system role'
            USING ERRCODE = 'insufficient_privilege', HINT = 'SET ROLE mindmeasure_system, or be granted it.';
    END IF;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_require_system() IS 'Ends the call with 42501 unless the caller has the system role.';
