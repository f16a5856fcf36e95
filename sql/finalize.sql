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
