-- Columns without statistics (V017): ANALYZE leaves what it wrote down of them before, and plans go on reading it.
DO $statistics$
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        DELETE FROM pg_statistic AS s USING pg_attribute AS a
        WHERE s.starelid = to_regclass('@extschema@.mind_measure_scores') AND a.attrelid = s.starelid AND a.attnum = s.staattnum
          AND a.attname = 'session_id' AND a.attstattarget = 0;
    END IF;
END
$statistics$;
