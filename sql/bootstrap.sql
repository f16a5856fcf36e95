-- Runs before anything else of CREATE EXTENSION mindmeasure: refuses a schema in which
-- names are taken, makes the roles, and fills the gaps of `auth` where there are any.

-- One error that names every clash, before anything has been changed. CREATE EXTENSION only:
-- scripts/release.py leaves this block out of update scripts by its tag.
DO $names$
DECLARE
    -- tests/sql/names_taken.sql holds this list against what is really made.
    tables CONSTANT text[] := ARRAY[
        'profiles', 'session_keys', 'assessment_sessions', 'assessment_sessions_archive', 'assessment_sessions_archive_default',
        'text_analysis', 'audio_analysis', 'visual_analysis', 'passive_analysis',
        'fusion_outputs', 'mind_measure_scores', 'session_insights', 'session_outcomes',
        'user_baselines', 'user_feature_baselines', 'user_calibration',
        'mm_models', 'mm_schema_migrations', 'retention_policies', 'row_history', 'row_history_default', 'erasure_log',
        'user_keys', 'assessment_sessions_clear', 'assessment_sessions_archive_clear', 'text_analysis_clear',
        'audio_analysis_clear', 'visual_analysis_clear', 'passive_analysis_clear', 'session_insights_clear',
        'audit_log', 'audit_log_default', 'audit_subjects', 'audit_blocks', 'break_glass_grants'];
    -- Indexes share the names of tables; a key without a name of its own gets a free one.
    indexes CONSTANT text[] := ARRAY[
        'idx_profiles_user_id', 'idx_profiles_created_at', 'session_keys_id_user_id_key', 'idx_session_keys_user',
        'idx_sessions_user_id', 'idx_sessions_status', 'idx_sessions_user_date', 'idx_sessions_type', 'idx_sessions_archive_user_date',
        'idx_text_analysis_session', 'idx_text_analysis_score', 'idx_text_analysis_processed', 'idx_text_analysis_user',
        'idx_audio_analysis_session', 'idx_audio_analysis_score', 'idx_audio_analysis_processed', 'idx_audio_analysis_user',
        'idx_visual_analysis_session', 'idx_visual_analysis_score', 'idx_visual_analysis_processed', 'idx_visual_analysis_user',
        'idx_passive_analysis_session', 'idx_passive_analysis_score', 'idx_passive_analysis_processed', 'idx_passive_analysis_user',
        'idx_fusion_outputs_user_time', 'mind_measure_scores_session_id_key', 'idx_scores_session', 'idx_scores_combined',
        'idx_scores_calculated', 'idx_scores_baseline', 'idx_scores_user', 'idx_session_insights_session', 'idx_session_insights_user',
        'idx_session_outcomes_user_time', 'idx_baselines_user_metric', 'idx_baselines_updated',
        'user_feature_baselines_user_id_feature_name_key', 'user_calibration_user_id_modality_key', 'idx_models_one_active',
        'idx_erasure_log_unfinished', 'idx_user_keys_wrapped_by',
        'audit_subjects_subject_key', 'idx_audit_log_subject', 'idx_audit_log_txid', 'idx_break_glass_auditor', 'idx_break_glass_user'];
    functions CONSTANT text[] := ARRAY['update_updated_at_column()', 'handle_new_user()', 'archive_old_sessions(interval)',
        'backup_restore_user_data(uuid,timestamp with time zone,boolean)'];
    -- Tables that mm_uninstall() has taken the extension off: it is put on again (sql/migrate/reattach.sql).
    left_behind CONSTANT oid[] := ARRAY(
        SELECT c.oid FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.to_regnamespace('@extschema@')
          AND pg_catalog.pg_get_userbyid(c.relowner) OPERATOR(pg_catalog.=) 'mindmeasure_owner'
          AND pg_catalog.to_regclass('@extschema@.mm_detached') IS NOT NULL);
    taken text[];
BEGIN
    SELECT pg_catalog.array_agg(clash ORDER BY clash) INTO taken
    FROM (
        SELECT pg_catalog.format('table %s.%I', '@extschema@', t) AS clash
        FROM pg_catalog.unnest(tables) AS t
        -- While pg_restore runs (see mm_migrate) the tables come from the dump.
        WHERE pg_catalog.to_regclass(pg_catalog.format('%s.%I', '@extschema@', t)) IS NOT NULL
          AND pg_catalog.to_regclass(pg_catalog.format('%s.%I', '@extschema@', t))::pg_catalog.oid OPERATOR(pg_catalog.<>) ALL (left_behind)
        UNION ALL
        SELECT pg_catalog.format('index %s.%I', '@extschema@', i)
        FROM pg_catalog.unnest(indexes) AS i
        WHERE pg_catalog.to_regclass(pg_catalog.format('%s.%I', '@extschema@', i)) IS NOT NULL
          AND pg_catalog.to_regclass(pg_catalog.format('%s.%I', '@extschema@', i))::pg_catalog.oid OPERATOR(pg_catalog.<>) ALL (left_behind)
        UNION ALL
        SELECT pg_catalog.format('function %s.%s', '@extschema@', f)
        FROM pg_catalog.unnest(functions) AS f
        WHERE pg_catalog.to_regprocedure(pg_catalog.format('%s.%s', '@extschema@', f)) IS NOT NULL
        UNION ALL
        -- Names beginning with mm_ are ours: any argument list counts.
        SELECT pg_catalog.format('function %s', p.oid::pg_catalog.regprocedure)
        FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace OPERATOR(pg_catalog.=) pg_catalog.to_regnamespace('@extschema@')
          AND p.proname OPERATOR(pg_catalog.~) '^mm_'
    ) AS clashes;
    IF taken IS NOT NULL THEN
        RAISE EXCEPTION 'mindmeasure cannot be installed in schema %: these names are taken: %',
            '@extschema@', pg_catalog.array_to_string(taken, ', ')
            USING ERRCODE = 'duplicate_object',
                  DETAIL = 'Nothing has been changed.',
                  HINT = 'Install into a schema of its own: CREATE SCHEMA mindmeasure; CREATE EXTENSION mindmeasure SCHEMA mindmeasure; '
                         'or rename the objects named above first. Tables that DROP EXTENSION ... CASCADE left behind: move them '
                         'aside with ALTER TABLE ... SET SCHEMA (docs/operations.md, "Taking the extension off").';
    END IF;
END
$names$;

-- Roles belong to the cluster, not to the database: another database may have made them.
DO $bootstrap$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['mindmeasure_owner', 'mindmeasure_user', 'mindmeasure_system', 'mindmeasure_auditor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) name) THEN
            BEGIN
                EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- made by a CREATE EXTENSION in another database at this moment
            END;
        END IF;
    END LOOP;
    -- What scoring writes in its own name counts as written by the system.
    IF NOT pg_catalog.pg_has_role('mindmeasure_owner', 'mindmeasure_system', 'USAGE') THEN
        GRANT mindmeasure_system TO mindmeasure_owner;
    END IF;
END
$bootstrap$;

-- Supabase's roles are made NOINHERIT, so that a plain GRANT would have no effect on
-- policies and privileges. From PostgreSQL 16 on the grant itself can inherit; before,
-- it is a property of the role, changed only where nothing else hangs on it.
DO $bootstrap$
DECLARE
    pair text[];
BEGIN
    FOREACH pair SLICE 1 IN ARRAY ARRAY[['authenticated', 'mindmeasure_user'], ['service_role', 'mindmeasure_system']] LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) pair[1]);
        CONTINUE WHEN pg_catalog.pg_has_role(pair[1], pair[2], 'USAGE');
        IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 160000 THEN
            EXECUTE pg_catalog.format('GRANT %I TO %I WITH INHERIT TRUE', pair[2], pair[1]);
        ELSE
            EXECUTE pg_catalog.format('GRANT %I TO %I', pair[2], pair[1]);
            IF NOT pg_catalog.pg_has_role(pair[1], pair[2], 'USAGE') THEN
                IF (SELECT pg_catalog.count(*) FROM pg_catalog.pg_auth_members AS m
                    JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) m.member
                    WHERE r.rolname OPERATOR(pg_catalog.=) pair[1]) OPERATOR(pg_catalog.=) 1 THEN
                    EXECUTE pg_catalog.format('ALTER ROLE %I INHERIT', pair[1]);
                ELSE
                    RAISE WARNING 'role % is a member of % but does not inherit it', pair[1], pair[2]
                        USING HINT = pg_catalog.format('ALTER ROLE %I INHERIT; changes what it inherits from its other roles too.', pair[1]);
                END IF;
            END IF;
        END IF;
    END LOOP;
END
$bootstrap$;

-- Tables are made as mindmeasure_owner, which so owns them and is reached by nobody's default privileges.
GRANT USAGE, CREATE ON SCHEMA @extschema@ TO mindmeasure_owner;
GRANT USAGE ON SCHEMA @extschema@ TO mindmeasure_user, mindmeasure_system, mindmeasure_auditor;
