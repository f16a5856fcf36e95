-- 20,000 sessions over 60 months, three fifths of them to be archived.
INSERT INTO assessment_sessions (id, user_id, created_at, status, reflection_notes)
SELECT gen_random_uuid(), ('00000000-0000-4000-8000-' || lpad((n % 300)::text, 12, '0'))::uuid, now() - n * interval '60 months' / 20000, 'completed', 'note ' || n
FROM generate_series(1, 20000) AS n;
-- What every state of the archiving must hold: each session once, with all that it had.
CREATE TABLE inserted AS SELECT id, user_id, created_at, status, reflection_notes FROM assessment_sessions;
CREATE VIEW lost AS
SELECT 'lost' AS what, i.* FROM (TABLE inserted EXCEPT ALL (SELECT id, user_id, created_at, status, reflection_notes FROM assessment_sessions
    UNION ALL SELECT id, user_id, created_at, status, reflection_notes FROM assessment_sessions_archive)) AS i
UNION ALL
SELECT 'too many', t.* FROM ((SELECT id, user_id, created_at, status, reflection_notes FROM assessment_sessions
    UNION ALL SELECT id, user_id, created_at, status, reflection_notes FROM assessment_sessions_archive) EXCEPT ALL TABLE inserted) AS t
UNION ALL
SELECT 'without a key', i.* FROM inserted AS i WHERE NOT EXISTS (SELECT FROM session_keys AS k WHERE k.id = i.id AND k.user_id = i.user_id AND k.created_at = i.created_at);
