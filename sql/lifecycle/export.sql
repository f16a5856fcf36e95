-- Everything held on one person, out and in again.

-- A key in an export would outlive the person's erasure; a pseudonym is of this database's audit only.
CREATE FUNCTION @extschema@.mm_stays_behind(table_name text) RETURNS boolean
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
    AS $$ SELECT table_name IN ('user_keys', 'audit_subjects') $$;
COMMENT ON FUNCTION @extschema@.mm_stays_behind(text) IS 'Part of mm_export_user() and mm_import_user(): whether a table of a person''s is never exported.';

CREATE FUNCTION @extschema@.mm_reveal_history(line jsonb) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT CASE WHEN jsonb_typeof(line -> 'row_before') = 'object'
                THEN line || jsonb_build_object('row_before', @extschema@.mm_reveal(line ->> 'table_name', line -> 'row_before'))
                ELSE line END
    $$;
COMMENT ON FUNCTION @extschema@.mm_reveal_history(jsonb) IS 'Part of mm_export_user(): a row of row_history with what is sealed in row_before opened.';

CREATE FUNCTION @extschema@.mm_export_user_rows(user_id uuid)
    RETURNS TABLE (table_name text, document jsonb)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres'
    SET bytea_output = 'hex' SET extra_float_digits = 1
    AS $$
DECLARE
    queries text;
BEGIN
    IF user_id IS NULL THEN
        RAISE EXCEPTION 'user_id: is missing' USING ERRCODE = 'null_value_not_allowed', HINT = 'Give user_id.';
    END IF;
    IF NOT @extschema@.mm_caller_is_system() AND user_id IS DISTINCT FROM auth.uid() THEN
        RAISE EXCEPTION 'permission denied: only the person or the system role exports a person'
            USING ERRCODE = 'insufficient_privilege', HINT = 'Set the request''s claims so that auth.uid() is the person, or SET ROLE mindmeasure_system.';
    END IF;
    -- One statement: all tables as of one moment. What is sealed is opened.
    SELECT string_agg(format('SELECT %L::text, %s FROM %s AS r WHERE r.user_id = $1', t.table_name,
               CASE WHEN t.table_name = 'row_history' THEN format('@extschema@.mm_reveal_history(%s)', @extschema@.mm_row_document(t.relation))
                    WHEN t.table_name IN (SELECT c.table_name FROM @extschema@.mm_protected_columns() AS c)
                    THEN format('@extschema@.mm_reveal(%L, %s)', t.table_name, @extschema@.mm_row_document(t.relation))
                    ELSE @extschema@.mm_row_document(t.relation) END,
               t.relation), ' UNION ALL ')
    INTO STRICT queries
    FROM @extschema@.mm_person_tables() AS t
    WHERE t.is_ours AND NOT @extschema@.mm_stays_behind(t.table_name);
    RETURN QUERY EXECUTE queries USING user_id;
    IF NOT current_setting('transaction_read_only')::boolean THEN
        PERFORM @extschema@.mm_audit('EXPORT', NULL, user_id, NULL);
    ELSE
        RAISE LOG 'mindmeasure audit: export of person % by %', user_id, session_user;
    END IF;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_export_user_rows(uuid) IS
    'Every row held on a person, of every table, the archive and row_history too, as documents one by one: for a person whose export is larger than one document may be (256 MB). In a document a jsonb column that is NULL is left out. Caller: the system role, or the person. Errors: 42501, 22004 NULL.';

CREATE FUNCTION @extschema@.mm_export_user(user_id uuid) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
    AS $$
DECLARE
    result jsonb;
BEGIN
    SELECT jsonb_build_object(
        'format', 'mindmeasure person', 'format_version', 1,
        'schema_version', (SELECT max(m.version) FROM @extschema@.mm_schema_migrations AS m),
        'extension_version', (SELECT e.extversion FROM pg_extension AS e WHERE e.extname = 'mindmeasure'),
        'exported_at', clock_timestamp(),
        'user_id', mm_export_user.user_id,
        -- What each table had for columns: one that is not in a row was NULL.
        'columns', (SELECT jsonb_object_agg(t.table_name, (SELECT jsonb_agg(c.name) FROM @extschema@.mm_row_columns(t.relation) AS c))
                    FROM @extschema@.mm_person_tables() AS t WHERE t.is_ours AND NOT @extschema@.mm_stays_behind(t.table_name)),
        'tables', (SELECT coalesce(jsonb_object_agg(x.table_name, x.documents), '{}')
                   FROM (SELECT r.table_name, jsonb_agg(r.document ORDER BY coalesce(r.document ->> 'created_at', r.document ->> 'recorded_at', r.document ->> 'processed_at'),
                                coalesce(r.document ->> 'id', r.document ->> 'session_id')) AS documents
                         FROM @extschema@.mm_export_user_rows(mm_export_user.user_id) AS r GROUP BY r.table_name) AS x))
    INTO STRICT result;
    RETURN result;
EXCEPTION WHEN program_limit_exceeded THEN
    RAISE EXCEPTION 'the person''s rows are larger than one document may be'
        USING ERRCODE = 'program_limit_exceeded', HINT = 'SELECT * FROM mm_export_user_rows(user_id) gives them one by one.';
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_export_user(uuid) IS
    'Everything held on a person as one JSON document: format_version, schema_version, extension_version, exported_at, columns, and tables, an array of row objects each, the archive and row_history too; values are exact. mm_import_user() takes it. Caller: the system role, or the person. Errors: 42501, 22004 NULL, 54000 larger than a document may be: mm_export_user_rows().';

CREATE FUNCTION @extschema@.mm_import_user(document jsonb) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres'
    AS $$
DECLARE
    person uuid;
    part record;
    unknown text;
    stored bigint := 0;
BEGIN
    PERFORM @extschema@.mm_require_system();
    -- IS TRUE: what is missing or of another type is wrong, too.
    IF (document ->> 'format' = 'mindmeasure person') IS NOT TRUE OR jsonb_typeof(document -> 'tables') IS DISTINCT FROM 'object'
       OR jsonb_typeof(document -> 'columns') IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'document: is not what mm_export_user() gives'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Give its result as it was, with format, columns and tables.';
    END IF;
    IF document -> 'format_version' IS DISTINCT FROM '1' THEN
        RAISE EXCEPTION 'document.format_version: must be 1'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Export with the version of mindmeasure that is installed here.';
    END IF;
    IF NOT coalesce(jsonb_typeof(document -> 'schema_version') = 'number', false)
       OR (document ->> 'schema_version')::numeric > (SELECT max(m.version) FROM @extschema@.mm_schema_migrations AS m) THEN
        RAISE EXCEPTION 'document.schema_version: must be that of this database or older'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'ALTER EXTENSION mindmeasure UPDATE here, or SELECT * FROM mm_migrate().';
    END IF;
    IF NOT coalesce(document ->> 'user_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', false) THEN
        RAISE EXCEPTION 'document.user_id: must be a UUID'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Give the document as it was exported.';
    END IF;
    person := document ->> 'user_id';
    FOR part IN SELECT t.key AS name, t.value AS rows, p.relation, document -> 'columns' -> t.key AS columns
                FROM jsonb_each(document -> 'tables') AS t
                LEFT JOIN @extschema@.mm_person_tables() AS p ON p.is_ours AND p.table_name = t.key AND NOT @extschema@.mm_stays_behind(t.key)
                ORDER BY t.key
    LOOP
        IF part.relation IS NULL THEN
            RAISE EXCEPTION 'document.tables.%: there is no such table here', part.name
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Make the table as it was where the document comes from, or take it out of the document.';
        END IF;
        IF jsonb_typeof(part.rows) <> 'array' OR jsonb_path_exists(part.rows, 'strict $[*] ? (@.type() != "object")') THEN
            RAISE EXCEPTION 'document.tables.%: must be an array of objects', part.name
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Give the document as it was exported.';
        END IF;
        IF EXISTS (SELECT FROM jsonb_array_elements(part.rows) AS r (document) WHERE r.document ->> 'user_id' IS DISTINCT FROM person::text) THEN
            RAISE EXCEPTION 'document.tables.%.user_id: must be document.user_id in every row', part.name
                USING ERRCODE = 'invalid_parameter_value', HINT = 'A document holds one person.';
        END IF;
        -- The owner, as who this runs, stores envelopes unopened.
        IF EXISTS (SELECT FROM jsonb_array_elements(part.rows) AS r (document)
                   JOIN @extschema@.mm_protected_columns() AS c ON c.table_name = part.name
                   WHERE CASE jsonb_typeof(r.document -> c.column_name) WHEN 'string' THEN @extschema@.mm_is_envelope(r.document ->> c.column_name)
                              WHEN 'object' THEN @extschema@.mm_is_envelope(r.document -> c.column_name) END) THEN
            RAISE EXCEPTION 'document.tables.%: holds sealed values', part.name
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Export with mm_export_user(), which opens them; what is stored here is sealed anew.';
        END IF;
        IF jsonb_typeof(part.columns) IS DISTINCT FROM 'array' THEN
            RAISE EXCEPTION 'document.columns.%: must be an array of names', part.name
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Give the document as it was exported.';
        END IF;
        SELECT min(x.name) INTO unknown
        FROM (SELECT jsonb_array_elements_text(part.columns)
              UNION SELECT jsonb_object_keys(r.document) FROM jsonb_array_elements(part.rows) AS r (document)) AS x (name)
        WHERE x.name NOT IN (SELECT c.name FROM @extschema@.mm_row_columns(part.relation) AS c) AND part.rows <> '[]';
        IF unknown IS NOT NULL THEN
            RAISE EXCEPTION 'document.tables.%.%: there is no such column here', part.name, unknown
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Add the column as it was where the document comes from: nothing is left out silently.';
        END IF;
    END LOOP;

    PERFORM @extschema@.mm_close_person(person);
    IF EXISTS (SELECT FROM @extschema@.erasure_log AS e WHERE e.person = @extschema@.mm_tombstone((document ->> 'user_id')::uuid)) THEN
        RAISE EXCEPTION 'document.user_id: the person has been erased'
            USING ERRCODE = 'MM004', HINT = 'An erased person is not brought back.';
    END IF;
    IF @extschema@.mm_person_is_known(person) THEN
        RAISE EXCEPTION 'document.user_id: rows of this person are here already'
            USING ERRCODE = 'unique_violation',
                  HINT = 'A document goes into an empty place. A sign-up has made a profile? DELETE FROM profiles WHERE user_id = … first; what is worth keeping, export first.';
    END IF;
    -- They come with their history: that they come is not part of it.
    PERFORM set_config('mindmeasure.without_history', 'on', true);
    BEGIN
        FOR part IN SELECT p.table_name, p.relation, document -> 'tables' -> p.table_name AS rows, document -> 'columns' -> p.table_name AS columns
                    FROM @extschema@.mm_person_tables() AS p
                    WHERE p.is_ours AND document -> 'tables' ? p.table_name
                    -- Keys first: all else refers to them.
                    ORDER BY p.table_name <> 'session_keys', p.table_name
        LOOP
            CONTINUE WHEN part.rows = '[]' OR @extschema@.mm_stays_behind(part.table_name);
            IF part.table_name = 'row_history' THEN
                SELECT jsonb_agg(CASE WHEN jsonb_typeof(r.line -> 'row_before') = 'object' THEN r.line
                           || jsonb_build_object('row_before', @extschema@.mm_conceal(r.line ->> 'table_name', r.line -> 'row_before')) ELSE r.line END)
                INTO part.rows FROM jsonb_array_elements(part.rows) AS r (line);
            END IF;
            stored := stored + @extschema@.mm_store_row(part.relation, part.rows, ARRAY(SELECT jsonb_array_elements_text(part.columns)), true);
        END LOOP;
    EXCEPTION WHEN unique_violation THEN
        RAISE EXCEPTION 'document.tables.%: an id belongs to a row that is here already', part.table_name
            USING ERRCODE = 'unique_violation', HINT = 'Nothing was stored. The same id cannot stand for two people, nor twice in a document.';
    END;
    PERFORM set_config('mindmeasure.without_history', '', true);
    PERFORM @extschema@.mm_audit('IMPORT', NULL, person, jsonb_build_object('rows', stored));
    RETURN stored;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_import_user(jsonb) IS
    'Takes what mm_export_user() gave into a place where nothing is held on the person: the same rows with the same keys, times and scores; returns how many. All or nothing. Errors: 22023 not such a document, of a newer schema, with a table or column that is not here, 23505 rows of the person or with these ids are here, MM004 erased, 55000 not under READ COMMITTED. System role only (42501).';
