-- The table's rows, in its order: what is measured, against what, and what it should be.
CREATE TABLE bench.target (
    place serial, what text PRIMARY KEY, compared_with text NOT NULL,
    -- times: how many times better; share: ours as a part of the other's; amount: ours alone, in the unit.
    measure text NOT NULL CHECK (measure IN ('times', 'share', 'amount')),
    -- None where the figure is only told.
    target float8, unit text NOT NULL DEFAULT 'µs');
-- Names differ in blanks at the end where one thing is held against several.
INSERT INTO bench.target (what, compared_with, measure, target) VALUES
    ('mm_fuse_session, warm, three modalities', 'floor: the same rows with constants', 'share', 1.3),
    ('mm_fuse_session', 'SQL and PL/pgSQL, same numbers', 'times', 10),
    ('mm_fuse_session, called from Python', 'Python, NumPy, SciPy, same numbers', 'times', 10),
    ('mm_fuse_session, called from Python, by the clock', 'Python, NumPy, SciPy, by the clock', 'times', NULL),
    ('mm_fuse_pending, a session', 'a single call', 'times', 4),
    ('mm_fuse_pending, two workers', 'one worker', 'times', 1.7),
    ('mm_rescore_user, 1,000 sessions, a session', 'a single call', 'share', 0.2),
    ('own text analyses under row-level security', 'verbatim', 'times', 100),
    ('own text analyses under row-level security ', 'explicit filter as owner', 'share', 1.2),
    ('dashboard, 100 sessions a person, prepared', 'verbatim', 'share', 1),
    ('dashboard, 100 sessions a person, simple protocol', 'verbatim', 'share', 1),
    ('dashboard, 1,000 sessions a person, prepared', 'verbatim', 'share', 1),
    ('dashboard, 1,000 sessions a person, simple protocol', 'verbatim', 'share', 1),
    ('inserting a session', 'verbatim', 'share', 1.8),
    ('inserting a text analysis', 'verbatim', 'share', 2),
    ('40 months: mm_fuse_session', 'flat', 'share', 1.5),
    ('40 months: a session by its id and mm_session_time()', 'flat', 'share', 1.5),
    ('40 months: a session by its id, session_keys joined', 'flat', 'share', NULL),
    ('40 months: a session by its id alone', 'flat', 'share', NULL),
    ('40 months: inserting a session', 'flat', 'share', NULL),
    ('40 months: inserting a text analysis', 'flat', 'share', 1.5),
    ('40 months: own text analyses under row-level security', 'flat', 'share', NULL),
    ('40 months: dashboard, prepared', 'flat', 'share', NULL),
    ('40 months: dashboard, simple protocol', 'flat', 'share', NULL),
    ('40 months: mm_fuse_pending, a session', 'flat', 'share', NULL),
    ('40 months: mm_rescore_user, 1,000 sessions, a session', 'flat', 'share', NULL);
INSERT INTO bench.target (what, compared_with, measure, target, unit) VALUES
    ('archive_old_sessions, whole months, partitioned', 'verbatim', 'times', 50, 's'),
    ('archive_old_sessions, whole months, flat', 'verbatim', 'share', 1.3, 's');
INSERT INTO bench.target (what, compared_with, measure, target) VALUES
    ('fuse, all data', 'fuse, templates only', 'share', 1.2),
    ('fuse, 1,000 sessions a person', 'fuse, 10 sessions a person', 'share', 1.3),
    ('encryption on: mm_fuse_session', 'off', 'share', 1.5),
    ('encryption on: inserting a text analysis', 'off', 'share', 1.5),
    ('audit on: mm_fuse_session', 'off', 'share', 1.5),
    ('audit on: inserting a text analysis', 'off', 'share', 1.5);
INSERT INTO bench.target (what, compared_with, measure, target, unit) VALUES
    ('mm_fuse_pending(10000), memory growth at its peak', '', 'amount', 50, 'MB'),
    ('soak, four clients: memory growth of a backend', '', 'amount', 5, 'MB'),
    ('soak, four clients: 99 % of the times to write and fuse a session', 'their median', 'share', 10, 'ms'),
    ('soak, four clients: errors', '', 'amount', 0, '');
CREATE TABLE bench.result (what text NOT NULL REFERENCES bench.target, round int NOT NULL, ours float8 NOT NULL, other float8);
GRANT SELECT ON bench.target, bench.result TO PUBLIC;
GRANT INSERT, UPDATE ON bench.result TO PUBLIC;
