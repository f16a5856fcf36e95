-- Random statements, said by random people, each taken back: whose rows does one see, or meet?
CREATE TABLE probe.result (probes bigint, rows bigint, refused bigint, failed bigint);
CREATE TABLE probe.foreign_row (role text, person uuid, statement text, seen text);
CREATE TABLE probe.failure (role text, statement text, state text, message text);

CREATE FUNCTION probe.pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE
    AS $$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;

-- A condition on the alias x; ids are of anybody's rows, or of nobody's.
CREATE FUNCTION probe.condition(has_session boolean) RETURNS text LANGUAGE plpgsql VOLATILE
    AS $$
DECLARE
    person uuid := (SELECT id FROM probe.person ORDER BY random() LIMIT 1);
    session uuid := (SELECT id FROM public.session_keys ORDER BY random() LIMIT 1);
BEGIN
    RETURN probe.pick('true', 'x.user_id IS NOT NULL', 'true OR x.user_id IS NULL', format('x.user_id = %L', person), format('x.user_id <> %L', person), format('x.user_id IN (%L, auth.uid())', person),
        format('x.user_id = ANY (ARRAY[%L]::uuid[])', person), 'x.user_id IS DISTINCT FROM auth.uid()', 'NOT (x.user_id = auth.uid())', 'x::text LIKE ''%MARK%''', 'to_jsonb(x) IS NOT NULL',
        format('coalesce(x.user_id, %L) = x.user_id', person), 'EXISTS (SELECT FROM public.assessment_sessions AS y WHERE y.user_id = x.user_id)', 'x.user_id IN (SELECT z.user_id FROM public.fusion_outputs AS z)',
        format('x.user_id = (SELECT %L::uuid)', person), 'random() < 2', 'x.ctid > ''(0,0)''', 'x.tableoid > 0',
        CASE WHEN has_session THEN format('x.session_id = %L', session) ELSE 'x.user_id::text > ''1''' END);
END;
$$;

CREATE FUNCTION probe.statement() RETURNS text LANGUAGE plpgsql VOLATILE
    AS $$
DECLARE
    t text := probe.pick('profiles', 'assessment_sessions', 'assessment_sessions_archive', 'text_analysis', 'audio_analysis', 'visual_analysis', 'passive_analysis', 'session_insights', 'session_outcomes',
        'fusion_outputs', 'mind_measure_scores', 'user_baselines', 'user_feature_baselines', 'user_calibration', 'session_keys', 'audit_subjects', 'break_glass_grants', 'assessment_sessions_archive_default');
    u text := probe.pick('assessment_sessions', 'fusion_outputs', 'profiles', 'text_analysis', 'user_baselines');
    c text := probe.condition(t ~ '_analysis$|^session_(ins|out)|^fusion|^mind');
    d text := probe.condition(u ~ '_analysis$|^fusion');
    person uuid := (SELECT id FROM probe.person ORDER BY random() LIMIT 1);
    session uuid := (SELECT id FROM public.session_keys ORDER BY random() LIMIT 1);
BEGIN
    -- Every statement gives ids of people in one column, user_id.
    RETURN CASE floor(random() * 26)
        WHEN 0 THEN format('SELECT x.user_id FROM public.%I AS x', t)
        WHEN 1 THEN format('SELECT x.user_id FROM public.%I AS x WHERE %s', t, c)
        WHEN 2 THEN format('SELECT x.user_id FROM ONLY public.%I AS x WHERE %s ORDER BY x.user_id DESC LIMIT 5 OFFSET 1', t, c)
        WHEN 3 THEN format('SELECT y.user_id FROM public.%I AS x JOIN public.%I AS y ON true WHERE %s', t, u, c)
        WHEN 4 THEN format('SELECT y.user_id FROM public.%I AS x RIGHT JOIN public.%I AS y ON x.user_id <> y.user_id', t, u)
        WHEN 5 THEN format('SELECT y.user_id FROM public.%I AS x FULL JOIN public.%I AS y ON false', t, u)
        WHEN 6 THEN format('WITH q AS MATERIALIZED (SELECT * FROM public.%I AS x WHERE %s) SELECT user_id FROM q', t, c)
        WHEN 7 THEN format('SELECT unnest(array_agg(x.user_id)) AS user_id FROM public.%I AS x WHERE %s', t, c)
        WHEN 8 THEN format('SELECT x.user_id FROM public.%I AS x UNION SELECT x.user_id FROM public.%I AS x WHERE %s', t, u, d)
        WHEN 9 THEN format('SELECT x.user_id FROM public.%I AS x EXCEPT SELECT auth.uid()', t)
        WHEN 10 THEN format('SELECT (SELECT x.user_id FROM public.%I AS x WHERE %s LIMIT 1) AS user_id', t, c)
        WHEN 11 THEN format('SELECT l.user_id FROM public.%I AS x CROSS JOIN LATERAL (SELECT y.user_id FROM public.%I AS y WHERE y.user_id <> x.user_id) AS l', u, t)
        WHEN 12 THEN format('SELECT DISTINCT ON (x.user_id) first_value(x.user_id) OVER (ORDER BY x.user_id) AS user_id FROM public.%I AS x', t)
        WHEN 13 THEN format('SELECT x.user_id FROM public.%I AS x WHERE %s FOR UPDATE', t, c)
        WHEN 14 THEN format('SELECT x.user_id FROM public.%I AS x TABLESAMPLE bernoulli (100) WHERE %s', t, c)
        WHEN 15 THEN format('UPDATE public.%I AS x SET user_id = x.user_id WHERE %s RETURNING x.user_id', t, c)
        WHEN 16 THEN format('UPDATE public.assessment_sessions AS x SET %s WHERE %s RETURNING x.user_id', probe.pick('category = ''x''', 'reflection_notes = NULL', 'status = ''completed''', format('user_id = %L', person), 'created_at = now()', 'mood_after = NULL'), probe.condition(false))
        WHEN 17 THEN format('UPDATE public.profiles AS x SET display_name = ''x'' FROM public.%I AS y WHERE y.user_id = x.user_id OR %s RETURNING y.user_id', t, probe.condition(false))
        WHEN 18 THEN format('DELETE FROM public.%I AS x WHERE %s RETURNING x.user_id', t, c)
        WHEN 19 THEN format('INSERT INTO public.assessment_sessions (id, user_id) VALUES (%L, %L) ON CONFLICT (id) DO UPDATE SET category = ''x'' RETURNING user_id', session, person)
        WHEN 20 THEN format('INSERT INTO public.profiles (user_id) VALUES (%L) ON CONFLICT (user_id) DO UPDATE SET display_name = ''x'' RETURNING user_id', person)
        WHEN 21 THEN format('INSERT INTO public.user_feature_baselines (user_id, feature_name, mean) SELECT x.user_id, ''probe'', 1 FROM public.%I AS x RETURNING user_id', t)
        WHEN 22 THEN format('SELECT user_id FROM public.mm_fuse_session(%L, %s)', session, probe.pick('true', 'false'))
        WHEN 23 THEN format('SELECT k.user_id FROM public.mm_score_history(%L) AS h JOIN (VALUES (%L::uuid)) AS k (user_id) ON true', person, person)
        -- A view has no system columns.
        WHEN 24 THEN format('SELECT x.user_id FROM probe.view AS x WHERE %s', regexp_replace(probe.condition(false), '^x.(ctid|tableoid).*', 'true'))
        ELSE format('SELECT %L::uuid AS user_id WHERE %s', person, probe.pick(
            format('public.mm_explain_session((SELECT id FROM public.session_keys WHERE user_id = %L LIMIT 1)) IS NOT NULL', person),
            format('public.mm_report_html(%L) ~ ''The newest session,''', person),
            format('EXISTS (SELECT FROM public.audit_log AS a WHERE a.subject = %L)', (SELECT s.subject FROM public.audit_subjects AS s WHERE s.user_id = person)),
            format('EXISTS (SELECT FROM public.audit_log AS a JOIN public.audit_subjects AS s USING (subject) WHERE s.user_id = %L)', person)))
    END;
END;
$$;

CREATE PROCEDURE probe.run(probes int, seed float8) LANGUAGE plpgsql
    AS $$
DECLARE
    said text;
    role text;
    person uuid;
    allowed uuid[];
    stranger uuid;
    n bigint;
    seen bigint := 0;
    refused bigint := 0;
    failed bigint := 0;
BEGIN
    PERFORM setseed(seed);
    FOR i IN 1 .. probes LOOP
        said := probe.statement();
        role := probe.pick('probe_app', 'probe_app', 'probe_app', 'probe_app', 'probe_auditor', 'probe_anon');
        person := CASE WHEN random() < 0.1 THEN NULL ELSE (SELECT p.id FROM probe.person AS p ORDER BY random() LIMIT 1) END;
        IF role = 'probe_auditor' THEN
            person := NULL;
        END IF;
        allowed := CASE role WHEN 'probe_app' THEN ARRAY[person] WHEN 'probe_auditor' THEN (SELECT array_agg(p.id) FROM probe.person AS p WHERE p.n = 3) ELSE '{}' END;
        -- Who may look at whom, and under which pseudonym, every auditor sees.
        CONTINUE WHEN role = 'probe_auditor' AND said ~ 'audit_subjects|break_glass_grants|audit_log';
        BEGIN
            PERFORM set_config('request.jwt.claims', coalesce(json_build_object('sub', person)::text, ''), true), set_config('role', role, true);
            -- The condition of the probe's own look is no part of what it asks.
            IF said ~ '^(SELECT|WITH)' AND said !~ 'FOR UPDATE' THEN
                EXECUTE format('SELECT count(*), (min(q.user_id::text) FILTER (WHERE q.user_id <> ALL ($1)))::uuid FROM (%s) AS q WHERE q.user_id IS NOT NULL', said) INTO n, stranger USING array_remove(allowed, NULL);
            ELSE
                stranger := NULL;
                n := 0;
                FOR stranger IN EXECUTE said LOOP
                    n := n + 1;
                    EXIT WHEN stranger <> ALL (array_remove(allowed, NULL));
                    stranger := NULL;
                END LOOP;
            END IF;
            PERFORM set_config('role', 'none', true);
            RAISE EXCEPTION 'take it back' USING ERRCODE = 'SPEC0';
        EXCEPTION
            WHEN SQLSTATE 'SPEC0' THEN
                seen := seen + n;
                IF stranger IS NOT NULL THEN
                    INSERT INTO probe.foreign_row VALUES (role, person, said, stranger);
                END IF;
            WHEN OTHERS THEN
                IF left(SQLSTATE, 2) IN ('42', '23', 'P0', 'MM', '22') THEN
                    refused := refused + 1;
                    -- Syntax and names are the probe's own mistake, not a refusal.
                    IF SQLSTATE IN ('42601', '42703', '42P01', '42883', '42702', '42804') THEN
                        INSERT INTO probe.failure VALUES (role, said, SQLSTATE, SQLERRM);
                    END IF;
                ELSE
                    failed := failed + 1;
                    INSERT INTO probe.failure VALUES (role, said, SQLSTATE, SQLERRM);
                END IF;
        END;
        IF i % 500 = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
    INSERT INTO probe.result VALUES (probes, seen, refused, failed);
END;
$$;
