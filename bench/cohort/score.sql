-- In time order over all people: fuse, then say what was the case.
\timing off
CREATE TABLE timing (what text, sessions bigint, seconds float8);
DO $score$
DECLARE
    s record;
    started timestamptz := clock_timestamp();
    spent interval := '0';
    before timestamptz;
    n bigint := 0;
BEGIN
    FOR s IN SELECT session.id, l.worse FROM session LEFT JOIN label_csv AS l USING (user_id, session_at) ORDER BY number LOOP
        before := clock_timestamp();
        PERFORM mm_fuse_session(s.id);
        spent := spent + (clock_timestamp() - before);
        n := n + 1;
        IF s.worse IS NOT NULL THEN
            PERFORM mm_record_outcome(s.id, s.worse = 1, 'cohort');
        END IF;
    END LOOP;
    INSERT INTO timing VALUES ('mm_fuse_session, one by one', n, extract(epoch FROM spent));
END
$score$;
