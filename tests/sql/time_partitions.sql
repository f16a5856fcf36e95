-- Partitions by time: mm_time_partition() makes the one that is wanted, closed, and moves in what waited
-- in the DEFAULT partition; mm_drop_time_partitions() drops whole ones.
BEGIN;
SELECT * FROM no_plan();
\ir lib/speaking.psql

-- given a table of ours partitioned by time, with a foreign key, an index and rows in its DEFAULT partition
CREATE TABLE events (id int GENERATED ALWAYS AS IDENTITY, happened_at timestamptz NOT NULL, session_id uuid REFERENCES session_keys (id), note text DEFAULT 'x', long text GENERATED ALWAYS AS (note || note) STORED, PRIMARY KEY (id, happened_at))
    PARTITION BY RANGE (happened_at);
ALTER TABLE events OWNER TO mindmeasure_owner;
CREATE INDEX ON events (note);
CREATE TABLE events_default PARTITION OF events DEFAULT;
INSERT INTO events (happened_at) SELECT '2024-01-31 23:59:59.999999+00'::timestamptz + n * interval '1 day' FROM generate_series(-1, 30) AS n;
CREATE TABLE spec.before AS SELECT id, happened_at, note, long FROM events;

-- when a partition is asked for
SELECT is(mm_time_partition('events', 'month', '2024-02-10')::text, 'events_y2024m02', 'then it is made, named for its month');
SELECT is(mm_time_partition('events', 'month', '2024-02-29 23:59:59.999999+00')::text, 'events_y2024m02', 'asked for again it is the same');
SELECT results_eq('SELECT from_time, to_time FROM mm_time_partitions(''events'') WHERE NOT is_default', $$ VALUES ('2024-02-01 00:00+00'::timestamptz, '2024-03-01 00:00+00'::timestamptz) $$, 'it holds a month in UTC');
SELECT is((SELECT count(*) FROM events_y2024m02), 29::bigint, 'rows that waited in the DEFAULT partition have moved in');
SELECT is((SELECT count(*) FROM events_default), 3::bigint, 'others wait on');
SELECT set_eq('SELECT id, happened_at, note, long FROM events', 'SELECT * FROM spec.before', 'none is lost or changed');
SET timezone = 'Pacific/Auckland';
SET datestyle = 'German';
SELECT is(mm_time_partition('events', 'day', '2024-01-05 23:30:00+00')::text, 'events_y2024m01d05', 'a day is in UTC too, whatever the session''s time zone and date style');
RESET timezone;
RESET datestyle;
SELECT results_eq('SELECT mm_time_partition(''events'', ''month'', t)::text FROM unnest(ARRAY[''2024-01-20'', ''2024-01-02'']::timestamptz[]) AS t', $$ VALUES ('events_y2024m01'), ('events_y2024m01_2') $$,
    'what a month has left around a partition of its own is made of it');
SELECT ok(c.relrowsecurity AND c.relacl IS NULL AND c.relowner = 'mindmeasure_owner'::regrole, c.relname || ' is closed: row-level security, no grant, our owner')
FROM pg_class AS c WHERE c.relname ~ '^events_y' AND c.relkind = 'r';
SELECT is((SELECT count(*) FROM pg_inherits AS i JOIN pg_index AS x ON x.indexrelid = i.inhrelid WHERE x.indrelid = 'events_y2024m02'::regclass), 2::bigint, 'its indexes are the parent''s');
SELECT is(spec.outcome('INSERT INTO events (happened_at, session_id) VALUES (''2024-02-01'', gen_random_uuid())'), '23503', 'its foreign key holds');
SELECT is((SELECT count(*) FROM pg_constraint WHERE conrelid = 'events_y2024m02'::regclass AND conname = 'mm_time_range' AND convalidated), 1::bigint, 'a CHECK proves its bounds');

-- when old ones are dropped
SELECT is(mm_drop_time_partitions('events', '2024-02-15'), 3, 'those that lie wholly before the time go');
SELECT is((SELECT count(*) FROM events_y2024m02), 29::bigint, 'the one that reaches beyond stays');
SELECT is(mm_drop_time_partitions('events', '2024-02-15'), 0, 'again: nothing to drop');

-- what is refused
CREATE TABLE events_y2025m01 ();
SELECT is(spec.error(c.statement), c.expected, c.statement)
FROM (VALUES
    ('SELECT mm_time_partition(''events'', ''month'', NULL)', '22004 parent, unit, at: must not be NULL'),
    ('SELECT mm_time_partition(''events'', ''week'', now())', '22023 unit: must be one of day, month'),
    ('SELECT mm_time_partition(''events'', ''month'', ''infinity'')', '22023 at: must be a finite time'),
    ('SELECT mm_time_partition(''profiles'', ''month'', now())', '42809 public.profiles is not partitioned by time'),
    ('SELECT mm_time_partition(''events'', ''month'', ''2025-01-01'')', '42P07 the name public.events_y2025m01 is taken'),
    ('SELECT mm_drop_time_partitions(''events'', NULL)', '22004 parent, before: must not be NULL')) AS c (statement, expected);

-- when somebody makes a partition by hand, with default privileges that open it ------------------
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO PUBLIC;
CREATE TABLE assessment_sessions_archive_y2024m01 PARTITION OF assessment_sessions_archive FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE by_hand (LIKE assessment_sessions_archive);
ALTER TABLE assessment_sessions_archive ATTACH PARTITION by_hand FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE theirs_too ();
SELECT ok(c.relrowsecurity AND c.relowner = 'mindmeasure_owner'::regrole AND NOT has_table_privilege('mindmeasure_user', c.oid, 'SELECT'), c.relname || ', made by hand, is closed')
FROM pg_class AS c WHERE relname IN ('assessment_sessions_archive_y2024m01', 'by_hand');
SELECT ok(NOT relrowsecurity AND has_table_privilege('mindmeasure_user', oid, 'SELECT'), 'a table that is no partition of ours is left alone') FROM pg_class WHERE relname = 'theirs_too';
-- by an application's role, too, which may call none of our functions for partitions
CREATE SCHEMA theirs;
GRANT ALL ON SCHEMA theirs TO mindmeasure_user;
SELECT is(spec.error('CREATE TABLE theirs.one (); ALTER TABLE theirs.one ADD COLUMN id int', 'mindmeasure_user'), '0 rows', 'anybody makes and changes tables of their own');

-- progress ---------------------------------------------------------------------------------
SELECT lives_ok('SELECT mm_progress(''archive'', 3000, 10000)', 'a long call says how far it is');
SELECT is((SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()), 'mindmeasure: archive 3000/10000', 'and everybody sees it in pg_stat_activity');

SELECT * FROM finish();
ROLLBACK;
