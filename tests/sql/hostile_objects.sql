-- What an attacker puts into schemas on the search_path is never called by ours: a function beside every
-- function of pg_catalog, an operator beside every operator, a table beside every table.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/documents.psql
INSERT INTO auth.users (id) VALUES (spec.alice());
CREATE SCHEMA evil;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE SEQUENCE evil.called;
GRANT ALL ON SEQUENCE evil.called TO PUBLIC;
CREATE TABLE evil.log (what text);
GRANT ALL ON evil.log TO PUBLIC;

CREATE FUNCTION spec.traps() RETURNS text LANGUAGE plpgsql
    AS $$
DECLARE
    f record;
    functions int := 0;
    operators int := 0;
BEGIN
    FOR f IN
        SELECT p.proname, string_agg(format_type(a.type, NULL), ', ' ORDER BY a.at) AS arguments, format_type(p.prorettype, NULL) AS result
        FROM pg_proc AS p LEFT JOIN LATERAL unnest(p.proargtypes::oid[]) WITH ORDINALITY AS a (type, at) ON true
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset AND p.provariadic = 0
          AND NOT EXISTS (SELECT FROM pg_type AS t WHERE t.oid IN (SELECT unnest(p.proargtypes::oid[]) UNION SELECT p.prorettype) AND t.typtype = 'p')
        GROUP BY p.oid, p.proname, p.prorettype
    LOOP
        EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN INSERT INTO evil.log VALUES (%L); PERFORM pg_catalog.nextval(''evil.called''::pg_catalog.regclass); RETURN NULL; END $f$',
            f.proname, f.arguments, f.result, f.proname || '(' || coalesce(f.arguments, '') || ')');
        functions := functions + 1;
    END LOOP;
    FOR f IN
        SELECT o.oprname, CASE WHEN o.oprleft <> 0 THEN format('LEFTARG = %s,', format_type(o.oprleft, NULL)) END AS leftarg, format_type(o.oprright, NULL) AS rightarg, p.proname
        FROM pg_operator AS o JOIN pg_proc AS p ON p.oid = o.oprcode
        WHERE o.oprnamespace = 'pg_catalog'::regnamespace
          AND to_regprocedure(format('evil.%I(%s%s)', p.proname, CASE WHEN o.oprleft <> 0 THEN format_type(o.oprleft, NULL) || ',' END, format_type(o.oprright, NULL))) IS NOT NULL
    LOOP
        EXECUTE format('CREATE OPERATOR evil.%s (FUNCTION = evil.%I, %s RIGHTARG = %s)', f.oprname, f.proname, f.leftarg, f.rightarg);
        operators := operators + 1;
    END LOOP;
    FOR f IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition LOOP
        EXECUTE format('CREATE TEMP TABLE %I (LIKE public.%I)', f.relname, f.relname);
        EXECUTE format('GRANT ALL ON pg_temp.%I TO PUBLIC', f.relname);
        EXECUTE format('CREATE TABLE evil.%I (LIKE public.%I)', f.relname, f.relname);
        EXECUTE format('GRANT ALL ON evil.%I TO PUBLIC', f.relname);
    END LOOP;
    CREATE TYPE evil.uuid AS (a int);
    CREATE TYPE pg_temp.jsonb AS (a int);
    RETURN CASE WHEN functions > 1500 AND operators > 500 THEN 'enough' ELSE format('%s functions, %s operators', functions, operators) END;
END;
$$;
SELECT is(spec.traps(), 'enough', 'given an attacker''s object beside everything in pg_catalog');

-- Says a query as a role for a person, with the attacker's schemas first; and how often the attacker was called by it.
CREATE FUNCTION spec.attacked(query text, speaker text DEFAULT 'postgres', person uuid DEFAULT NULL) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog
    AS $$
DECLARE
    before CONSTANT bigint := (SELECT last_value + is_called::int FROM evil.called);
    after bigint;
BEGIN
    PERFORM pg_catalog.set_config('request.jwt.claims', coalesce(pg_catalog.json_build_object('sub', person)::text, ''), true),
            pg_catalog.set_config('role', speaker, true), pg_catalog.set_config('search_path', 'evil, pg_temp, public, pg_catalog', true);
    EXECUTE query;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true), pg_catalog.set_config('role', 'none', true);
    after := (SELECT last_value + is_called::int FROM evil.called);
    RETURN CASE WHEN after = before THEN 'safe' ELSE 'called ' || (SELECT string_agg(DISTINCT what, ', ') FROM evil.log) END;
END;
$$;
SELECT matches(spec.attacked('SELECT now(), 1 = 2'), '^called int4eq\(integer, integer\), now\(\)$', 'the traps work: whoever calls now() and = by their bare names is caught');
DELETE FROM evil.log;

CREATE TABLE spec.statements (n int GENERATED ALWAYS AS IDENTITY, speaker text, person uuid, statement text);
INSERT INTO spec.statements (speaker, person, statement) VALUES
    ('postgres', NULL, 'INSERT INTO auth.users (id, email, raw_user_meta_data) VALUES (''b0b00000-0000-4000-8000-000000000000'', ''x'', ''{"display_name": "Bob"}'')'),
    ('spec_app', spec.alice(), 'INSERT INTO public.assessment_sessions (id, assessment_type, mood_before) VALUES (''00000000-0000-4000-8000-000000000001'', ''quick'', ''' || spec.document('mood')::text || ''')'),
    ('spec_app', spec.alice(), 'UPDATE public.assessment_sessions SET category = ''x'', text_data = ''' || spec.document('text_data')::text || ''''),
    ('spec_app', spec.alice(), 'UPDATE public.profiles SET display_name = ''x'', wellness_goals = ''[]'''),
    ('spec_app', spec.alice(), 'INSERT INTO public.user_feature_baselines (user_id, feature_name, mean) VALUES (''' || spec.alice() || ''', ''x'', 1)'),
    ('spec_worker', NULL, 'INSERT INTO public.text_analysis (session_id, text_wellness_score, sentiment_analysis) VALUES (''00000000-0000-4000-8000-000000000001'', 50, ''' || spec.document('sentiment_analysis')::text || ''')'),
    ('spec_worker', NULL, 'INSERT INTO public.audio_analysis (session_id, audio_wellness_score, vocal_characteristics) VALUES (''00000000-0000-4000-8000-000000000001'', 50, ''' || spec.document('vocal_characteristics')::text || ''')'),
    ('spec_worker', NULL, 'INSERT INTO public.visual_analysis (session_id, visual_wellness_score) VALUES (''00000000-0000-4000-8000-000000000001'', 50)'),
    ('spec_worker', NULL, 'INSERT INTO public.passive_analysis (session_id, passive_wellness_score) VALUES (''00000000-0000-4000-8000-000000000001'', 50)'),
    ('spec_worker', NULL, 'INSERT INTO public.session_insights (session_id) VALUES (''00000000-0000-4000-8000-000000000001'')'),
    ('spec_app', spec.alice(), 'SELECT score FROM public.mm_fuse_session(''00000000-0000-4000-8000-000000000001'')'),
    ('spec_app', spec.alice(), 'SELECT score FROM public.mm_fuse_session(''00000000-0000-4000-8000-000000000001'', true)'),
    ('spec_app', spec.alice(), 'SELECT public.mm_record_outcome(''00000000-0000-4000-8000-000000000001'', true)'),
    ('spec_app', spec.alice(), 'SELECT public.mm_explain_session(''00000000-0000-4000-8000-000000000001'')'),
    ('spec_app', spec.alice(), 'SELECT score FROM public.mm_score_history(''' || spec.alice() || ''')'),
    ('spec_app', spec.alice(), 'SELECT public.mm_report_html(''' || spec.alice() || ''')'),
    ('spec_app', spec.alice(), 'SELECT public.mm_json_schema(''mood'')'),
    ('spec_app', spec.alice(), 'SELECT public.mm_current_person()'),
    ('spec_app', spec.alice(), 'SELECT auth.uid()'),
    ('spec_app', spec.alice(), 'SELECT public.mm_end_break_glass(''' || spec.alice() || ''')'),
    ('spec_worker', NULL, 'SELECT public.mm_fuse_pending()'),
    ('spec_worker', NULL, 'SELECT public.mm_rescore_user(''' || spec.alice() || ''')'),
    ('spec_worker', NULL, 'SELECT public.mm_update_baselines(''' || spec.alice() || ''')'),
    ('spec_worker', NULL, 'SELECT n_points FROM public.mm_fit_calibration(''' || spec.alice() || ''', ''text'')'),
    ('spec_worker', NULL, 'SELECT public.mm_activate_model(''v1.0'')'),
    ('spec_worker', NULL, 'SELECT public.mm_seal_audit()'),
    ('spec_worker', NULL, 'SELECT problem FROM public.mm_verify_audit(public.mm_audit_head())'),
    ('spec_worker', NULL, 'SELECT id FROM public.mm_unsealed_audit()'),
    ('spec_worker', NULL, 'SELECT status FROM public.mm_doctor()'),
    ('postgres', NULL, 'SELECT status FROM public.mm_doctor()'),
    ('postgres', NULL, 'SELECT version FROM public.mm_migrate()'),
    ('mindmeasure_owner', NULL, 'SELECT public.mm_time_partition(''public.audit_log'', ''month'', ''2026-01-01'')'),
    ('mindmeasure_owner', NULL, 'SELECT public.mm_audit(''EXPORT'', NULL, ''' || spec.alice() || ''', NULL)'),
    ('spec_auditor', NULL, 'SELECT public.mm_break_glass(''' || spec.alice() || ''', ''a complaint, ticket 4711'', 5)'),
    ('spec_auditor', NULL, 'SELECT id FROM public.assessment_sessions'),
    ('spec_app', spec.alice(), 'SELECT id FROM public.audit_log'),
    ('spec_worker', NULL, 'DELETE FROM public.session_insights'),
    ('postgres', NULL, 'DELETE FROM public.session_keys');
SELECT is(spec.attacked(s.statement, s.speaker, s.person), 'safe', s.speaker || ': ' || left(s.statement, 100)) FROM (SELECT * FROM spec.statements ORDER BY n) AS s;
SELECT is((SELECT count(*) FROM public.fusion_outputs), 0::bigint, 'and all of it has done what it should: the session is gone');
SELECT cmp_ok((SELECT count(*) FROM public.audit_log WHERE action = 'INSERT' AND table_name = 'fusion_outputs'), '>=', 1::bigint, 'the score was real');
CREATE FUNCTION spec.trapped() RETURNS text LANGUAGE plpgsql AS $$
DECLARE r record; n bigint; found text := '';
BEGIN
    FOR r IN SELECT c.oid::regclass AS t FROM pg_class AS c WHERE c.relkind = 'r' AND (c.relnamespace = pg_my_temp_schema() OR c.relnamespace = 'evil'::regnamespace)
             AND EXISTS (SELECT FROM pg_class AS o WHERE o.relname = c.relname AND o.relnamespace = 'public'::regnamespace) LOOP
        EXECUTE format('SELECT count(*) FROM %s', r.t) INTO n;
        IF n > 0 THEN found := found || r.t || ' '; END IF;
    END LOOP;
    RETURN found;
END $$;
SELECT is(spec.trapped(), '', 'and no row has gone into a table of the attacker''s');
SELECT * FROM finish();
ROLLBACK;
