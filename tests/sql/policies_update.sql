-- Who may change rows. Users change their own profile, sessions and feature baselines.
BEGIN;
SELECT * FROM no_plan();
\ir lib/matrix.psql
INSERT INTO spec.cells VALUES
--   table                                 owner      another    no claims  no grants  system     auditor
    ('profiles',                           'own',     'none',    'none',    'refused', 'all',     'refused', 'UPDATE %s SET display_name = ''x'''),
    ('assessment_sessions',                'own',     'none',    'none',    'refused', 'all',     'refused', 'UPDATE %s SET reflection_notes = ''x'''),
    ('assessment_sessions_archive',        'refused', 'refused', 'refused', 'refused', 'all',     'refused', 'UPDATE %s SET reflection_notes = ''x'''),
    ('session_keys',                       'refused', 'refused', 'refused', 'refused', 'all',     'refused', 'UPDATE %s SET created_at = created_at'),
    ('text_analysis',                      'refused', 'refused', 'refused', 'refused', 'all',     'refused', 'UPDATE %s SET processed_at = now()'),
    ('audio_analysis',                     'refused', 'refused', 'refused', 'refused', 'all',     'refused', 'UPDATE %s SET processed_at = now()'),
    ('visual_analysis',                    'refused', 'refused', 'refused', 'refused', 'all',     'refused', 'UPDATE %s SET processed_at = now()'),
    ('passive_analysis',                   'refused', 'refused', 'refused', 'refused', 'all',     'refused', 'UPDATE %s SET processed_at = now()'),
    ('session_insights',                   'refused', 'refused', 'refused', 'refused', 'all',     'refused', 'UPDATE %s SET notable_changes = ''x'''),
    ('session_outcomes',                   'refused', 'refused', 'refused', 'refused', 'all',     'refused', 'UPDATE %s SET worse = true'),
    ('fusion_outputs',                     'refused', 'refused', 'refused', 'refused', 'all',     'refused', 'UPDATE %s SET score = 99'),
    ('mind_measure_scores',                'refused', 'refused', 'refused', 'refused', 'all',     'refused', 'UPDATE %s SET combined_score = 99'),
    ('user_baselines',                     'refused', 'refused', 'refused', 'refused', 'all',     'refused', 'UPDATE %s SET baseline_score = 99'),
    ('user_feature_baselines',             'own',     'none',    'none',    'refused', 'all',     'refused', 'UPDATE %s SET mean = 1, sd = 1'),
    ('user_calibration',                   'refused', 'refused', 'refused', 'refused', 'all',     'refused', 'UPDATE %s SET a = 2'),
    ('mm_models',                          'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'UPDATE %s SET is_active = false'),
    ('user_keys',                          'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'UPDATE %s SET wrapped_by = wrapped_by'),
    ('mm_schema_migrations',               'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'UPDATE %s SET checksum = '''''),
    ('retention_policies',                 'refused', 'refused', 'refused', 'refused', 'all',     'refused', 'UPDATE %s SET enabled = false'),
    ('row_history',                        'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'UPDATE %s SET recorded_at = now()'),
    ('erasure_log',                        'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'UPDATE %s SET reason = ''x'''),
    ('audit_log',                          'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'UPDATE %s SET action = ''x'''),
    ('audit_subjects',                     'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'UPDATE %s SET subject = gen_random_uuid()'),
    ('audit_blocks',                       'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'UPDATE %s SET row_count = 0'),
    ('break_glass_grants',                 'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'UPDATE %s SET ended_at = now()'),
    ('auth.users',                         'refused', 'refused', 'refused', 'refused', 'refused', 'refused', 'UPDATE %s SET email = ''x''');
SELECT spec.every_table_is_listed();
SELECT spec.matrix(NULL);
SELECT is(spec.outcome(format('UPDATE user_feature_baselines SET %s', change), 'spec_app', spec.alice()), 'refused', 'a user cannot change user_feature_baselines: ' || change)
FROM unnest(ARRAY['n = 5', 'm2 = 5', 'sum_w2 = 5', 'modality = ''text''', 'last_observed_at = now()', 'feature_name = ''x''', 'user_id = spec.carol()']) AS change;
SELECT is(spec.outcome(format('SELECT FROM %s FOR UPDATE', relation), 'spec_app', spec.carol()), '0', relation || ': another user locks no row either')
FROM unnest('{profiles,assessment_sessions}'::text[]) AS relation;
SELECT * FROM finish();
ROLLBACK;
