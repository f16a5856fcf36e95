-- Emergency access: an auditor sees no person's rows, until they say whose, why and for how long.

-- Who calls, before any SECURITY DEFINER: the role after SET ROLE.
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

-- Asked by policies as (SELECT mm_broken_glass()): once a query, not once a row.
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
