-- Who sees what. People see their own rows and nobody else's; analyses of voice, face and sensors
-- are seen by no user at all.
BEGIN;
SELECT * FROM no_plan();
\ir lib/matrix.psql
INSERT INTO spec.cells VALUES
--   table                                 owner      another    no claims  no grants  system     auditor
    ('profiles',                           'own',     'none',    'none',    'refused', 'all',     'none'),
    ('assessment_sessions',                'own',     'none',    'none',    'refused', 'all',     'none'),
    ('assessment_sessions_archive',        'own',     'none',    'none',    'refused', 'all',     'none'),
    ('session_keys',                       'refused', 'refused', 'refused', 'refused', 'all',     'refused'),
    ('text_analysis',                      'own',     'none',    'none',    'refused', 'all',     'none'),
    ('audio_analysis',                     'refused', 'refused', 'refused', 'refused', 'all',     'none'),
    ('visual_analysis',                    'refused', 'refused', 'refused', 'refused', 'all',     'none'),
    ('passive_analysis',                   'refused', 'refused', 'refused', 'refused', 'all',     'none'),
    ('session_insights',                   'own',     'none',    'none',    'refused', 'all',     'none'),
    ('session_outcomes',                   'own',     'none',    'none',    'refused', 'all',     'none'),
    ('fusion_outputs',                     'own',     'none',    'none',    'refused', 'all',     'none'),
    ('mind_measure_scores',                'own',     'none',    'none',    'refused', 'all',     'none'),
    ('user_baselines',                     'own',     'none',    'none',    'refused', 'all',     'none'),
    ('user_feature_baselines',             'own',     'none',    'none',    'refused', 'all',     'none'),
    ('user_calibration',                   'own',     'none',    'none',    'refused', 'all',     'none'),
    ('mm_models',                          'all',     'all',     'all',     'refused', 'all',     'all'),
    ('user_keys',                          'refused', 'refused', 'refused', 'refused', 'refused', 'refused'),
    ('mm_schema_migrations',               'refused', 'refused', 'refused', 'refused', 'all',     'all'),
    ('retention_policies',                 'refused', 'refused', 'refused', 'refused', 'all',     'all'),
    ('row_history',                        'refused', 'refused', 'refused', 'refused', 'all',     'refused'),
    ('erasure_log',                        'refused', 'refused', 'refused', 'refused', 'all',     'all'),
    ('audit_log',                          'about',   '1',       'none',    'refused', 'refused', 'all'),
    ('audit_subjects',                     'own',     '1',       'none',    'refused', 'refused', 'all'),
    ('audit_blocks',                       'refused', 'refused', 'refused', 'refused', 'refused', 'all'),
    ('break_glass_grants',                 'own',     'none',    'none',    'refused', 'refused', 'all'),
    ('auth.users',                         'refused', 'refused', 'refused', 'refused', 'refused', 'refused');
INSERT INTO auth.users (id, email) VALUES (spec.carol(), 'carol@example.org');
SELECT spec.every_table_is_listed();
SELECT is((SELECT count(*) FROM assessment_sessions WHERE user_id = spec.alice()), 2::bigint, 'given Alice with two rows');
SELECT is((SELECT count(*) FROM assessment_sessions), 3::bigint, 'and Bob with one');
-- Carol's account has given her a profile.
UPDATE spec.cells SET other = '1' WHERE relation = 'profiles';
SELECT spec.matrix('SELECT FROM %s');
SELECT * FROM finish();
ROLLBACK;
