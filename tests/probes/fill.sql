-- Six people, each with every kind of row; whatever belongs to somebody carries their name.
SET client_min_messages = warning;
CREATE SCHEMA probe;
CREATE TABLE probe.person AS SELECT md5('person ' || n)::uuid AS id, 'MARK' || n || 'MARK' AS mark, n FROM generate_series(1, 6) AS n;
INSERT INTO auth.users (id, email, raw_user_meta_data) SELECT id, mark || '@example.org', jsonb_build_object('display_name', mark) FROM probe.person;
INSERT INTO assessment_sessions (user_id, assessment_type, created_at, updated_at, reflection_notes, category)
SELECT id, 'quick', now() - interval '1 day' * d, now(), mark, mark FROM probe.person, generate_series(1, 8) AS d;
INSERT INTO text_analysis (session_id, combined_text, text_wellness_score) SELECT s.id, p.mark, 40 + 5 * p.n FROM assessment_sessions AS s JOIN probe.person AS p ON p.id = s.user_id;
INSERT INTO audio_analysis (session_id, transcription, audio_wellness_score) SELECT s.id, p.mark, 50 FROM assessment_sessions AS s JOIN probe.person AS p ON p.id = s.user_id;
INSERT INTO visual_analysis (session_id, visual_wellness_score) SELECT id, 50 FROM assessment_sessions;
INSERT INTO passive_analysis (session_id, passive_wellness_score) SELECT id, 50 FROM assessment_sessions;
INSERT INTO session_insights (session_id, conversation_summary) SELECT s.id, p.mark FROM assessment_sessions AS s JOIN probe.person AS p ON p.id = s.user_id;
SELECT count(f.score) FROM (SELECT id FROM assessment_sessions ORDER BY created_at OFFSET 6) AS s CROSS JOIN LATERAL mm_fuse_session(s.id) AS f \g /dev/null
INSERT INTO session_outcomes (session_id, worse, source) SELECT s.id, false, p.mark FROM assessment_sessions AS s JOIN probe.person AS p ON p.id = s.user_id ON CONFLICT DO NOTHING;
INSERT INTO user_calibration (user_id, modality, a, b, covariance) SELECT id, 'text', 1, 0, '{1,0,1}' FROM probe.person;
INSERT INTO session_keys (id, user_id, created_at) SELECT md5('archived ' || n)::uuid, id, '2020-01-01' FROM probe.person;
INSERT INTO assessment_sessions_archive (id, user_id, status, reflection_notes, created_at, updated_at) SELECT md5('archived ' || n)::uuid, id, 'completed', mark, '2020-01-01', '2020-01-01' FROM probe.person;
CREATE ROLE probe_app LOGIN IN ROLE mindmeasure_user;
CREATE ROLE probe_auditor LOGIN IN ROLE mindmeasure_auditor;
CREATE ROLE probe_anon LOGIN;
-- The auditor has broken the glass for the third person.
INSERT INTO break_glass_grants (user_id, auditor_role, reason, expires_at) SELECT id, 'probe_auditor', 'MARK3MARK', 'infinity' FROM probe.person WHERE n = 3;
SELECT mm_seal_audit() \g /dev/null
CREATE VIEW probe.view WITH (security_invoker = true) AS SELECT s.id, s.user_id, s.created_at, s.reflection_notes FROM assessment_sessions AS s UNION ALL SELECT a.id, a.user_id, a.created_at, a.reflection_notes FROM assessment_sessions_archive AS a;
GRANT USAGE ON SCHEMA probe TO PUBLIC;
GRANT SELECT ON probe.view TO PUBLIC;
ANALYZE;
