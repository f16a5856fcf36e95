-- Runs last: owners, grants and comments of the functions, then the tables.

-- Whatever PUBLIC or the schema's default privileges were given is taken back. A definer function
-- owned by a superuser would bypass even FORCE ROW LEVEL SECURITY.
DO $privileges$
DECLARE
    function record;
    grantee text;
BEGIN
    FOR function IN
        SELECT p.oid::pg_catalog.regprocedure AS name, p.prosecdef, p.proowner,
               coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)) AS acl
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
            EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM %s', function.name, grantee);
        END LOOP;
        IF function.prosecdef THEN
            EXECUTE pg_catalog.format('ALTER FUNCTION %s OWNER TO mindmeasure_owner', function.name);
        END IF;
    END LOOP;
END
$privileges$;

-- CHECK constraints run with the rights of who writes the row.
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_validate_json(text, text, jsonb),
    @extschema@.mm_refuse(text, text),
    @extschema@.mm_json_schema(text),
    @extschema@.mm_fuse_session(uuid, boolean),
    @extschema@.mm_record_outcome(uuid, boolean, text),
    @extschema@.mm_explain_session(uuid),
    @extschema@.mm_score_history(uuid, timestamptz, timestamptz),
    @extschema@.mm_report_html(uuid, timestamptz, timestamptz)
TO mindmeasure_user, mindmeasure_system;
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_json_schema(text),
    @extschema@.mm_model_report(text, integer)
TO mindmeasure_auditor;
GRANT EXECUTE ON FUNCTION
    @extschema@.mm_fuse_pending(integer),
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
-- point look-ups gain nothing from being compiled.
DO $settings$
DECLARE
    function text;
BEGIN
    FOREACH function IN ARRAY ARRAY['mm_fuse_session(uuid, boolean)', 'mm_rescore_user(uuid)', 'mm_update_baselines(uuid)', 'mm_fit_calibration(uuid, text)'] LOOP
        EXECUTE pg_catalog.format('ALTER FUNCTION @extschema@.%s SET enable_seqscan = off', function);
        EXECUTE pg_catalog.format('ALTER FUNCTION @extschema@.%s SET plan_cache_mode = force_generic_plan', function);
        EXECUTE pg_catalog.format('ALTER FUNCTION @extschema@.%s SET jit = off', function);
    END LOOP;
END
$settings$;

COMMENT ON FUNCTION @extschema@.mm_fuse_session(uuid, boolean) IS
    'Scores a session from its newest analyses and returns its row of fusion_outputs; in one transaction and exactly once: called again it returns the stored row. refresh => true scores modalities that arrived since. Caller: the system role, or the session''s person. Errors: P0002 no such session, MM001 no analysis, MM002 archived, 22004 NULL, 40001 under REPEATABLE READ when another session of the person was scored meanwhile. Call it in FROM: in a select list the expressions beside it run twice.';
COMMENT ON FUNCTION @extschema@.mm_fuse_pending(integer) IS
    'Queue worker: scores up to max_sessions (1 or more) sessions whose expected analyses have all arrived, or whose newest is older than mindmeasure.settle_interval, and refreshes scored ones that got a further modality within mindmeasure.refresh_window; each person''s oldest first. A session that cannot be scored becomes failed with its failure_reason and stops nothing. Several workers may run at once. Returns the number scored. System role only (42501).';
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
    'Learns weights, own rates, correlation and calibration priors from all labelled sessions scored by models with the active model''s features, and registers them as a new, inactive model; returns its version. lambda: ridge penalty on the weights, NULL to have it chosen by cross-validation by person. Judge it with mm_model_report(), then mm_activate_model(). Errors: 55000 nothing to learn from, 42710 the version exists, 22004 NULL, 22023 lambda. System role only (42501).';
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
COMMENT ON FUNCTION @extschema@.mm_caller_is_system() IS
    'Whether the caller, before any SECURITY DEFINER, has the system role.';
COMMENT ON FUNCTION @extschema@.mm_person_lock_key(uuid) IS
    'Key of the advisory transaction lock under which a person''s sessions are scored one after another.';

SELECT @extschema@.mm_migrate();
