-- Erasing a person, and what keeps them erased.

-- src/entry.rs
CREATE FUNCTION @extschema@.mm_refuse_erased() RETURNS trigger
    LANGUAGE c SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'mm_refuse_erased';
COMMENT ON FUNCTION @extschema@.mm_refuse_erased() IS
    'Trigger: no row for a person whom mm_erase_user() erased or is erasing (MM004); waits until an erasure, restore or import of the person ends.';

-- Takes every row of a person away, and proves it. The caller has closed the person and left the tombstone.
CREATE FUNCTION @extschema@.mm_erase_rows(user_id uuid)
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
COMMENT ON FUNCTION @extschema@.mm_erase_rows(uuid) IS
    'Part of mm_erase_user() and of deleting an account: deletes a person''s rows in batches, counts what is left, which must be nothing, and closes the entry in erasure_log. Owner only.';

CREATE FUNCTION @extschema@.mm_erase_user(user_id uuid, reason text)
    RETURNS TABLE (table_name text, erased bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    accounts bigint := 0;
    account_stays boolean := false;
BEGIN
    PERFORM @extschema@.mm_require_system();
    IF user_id IS NULL OR reason IS NULL THEN
        RAISE EXCEPTION 'user_id, reason: must not be NULL'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Give the person, and why they are erased, e.g. user request.';
    END IF;
    IF position(user_id::text IN lower(reason)) > 0 THEN
        RAISE EXCEPTION 'reason: must not name the person'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'It is kept for years: give a word, e.g. user request, or a reference.';
    END IF;
    PERFORM @extschema@.mm_close_person(user_id);
    INSERT INTO @extschema@.erasure_log AS e (person, reason, pending_user_id)
    VALUES (@extschema@.mm_tombstone(mm_erase_user.user_id), mm_erase_user.reason, mm_erase_user.user_id)
    ON CONFLICT (person) DO UPDATE SET pending_user_id = excluded.pending_user_id, erased_at = NULL;
    RETURN QUERY SELECT r.table_name, r.erased FROM @extschema@.mm_erase_rows(user_id) AS r;
    -- The account, where the table of accounts is ours (or its owner lets us).
    IF has_table_privilege('auth.users', 'DELETE') THEN
        DELETE FROM auth.users AS u WHERE u.id = mm_erase_user.user_id;
        GET DIAGNOSTICS accounts = ROW_COUNT;
    ELSIF has_table_privilege('auth.users', 'SELECT') THEN
        account_stays := EXISTS (SELECT FROM auth.users AS u WHERE u.id = mm_erase_user.user_id);
    ELSE
        account_stays := true;
    END IF;
    IF account_stays THEN
        RAISE NOTICE 'auth.users belongs to another service: the account, if there is one, is deleted there';
    END IF;
    RETURN QUERY SELECT 'auth.users'::text, accounts;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_erase_user(uuid, text) IS
    'Erases a person: deletes their rows from every table that has them, the archive, row_history and the account where auth.users is ours, proves that none is left, or fails as a whole, and leaves an entry without personal data in erasure_log that keeps them from coming back. Returns how many rows of each table. reason: 1 to 100 letters, digits, blanks or _ . / # -; no names. Errors: 22004 NULL, 22023 or 23514 reason, 23503 a table of somebody else''s refers to the rows, 55000 not under READ COMMITTED. System role only (42501).';

-- An account is deleted, by whatever service: its person goes with it. Nothing here may make
-- deleting an account impossible; what fails now is done by mm_finish_erasures().
CREATE FUNCTION @extschema@.mm_erase_with_account() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    tombstone CONSTANT bytea := @extschema@.mm_tombstone(OLD.id);
    state text;
BEGIN
    BEGIN
        -- mm_erase_user() was here before and has deleted the account itself.
        IF EXISTS (SELECT FROM @extschema@.erasure_log AS e WHERE e.person = tombstone AND e.erased_at IS NOT NULL) THEN
            RETURN NULL;
        END IF;
        PERFORM @extschema@.mm_close_person(OLD.id);
        INSERT INTO @extschema@.erasure_log (person, reason, pending_user_id) VALUES (tombstone, 'account deleted', OLD.id)
        ON CONFLICT (person) DO NOTHING;
        PERFORM @extschema@.mm_erase_rows(OLD.id);
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE;
        RAISE WARNING 'the account is deleted, the person''s rows are not yet (SQLSTATE %)', state
            USING HINT = 'SELECT mm_finish_erasures(); says why.';
        BEGIN
            INSERT INTO @extschema@.erasure_log (person, reason, pending_user_id) VALUES (tombstone, 'account deleted', OLD.id)
            ON CONFLICT (person) DO NOTHING;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE;
            RAISE WARNING 'nor could it be noted in erasure_log (SQLSTATE %)', state
                USING HINT = 'SELECT * FROM mm_erase_user(user_id, ''account deleted'');';
        END;
    END;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_erase_with_account() IS
    'Trigger on auth.users: erases the person whose account was deleted. Never keeps an account from being deleted: what fails is noted in erasure_log for mm_finish_erasures().';

CREATE FUNCTION @extschema@.mm_finish_erasures() RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    waiting record;
    finished bigint := 0;
BEGIN
    PERFORM @extschema@.mm_require_system();
    FOR waiting IN SELECT e.pending_user_id AS user_id FROM @extschema@.erasure_log AS e WHERE e.erased_at IS NULL ORDER BY e.requested_at LOOP
        PERFORM @extschema@.mm_close_person(waiting.user_id);
        PERFORM @extschema@.mm_erase_rows(waiting.user_id);
        finished := finished + 1;
    END LOOP;
    RETURN finished;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_finish_erasures() IS
    'Erases the people whose accounts were deleted while their rows could not be; returns how many. System role only (42501).';

-- After a backup has been restored that is older than an erasure: erasure_log of the newer
-- database, put into the restored one, says who has to go again.
CREATE FUNCTION @extschema@.mm_repeat_erasures() RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    everybody text;
    again record;
    repeated bigint := 0;
BEGIN
    PERFORM @extschema@.mm_require_system();
    SELECT string_agg(format('SELECT r.user_id FROM %s AS r', t.relation), ' UNION ') INTO STRICT everybody
    FROM @extschema@.mm_person_tables() AS t;
    FOR again IN EXECUTE format(
        'SELECT x.user_id FROM (%s) AS x JOIN @extschema@.erasure_log AS e ON e.person = @extschema@.mm_tombstone(x.user_id) ORDER BY 1', everybody)
    LOOP
        PERFORM @extschema@.mm_close_person(again.user_id);
        PERFORM @extschema@.mm_erase_rows(again.user_id);
        repeated := repeated + 1;
    END LOOP;
    RETURN repeated;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_repeat_erasures() IS
    'Erases anew everybody of whom there are rows although erasure_log says that they were erased; returns how many. For use after restoring a backup that is older than erasures, when erasure_log of the newer database has been put in. Reads every table. System role only (42501).';
