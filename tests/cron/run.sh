#!/usr/bin/env bash
# mm_schedule_jobs() with the real pg_cron: the jobs are made, once, and run; and a clear word where
# pg_cron is in another database, or not made yet.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
# shellcheck source=tests/lib/check.sh
source tests/lib/check.sh
if [[ ! -f "$("$PG_CONFIG" --pkglibdir)/pg_cron.so" ]]; then
    echo 'pg_cron is not installed for this PostgreSQL'
    exit 77
fi
says() { # DATABASE SQL PATTERN: an error with these words
    local output
    ! output=$(sql "$1" -c "$2" 2>&1) || echo 'it went through'
    grep -q -E "$3" <<<"$output" || echo "$output"
}

# Jobs run in background workers: libpq connections would ask for a host.
cluster_start cron "shared_preload_libraries = 'pg_cron'" "cron.database_name = 'app'" "cron.use_background_workers = on" "max_worker_processes = 20"
sql postgres -c 'CREATE DATABASE app' -c 'CREATE DATABASE elsewhere'
for database in app elsewhere; do
    sql "$database" -c 'SET client_min_messages = warning' -c 'CREATE SCHEMA "Odd Name"' -c 'CREATE EXTENSION mindmeasure SCHEMA "Odd Name"'
done

# ---- where it cannot be -----------------------------------------------------------------------
SCHEDULE='SELECT * FROM "Odd Name".mm_schedule_jobs()'
result 'in another database: it says where pg_cron is' "$(says elsewhere "$SCHEDULE" 'pg_cron is in another database: app')"
result 'and what to type there' "$(says elsewhere "$SCHEDULE" "SELECT cron.schedule_in_database\('mindmeasure pending', .* 'elsewhere'\);")"
result 'before CREATE EXTENSION pg_cron: it says so' "$(says app "$SCHEDULE" 'As a superuser: CREATE EXTENSION pg_cron;')"
sql app -c 'CREATE EXTENSION pg_cron'
result 'as a role that cannot log in: it says so' "$(says app "SET ROLE mindmeasure_system; $SCHEDULE" 'role mindmeasure_system cannot log in')"
sql app -c 'CREATE ROLE person LOGIN IN ROLE mindmeasure_user'
result 'as a user: refused' "$(says app "SET ROLE person; $SCHEDULE" 'permission denied')"

# ---- where it is --------------------------------------------------------------------------------
jobs() { # How many jobs, how many different.
    sql_value app "SELECT count(*) || ' ' || count(DISTINCT jobname) FROM cron.job WHERE jobname ~ '^mindmeasure '"
}
wanted=$(sql_value app "SELECT count(*) || ' ' || count(*) FROM \"Odd Name\".mm_jobs()")
result 'it makes the jobs and returns them' "$(equals "${wanted% *}" "$(sql_value app "SELECT count(*) FROM \"Odd Name\".mm_schedule_jobs()")"; equals "$wanted" "$(jobs)")"
sql app -o /dev/null -c "$SCHEDULE"
result 'twice makes no more' "$(equals "$wanted" "$(jobs)")"
sql app -c "UPDATE cron.job SET schedule = '0 0 1 1 *'"
sql app -o /dev/null -c "$SCHEDULE"
result 'and puts right what was changed' "$(equals 0 "$(sql_value app "SELECT count(*) FROM cron.job WHERE schedule = '0 0 1 1 *'")")"

# The least role that will do schedules for itself; the jobs of another are not doubled.
sql app -c 'CREATE ROLE worker LOGIN IN ROLE mindmeasure_system' -c 'GRANT USAGE ON SCHEMA cron TO worker'
result 'it can be taken back' "$(equals "${wanted% *}" "$(sql_value app 'SELECT "Odd Name".mm_unschedule_jobs()')"; equals '0 0' "$(jobs)")"
sql app -o /dev/null -c 'SET SESSION AUTHORIZATION worker' -c "$SCHEDULE"
result 'the jobs of another role are not doubled' "$(says app "$SCHEDULE" 'the jobs are there already, of role worker')"

# ---- a real run ------------------------------------------------------------------------------------
sql app -o /dev/null -f - <<'SQL'
SET search_path = "Odd Name";
INSERT INTO assessment_sessions (id, user_id, assessment_type) VALUES ('5e551000-0000-4000-8000-000000000001', 'a11ce000-0000-4000-8000-000000000001', 'quick');
INSERT INTO text_analysis (session_id, text_wellness_score, processed_at) VALUES ('5e551000-0000-4000-8000-000000000001', 50, now() - interval '1 hour');
INSERT INTO assessment_sessions (user_id, created_at) SELECT 'a11ce000-0000-4000-8000-000000000001', '2015-01-01'::timestamptz + n * interval '1 min' FROM generate_series(1, 100) AS n;
-- All of them in the coming minute.
UPDATE cron.job SET schedule = '* * * * *';
SQL
for ((try = 0; try < 140; try++)); do
    [[ $(sql_value app "SELECT count(DISTINCT d.jobid) FROM cron.job_run_details AS d JOIN cron.job AS j USING (jobid) WHERE j.username = 'worker' AND d.status IN ('succeeded', 'failed')") -lt ${wanted% *} ]] || break
    sleep 1
done
result 'every job has run, and succeeded' "$(
    sql_value app "SELECT j.jobname, coalesce(d.status, 'has not run'), d.return_message FROM cron.job AS j LEFT JOIN cron.job_run_details AS d USING (jobid) WHERE d.status IS DISTINCT FROM 'succeeded'")"
result 'the pending session is scored' "$(equals completed "$(sql_value app "SELECT status FROM \"Odd Name\".assessment_sessions WHERE id = '5e551000-0000-4000-8000-000000000001'")")"
result 'the old ones are archived' "$(equals 100 "$(sql_value app 'SELECT count(*) FROM "Odd Name".assessment_sessions_archive')")"

finish
