-- Trigger functions. What is guarded stands with each table (sql/migrations).

CREATE FUNCTION @extschema@.update_updated_at_column() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    -- backup_restore_user_data() brings it back as it was.
    IF current_user <> 'mindmeasure_owner' OR current_setting('mindmeasure.restoring', true) IS DISTINCT FROM 'on' THEN
        NEW.updated_at = now();
    END IF;
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION @extschema@.update_updated_at_column() IS
    'Trigger: sets updated_at to the time of the transaction, whatever the statement says.';

CREATE FUNCTION @extschema@.handle_new_user() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    -- In a restore (every pg_dump script turns row_security off) the profiles come by themselves.
    IF current_setting('row_security') = 'off' THEN
        RETURN NEW;
    END IF;
    -- An account with the id of somebody erased stays without a profile.
    IF NOT @extschema@.mm_admit_person(NEW.id) THEN
        RETURN NEW;
    END IF;
    -- A sign-up is never blocked by its profile: over-long names are cut, a profile that
    -- is there already stays.
    INSERT INTO @extschema@.profiles (user_id, display_name, first_name, last_name)
    VALUES (
        NEW.id,
        left(coalesce(NEW.raw_user_meta_data ->> 'display_name', NEW.email), 200),
        left(NEW.raw_user_meta_data ->> 'first_name', 200),
        left(NEW.raw_user_meta_data ->> 'last_name', 200)
    )
    ON CONFLICT DO NOTHING;
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION @extschema@.handle_new_user() IS
    'Trigger on auth.users: gives a new account its profile. Never blocks the sign-up: names are cut at 200 characters, an existing profile is kept.';

CREATE FUNCTION @extschema@.mm_refuse_change() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RAISE EXCEPTION '%: cannot change after the row has been inserted', array_to_string(TG_ARGV, ', ')
        USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME,
              HINT = 'The identity and time of a row are fixed. Leave these columns out of the UPDATE.';
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_refuse_change() IS
    'Trigger: refuses a change to the columns named as arguments (23514). The trigger''s WHEN says when.';

CREATE FUNCTION @extschema@.mm_refuse_forged_times() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF (NEW.created_at <> now() OR NEW.updated_at <> now())
       AND NOT pg_has_role('mindmeasure_system', 'USAGE') THEN
        RAISE EXCEPTION 'created_at, updated_at: are set by the database'
            USING ERRCODE = 'insufficient_privilege', TABLE = TG_TABLE_NAME,
                  HINT = 'Leave both columns out of the INSERT. Past sessions are imported by the system role.';
    END IF;
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_refuse_forged_times() IS
    'Trigger: a user cannot choose created_at or updated_at (42501); the system role can, to import the past.';

CREATE FUNCTION @extschema@.mm_guard_session() RETURNS trigger
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

-- src/entry.rs
CREATE FUNCTION @extschema@.mm_register_session_key() RETURNS trigger
    LANGUAGE c SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'mm_register_session_key';
COMMENT ON FUNCTION @extschema@.mm_register_session_key() IS
    'Trigger on assessment_sessions: a new session is of a known kind (23514), and a user neither completes it nor chooses its times (42501); registers id, person and time in session_keys, which outlives the session row. 23505: the id was used before.';

-- src/entry.rs
CREATE FUNCTION @extschema@.mm_fill_owner() RETURNS trigger
    LANGUAGE c SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'mm_fill_owner';
COMMENT ON FUNCTION @extschema@.mm_fill_owner() IS
    'Trigger on what belongs to a session: fills user_id from session_keys; refuses an unknown session or another person''s (23503).';

CREATE FUNCTION @extschema@.mm_fill_session_time() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NEW.session_created_at IS NULL THEN
        NEW.session_created_at := (SELECT k.created_at FROM @extschema@.session_keys AS k WHERE k.id = NEW.session_id);
    END IF;
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_fill_session_time() IS
    'Trigger: fills session_created_at from session_keys where it was left out.';

CREATE FUNCTION @extschema@.mm_guard_values() RETURNS trigger
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

CREATE FUNCTION @extschema@.mm_take_restored_row() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    -- Every pg_dump script turns row_security off; anybody else may too, so only a superuser counts, and not
    -- through a definer function. Elsewhere a second row with the key is an error.
    IF current_setting('row_security') = 'off' AND (SELECT r.rolsuper FROM pg_roles AS r WHERE r.rolname = current_user) THEN
        EXECUTE (
            SELECT format('DELETE FROM %I.%I WHERE ', TG_TABLE_SCHEMA, TG_TABLE_NAME)
                   || string_agg(format('%I = ($1).%I', a.attname, a.attname), ' AND ')
            FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
            WHERE i.indrelid = TG_RELID AND i.indisprimary) USING NEW;
        -- Of a flag that one row may have: the dump says which.
        IF TG_NARGS > 0 THEN
            EXECUTE format('UPDATE %I.%I SET %I = false WHERE %I AND ($1).%I', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[0], TG_ARGV[0], TG_ARGV[0]) USING NEW;
        END IF;
    END IF;
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_take_restored_row() IS
    'Trigger on the tables that CREATE EXTENSION fills: in a data-only restore the row of the dump takes the place of the one with the same primary key. The argument names a flag that one row may have.';
