-- Who may add rows that belong to Alice. Users add their own profile, sessions and feature
-- baselines; all else is the system's.
BEGIN;
SELECT * FROM no_plan();
\ir lib/matrix.psql
DELETE FROM profiles WHERE user_id = spec.alice();
INSERT INTO spec.cells VALUES
--   table                                 owner      another    no claims  no grants  system     auditor
    ('profiles',                           '1',       'refused', 'refused', 'refused', '1',       'refused', 'INSERT INTO %s (user_id) VALUES (spec.alice())'),
    ('assessment_sessions',                '1',       'refused', 'refused', 'refused', '1',       'refused', 'INSERT INTO %s (user_id) VALUES (spec.alice())'),
    ('assessment_sessions_archive',        'refused', 'refused', 'refused', 'refused', '1',       'refused', 'INSERT INTO %s (id, user_id, status, created_at, updated_at) VALUES (spec.session(spec.alice(), 9), spec.alice(), ''failed'', now(), now())'),
    ('session_keys',                       'refused', 'refused', 'refused', 'refused', '1',       'refused', 'INSERT INTO %s (id, user_id, created_at) VALUES (gen_random_uuid(), spec.alice(), now())'),
    ('text_analysis',                      'refused', 'refused', 'refused', 'refused', '1',       'refused', 'INSERT INTO %s (session_id) VALUES (spec.session(spec.alice(), 1))'),
    ('audio_analysis',                     'refused', 'refused', 'refused', 'refused', '1',       'refused', 'INSERT INTO %s (session_id) VALUES (spec.session(spec.alice(), 1))'),
    ('visual_analysis',                    'refused', 'refused', 'refused', 'refused', '1',       'refused', 'INSERT INTO %s (session_id) VALUES (spec.session(spec.alice(), 1))'),
    ('passive_analysis',                   'refused', 'refused', 'refused', 'refused', '1',       'refused', 'INSERT INTO %s (session_id) VALUES (spec.session(spec.alice(), 1))'),
    ('session_insights',                   'refused', 'refused', 'refused', 'refused', '1',       'refused', 'INSERT INTO %s (session_id) VALUES (spec.session(spec.alice(), 1))'),
    ('session_outcomes',                   'refused', 'refused', 'refused', 'refused', '1',       'refused', 'INSERT INTO %s (session_id, worse) VALUES (spec.session(spec.alice(), 9), true)'),
    ('fusion_outputs',                     'refused', 'refused', 'refused', 'refused', '1',       'refused', 'INSERT INTO %s (session_id, p_worse_fused, score, score_smoothed, uncertainty) VALUES (spec.session(spec.alice(), 9), 0.5, 50, 50, 0.5)'),
    ('mind_measure_scores',                'refused', 'refused', 'refused', 'refused', '1',       'refused', 'INSERT INTO %s (session_id, combined_score) VALUES (spec.session(spec.alice(), 9), 50)'),
    ('user_baselines',                     'refused', 'refused', 'refused', 'refused', '1',       'refused', 'INSERT INTO %s (user_id, metric_type, baseline_score) VALUES (spec.alice(), ''mood_stability'', 50)'),
    ('user_feature_baselines',             '1',       'refused', 'refused', 'refused', '1',       'refused', 'INSERT INTO %s (user_id, feature_name, mean, sd) VALUES (spec.alice(), ''new'', 0, 1)'),
    ('user_calibration',                   'refused', 'refused', 'refused', 'refused', '1',       'refused', 'INSERT INTO %s (user_id, modality, a, b, covariance) VALUES (spec.alice(), ''visual'', 1, 0, ''{1,0,1}'')'),
    ('mm_models',                          'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'INSERT INTO %s (model_version, spec) VALUES (''new'', ''{}'')'),
    ('user_keys',                          'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'INSERT INTO %s (user_id, kid, wrapped_by, wrapped) VALUES (spec.alice(), ''AAAAAAAA'', ''k'', ''\x'')'),
    ('mm_schema_migrations',               'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'INSERT INTO %s (version, description, checksum, extension_version) VALUES (999, '''', '''', '''')'),
    ('retention_policies',                 'refused', 'refused', 'refused', 'refused', '1',       'refused', 'INSERT INTO %s (table_name, action, keep, time_column) VALUES (''session_insights'', ''drop'', ''9 years'', ''created_at'')'),
    ('row_history',                        'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'INSERT INTO %s (user_id, table_name, row_key, action) VALUES (spec.alice(), ''profiles'', spec.alice(), ''insert'')'),
    ('erasure_log',                        'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'INSERT INTO %s (person, reason, erased_at) VALUES (mm_tombstone(spec.alice()), ''x'', now())'),
    ('audit_log',                          'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'INSERT INTO %s (action) VALUES (''x'')'),
    ('audit_subjects',                     'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'INSERT INTO %s (user_id) VALUES (spec.alice())'),
    ('audit_blocks',                       'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'INSERT INTO %s DEFAULT VALUES'),
    ('break_glass_grants',                 'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'INSERT INTO %s (user_id, auditor_role, reason, expires_at) VALUES (spec.alice(), ''x'', ''x'', now())'),
    ('auth.users',                         'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'INSERT INTO %s (id) VALUES (spec.alice())');
SELECT spec.every_table_is_listed();
SELECT spec.matrix(NULL);
-- What a user may not choose in a row of their own.
SELECT is(spec.outcome(format('INSERT INTO user_feature_baselines (user_id, feature_name, mean, %s) VALUES (spec.alice(), ''new'', 0, %L)', c.name, c.value), 'spec_app', spec.alice()),
    'refused', 'a user cannot choose user_feature_baselines.' || c.name)
FROM (VALUES ('n', '5'), ('m2', '5'), ('sum_w2', '5'), ('modality', 'text'), ('last_observed_at', '2020-01-01'), ('created_at', '2020-01-01'), ('updated_at', '2020-01-01')) AS c (name, value);
SELECT * FROM finish();
ROLLBACK;
