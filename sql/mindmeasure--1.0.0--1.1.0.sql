-- mindmeasure 1.0.0 to 1.1.0: functions, then what every install ends with (sql/finalize.sql).
-- The tables come last, by mm_migrate().

CREATE FUNCTION @extschema@.mm_valid_row(rules text, VARIADIC "values" "any") RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'mm_valid_row';

COMMENT ON FUNCTION @extschema@.mm_valid_row(text, "any") IS
    'CHECK of a row: true where each value keeps its rule, else 23514 naming the field, never a value. rules: «field: rule, …», one for each value: for a jsonb the name of its schema (mm_json_schema), for a text its most characters (with «or sealed»: or an encrypted value), for a numeric lowest..highest. NULL keeps every rule. Errors of the rules themselves: 22023, 42704.';

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

CREATE OR REPLACE FUNCTION @extschema@.mm_export_user_rows(user_id uuid)
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

CREATE OR REPLACE FUNCTION @extschema@.mm_export_user(user_id uuid) RETURNS jsonb
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

CREATE OR REPLACE FUNCTION @extschema@.mm_import_user(document jsonb) RETURNS bigint
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

CREATE OR REPLACE FUNCTION @extschema@.mm_refuse_erased() RETURNS trigger
    LANGUAGE c SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'mm_refuse_erased';

CREATE OR REPLACE FUNCTION @extschema@.mm_erase_rows(user_id uuid)
    RETURNS TABLE (table_name text, erased bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    batch CONSTANT integer := 5000;
    place record;
    counts bigint[] := '{}';
    names text[] := '{}';
    total bigint := 0;
    done bigint := 0;
    met bigint;
BEGIN
    PERFORM set_config('mindmeasure.without_history', 'on', true);
    FOR place IN SELECT t.relation FROM @extschema@.mm_person_tables() AS t LOOP
        EXECUTE format('SELECT count(*) FROM %s AS r WHERE r.user_id = $1', place.relation) INTO STRICT met USING user_id;
        total := total + met;
    END LOOP;
    FOR place IN SELECT t.relation, t.table_name FROM @extschema@.mm_person_tables() AS t LOOP
        counts := counts || 0::bigint;
        names := names || place.table_name;
        LOOP
            EXECUTE format('DELETE FROM %1$s AS r WHERE r.user_id = $1 AND (r.tableoid, r.ctid) IN '
                           '(SELECT x.tableoid, x.ctid FROM %1$s AS x WHERE x.user_id = $1 LIMIT $2)', place.relation)
            USING user_id, batch;
            GET DIAGNOSTICS met = ROW_COUNT;
            IF met = 0 THEN
                -- Rows that somebody was changing are at another place now.
                EXECUTE format('DELETE FROM %s AS r WHERE r.user_id = $1', place.relation) USING user_id;
                GET DIAGNOSTICS met = ROW_COUNT;
            END IF;
            EXIT WHEN met = 0;
            counts[cardinality(counts)] := counts[cardinality(counts)] + met;
            done := done + met;
            IF total > batch THEN
                PERFORM @extschema@.mm_progress('erase', done, total);
            END IF;
        END LOOP;
    END LOOP;
    -- Nobody can have written meanwhile. What is left was hidden, or a trigger kept it.
    FOR place IN SELECT t.relation FROM @extschema@.mm_person_tables() AS t LOOP
        EXECUTE format('SELECT count(*) FROM %s AS r WHERE r.user_id = $1', place.relation) INTO STRICT met USING user_id;
        IF met > 0 THEN
            RAISE EXCEPTION '%: % rows of the person are left', place.relation, met
                USING ERRCODE = 'triggered_action_exception', HINT = 'Nothing was erased. Look for a trigger or rule of your own on this table that keeps rows.';
        END IF;
    END LOOP;
    PERFORM set_config('mindmeasure.without_history', '', true);
    UPDATE @extschema@.erasure_log AS e
    SET erased_at = clock_timestamp(), pending_user_id = NULL, rows_erased = e.rows_erased + done
    WHERE e.person = @extschema@.mm_tombstone(mm_erase_rows.user_id);
    PERFORM @extschema@.mm_audit('ERASE', NULL, user_id, jsonb_build_object('rows', done));
    RETURN QUERY SELECT u.name, u.met FROM unnest(names, counts) AS u (name, met);
END;
$$;

CREATE OR REPLACE FUNCTION @extschema@.mm_guard_session() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    -- The seed's CHECK constraints hold as well; they cannot carry a hint.
    IF NEW.status NOT IN ('pending', 'processing', 'completed', 'failed') THEN
        RAISE EXCEPTION 'status: is not one of pending, processing, completed, failed'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = 'check_status_valid',
                  HINT = 'Leave status out of the UPDATE: mm_fuse_session() completes a session.';
    END IF;
    IF NEW.assessment_type NOT IN ('full', 'quick', 'voice-only') THEN
        RAISE EXCEPTION 'assessment_type: is not one of full, quick, voice-only'
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = 'check_assessment_type_valid',
                  HINT = 'Use full, quick or voice-only; left out it is full.';
    END IF;
    IF pg_has_role('mindmeasure_system', 'USAGE') THEN
        RETURN NEW;
    END IF;
    IF (NEW.status = 'completed' AND OLD.status <> 'completed')
       OR NEW.failure_reason IS DISTINCT FROM OLD.failure_reason THEN
        RAISE EXCEPTION 'status, failure_reason: are set by the system when it has scored the session'
            USING ERRCODE = 'insufficient_privilege', TABLE = TG_TABLE_NAME,
                  HINT = 'Call mm_fuse_session() with the session''s id: it scores and completes it.';
    END IF;
    IF OLD.status = 'completed' AND
       (NEW.status, NEW.category, NEW.assessment_type, NEW.mood_before, NEW.text_data, NEW.audio_data, NEW.visual_data)
       IS DISTINCT FROM
       (OLD.status, OLD.category, OLD.assessment_type, OLD.mood_before, OLD.text_data, OLD.audio_data, OLD.visual_data) THEN
        RAISE EXCEPTION 'status, category, assessment_type, mood_before, text_data, audio_data, visual_data: cannot change in a completed session'
            USING ERRCODE = 'insufficient_privilege', TABLE = TG_TABLE_NAME,
                  HINT = 'A completed session takes mood_after and reflection_notes only. Start a new session for new answers.';
    END IF;
    RETURN NEW;
END;
$$;

COMMENT ON FUNCTION @extschema@.mm_guard_session() IS
    'Trigger on assessment_sessions, before an UPDATE: status and assessment_type are of the known kinds (23514); a user cannot complete, re-open or rewrite a scored session (42501). Of an INSERT mm_register_session_key() asks the like.';

CREATE OR REPLACE FUNCTION @extschema@.mm_register_session_key() RETURNS trigger
    LANGUAGE c SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'mm_register_session_key';

COMMENT ON FUNCTION @extschema@.mm_register_session_key() IS
    'Trigger on assessment_sessions: a new session is of a known kind (23514), and a user neither completes it nor chooses its times (42501); registers id, person and time in session_keys, which outlives the session row. 23505: the id was used before.';

CREATE OR REPLACE FUNCTION @extschema@.mm_fill_owner() RETURNS trigger
    LANGUAGE c SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'mm_fill_owner';

CREATE OR REPLACE FUNCTION @extschema@.mm_guard_values() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    given CONSTANT jsonb := to_jsonb(NEW);
    field text;
    rule text;
    limits text[];
    kept boolean;
BEGIN
    -- The arguments are pairs: a column, and lowest..highest (either may be left out), a|b|c, or json for a
    -- document of the column's name.
    FOR i IN 0 .. TG_NARGS - 1 BY 2 LOOP
        field := TG_ARGV[i];
        rule := TG_ARGV[i + 1];
        IF rule = 'json' THEN
            -- Not from `given`, where a document that is null cannot be told from none.
            EXECUTE format('SELECT @extschema@.mm_validate_json(%1$L, %1$L, ($1).%1$I)', field) USING NEW;
            CONTINUE;
        ELSIF rule LIKE '%..%' THEN
            limits := string_to_array(rule, '..');
            -- NaN sorts above every number, so each range refuses it too.
            kept := (given ->> field)::float8 BETWEEN coalesce(nullif(limits[1], ''), '-1.7976931348623157e308')::float8
                                                  AND coalesce(nullif(limits[2], ''), '1.7976931348623157e308')::float8;
            rule := CASE rule WHEN '..' THEN 'a finite number' WHEN '0..' THEN 'a finite number, 0 or more'
                              ELSE format('a number from %s to %s', limits[1], limits[2]) END;
        ELSE
            kept := (given ->> field) = ANY (string_to_array(rule, '|'));
            rule := 'one of ' || replace(rule, '|', ', ');
        END IF;
        IF NOT kept THEN
            RAISE EXCEPTION '%: must be %', field, rule
                USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, COLUMN = field,
                      HINT = 'Nothing was stored. Correct the value and send the row again.';
        END IF;
    END LOOP;
    RETURN NEW;
END;
$$;

COMMENT ON FUNCTION @extschema@.mm_guard_values() IS
    'Trigger on tables that scoring writes: holds everybody else to the ranges and schemas of the columns given as pairs of arguments (23514).';

CREATE FUNCTION @extschema@.mm_audit_subject(person uuid, make boolean DEFAULT true) RETURNS uuid
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    found_subject uuid;
BEGIN
    SELECT s.subject INTO found_subject FROM @extschema@.audit_subjects AS s WHERE s.user_id = person;
    IF found_subject IS NULL AND make AND person IS NOT NULL THEN
        INSERT INTO @extschema@.audit_subjects (user_id) VALUES (person)
        ON CONFLICT (user_id) DO NOTHING RETURNING subject INTO found_subject;
        IF found_subject IS NULL THEN
            SELECT s.subject INTO found_subject FROM @extschema@.audit_subjects AS s WHERE s.user_id = person;
        END IF;
    END IF;
    RETURN found_subject;
END;
$$;

COMMENT ON FUNCTION @extschema@.mm_audit_subject(uuid, boolean) IS
    'The pseudonym under which audit_log names a person; make: one is made where there is none.';

CREATE FUNCTION @extschema@.mm_audit(action text, table_name text, subject uuid, detail jsonb) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    -- An erasure must not give the person it has just forgotten a new pseudonym.
    make CONSTANT boolean := action NOT LIKE 'ERASE%';
    person uuid;
BEGIN
    -- A worker's claims may name somebody who is no UUID: that is nobody, and no error of what it does.
    BEGIN
        person := auth.uid();
    EXCEPTION WHEN data_exception THEN
        person := NULL;
    END;
    INSERT INTO @extschema@.audit_log (action, table_name, subject, actor, detail)
    VALUES (action, table_name, @extschema@.mm_audit_subject(subject, make), @extschema@.mm_audit_subject(person, make), detail);
END;
$$;

COMMENT ON FUNCTION @extschema@.mm_audit(text, text, uuid, jsonb) IS
    'Writes a line of audit_log for a function that audits itself (DECRYPT, EXPORT, ERASE, RESTORE, ARCHIVE …): subject is the person whose rows were met, detail what else is worth knowing, never data. For the extension''s own functions: nobody else may call it.';

CREATE FUNCTION @extschema@.mm_audit_statement() RETURNS trigger
    LANGUAGE c SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'mm_audit_statement';

COMMENT ON FUNCTION @extschema@.mm_audit_statement() IS
    'Trigger after a statement: one line of audit_log a person whose rows it wrote, with the ids of the first 100 rows and, for an UPDATE, the names of the changed columns. Argument scored: none where scoring writes. None where the owner moves rows to the archive (mindmeasure.moving_to_archive) either: that has a line of its own.';

CREATE FUNCTION @extschema@.mm_audit_table(relation regclass, scored boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    event text[];
BEGIN
    FOREACH event SLICE 1 IN ARRAY ARRAY[
        ['INSERT', 'REFERENCING NEW TABLE AS new_rows'],
        ['UPDATE', 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'],
        ['DELETE', 'REFERENCING OLD TABLE AS old_rows'],
        ['TRUNCATE', '']] LOOP
        -- No WHEN: Postgres parses it anew for every statement, which costs more than the call.
        EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.mm_audit_statement(%s)',
            'audit_' || lower(event[1]), event[1], relation, event[2], CASE WHEN scored THEN quote_literal('scored') END);
    END LOOP;
END;
$$;

COMMENT ON FUNCTION @extschema@.mm_audit_table(regclass, boolean) IS
    'Puts a table under the audit: four statement-level triggers, audit_insert, audit_update, audit_delete, audit_truncate. scored: the table is written with every score, of which fusion_outputs tells already, so only others than scoring leave a line. For an application''s own tables too; a column user_id says whose rows they are.';

CREATE FUNCTION @extschema@.mm_refuse_rewriting() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RAISE EXCEPTION '%: is append-only', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', TABLE = TG_TABLE_NAME,
              HINT = 'What was written down stays. Retention takes away whole partitions once they are old enough.';
END;
$$;

COMMENT ON FUNCTION @extschema@.mm_refuse_rewriting() IS
    'Trigger: refuses UPDATE, DELETE and TRUNCATE of what may only grow (42501), to the owner and to superusers as well.';

CREATE FUNCTION @extschema@.mm_caller_role() RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$ SELECT coalesce(nullif(current_setting('role'), 'none'), session_user::text) $$;

COMMENT ON FUNCTION @extschema@.mm_caller_role() IS
    'The database role that calls, before any SECURITY DEFINER.';

CREATE FUNCTION @extschema@.mm_break_glass(user_id uuid, reason text, minutes integer DEFAULT 60) RETURNS timestamptz
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    auditor CONSTANT text := @extschema@.mm_caller_role();
    made record;
BEGIN
    IF NOT pg_has_role(auditor::name, 'mindmeasure_auditor', 'USAGE') THEN
        RAISE EXCEPTION 'permission denied: mm_break_glass() is for auditors'
            USING ERRCODE = 'insufficient_privilege', HINT = 'SET ROLE mindmeasure_auditor, or be granted it.';
    END IF;
    IF mm_break_glass.user_id IS NULL THEN
        RAISE EXCEPTION 'user_id: is missing' USING ERRCODE = 'null_value_not_allowed', HINT = 'Give user_id.';
    END IF;
    IF mm_break_glass.user_id = auth.uid() THEN
        RAISE EXCEPTION 'user_id: must be somebody else'
            USING ERRCODE = 'insufficient_privilege', HINT = 'Nobody gives themself access. Your own rows you see as a user.';
    END IF;
    IF (length(btrim(reason)) BETWEEN 10 AND 500) IS NOT TRUE THEN
        RAISE EXCEPTION 'reason: must be 10 to 500 characters'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'The person will read it: say why their rows have to be seen.';
    END IF;
    IF (minutes BETWEEN 1 AND 240) IS NOT TRUE THEN
        RAISE EXCEPTION 'minutes: must be 1 to 240'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Ask again when the time is up and it is still needed.';
    END IF;
    INSERT INTO @extschema@.break_glass_grants (user_id, auditor_role, auditor_person, reason, expires_at)
    VALUES (mm_break_glass.user_id, auditor, auth.uid(), btrim(mm_break_glass.reason), clock_timestamp() + make_interval(mins => minutes))
    RETURNING id, expires_at INTO made;
    PERFORM @extschema@.mm_audit('BREAK_GLASS', 'break_glass_grants', mm_break_glass.user_id,
        jsonb_build_object('grant', made.id, 'minutes', minutes));
    RETURN made.expires_at;
END;
$$;

COMMENT ON FUNCTION @extschema@.mm_break_glass(uuid, text, integer) IS
    'Gives the calling auditor reading of one person''s rows for 1 to 240 minutes; returns when it ends. reason: 10 to 500 characters, which the person reads in break_glass_grants. A line of audit_log says so. Never for oneself. Whether the person exists is not told. Auditor only (42501); 22004 NULL user_id, 22023 reason, minutes.';

CREATE FUNCTION @extschema@.mm_end_break_glass(user_id uuid) RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    caller CONSTANT text := @extschema@.mm_caller_role();
    -- The platform, and the person themself, may end anybody's.
    anybodys CONSTANT boolean := @extschema@.mm_caller_is_system() OR mm_end_break_glass.user_id IS NOT DISTINCT FROM auth.uid();
    ended integer;
BEGIN
    UPDATE @extschema@.break_glass_grants AS g SET ended_at = clock_timestamp()
    WHERE g.user_id = mm_end_break_glass.user_id AND g.ended_at IS NULL AND g.expires_at > clock_timestamp()
      AND (anybodys OR (g.auditor_role = caller AND g.auditor_person IS NOT DISTINCT FROM auth.uid()));
    GET DIAGNOSTICS ended = ROW_COUNT;
    IF ended > 0 THEN
        PERFORM @extschema@.mm_audit('END_BREAK_GLASS', 'break_glass_grants', mm_end_break_glass.user_id, jsonb_build_object('grants', ended));
    END IF;
    RETURN ended;
END;
$$;

COMMENT ON FUNCTION @extschema@.mm_end_break_glass(uuid) IS
    'Ends the calling auditor''s access to a person''s rows before its time; the system role and the person themself end everybody''s. Returns how many grants it ended.';

CREATE FUNCTION @extschema@.mm_broken_glass() RETURNS uuid[]
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
    -- Not now(): a transaction that stays open must not outlive the grant.
    SELECT coalesce(array_agg(g.user_id), '{}')
    FROM @extschema@.break_glass_grants AS g
    WHERE g.auditor_role = @extschema@.mm_caller_role() AND g.auditor_person IS NOT DISTINCT FROM auth.uid()
      AND g.ended_at IS NULL AND g.expires_at > clock_timestamp()
    $$;

COMMENT ON FUNCTION @extschema@.mm_broken_glass() IS
    'The people whose rows the calling auditor may read at this moment, by mm_break_glass().';

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

CREATE FUNCTION @extschema@.mm_doctor() RETURNS TABLE (check_name text, status text, detail text, fix text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    AS $doctor$
DECLARE
    -- Pairs: a name, and a query of one row: status, detail, and the command that mends it.
    checks CONSTANT text[] := ARRAY[
    'tls', $$
        SELECT CASE WHEN current_setting('ssl') = 'on' THEN 'ok' WHEN current_setting('listen_addresses') = '' THEN 'ok' ELSE 'error' END,
               CASE WHEN current_setting('ssl') = 'on' THEN 'TLS is on' WHEN current_setting('listen_addresses') = '' THEN 'TLS is off, and the server listens on sockets only' ELSE 'TLS is off: rows cross the network in plain text' END,
               'ALTER SYSTEM SET ssl = on; -- with ssl_cert_file and ssl_key_file, then SELECT pg_reload_conf();' $$,
    'tls_protocol', $$
        SELECT CASE current_setting('ssl_min_protocol_version') WHEN 'TLSv1.3' THEN 'ok' WHEN 'TLSv1.2' THEN 'warning' ELSE 'error' END,
               'the lowest protocol allowed is ' || coalesce(nullif(current_setting('ssl_min_protocol_version'), ''), 'any'),
               'ALTER SYSTEM SET ssl_min_protocol_version = ''TLSv1.3''; SELECT pg_reload_conf();' $$,
    'client_authentication', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'pg_hba.conf lets nobody in over the network without TLS or without scram or a certificate'
                    ELSE 'pg_hba.conf, line ' || string_agg(line_number::text, ', ' ORDER BY line_number) || ': plain text or weak authentication over the network' END,
               'hostssl … scram-sha-256 (or cert) in ' || current_setting('hba_file') || ', then SELECT pg_reload_conf();'
        FROM pg_hba_file_rules
        WHERE type IN ('host', 'hostnossl', 'hostssl') AND auth_method <> 'reject' AND coalesce(address, '') NOT IN ('127.0.0.1', '::1', 'localhost')
          AND (type <> 'hostssl' OR auth_method NOT IN ('scram-sha-256', 'cert')) $$,
    'passwords', $$
        SELECT CASE current_setting('password_encryption') WHEN 'scram-sha-256' THEN 'ok' ELSE 'error' END,
               'passwords are kept as ' || current_setting('password_encryption'),
               'ALTER SYSTEM SET password_encryption = ''scram-sha-256''; SELECT pg_reload_conf(); -- then set every password anew' $$,
    'read_audit', $$
        SELECT CASE WHEN current_setting('pgaudit.log', true) IS NULL THEN 'error' WHEN coalesce(current_setting('pgaudit.role', true), '') <> 'mindmeasure_audit' THEN 'error' ELSE 'ok' END,
               CASE WHEN current_setting('pgaudit.log', true) IS NULL THEN 'pgaudit is not loaded: nobody writes down who reads'
                    WHEN coalesce(current_setting('pgaudit.role', true), '') <> 'mindmeasure_audit' THEN 'pgaudit is loaded, but reads of the tables are not logged'
                    ELSE 'reads of sensitive tables are logged' END,
               CASE WHEN current_setting('pgaudit.log', true) IS NULL THEN 'ALTER SYSTEM SET shared_preload_libraries = pgaudit; ALTER SYSTEM SET session_preload_libraries = mindmeasure; -- and restart, then SELECT @extschema@.mm_enable_read_audit();'
                    ELSE 'SELECT @extschema@.mm_enable_read_audit(); -- as a superuser; counts from the next connection on' END $$,
    'read_audit_person', $$
        SELECT CASE WHEN (current_setting('session_preload_libraries') || ',' || current_setting('shared_preload_libraries')) ~ '\mmindmeasure\M' THEN 'ok' ELSE 'warning' END,
               'mindmeasure is ' || CASE WHEN (current_setting('session_preload_libraries') || ',' || current_setting('shared_preload_libraries')) ~ '\mmindmeasure\M' THEN 'loaded with every session'
                   ELSE 'loaded on first use: the first read of a session may lack the person in pgaudit''s line' END,
               'ALTER SYSTEM SET session_preload_libraries = mindmeasure; SELECT pg_reload_conf();' $$,
    'log_content', $$
        SELECT CASE WHEN current_setting('log_statement') IN ('mod', 'all') OR current_setting('log_parameter_max_length_on_error') <> '0'
                         OR current_setting('log_min_duration_statement') <> '-1' AND current_setting('log_parameter_max_length') <> '0' THEN 'warning' ELSE 'ok' END,
               CASE WHEN current_setting('log_statement') IN ('mod', 'all') OR current_setting('log_parameter_max_length_on_error') <> '0'
                         OR current_setting('log_min_duration_statement') <> '-1' AND current_setting('log_parameter_max_length') <> '0'
                    THEN 'statements or their parameters are logged: personal data reach the log' ELSE 'neither statements nor their parameters are logged' END,
               'ALTER SYSTEM SET log_statement = ''ddl''; ALTER SYSTEM SET log_parameter_max_length = 0; ALTER SYSTEM SET log_parameter_max_length_on_error = 0; SELECT pg_reload_conf();' $$,
    'archiving', $$
        SELECT CASE WHEN current_setting('archive_mode') = 'off' THEN 'error'
                    WHEN last_failed_time > coalesce(last_archived_time, '-infinity') THEN 'error'
                    WHEN last_archived_time IS NULL OR last_archived_time < now() - interval '1 day' THEN 'warning' ELSE 'ok' END,
               CASE WHEN current_setting('archive_mode') = 'off' THEN 'WAL is not archived: no restore to a point in time'
                    WHEN last_failed_time > coalesce(last_archived_time, '-infinity') THEN 'archiving fails since ' || last_failed_time
                    WHEN last_archived_time IS NULL THEN 'nothing has been archived yet' ELSE 'last archived at ' || last_archived_time END,
               CASE WHEN current_setting('archive_mode') = 'off' THEN 'ALTER SYSTEM SET archive_mode = on; -- with archive_command of deploy/, and restart'
                    ELSE 'SELECT pg_switch_wal(); -- and look at the log for what archive_command says' END
        FROM pg_stat_archiver $$,
    'checksums', $$
        SELECT CASE current_setting('data_checksums') WHEN 'on' THEN 'ok' ELSE 'error' END,
               'data checksums are ' || current_setting('data_checksums'),
               'pg_checksums --enable -D ' || current_setting('data_directory') || ' -- with the server stopped' $$,
    'key_files', $$
        SELECT CASE WHEN bool_or(k.problem IS NOT NULL) THEN 'error' ELSE 'ok' END,
               coalesce(string_agg(k.setting || ' ' || k.problem, '; ') FILTER (WHERE k.problem IS NOT NULL), 'files with keys that are set are the server''s alone'),
               'chown postgres FILE; chmod 600 FILE'
        FROM @extschema@.mm_key_files() AS k $$,
    'verified_identity', $$
        SELECT CASE WHEN current_setting('mindmeasure.require_verified_identity', true) IS DISTINCT FROM 'on' THEN 'warning' WHEN p.ours THEN 'ok' ELSE 'error' END,
               CASE WHEN current_setting('mindmeasure.require_verified_identity', true) IS DISTINCT FROM 'on' THEN 'a client that can run SQL can say that it speaks for anybody'
                    WHEN p.ours THEN 'only verified tokens say for whom a request speaks'
                    ELSE 'auth.uid() is not of mindmeasure: mm_set_identity() and mindmeasure.require_verified_identity have no effect' END,
               CASE WHEN p.ours THEN 'ALTER SYSTEM SET mindmeasure.jwt_keys_file = ''…''; ALTER SYSTEM SET mindmeasure.require_verified_identity = on; SELECT pg_reload_conf(); -- once the application calls mm_set_identity()'
                    ELSE 'Let nobody but the gateway that sets the claims connect as a user.' END
        FROM (SELECT p.prosrc = 'mm_current_person_wrapper' AS ours FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = 'auth' AND p.proname = 'uid' AND p.pronargs = 0) AS p $$,
    'row_security', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'on for every table and partition' ELSE 'off for ' || string_agg(oid::regclass::text, ', ' ORDER BY oid::regclass::text) END,
               coalesce(string_agg(format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY;', oid::regclass), ' ' ORDER BY oid::regclass::text), 'ALTER TABLE … ENABLE ROW LEVEL SECURITY;')
        FROM pg_class WHERE relowner = 'mindmeasure_owner'::regrole AND relkind IN ('r', 'p') AND NOT relrowsecurity $$,
    'views', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'no view on our tables reads with its owner''s rights' ELSE 'read with their owner''s rights, past row-level security: ' || string_agg(v.oid::regclass::text, ', ' ORDER BY v.oid::regclass::text) END,
               coalesce(string_agg(format('ALTER VIEW %s SET (security_invoker = true);', v.oid::regclass), ' ' ORDER BY v.oid::regclass::text), 'ALTER VIEW … SET (security_invoker = true);')
        FROM pg_class AS v
        WHERE v.relkind IN ('v', 'm') AND coalesce(array_to_string(v.reloptions, ','), '') !~ 'security_invoker=(true|on|1)'
          AND EXISTS (SELECT FROM pg_rewrite AS r JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
                      JOIN pg_class AS t ON t.oid = d.refobjid
                      WHERE r.ev_class = v.oid AND t.relowner = 'mindmeasure_owner'::regrole AND t.relkind IN ('r', 'p')) $$,
    'partition_grants', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'no partition can be read past its parent' ELSE 'granted directly: ' || string_agg(DISTINCT c.oid::regclass::text, ', ') END,
               coalesce(string_agg(DISTINCT format('REVOKE ALL ON %s FROM %s;', c.oid::regclass, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END), ' '), 'REVOKE ALL ON … FROM …;')
        FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE c.relowner = 'mindmeasure_owner'::regrole AND c.relispartition AND c.relkind IN ('r', 'p') AND a.grantee <> c.relowner $$,
    'public_grants', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'PUBLIC and anon have nothing' ELSE 'PUBLIC or anon may use ' || string_agg(g.object, ', ' ORDER BY g.object) END,
               coalesce(string_agg(format('REVOKE ALL ON %s FROM %s;', g.object, g.who), ' ' ORDER BY g.object), 'REVOKE ALL ON … FROM PUBLIC, anon;')
        FROM (SELECT DISTINCT o.object, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS who
              FROM (SELECT 'TABLE ' || c.oid::regclass AS object, c.relacl AS acl FROM pg_class AS c
                    WHERE c.relowner = 'mindmeasure_owner'::regrole AND c.relkind IN ('r', 'p', 'v', 'm')
                    UNION ALL
                    SELECT 'FUNCTION ' || p.oid::regprocedure, coalesce(p.proacl, acldefault('f', p.proowner)) FROM pg_proc AS p
                    JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
                    JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'mindmeasure') AS o
              CROSS JOIN LATERAL aclexplode(o.acl) AS a
              WHERE a.grantee = 0 OR a.grantee = to_regrole('anon')) AS g $$,
    'truncate', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'nobody but the owner may empty a table' ELSE 'may be emptied by others: ' || string_agg(DISTINCT c.oid::regclass::text, ', ') END,
               coalesce(string_agg(DISTINCT format('REVOKE TRUNCATE ON %s FROM %s;', c.oid::regclass, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END), ' '), 'REVOKE TRUNCATE ON … FROM …;')
        FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE c.relowner = 'mindmeasure_owner'::regrole AND c.relkind IN ('r', 'p') AND a.privilege_type = 'TRUNCATE' AND a.grantee <> c.relowner $$,
    'function_owners', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'no function runs with a superuser''s rights or a search_path of the caller''s' ELSE 'owner or search_path is wrong: ' || string_agg(p.oid::regprocedure::text, ', ') END,
               coalesce(string_agg(format('ALTER FUNCTION %s OWNER TO mindmeasure_owner;', p.oid::regprocedure), ' '), 'ALTER FUNCTION … OWNER TO mindmeasure_owner;')
        FROM pg_proc AS p
        JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'mindmeasure'
        WHERE p.prosecdef AND (p.proowner <> 'mindmeasure_owner'::regrole OR NOT EXISTS (
            SELECT FROM unnest(p.proconfig) AS c WHERE c ~ '^search_path=pg_catalog, pg_temp$')) $$,
    'table_owners', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'nobody logs in as the owner of the tables' ELSE 'can become the owner of the tables: ' || string_agg(r.rolname, ', ') END,
               coalesce(string_agg(format('REVOKE mindmeasure_owner FROM %I;', r.rolname), ' '), 'REVOKE mindmeasure_owner FROM …;')
        FROM pg_roles AS r
        WHERE r.rolcanlogin AND NOT r.rolsuper AND pg_has_role(r.oid, 'mindmeasure_owner', 'MEMBER') $$,
    'bypass', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'no role that speaks for people or auditors passes by row-level security' ELSE 'pass by row-level security: ' || string_agg(r.rolname, ', ') END,
               coalesce(string_agg(format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS;', r.rolname), ' '), 'ALTER ROLE … NOBYPASSRLS;')
        FROM pg_roles AS r
        WHERE (r.rolsuper OR r.rolbypassrls) AND EXISTS (
            SELECT FROM pg_auth_members AS m WHERE m.member = r.oid AND m.roleid IN ('mindmeasure_user'::regrole, 'mindmeasure_auditor'::regrole)) $$,
    'triggers', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'every trigger is enabled' ELSE 'disabled: ' || string_agg(t.tgname || ' on ' || t.tgrelid::regclass, ', ') END,
               coalesce(string_agg(format('ALTER TABLE %s ENABLE TRIGGER %I;', t.tgrelid::regclass, t.tgname), ' '), 'ALTER TABLE … ENABLE TRIGGER …;')
        FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
        WHERE c.relowner = 'mindmeasure_owner'::regrole AND t.tgenabled IN ('D', 'R') AND NOT t.tgisinternal $$,
    'partitions_ahead', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END,
               CASE WHEN count(*) = 0 THEN 'next month has its partitions' ELSE 'no partition for next month: ' || string_agg(p.oid::regclass::text, ', ') END,
               'SELECT @extschema@.mm_ensure_partitions();'
        FROM pg_class AS p
        WHERE p.oid IN (to_regclass('@extschema@.audit_log'), to_regclass('@extschema@.assessment_sessions')) AND p.relkind = 'p'
          AND NOT EXISTS (
              SELECT FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
              CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') AS bound
              WHERE i.inhparent = p.oid AND now() + interval '1 month' >= bound[1]::timestamptz AND now() + interval '1 month' < bound[2]::timestamptz) $$,
    'jobs', $$
        SELECT CASE WHEN j.missing IS NULL THEN 'ok' ELSE 'warning' END,
               CASE WHEN to_regclass('cron.job') IS NULL THEN 'pg_cron is not here: something else has to run ' ELSE 'pg_cron does not run ' END || coalesce(j.missing, 'nothing'),
               CASE WHEN to_regclass('cron.job') IS NULL THEN 'CREATE EXTENSION pg_cron; ' ELSE '' END || 'SELECT * FROM @extschema@.mm_schedule_jobs();'
        FROM (SELECT string_agg(m.job, ', ') AS missing FROM @extschema@.mm_jobs() AS m
              -- A table that may not be there can only be named in a text.
              WHERE to_regclass('cron.job') IS NULL OR position(m.job IN query_to_xml('SELECT jobname FROM cron.job WHERE active', false, false, '')::text) = 0) AS j $$,
    'backups', $$
        SELECT CASE WHEN bool_or(t.late) THEN 'error' WHEN count(*) = 0 THEN 'error' ELSE 'ok' END,
               coalesce(string_agg(format('%s: %s', t.tier, t.at), ', ' ORDER BY t.tier), 'none has ever succeeded'),
               'deploy/backup/backup.sh ' || coalesce(string_agg(t.tier, ' ') FILTER (WHERE t.late), 'daily')
        FROM (SELECT m[1] AS tier, to_timestamp(m[2]::bigint) AS at,
                     to_timestamp(m[2]::bigint) < now() - CASE m[1] WHEN 'daily' THEN interval '26 hours' WHEN 'weekly' THEN interval '8 days' ELSE interval '367 days' END AS late
              FROM regexp_matches(pg_read_file(coalesce(nullif(current_setting('mindmeasure.backup_status_file', true), ''), '/var/lib/mindmeasure/backup.prom')),
                   'mindmeasure_backup_last_success_seconds\{tier="(\w+)"\} (\d+)', 'g') AS m) AS t $$,
    'unencrypted_rows', $$
        SELECT CASE WHEN NOT @extschema@.mm_encryption_on() THEN 'warning' WHEN sum(u.rows) > 0 THEN 'error' ELSE 'ok' END,
               CASE WHEN NOT @extschema@.mm_encryption_on() THEN 'no key file is set: sensitive fields are stored as they come, and in backups too'
                    WHEN sum(u.rows) > 0 THEN 'rows with open values: ' || string_agg(u.table_name || ' ' || u.rows, ', ') FILTER (WHERE u.rows > 0) ELSE 'every sensitive field is encrypted' END,
               CASE WHEN NOT @extschema@.mm_encryption_on() THEN format('ALTER DATABASE %I SET mindmeasure.key_file = ''…''; -- docs/encryption.md', current_database()) ELSE 'CALL @extschema@.mm_encrypt_existing();' END
        FROM @extschema@.mm_unencrypted_rows() AS u $$,
    'schema_version', $$
        SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'error' END,
               CASE WHEN count(*) = 0 THEN 'the tables are what this version expects' ELSE 'migrations not applied: ' || string_agg(m.version::text, ', ' ORDER BY m.version) END,
               'SELECT * FROM @extschema@.mm_migrate();'
        FROM @extschema@.mm_expected_migrations() AS m
        WHERE NOT EXISTS (SELECT FROM @extschema@.mm_schema_migrations AS s WHERE s.version = m.version) $$,
    'extension_version', $$
        SELECT CASE WHEN e.default_version = e.installed_version THEN 'ok' ELSE 'warning' END,
               'version ' || e.installed_version || CASE WHEN e.default_version = e.installed_version THEN '' ELSE ', the server has ' || e.default_version END,
               'ALTER EXTENSION mindmeasure UPDATE;'
        FROM pg_available_extensions AS e WHERE e.name = 'mindmeasure' $$,
    'audit_sealed', $$
        SELECT CASE WHEN min(u.at) < now() - interval '1 day' THEN 'warning' ELSE 'ok' END,
               CASE WHEN count(*) = 0 THEN 'every line of the audit is sealed' ELSE count(*) || ' lines of the audit are not sealed, the oldest of ' || min(u.at) END,
               'SELECT @extschema@.mm_seal_audit();'
        FROM @extschema@.mm_unsealed_audit() AS u $$
    ];
BEGIN
    FOR i IN 1 .. cardinality(checks) BY 2 LOOP
        check_name := checks[i];
        BEGIN
            EXECUTE checks[i + 1] INTO STRICT status, detail, fix;
            IF status = 'ok' THEN
                fix := NULL;
            END IF;
        EXCEPTION
            WHEN insufficient_privilege THEN
                status := 'unknown';
                detail := 'this role may not look: ' || SQLERRM;
                fix := 'Run SELECT * FROM @extschema@.mm_doctor() as a superuser, or GRANT pg_monitor to this role.';
            WHEN OTHERS THEN
                status := 'unknown';
                detail := 'cannot be looked at: ' || SQLERRM;
                fix := 'Look at it by hand; docs/security.md says what it promises.';
        END;
        RETURN NEXT;
    END LOOP;
END;
$doctor$;

COMMENT ON FUNCTION @extschema@.mm_doctor() IS
    'Checks every promise that depends on the server''s configuration, one row each: status is ok, warning, error, or unknown where the caller may not look or there is nothing to look at; fix is the command that mends it. A check that fails stops no other. System role and auditor; a superuser sees most.';

CREATE FUNCTION @extschema@.mm_enable_read_audit() RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    relation regclass;
    granted bigint := 0;
BEGIN
    IF current_setting('pgaudit.role', true) IS NULL OR current_setting('pgaudit.log', true) IS NULL THEN
        RAISE EXCEPTION 'pgaudit is not loaded'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'shared_preload_libraries = ''pgaudit'' and session_preload_libraries = ''mindmeasure'' in postgresql.conf, then restart the server.';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mindmeasure_audit') THEN
        CREATE ROLE mindmeasure_audit NOLOGIN;
    END IF;
    -- Row-level security lets this role see nothing, and nobody is its member: its privileges only
    -- say which tables are sensitive. A table made later is sensitive after the next call.
    FOR relation IN
        SELECT c.oid FROM pg_class AS c
        WHERE c.relowner = 'mindmeasure_owner'::regrole AND c.relnamespace = '@extschema@'::regnamespace
          AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
          AND (EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'user_id' AND NOT a.attisdropped)
               OR c.relname = 'audit_log')
          AND c.relname <> 'session_keys'
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO mindmeasure_audit', relation);
        granted := granted + 1;
    END LOOP;
    EXECUTE format('ALTER DATABASE %I SET pgaudit.role = ''mindmeasure_audit''', current_database());
    RETURN granted;
END;
$$;

COMMENT ON FUNCTION @extschema@.mm_enable_read_audit() IS
    'Has pgaudit log every read of a table that holds people''s rows, from the next connection on; returns how many tables these are. Call it again after tables were added. Superuser. Errors: 55000 pgaudit is not loaded.';

CREATE OR REPLACE FUNCTION @extschema@.mm_fuse_pending(max_sessions integer DEFAULT 1000) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settled CONSTANT timestamptz := now() - coalesce(nullif(current_setting('mindmeasure.settle_interval', true), ''), '10min')::interval;
    window_start CONSTANT timestamptz := now() - coalesce(nullif(current_setting('mindmeasure.refresh_window', true), ''), '1d')::interval;
    -- Sessions whose people are locked and looked at together, and that one subtransaction scores: what it
    -- has taken of memory, a few MB whatever their number, stays until the transaction ends.
    batch_size CONSTANT integer := 2000;
    -- In the select list, where it goes on when the next person is fetched.
    people CURSOR FOR
        SELECT (r.ready).* FROM (SELECT @extschema@.mm_ready_people(settled, window_start, NULL) AS ready) AS r;
    person record;
    room integer;
    -- A batch: sessions, and for each its person, its time, and whether it is scored already.
    sessions uuid[];
    persons uuid[];
    times timestamptz[];
    refreshes boolean[];
    together record;
    -- Where ranges of the batch end that are still to be scored, the next one last; and where that one begins.
    ends integer[];
    first integer;
    last integer;
    one record;
    left_over uuid[];
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
    OPEN people;
    WHILE taken < max_sessions LOOP
        sessions := '{}';
        persons := '{}';
        times := '{}';
        refreshes := '{}';
        LOOP
            room := least(batch_size, max_sessions - taken) - cardinality(sessions);
            EXIT WHEN room <= 0;
            FETCH people INTO person;
            EXIT WHEN NOT FOUND;
            CONTINUE WHEN NOT pg_try_advisory_xact_lock(@extschema@.mm_person_lock_key(person.user_id));
            -- All of a person's at once, up to what was asked for.
            room := max_sessions - taken - cardinality(sessions);
            sessions := sessions || person.sessions[1:room];
            times := times || person.times[1:room];
            refreshes := refreshes || person.refreshes[1:room];
            persons := persons || array_fill(person.user_id, ARRAY[least(room, cardinality(person.sessions))]);
        END LOOP;
        EXIT WHEN sessions = '{}';

        -- Read again under the locks: another worker may just have committed these. A session that
        -- somebody is writing waits for the next call, and the person's later ones with it. People with
        -- something to refresh come last.
        WITH held AS MATERIALIZED (
            SELECT s.id, s.status
            FROM unnest(sessions, times) AS w (id, at)
            JOIN @extschema@.assessment_sessions AS s ON s.id = w.id AND s.created_at = w.at
            FOR UPDATE OF s SKIP LOCKED
        ), seen AS (
            SELECT w.*, h.status, bool_or(h.id IS NULL) OVER (PARTITION BY w.person ORDER BY w.place) AS waits
            FROM unnest(sessions, persons, times, refreshes) WITH ORDINALITY AS w (id, person, at, refresh, place)
            LEFT JOIN held AS h ON h.id = w.id
        ), ready AS (
            SELECT s.*, bool_or(s.refresh) OVER (PARTITION BY s.person) AS mixed
            FROM seen AS s
            WHERE NOT s.waits AND s.refresh = (s.status = 'completed') AND s.status <> 'failed'
        )
        SELECT array_agg(r.id ORDER BY r.mixed, r.place) AS sessions,
               array_agg(r.person ORDER BY r.mixed, r.place) AS persons,
               array_agg(r.at ORDER BY r.mixed, r.place) AS times,
               array_agg(r.refresh ORDER BY r.mixed, r.place) AS refreshes,
               count(*) AS number,
               count(*) FILTER (WHERE NOT r.mixed) AS unmixed
        INTO together
        FROM ready AS r;

        first := 1;
        ends := ARRAY[together.number, together.unmixed];
        WHILE ends <> '{}' LOOP
            last := ends[cardinality(ends)];
            left_over := together.sessions[first:last];
            IF first <= last AND last <= together.unmixed THEN
                BEGIN
                    left_over := @extschema@.mm_fuse_batch(left_over, together.persons[first:last], together.times[first:last]);
                    scored := scored + last - first + 1 - cardinality(left_over);
                    taken := taken + last - first + 1 - cardinality(left_over);
                EXCEPTION WHEN OTHERS THEN
                    -- One of them: which one, the halves tell.
                    IF first < last THEN
                        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, reason = MESSAGE_TEXT;
                        RAISE LOG 'mm_fuse_pending: % sessions are scored in halves: % %', last - first + 1, state, reason;
                        ends := ends || (first + last) / 2;
                        CONTINUE;
                    END IF;
                END;
            END IF;
            FOR one IN
                SELECT w.id AS session_id, w.at AS created_at, w.refresh
                FROM unnest(together.sessions[first:last], together.times[first:last], together.refreshes[first:last]) WITH ORDINALITY AS w (id, at, refresh, place)
                WHERE w.id = ANY (left_over)
                ORDER BY w.place
            LOOP
                BEGIN
                    PERFORM @extschema@.mm_fuse_session(one.session_id, one.refresh);
                    scored := scored + 1;
                    taken := taken + 1;
                EXCEPTION WHEN OTHERS THEN
                    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, reason = MESSAGE_TEXT;
                    -- Not the session's fault (MM02x: the key file's): retried by the next call, and not counted, so that such
                    -- sessions cannot use up every batch.
                    IF left(state, 2) IN ('40', '53', '55', '57', '58') OR state IN ('MM020', 'MM021', 'MM024') OR one.refresh THEN
                        RAISE WARNING 'session %: % %', one.session_id, state, reason;
                    ELSE
                        taken := taken + 1;
                        UPDATE @extschema@.assessment_sessions AS s
                        SET status = 'failed', failure_reason = left(state || ' ' || reason, 1000)
                        WHERE s.id = one.session_id AND s.created_at = one.created_at;
                    END IF;
                END;
            END LOOP;
            first := last + 1;
            ends := trim_array(ends, 1);
        END LOOP;
    END LOOP;
    CLOSE people;
    RETURN scored;
END;
$$;

CREATE FUNCTION @extschema@.mm_ready_people(settled timestamptz, window_start timestamptz, person uuid)
    RETURNS TABLE (user_id uuid, sessions uuid[], times timestamptz[], refreshes boolean[])
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
    ), expected AS MATERIALIZED (
        SELECT t.type, array_agg(modality.name) AS names
        FROM unnest(ARRAY['full', 'quick', 'voice-only']) AS t (type)
        JOIN modality ON CASE jsonb_typeof(modality.weight)
            WHEN 'object' THEN coalesce((modality.weight ->> t.type)::float8, 0)
            WHEN 'number' THEN (modality.weight #>> '{}')::float8
            ELSE 1 END > 0
        GROUP BY t.type
    ), late AS MATERIALIZED (
        -- One look at a score, however many analyses of its session have come, and at nothing else unless one is new.
        SELECT f.session_id, f.session_created_at
        FROM (SELECT x.session_id, array_agg(x.modality) AS modalities
              FROM (SELECT a.session_id, 'text' AS modality FROM @extschema@.text_analysis AS a WHERE a.processed_at >= window_start AND (person IS NULL OR a.user_id = person)
                    UNION ALL SELECT a.session_id, 'audio' FROM @extschema@.audio_analysis AS a WHERE a.processed_at >= window_start AND (person IS NULL OR a.user_id = person)
                    UNION ALL SELECT a.session_id, 'visual' FROM @extschema@.visual_analysis AS a WHERE a.processed_at >= window_start AND (person IS NULL OR a.user_id = person)
                    UNION ALL SELECT a.session_id, 'passive' FROM @extschema@.passive_analysis AS a WHERE a.processed_at >= window_start AND (person IS NULL OR a.user_id = person)) AS x
              GROUP BY x.session_id) AS arrived
        JOIN @extschema@.fusion_outputs AS f ON f.session_id = arrived.session_id AND NOT f.arrived_modalities @> arrived.modalities
    ), waiting AS (
        SELECT s.id, s.user_id, s.created_at, coalesce(s.assessment_type, 'full') AS type, false AS refresh
        FROM @extschema@.assessment_sessions AS s
        WHERE s.status IN ('pending', 'processing') AND (person IS NULL OR s.user_id = person)
        UNION ALL
        SELECT s.id, s.user_id, s.created_at, s.assessment_type, true
        FROM late AS l
        JOIN @extschema@.assessment_sessions AS s ON s.id = l.session_id AND s.created_at = l.session_created_at AND s.status = 'completed'
    )
    SELECT p.user_id, r.sessions, r.times, r.refreshes
    FROM (SELECT w.user_id, min(w.created_at) AS since, array_agg(w.id) AS sessions, array_agg(w.created_at) AS times,
                 array_agg(w.type) AS types, array_agg(w.refresh) AS refreshes
          FROM waiting AS w GROUP BY w.user_id ORDER BY since, w.user_id) AS p
    CROSS JOIN LATERAL (
        SELECT array_agg(s.id ORDER BY s.at, s.id) AS sessions, array_agg(s.at ORDER BY s.at, s.id) AS times,
               array_agg(s.refresh ORDER BY s.at, s.id) AS refreshes
        FROM unnest(p.sessions, p.times, p.types, p.refreshes) AS s (id, at, type, refresh)
        LEFT JOIN expected AS e ON e.type = s.type
        CROSS JOIN LATERAL (
            SELECT array_agg(a.modality) AS modalities, max(a.processed_at) AS newest
            FROM (SELECT 'text' AS modality, x.processed_at FROM @extschema@.text_analysis AS x WHERE x.session_id = s.id
                  UNION ALL SELECT 'audio', x.processed_at FROM @extschema@.audio_analysis AS x WHERE x.session_id = s.id
                  UNION ALL SELECT 'visual', x.processed_at FROM @extschema@.visual_analysis AS x WHERE x.session_id = s.id
                  UNION ALL SELECT 'passive', x.processed_at FROM @extschema@.passive_analysis AS x WHERE x.session_id = s.id) AS a
            WHERE NOT s.refresh) AS arrived
        WHERE s.refresh OR arrived.newest <= settled OR arrived.modalities @> coalesce(e.names, '{}')) AS r
    WHERE r.sessions IS NOT NULL
    ORDER BY p.since, p.user_id
    $$;

CREATE OR REPLACE FUNCTION @extschema@.mm_ready_sessions(settled timestamptz, window_start timestamptz, person uuid)
    RETURNS TABLE (session_id uuid, user_id uuid, created_at timestamptz, refresh boolean)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT s.id, p.user_id, s.at, s.refresh
    FROM @extschema@.mm_ready_people(settled, window_start, person) AS p
    CROSS JOIN LATERAL unnest(p.sessions, p.times, p.refreshes) AS s (id, at, refresh)
    $$;

CREATE FUNCTION @extschema@.mm_seal() RETURNS trigger
    LANGUAGE c SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'mm_seal_wrapper';

COMMENT ON FUNCTION @extschema@.mm_seal() IS
    'Trigger, BEFORE INSERT OR UPDATE of a row; argument: the table whose values these are. Validates what the statement writes into the columns of mm_protected_columns() and, where mindmeasure.key_file is set, seals it. What comes sealed must open in its place (MM023) and be valid; what looks sealed and is not is refused (23514). Errors: MM020 key file, MM021 key-encryption key, MM022 data key, MM024 sealed value without a key file.';

CREATE FUNCTION @extschema@.mm_keep_updated_at() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    NEW.updated_at := OLD.updated_at;
    RETURN NEW;
END;
$$;

COMMENT ON FUNCTION @extschema@.mm_keep_updated_at() IS
    'Trigger: leaves updated_at what it was, for rows that are only encrypted.';

CREATE FUNCTION @extschema@.mm_create_clear_views() RETURNS SETOF text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    base record;
    view_name text;
    reader text;
BEGIN
    FOR base IN
        SELECT t.table_name, c.oid AS relation,
               (SELECT string_agg(
                           CASE WHEN p.column_name IS NULL THEN format('x.%I', a.attname)
                                ELSE format('@extschema@.mm_decrypt(%L, %L, x.id, x.user_id, x.%I) AS %I',
                                            t.table_name, a.attname, a.attname, a.attname) END,
                           ', ' ORDER BY a.attnum)
                FROM pg_attribute AS a
                LEFT JOIN @extschema@.mm_protected_columns() AS p ON p.table_name = t.table_name AND p.column_name = a.attname
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
        FROM (SELECT DISTINCT m.table_name FROM @extschema@.mm_protected_columns() AS m) AS t
        JOIN pg_class AS c ON c.relname = t.table_name AND c.relnamespace = '@extschema@'::regnamespace
        ORDER BY t.table_name
    LOOP
        view_name := format('@extschema@.%I', base.table_name || '_clear');
        -- The reader's own policies and grants decide, and mm_decrypt() asks once more whose values these are.
        EXECUTE format('CREATE OR REPLACE VIEW %s WITH (security_invoker = true) AS SELECT %s FROM @extschema@.%I AS x',
                       view_name, base.columns, base.table_name);
        EXECUTE format('COMMENT ON VIEW %s IS %L', view_name,
                       format('%s with its encrypted columns opened, for the person and the system role. Reads are audited.', base.table_name));
        FOREACH reader IN ARRAY ARRAY['mindmeasure_user', 'mindmeasure_system', 'mindmeasure_auditor'] LOOP
            IF has_table_privilege(reader, base.relation, 'SELECT') THEN
                EXECUTE format('GRANT SELECT ON %s TO %I', view_name, reader);
            END IF;
        END LOOP;
        RETURN NEXT view_name;
    END LOOP;
END;
$$;

COMMENT ON FUNCTION @extschema@.mm_create_clear_views() IS
    'Makes or renews the *_clear views of every table of mm_protected_columns(), with all columns that the table has now; returns their names. Owner of the tables.';

CREATE FUNCTION @extschema@.mm_reveal(table_name text, row_data jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    opened jsonb := row_data;
    protected record;
    row_id uuid;
    person uuid;
BEGIN
    FOR protected IN SELECT p.column_name, p.data_type FROM @extschema@.mm_protected_columns() AS p WHERE p.table_name = mm_reveal.table_name LOOP
        -- A JSON null may be NULL or a document: neither is sealed.
        CONTINUE WHEN coalesce(jsonb_typeof(row_data -> protected.column_name), 'null') = 'null';
        -- Only a protected table's rows are sure to have both.
        row_id := row_data ->> 'id';
        person := row_data ->> 'user_id';
        opened := jsonb_set(opened, ARRAY[protected.column_name], CASE protected.data_type
            WHEN 'jsonb' THEN @extschema@.mm_decrypt(table_name, protected.column_name, row_id, person, row_data -> protected.column_name)
            ELSE to_jsonb(@extschema@.mm_decrypt(table_name, protected.column_name, row_id, person, row_data ->> protected.column_name)) END);
    END LOOP;
    RETURN opened;
END;
$$;

COMMENT ON FUNCTION @extschema@.mm_reveal(text, jsonb) IS
    'to_jsonb() of a row of table_name, with the columns of mm_protected_columns() opened; other tables'' rows as they are. Caller: the system role, or the row''s person (42501). Errors: as mm_decrypt().';

CREATE FUNCTION @extschema@.mm_conceal(table_name text, row_data jsonb) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    sealed jsonb := row_data;
    protected record;
    row_id uuid;
    person uuid;
BEGIN
    IF NOT @extschema@.mm_encryption_on() THEN
        RETURN row_data;
    END IF;
    FOR protected IN SELECT p.column_name, p.data_type FROM @extschema@.mm_protected_columns() AS p WHERE p.table_name = mm_conceal.table_name LOOP
        CONTINUE WHEN coalesce(jsonb_typeof(row_data -> protected.column_name), 'null') = 'null'
            OR CASE protected.data_type WHEN 'jsonb' THEN @extschema@.mm_is_envelope(row_data -> protected.column_name)
                                        ELSE @extschema@.mm_is_envelope(row_data ->> protected.column_name) END;
        row_id := row_data ->> 'id';
        person := row_data ->> 'user_id';
        sealed := jsonb_set(sealed, ARRAY[protected.column_name], CASE protected.data_type
            WHEN 'jsonb' THEN @extschema@.mm_encrypt(table_name, protected.column_name, row_id, person, row_data -> protected.column_name)
            ELSE to_jsonb(@extschema@.mm_encrypt(table_name, protected.column_name, row_id, person, row_data ->> protected.column_name)) END);
    END LOOP;
    RETURN sealed;
END;
$$;

COMMENT ON FUNCTION @extschema@.mm_conceal(text, jsonb) IS
    'to_jsonb() of a row of table_name with the columns of mm_protected_columns() sealed, where encryption is on; what is sealed stays. mm_reveal() opens it. Caller: the system role, or the row''s person (42501). Errors: as mm_encrypt().';

CREATE PROCEDURE @extschema@.mm_encrypt_existing(batch_rows integer DEFAULT 1000)
    LANGUAGE plpgsql
    AS $$
DECLARE
    name text;
    batch record;
    after uuid;
    done bigint := 0;
    total bigint;
BEGIN
    -- A procedure that commits cannot carry a SET clause.
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    SELECT coalesce(sum(u.rows), 0) INTO total FROM @extschema@.mm_unencrypted_rows() AS u;
    FOREACH name IN ARRAY ARRAY(SELECT DISTINCT p.table_name FROM @extschema@.mm_protected_columns() AS p ORDER BY 1) LOOP
        after := NULL;
        LOOP
            SELECT b.last_id, b.encrypted INTO STRICT batch FROM @extschema@.mm_encrypt_batch(name, after, batch_rows) AS b;
            after := batch.last_id;
            done := done + batch.encrypted;
            IF batch.encrypted > 0 THEN
                PERFORM @extschema@.mm_progress('encrypt', done, greatest(done, total));
            END IF;
            COMMIT;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            EXIT WHEN after IS NULL;
            PERFORM @extschema@.mm_show_progress('encrypt', done, greatest(done, total));
        END LOOP;
    END LOOP;
END;
$$;

COMMENT ON PROCEDURE @extschema@.mm_encrypt_existing(integer) IS
    'CALL: encrypts what was written before mindmeasure.key_file was set, batch_rows rows of a table at a time, each batch committed; may be stopped and called again. updated_at stays. Old row versions hold the open values until VACUUM FULL. System role only (42501).';

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

CREATE OR REPLACE FUNCTION @extschema@.mm_time_partitions(parent regclass)
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

CREATE FUNCTION @extschema@.mm_referenced(relation regclass) RETURNS SETOF regclass
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT DISTINCT c.confrelid::regclass FROM pg_constraint AS c
    WHERE c.conrelid = relation AND c.contype = 'f' AND has_table_privilege(c.confrelid, 'UPDATE')
    ORDER BY 1
    $$;

COMMENT ON FUNCTION @extschema@.mm_referenced(regclass) IS 'The tables that a table''s foreign keys refer to and that the caller may lock.';

CREATE OR REPLACE FUNCTION @extschema@.mm_keep_vacuum_off(relation regclass) RETURNS void
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

CREATE OR REPLACE FUNCTION @extschema@.mm_time_partition(parent regclass, unit text, at timestamptz) RETURNS regclass
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

CREATE OR REPLACE FUNCTION @extschema@.mm_make_time_partition(parent regclass, unit text, at timestamptz) RETURNS regclass
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

CREATE OR REPLACE FUNCTION @extschema@.mm_close_new_partitions() RETURNS event_trigger
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

CREATE OR REPLACE PROCEDURE @extschema@.mm_archive_in_batches(older_than interval, commits boolean, INOUT moved bigint)
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

CREATE OR REPLACE FUNCTION @extschema@.mm_archive_work(cutoff timestamptz) RETURNS TABLE (leaf regclass, whole boolean, old_rows bigint)
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

CREATE FUNCTION @extschema@.mm_hold_session_keys() RETURNS trigger
    LANGUAGE c SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'mm_hold_session_keys';

COMMENT ON FUNCTION @extschema@.mm_hold_session_keys() IS
    'Trigger on session_keys, once a DELETE: waits while sessions move to the archive, so that none loses its key on the way.';

CREATE OR REPLACE FUNCTION @extschema@.mm_archive_rows(leaf regclass, first_block bigint, end_block bigint, cutoff timestamptz) RETURNS bigint
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

CREATE OR REPLACE FUNCTION @extschema@.mm_archive_month(leaf regclass, cutoff timestamptz, rows bigint) RETURNS bigint
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

CREATE OR REPLACE FUNCTION @extschema@.mm_retention_work(actions text[])
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

CREATE OR REPLACE FUNCTION @extschema@.mm_jobs() RETURNS TABLE (job text, schedule text, command text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    AS $$
    -- pg_cron 1.4 knows no seconds. One statement a job: a CALL that commits must stand alone.
    SELECT 'mindmeasure pending', '* * * * *', 'SELECT @extschema@.mm_fuse_pending()'
    UNION ALL SELECT 'mindmeasure partitions', '5 0 * * *', 'SELECT * FROM @extschema@.mm_ensure_partitions()'
    UNION ALL SELECT 'mindmeasure archive', '15 2 * * *', 'CALL @extschema@.mm_run_retention(''{archive}'')'
    UNION ALL SELECT 'mindmeasure retention', '15 3 * * *', 'CALL @extschema@.mm_run_retention(''{redact,drop}'')'
    UNION ALL SELECT 'mindmeasure erasures', '45 * * * *', 'SELECT @extschema@.mm_finish_erasures()'
    UNION ALL SELECT 'mindmeasure seal audit', '*/10 * * * *', 'SELECT @extschema@.mm_seal_audit()'
    $$;

CREATE OR REPLACE PROCEDURE @extschema@.mm_partition_sessions_in_steps()
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

CREATE OR REPLACE FUNCTION @extschema@.mm_swap_in_partitions(sessions regclass) RETURNS text
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

CREATE FUNCTION @extschema@.mm_record_new_rows() RETURNS trigger
    LANGUAGE c SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'mm_record_new_rows';

COMMENT ON FUNCTION @extschema@.mm_record_new_rows() IS
    'Trigger, once an INSERT: writes into row_history which rows are new. Arguments: the key column, id or session_id; derived, where what the owner writes is derived unless it restores.';

CREATE OR REPLACE FUNCTION @extschema@.mm_record_history() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    -- A value is written in one way, whatever the session that changes it prefers: it is compared later.
    SET timezone = 'UTC' SET extra_float_digits = 1 SET intervalstyle = 'postgres' SET bytea_output = 'hex'
    AS $$
BEGIN
    -- Which column is the key is the trigger's argument. Each branch is planned for its own table only.
    CASE TG_OP || ' ' || TG_ARGV[0]
    WHEN 'UPDATE id' THEN
        INSERT INTO @extschema@.row_history (user_id, table_name, action, row_key, row_before)
        SELECT o.user_id, TG_TABLE_NAME, 'update', o.id, to_jsonb(o) FROM old_rows AS o;
    WHEN 'DELETE id' THEN
        INSERT INTO @extschema@.row_history (user_id, table_name, action, row_key, row_before)
        SELECT o.user_id, TG_TABLE_NAME, 'delete', o.id, to_jsonb(o) FROM old_rows AS o;
    -- session_outcomes. Derived ones come and go with the scores; a replay makes them anew.
    WHEN 'UPDATE session_id' THEN
        INSERT INTO @extschema@.row_history (user_id, table_name, action, row_key, row_before)
        SELECT o.user_id, TG_TABLE_NAME, 'update', o.session_id, to_jsonb(o) FROM old_rows AS o;
    WHEN 'DELETE session_id' THEN
        INSERT INTO @extschema@.row_history (user_id, table_name, action, row_key, row_before)
        SELECT o.user_id, TG_TABLE_NAME, 'delete', o.session_id, to_jsonb(o) FROM old_rows AS o WHERE NOT o.derived;
    END CASE;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION @extschema@.mm_record_history() IS
    'Trigger, once an UPDATE or DELETE: writes into row_history what the rows were before. Argument: the key''s column, id or session_id.';

CREATE OR REPLACE FUNCTION @extschema@.backup_restore_user_data(user_id uuid, at timestamptz, dry_run boolean DEFAULT false)
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

CREATE OR REPLACE FUNCTION @extschema@.mm_person_is_known(user_id uuid) RETURNS boolean
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

CREATE FUNCTION @extschema@.mm_current_person() RETURNS uuid /* Option < Uuid > */
STRICT STABLE PARALLEL RESTRICTED
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_current_person_wrapper';

CREATE FUNCTION @extschema@.mm_data_key(
	"user_id" uuid /* Option < Uuid > */
) RETURNS TABLE (
	"kid" TEXT,  /* String */
	"key" bytea  /* Vec < u8 > */
)
VOLATILE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_data_key_wrapper';

CREATE FUNCTION @extschema@.mm_decrypt(
	"table_name" TEXT, /* & str */
	"column_name" TEXT, /* & str */
	"row_id" uuid, /* Uuid */
	"user_id" uuid, /* Uuid */
	"value" jsonb /* RawJsonb */
) RETURNS jsonb /* RawJsonb */
STRICT STABLE PARALLEL UNSAFE 
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_decrypt_json_wrapper';

CREATE FUNCTION @extschema@.mm_decrypt(
	"table_name" TEXT, /* & str */
	"column_name" TEXT, /* & str */
	"row_id" uuid, /* Uuid */
	"user_id" uuid, /* Uuid */
	"value" TEXT /* & str */
) RETURNS TEXT /* String */
STRICT STABLE PARALLEL UNSAFE 
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_decrypt_text_wrapper';

CREATE FUNCTION @extschema@.mm_encrypt(
	"table_name" TEXT, /* & str */
	"column_name" TEXT, /* & str */
	"row_id" uuid, /* Uuid */
	"user_id" uuid, /* Uuid */
	"value" jsonb /* RawJsonb */
) RETURNS jsonb /* RawJsonb */
STRICT VOLATILE 
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_encrypt_json_wrapper';

CREATE FUNCTION @extschema@.mm_encrypt(
	"table_name" TEXT, /* & str */
	"column_name" TEXT, /* & str */
	"row_id" uuid, /* Uuid */
	"user_id" uuid, /* Uuid */
	"value" TEXT /* & str */
) RETURNS TEXT /* String */
STRICT VOLATILE 
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_encrypt_text_wrapper';

CREATE FUNCTION @extschema@.mm_encrypt_batch(
	"table_name" TEXT, /* & str */
	"after" uuid, /* Option < Uuid > */
	"max_rows" INT /* i32 */
) RETURNS TABLE (
	"last_id" uuid,  /* Option < Uuid > */
	"encrypted" bigint  /* i64 */
)
VOLATILE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_encrypt_batch_wrapper';

CREATE FUNCTION @extschema@.mm_encrypting() RETURNS bool /* bool */
STRICT STABLE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_encrypting_wrapper';

CREATE FUNCTION @extschema@.mm_encryption_on() RETURNS bool /* bool */
STRICT STABLE PARALLEL RESTRICTED
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_encryption_on_wrapper';

CREATE FUNCTION @extschema@.mm_expected_migrations() RETURNS TABLE (
	"version" INT,  /* i32 */
	"description" TEXT  /* String */
)
STRICT STABLE PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_expected_migrations_wrapper';

CREATE OR REPLACE FUNCTION @extschema@.mm_fit_model(
	"new_version" TEXT, /* Option < & str > */
	"lambda" double precision DEFAULT NULL /* Option < f64 > */
) RETURNS TEXT /* String */
VOLATILE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_fit_model_wrapper';

CREATE OR REPLACE FUNCTION @extschema@.mm_fuse_session(
	"session_id" uuid, /* Option < Uuid > */
	"refresh" bool DEFAULT false /* Option < bool > */
) RETURNS TABLE (
	"session_id" uuid,  /* Uuid */
	"user_id" uuid,  /* Uuid */
	"p_worse_fused" double precision,  /* f64 */
	"p_worse_audio" double precision,  /* Option < f64 > */
	"p_worse_visual" double precision,  /* Option < f64 > */
	"p_worse_text" double precision,  /* Option < f64 > */
	"p_worse_passive" double precision,  /* Option < f64 > */
	"score" INT,  /* i32 */
	"score_smoothed" double precision,  /* f64 */
	"uncertainty" double precision,  /* f64 */
	"qc_overall" TEXT,  /* String */
	"drivers" jsonb,  /* RawJsonb */
	"model_version" TEXT,  /* String */
	"created_at" timestamp with time zone  /* TimestampWithTimeZone */
)
VOLATILE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_fuse_session_wrapper';

CREATE FUNCTION @extschema@.mm_identity_is_verified() RETURNS bool /* bool */
STRICT STABLE PARALLEL RESTRICTED
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_identity_is_verified_wrapper';

CREATE FUNCTION @extschema@.mm_is_envelope(
	"value" jsonb /* Document */
) RETURNS bool /* bool */
IMMUTABLE STRICT PARALLEL SAFE 
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_is_envelope_json_wrapper';

CREATE FUNCTION @extschema@.mm_is_envelope(
	"value" TEXT /* & str */
) RETURNS bool /* bool */
IMMUTABLE STRICT PARALLEL SAFE 
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_is_envelope_text_wrapper';

CREATE FUNCTION @extschema@.mm_key_files() RETURNS TABLE (
	"setting" TEXT,  /* & '_ str */
	"problem" TEXT  /* Option < & '_ str > */
)
STRICT STABLE PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_key_files_wrapper';

CREATE FUNCTION @extschema@.mm_move_to_archive(
	"leaf" oid, /* pg_sys :: Oid */
	"first_block" bigint, /* i64 */
	"end_block" bigint, /* i64 */
	"cutoff" timestamp with time zone /* TimestampWithTimeZone */
) RETURNS bigint /* Option < i64 > */
STRICT VOLATILE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_move_to_archive_wrapper';

CREATE FUNCTION @extschema@.mm_protected_columns() RETURNS TABLE (
	"table_name" TEXT,  /* & '_ str */
	"column_name" TEXT,  /* & '_ str */
	"data_type" TEXT  /* & '_ str */
)
IMMUTABLE STRICT PARALLEL SAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_protected_columns_wrapper';

CREATE FUNCTION @extschema@.mm_rotate_keys(
	"max_keys" INT DEFAULT 10000 /* Option < i32 > */
) RETURNS TABLE (
	"rewrapped" bigint,  /* i64 */
	"remaining" bigint  /* i64 */
)
VOLATILE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_rotate_keys_wrapper';

CREATE FUNCTION @extschema@.mm_session_time(
	"session_id" uuid /* Uuid */
) RETURNS timestamp with time zone /* Option < TimestampWithTimeZone > */
STRICT STABLE PARALLEL RESTRICTED
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_session_time_wrapper';

CREATE FUNCTION @extschema@.mm_set_identity(
	"jwt" TEXT /* Option < & str > */
) RETURNS uuid /* Uuid */
VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_set_identity_wrapper';

CREATE FUNCTION @extschema@.mm_unencrypted_rows(

) RETURNS TABLE (
	"table_name" TEXT,  /* & '_ str */
	"rows" bigint  /* i64 */
)
STRICT STABLE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'mm_unencrypted_rows_wrapper';

-- Runs last, in CREATE EXTENSION as in every update script, so that an updated database ends up
-- like a fresh one: owners, grants, settings and comments of the functions, then the tables.

-- Whatever PUBLIC, the schema's default privileges or an earlier version gave is taken back. A
-- definer function owned by a superuser would bypass even FORCE ROW LEVEL SECURITY.
DO $privileges$
DECLARE
    function record;
    grantee text;
BEGIN
    FOR function IN
        SELECT p.oid::pg_catalog.regprocedure AS name, p.proowner,
               CASE WHEN p.prosecdef THEN 'mindmeasure_owner' ELSE pg_catalog.pg_get_userbyid(e.extowner) END AS owner,
               coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)) AS acl,
               -- Written by the REVOKE below: it was there before this update.
               EXISTS (SELECT FROM pg_catalog.pg_init_privs AS i
                       WHERE i.classoid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
                         AND i.objoid OPERATOR(pg_catalog.=) p.oid) AS known
        FROM pg_catalog.pg_proc AS p
        JOIN pg_catalog.pg_depend AS d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
            AND d.objid OPERATOR(pg_catalog.=) p.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'
        JOIN pg_catalog.pg_extension AS e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
            AND e.extname OPERATOR(pg_catalog.=) 'mindmeasure'
    LOOP
        FOR grantee IN
            SELECT DISTINCT CASE WHEN a.grantee OPERATOR(pg_catalog.=) 0 THEN 'PUBLIC'
                                 ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END
            FROM pg_catalog.aclexplode(function.acl) AS a
            WHERE a.grantee OPERATOR(pg_catalog.<>) function.proowner
        LOOP
            EXECUTE pg_catalog.format('REVOKE ALL ON ROUTINE %s FROM %s', function.name, grantee);
            -- pg_dump takes what an update script leaves for the extension's own, so a grant kept here would be lost in a restore.
            IF function.known AND grantee OPERATOR(pg_catalog.!~) '^mindmeasure_' THEN
                RAISE WARNING 'EXECUTE on % was granted to %: taken back by the update', function.name, grantee
                    USING HINT = pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO %s; or make it a member of mindmeasure_user or mindmeasure_system.',
                                                   function.name, grantee);
            END IF;
        END LOOP;
        IF pg_catalog.pg_get_userbyid(function.proowner) OPERATOR(pg_catalog.<>) function.owner THEN
            EXECUTE pg_catalog.format('ALTER ROUTINE %s OWNER TO %I', function.name, function.owner);
        END IF;
    END LOOP;
END
$privileges$;

-- CHECK constraints run with the rights of who writes the row.
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_validate_json(text, text, jsonb),
    @extschema@.mm_valid_row(text, "any"),
    @extschema@.mm_refuse(text, text),
    @extschema@.mm_json_schema(text),
    @extschema@.mm_fuse_session(uuid, boolean),
    @extschema@.mm_record_outcome(uuid, boolean, text),
    @extschema@.mm_explain_session(uuid),
    @extschema@.mm_session_time(uuid),
    @extschema@.mm_score_history(uuid, timestamptz, timestamptz),
    @extschema@.mm_report_html(uuid, timestamptz, timestamptz)
TO mindmeasure_user, mindmeasure_system;
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_json_schema(text),
    @extschema@.mm_model_report(text, integer)
TO mindmeasure_auditor;
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_fuse_pending(integer),
    @extschema@.mm_ready_people(timestamptz, timestamptz, uuid),
    @extschema@.mm_ready_sessions(timestamptz, timestamptz, uuid),
    @extschema@.mm_update_baselines(uuid),
    @extschema@.mm_rescore_user(uuid),
    @extschema@.mm_fit_calibration(uuid, text),
    @extschema@.mm_fit_model(text, double precision),
    @extschema@.mm_model_report(text, integer),
    @extschema@.mm_register_model(jsonb),
    @extschema@.mm_activate_model(text),
    @extschema@.mm_caller_is_system(),
    @extschema@.mm_person_lock_key(uuid)
TO mindmeasure_system;
-- Only who makes a trigger needs its function.
GRANT EXECUTE ON FUNCTION
    @extschema@.update_updated_at_column(),
    @extschema@.mm_refuse_change(),
    @extschema@.mm_guard_values(),
    @extschema@.mm_refuse_forged_times(),
    @extschema@.mm_guard_session(),
    @extschema@.mm_register_session_key(),
    @extschema@.mm_fill_owner(),
    @extschema@.mm_fill_session_time()
TO mindmeasure_owner;

-- Lifecycle: partitions, archive, retention, jobs -------------------------------------------
GRANT EXECUTE ON FUNCTION
    @extschema@.archive_old_sessions(interval),
    @extschema@.mm_archive_work(timestamptz),
    @extschema@.mm_archive_months(regclass, timestamptz),
    @extschema@.mm_archive_make_month(timestamptz),
    @extschema@.mm_archive_blocks(regclass),
    @extschema@.mm_archive_rows(regclass, bigint, bigint, timestamptz),
    @extschema@.mm_archive_month(regclass, timestamptz, bigint),
    @extschema@.mm_ensure_partitions(date, date),
    @extschema@.mm_apply_retention(),
    @extschema@.mm_retention_work(text[]),
    @extschema@.mm_retention_drop_oldest(regclass, text, timestamptz),
    @extschema@.mm_retention_rows(regclass, regclass, text, text, text[], timestamptz, bigint, bigint),
    @extschema@.mm_schedule_jobs(),
    @extschema@.mm_unschedule_jobs()
TO mindmeasure_system;
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_progress(text, bigint, bigint),
    @extschema@.mm_show_progress(text, bigint, bigint),
    @extschema@.mm_archive_cutoff(interval),
    @extschema@.mm_archive_turn(),
    @extschema@.mm_jobs()
TO mindmeasure_owner, mindmeasure_system;
GRANT EXECUTE ON PROCEDURE
    @extschema@.mm_archive_sessions(interval),
    @extschema@.mm_archive_in_batches(interval, boolean, bigint),
    @extschema@.mm_archive_commit(bigint, bigint),
    @extschema@.mm_run_retention(text[]),
    @extschema@.mm_retain_in_batches(text[], boolean, bigint)
TO mindmeasure_owner, mindmeasure_system;
-- Called by those above, as the owner.
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_time_partitions(regclass),
    @extschema@.mm_time_bounds(regclass),
    @extschema@.mm_referenced(regclass),
    @extschema@.mm_keep_vacuum_off(regclass),
    @extschema@.mm_archive_fits(regclass),
    @extschema@.mm_archive_columns(),
    @extschema@.mm_move_to_archive(oid, bigint, bigint, timestamptz),
    @extschema@.mm_hold_session_keys(),
    @extschema@.mm_retention_time(regclass, text),
    @extschema@.mm_retention_due(text, text, text[]),
    @extschema@.mm_close_table(regclass),
    @extschema@.mm_partition_sessions(),
    @extschema@.mm_start_partitioning(),
    @extschema@.mm_check_for_partitioning(),
    @extschema@.mm_index_for_partitioning(regclass),
    @extschema@.mm_refuse_what_cannot_move(regclass),
    @extschema@.mm_foreign_key_to_keys(oid),
    @extschema@.mm_swap_in_partitions(regclass)
TO mindmeasure_owner;
GRANT EXECUTE ON PROCEDURE @extschema@.mm_partition_sessions_in_steps() TO mindmeasure_owner;
-- Whoever writes a policy calls them.
GRANT EXECUTE ON FUNCTION @extschema@.mm_guard_retention_policy() TO mindmeasure_owner;
GRANT EXECUTE ON FUNCTION @extschema@.mm_retention_time(regclass, text) TO mindmeasure_system;

-- Lifecycle of one person: history, restore, export, erase.
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_admit_person(uuid),
    @extschema@.mm_export_user(uuid),
    @extschema@.mm_export_user_rows(uuid)
TO mindmeasure_user, mindmeasure_system;
GRANT EXECUTE ON FUNCTION
    @extschema@.backup_restore_user_data(uuid, timestamptz, boolean),
    @extschema@.mm_import_user(jsonb),
    @extschema@.mm_erase_user(uuid, text),
    @extschema@.mm_finish_erasures(),
    @extschema@.mm_repeat_erasures(),
    @extschema@.mm_history_begins(),
    @extschema@.mm_tombstone(uuid)
TO mindmeasure_system;
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_close_person(uuid),
    @extschema@.mm_person_tables(),
    @extschema@.mm_row_columns(regclass),
    @extschema@.mm_stays_behind(text),
    @extschema@.mm_reveal_history(jsonb),
    @extschema@.mm_row_document(regclass),
    @extschema@.mm_store_row(regclass, jsonb, text[], boolean, text),
    @extschema@.mm_require_system(),
    @extschema@.mm_person_is_known(uuid),
    @extschema@.mm_record_history(),
    @extschema@.mm_record_new_rows(),
    @extschema@.mm_refuse_erased()
TO mindmeasure_owner;
COMMENT ON FUNCTION @extschema@.mm_admit_person(uuid) IS
    'Part of the triggers on what belongs to a person: waits until an erasure, restore or import of the person ends, keeps one from beginning until the transaction ends, and says whether the person may have rows, that is, has not been erased.';
COMMENT ON FUNCTION @extschema@.mm_move_to_archive(oid, bigint, bigint, timestamptz) IS
    'Part of archive_old_sessions(): moves the sessions before a time that lie in a range of a table''s blocks, without a statement; returns how many. What others hold is left. NULL where it takes a statement: somebody is deleting session_keys, or an application''s own trigger or foreign key watches the rows. Owner only.';
COMMENT ON FUNCTION @extschema@.mm_close_person(uuid) IS
    'Keeps everybody else from writing rows of a person and from scoring them until the transaction ends. Errors: 55000 not under READ COMMITTED. Owner only.';
COMMENT ON FUNCTION @extschema@.mm_tombstone(uuid) IS
    'What erasure_log keeps of an erased person: a SHA-256 from which the id cannot be found, but with which an id can be compared.';
-- Updates and restores ----------------------------------------------------------------------
GRANT EXECUTE ON FUNCTION @extschema@.mm_take_restored_row() TO mindmeasure_owner;
-- Own rate and questionnaires ------------------------------------------------------------------
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_own_rate(uuid),
    @extschema@.mm_score_questionnaire(text, integer[])
TO mindmeasure_user, mindmeasure_system;
COMMENT ON FUNCTION @extschema@.mm_own_rate(uuid) IS
    'How often a person is worse than their usual, as scoring a session now would take it: rate (0 to 1) with its 90 % interval low to high (beta posterior under the active model''s prior_rate and prior_strength), and from how many outcomes, of these worse. Reads only. Caller: the system role, or the person. Errors: 42501 somebody else''s, 22004 NULL.';
COMMENT ON FUNCTION @extschema@.mm_score_questionnaire(text, integer[]) IS
    'Scores the answers (0 to 3, NULL where missing) to PHQ-9 (nine items) or GAD-7 (seven): valid, missing, total (up to two or one missing items count as the mean of the others), band, the two-item screen, caseness, the change from which on a total has changed reliably; of PHQ-9 also symptoms, its algorithm and whether item 9 is positive. Screens, and never a diagnosis. Errors: 22004 NULL, 22023 instrument or items.';
-- Field encryption -------------------------------------------------------------------
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_is_envelope(jsonb),
    @extschema@.mm_is_envelope(text),
    @extschema@.mm_encrypting(),
    @extschema@.mm_protected_columns(),
    @extschema@.mm_encrypt(text, text, uuid, uuid, jsonb),
    @extschema@.mm_encrypt(text, text, uuid, uuid, text),
    @extschema@.mm_decrypt(text, text, uuid, uuid, jsonb),
    @extschema@.mm_decrypt(text, text, uuid, uuid, text),
    @extschema@.mm_reveal(text, jsonb),
    @extschema@.mm_conceal(text, jsonb),
    @extschema@.mm_encryption_on()
TO mindmeasure_user, mindmeasure_system;
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_encryption_on(),
    @extschema@.mm_decrypt(text, text, uuid, uuid, jsonb),
    @extschema@.mm_decrypt(text, text, uuid, uuid, text)
TO mindmeasure_auditor;
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_data_key(uuid),
    @extschema@.mm_rotate_keys(integer),
    @extschema@.mm_encrypt_batch(text, uuid, integer),
    @extschema@.mm_unencrypted_rows()
TO mindmeasure_system;
GRANT EXECUTE ON PROCEDURE @extschema@.mm_encrypt_existing(integer) TO mindmeasure_system;
GRANT EXECUTE ON FUNCTION @extschema@.mm_seal(), @extschema@.mm_keep_updated_at(), @extschema@.mm_create_clear_views() TO mindmeasure_owner;

COMMENT ON FUNCTION @extschema@.mm_protected_columns() IS
    'The columns that are encrypted where mindmeasure.key_file is set.';
COMMENT ON FUNCTION @extschema@.mm_is_envelope(jsonb) IS
    'Whether a document is a well-formed envelope. Whether it opens is another matter: mm_decrypt().';
COMMENT ON FUNCTION @extschema@.mm_is_envelope(text) IS
    'Whether a text is a well-formed envelope, mm_enc:1:kid:n:c. Whether it opens is another matter: mm_decrypt().';
COMMENT ON FUNCTION @extschema@.mm_encryption_on() IS
    'Whether this connection has a mindmeasure.key_file, whether or not it can be used.';
COMMENT ON FUNCTION @extschema@.mm_encrypting() IS
    'Whether the present statement only encrypts rows (mm_encrypt_existing): for triggers that must take no notice of it.';
COMMENT ON FUNCTION @extschema@.mm_encrypt(text, text, uuid, uuid, jsonb) IS
    'The envelope of a document for a column of a row of a person; it opens there only. Nothing needs this: plain values are encrypted when they are written. Makes the person''s data key where there is none. Caller: the system role, or the person (42501). Errors: 22023 no such column, MM020 key file, MM024 encryption is off.';
COMMENT ON FUNCTION @extschema@.mm_encrypt(text, text, uuid, uuid, text) IS
    'The same for a text column: mm_enc:1:kid:n:c.';
COMMENT ON FUNCTION @extschema@.mm_decrypt(text, text, uuid, uuid, jsonb) IS
    'What an envelope in a column of a row of a person holds; an open value as it is. Audited, once a statement, person and table. Caller: the system role, or the person (42501, whether or not there is such a person). Errors: 22023 no such column, MM020 key file, MM021 key-encryption key missing, MM022 the data key is gone, MM023 changed or from elsewhere, MM024 encryption is off.';
COMMENT ON FUNCTION @extschema@.mm_decrypt(text, text, uuid, uuid, text) IS
    'The same for a text column.';
COMMENT ON FUNCTION @extschema@.mm_data_key(uuid) IS
    'A person''s data key (32 bytes) and its kid, for an application that seals values itself (docs/encryption.md); made where there is none. Audited. System role only (42501). Errors: 22004 NULL, MM020 to MM024 as mm_decrypt().';
COMMENT ON FUNCTION @extschema@.mm_rotate_keys(integer) IS
    'Puts up to max_keys data keys under the last key of mindmeasure.key_file; returns how many, and how many remain under others. Call it until rewrapped is 0; with remaining 0 too the old keys can leave the file. Writes user_keys alone. System role only (42501). Errors: MM020 to MM024 as mm_decrypt().';
COMMENT ON FUNCTION @extschema@.mm_encrypt_batch(text, uuid, integer) IS
    'A step of mm_encrypt_existing(): encrypts the open values of the next max_rows rows of a table whose id comes after the one given (NULL: from the first); returns the last id looked at, NULL at the end, and the rows encrypted. System role only (42501).';
COMMENT ON FUNCTION @extschema@.mm_unencrypted_rows() IS
    'How many rows of each table have open values in encrypted columns; reads the tables whole. System role only (42501).';
-- Audit, identity, break-glass, doctor ----------------------------------------------------
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_set_identity(text),
    @extschema@.mm_current_person(),
    @extschema@.mm_identity_is_verified()
TO mindmeasure_user, mindmeasure_system, mindmeasure_auditor, mindmeasure_owner;
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_seal_audit(),
    @extschema@.mm_unsealed_audit(),
    @extschema@.mm_audit_head(),
    @extschema@.mm_verify_audit(text),
    @extschema@.mm_doctor(),
    @extschema@.mm_key_files(),
    @extschema@.mm_expected_migrations()
TO mindmeasure_system, mindmeasure_auditor;
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_break_glass(uuid, text, integer),
    @extschema@.mm_broken_glass()
TO mindmeasure_auditor;
GRANT EXECUTE ON FUNCTION @extschema@.mm_end_break_glass(uuid) TO mindmeasure_user, mindmeasure_system, mindmeasure_auditor;
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_audit_subject(uuid, boolean),
    @extschema@.mm_audit_statement(),
    @extschema@.mm_audit_table(regclass, boolean),
    @extschema@.mm_refuse_rewriting(),
    @extschema@.mm_audit_digest(jsonb),
    @extschema@.mm_audit_root(bigint[], bytea[]),
    @extschema@.mm_audit_block_hash(bigint, timestamptz, date, xid8, integer, bytea, bytea),
    @extschema@.mm_caller_role(),
    @extschema@.mm_caller_is_system()
TO mindmeasure_owner;
COMMENT ON FUNCTION @extschema@.mm_set_identity(text) IS
    'Verifies a JSON Web Token (HS256, RS256, ES256 or EdDSA, by the keys of mindmeasure.jwt_keys_file) and lets this transaction speak for its sub; returns it. Ends with the transaction or savepoint; no SQL sets it otherwise. Send the token as a parameter. Errors: 28000 the token says nothing for anybody, 55000 the keys cannot be used, 22004 NULL.';
COMMENT ON FUNCTION @extschema@.mm_current_person() IS
    'The person this transaction speaks for: whom mm_set_identity() has verified; else, unless mindmeasure.require_verified_identity is on, request.jwt.claim.sub, else sub of request.jwt.claims; else NULL. auth.uid() is this where the extension has made it.';
COMMENT ON FUNCTION @extschema@.mm_identity_is_verified() IS
    'Whether mm_set_identity() has verified the person of this transaction.';
COMMENT ON FUNCTION @extschema@.mm_key_files() IS
    'The settings that name a file with keys, and what is wrong with the file; NULL: nothing. For mm_doctor().';
COMMENT ON FUNCTION @extschema@.mm_expected_migrations() IS
    'The migrations that the tables of this version consist of. For mm_doctor().';
-- Lifecycle: partitions, archive, retention, jobs -------------------------------------------
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_time_partitions(regclass)
TO mindmeasure_owner;
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_progress(text, bigint, bigint)
TO mindmeasure_owner, mindmeasure_system;

-- Plans are kept: one made while the tables were empty must be as good when they are full, and
-- point look-ups gain nothing from being compiled. Documents of scores are compressed by lz4, where Postgres
-- was built with it: pglz takes some eight times as long. Not said of the columns, or a dump could not be restored
-- where lz4 is missing.
DO $settings$
DECLARE
    function text;
    has_lz4 CONSTANT boolean := (SELECT 'lz4' OPERATOR(pg_catalog.=) ANY (s.enumvals) FROM pg_catalog.pg_settings AS s WHERE s.name OPERATOR(pg_catalog.=) 'default_toast_compression');
BEGIN
    FOREACH function IN ARRAY ARRAY['mm_fuse_session(uuid, boolean)', 'mm_rescore_user(uuid)', 'mm_update_baselines(uuid)', 'mm_fit_calibration(uuid, text)', 'mm_fuse_batch(uuid[], uuid[], timestamptz[])'] LOOP
        EXECUTE pg_catalog.format('ALTER FUNCTION @extschema@.%s SET enable_seqscan = off', function);
        EXECUTE pg_catalog.format('ALTER FUNCTION @extschema@.%s SET plan_cache_mode = force_generic_plan', function);
        EXECUTE pg_catalog.format('ALTER FUNCTION @extschema@.%s SET jit = off', function);
    END LOOP;
    FOREACH function IN ARRAY ARRAY['mm_fuse_session(uuid, boolean)', 'mm_rescore_user(uuid)', 'mm_fuse_batch(uuid[], uuid[], timestamptz[])'] LOOP
        IF has_lz4 THEN
            EXECUTE pg_catalog.format('ALTER FUNCTION @extschema@.%s SET default_toast_compression = lz4', function);
        END IF;
    END LOOP;
END
$settings$;

COMMENT ON FUNCTION @extschema@.mm_fuse_session(uuid, boolean) IS
    'Scores a session from its newest analyses and returns its row of fusion_outputs; in one transaction and exactly once: called again it returns the stored row. refresh => true scores modalities that arrived since. Caller: the system role, or the session''s person. Errors: P0002 no such session, MM001 no analysis, MM002 archived, 22004 NULL, 40001 under REPEATABLE READ when another session of the person was scored meanwhile. Call it in FROM: in a select list the expressions beside it run twice.';
COMMENT ON FUNCTION @extschema@.mm_fuse_pending(integer) IS
    'Queue worker: scores up to max_sessions (1 or more) sessions whose expected analyses have all arrived, or whose newest is older than mindmeasure.settle_interval, and refreshes scored ones that got a further modality within mindmeasure.refresh_window; each person''s oldest first. A session that cannot be scored becomes failed with its failure_reason and stops nothing. Several workers may run at once. Returns the number scored. System role only (42501).';
COMMENT ON FUNCTION @extschema@.mm_fuse_batch(uuid[], uuid[], timestamptz[]) IS
    'Part of mm_fuse_pending(): scores sessions that have no score, a person''s side by side and oldest first, each given by its id, its person and its time; returns those it left alone, to be scored one by one.';
COMMENT ON FUNCTION @extschema@.mm_ready_people(timestamptz, timestamptz, uuid) IS
    'mm_ready_sessions() as a row a person, with their sessions in time order; who has waited longest comes first.';
COMMENT ON FUNCTION @extschema@.mm_ready_sessions(timestamptz, timestamptz, uuid) IS
    'The sessions that mm_fuse_pending() would score: settled is the time before which a newest analysis must lie, window_start the oldest late analysis looked at, person one person or NULL for all; refresh says that the session is scored already.';
COMMENT ON FUNCTION @extschema@.mm_update_baselines(uuid) IS
    'Rebuilds a person''s user_feature_baselines and user_baselines from their scored sessions, archived ones too, in time order; returns how many these were. System role only (42501); 22004 NULL.';
COMMENT ON FUNCTION @extschema@.mm_rescore_user(uuid) IS
    'Replays a person''s scored sessions, archived ones too, in time order from nothing with the active model, and rewrites scores and baselines; returns how many these were. System role only (42501); 22004 NULL.';
COMMENT ON FUNCTION @extschema@.mm_record_outcome(uuid, boolean, text) IS
    'Records whether the person was worse than their own usual at a session, and who says so (source, 1 to 100 characters). A later word replaces an earlier one. Counts for scores of later sessions. Caller: the system role, or the session''s person, whose word is always recorded as self_report and never replaces another''s. Errors: P0002 no such session, 42501 somebody else''s outcome, 22004 NULL, 22023 source.';
COMMENT ON FUNCTION @extschema@.mm_fit_calibration(uuid, text) IS
    'Fits how a person''s evidence (raw_* of sessions that the active model scored) translates into outcomes, about the model''s calibration_prior, and stores it in user_calibration for later scores; modality NULL: all of the model''s. n_points 0 gives the prior exactly and stores nothing. log_loss_before and log_loss_after (nats) are of the prior and the fit on the same points. System role only (42501); 22004 NULL user_id, 22023 modality.';
COMMENT ON FUNCTION @extschema@.mm_fit_model(text, double precision) IS
    'Learns weights, own rates, correlation and calibration priors from all labelled sessions scored by models with the active model''s features, and registers them as a new, inactive model; returns its version. lambda: ridge penalty on the weights, NULL (the default) to have it chosen by cross-validation by person. Judge it with mm_model_report(), then mm_activate_model(). Errors: 55000 nothing to learn from, 42710 the version exists, 22004 NULL, 22023 lambda. System role only (42501).';
COMMENT ON FUNCTION @extschema@.mm_model_report(text, integer) IS
    'How well a model (NULL: the active one) foretells the outcomes of labelled sessions, and beside it how well the person''s own rate alone does: Brier score, log loss (nats), AUC over all and as mean within persons, expected calibration error, calibration slope. A learnt model is learnt anew for each of folds groups of persons from all the others and judged on that group; one written by hand is judged as it is. Errors: 42704 no such model, 55000 nothing to judge, 22023 folds. System role and auditor.';
COMMENT ON FUNCTION @extschema@.mm_explain_session(uuid) IS
    'A session''s score in three to six plain sentences: where it lies, how uncertain it is, what moved it, where it goes, and that it is no diagnosis. Reads only. Caller: the system role, or the session''s person. Errors: P0002 no such session or somebody else''s, MM003 not scored yet, 22004 NULL.';
COMMENT ON FUNCTION @extschema@.mm_score_history(uuid, timestamptz, timestamptz) IS
    'A person''s scores for a chart, oldest first: from_time on, before to_time, NULL for no bound. low and high: the 90 % range in score points. baseline_mean: the person''s own usual before the session, over baseline_n sessions. significance: of the deviation from it, NULL where there is none. after_gap: more than two days, and more than three usual pauses, after the session before; draw no line across. Reads only, with the caller''s rights: of somebody else there are no rows.';
COMMENT ON FUNCTION @extschema@.mm_report_html(uuid, timestamptz, timestamptz) IS
    'A person''s scores from from_time on, before to_time (NULL: no bound; at most the newest 1000), as one self-contained HTML page without script: timeline, newest session explained, trends, table of sessions. Reads only, with the caller''s rights: of somebody else the page is empty. Errors: 22004 NULL user_id.';
COMMENT ON FUNCTION @extschema@.mm_register_model(jsonb) IS
    'Checks a model specification (docs/scoring.md) and adds it to mm_models, inactive; returns its model_version. Errors: 22023 with the path of what is wrong, 42710 the version exists. System role only (42501).';
COMMENT ON FUNCTION @extschema@.mm_activate_model(text) IS
    'Makes a registered model the one that scores new sessions; scored sessions keep theirs until mm_rescore_user(). Errors: 42704 no such model, 22004 NULL. System role only (42501).';
COMMENT ON FUNCTION @extschema@.mm_migrate() IS
    'Brings the tables to what this version of the extension expects: applies the migrations not yet applied, in order, and returns them. CREATE and ALTER EXTENSION do so by themselves; by hand after restoring an older dump. Superuser. Errors: 55000 an applied migration''s file has changed.';
COMMENT ON FUNCTION @extschema@.mm_json_schema(text) IS
    'The JSON Schema (draft 2020-12) that a JSONB column is held to, e.g. mood, text_data, vocal_characteristics. Errors: 42704 no such schema; the hint lists them.';
COMMENT ON FUNCTION @extschema@.mm_validate_json(text, text, jsonb) IS
    'CHECK of a JSONB column: true where the document fits the named schema and is no larger than mindmeasure.max_document_bytes nor deeper than 64 levels; else 23514 naming every failing path of the field, never a value.';
COMMENT ON FUNCTION @extschema@.mm_refuse(text, text) IS
    'For CHECK (condition OR mm_refuse(field, requirement)): always raises 23514 «field: must be requirement» with a hint.';
COMMENT ON FUNCTION @extschema@.mm_session_time(uuid) IS
    'When a session was: its created_at, archived or not; NULL where the caller has no such session. For look-ups by id in a partitioned table: WHERE id = $1 AND created_at = mm_session_time($1) opens one partition. The system role''s callers know every session, others their own.';
COMMENT ON FUNCTION @extschema@.mm_caller_is_system() IS
    'Whether the caller, before any SECURITY DEFINER, has the system role.';
COMMENT ON FUNCTION @extschema@.mm_person_lock_key(uuid) IS
    'Key of the advisory transaction lock under which a person''s sessions are scored one after another.';

SELECT @extschema@.mm_migrate();
