#!/usr/bin/env bash
# Archiving that is killed, doubled, or disturbed: main + archive = inserted, every time, and the next
# call finishes the work; on a flat table and on a partitioned one. 5 kills a shape, 50 with
# MINDMEASURE_FULL=1; MINDMEASURE_SEED=n repeats a run's moments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
HERE=tests/lifecycle_fault
WORK=$(mktemp -d /var/tmp/mindmeasure-lifecycle.XXXXXX)
trap 'cluster_remove_all; rm -rf "$WORK"' EXIT
ROUNDS=5
[[ ${MINDMEASURE_FULL:-0} != 1 ]] || ROUNDS=50
RANDOM=${MINDMEASURE_SEED:-$$}
CLUSTER=lifecycle
# shellcheck source=tests/lib/kill.sh
source tests/lib/kill.sh

lost() { # DATABASE: what is lost or doubled
    sql_value "$1" 'SELECT what, count(*) FROM lost GROUP BY what' 2>&1
}
old() { # DATABASE
    sql_value "$1" "SELECT count(*) FROM assessment_sessions WHERE created_at < now() - interval '2 years'"
}
quiet() { # DATABASE SQL
    PGOPTIONS='-c client_min_messages=warning' sql "$1" -o /dev/null -c "$2"
}

cluster_start lifecycle --durable "max_locks_per_transaction = 256"
sql postgres -c 'CREATE DATABASE flat' -c 'CREATE DATABASE partitioned'
for shape in flat partitioned; do
    sql "$shape" -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION mindmeasure'
    # Every other of the old months has a partition: the rest waits in the DEFAULT partition.
    [[ $shape == flat ]] || sql "$shape" -o /dev/null -c 'SET client_min_messages = warning' -c 'SELECT mm_partition_sessions()' \
        -c "SELECT mm_ensure_partitions(m::date, m::date) FROM generate_series(date_trunc('month', now()) - interval '58 months', now(), '2 months') AS m"
    sql "$shape" -f "$HERE/fill.sql"

    # The check itself can fail.
    fresh broken "$shape"
    sql broken -c 'DELETE FROM assessment_sessions WHERE id = (SELECT id FROM inserted ORDER BY created_at DESC LIMIT 1)' \
        -c "INSERT INTO assessment_sessions_archive (id, user_id, status, reflection_notes, created_at, updated_at) SELECT id, user_id, status, reflection_notes, created_at, now() FROM inserted ORDER BY created_at LIMIT 1"
    result "$shape: a lost and a doubled session are noticed" "$(equals $'lost|1\ntoo many|1' "$(lost broken)")"

    # ---- killed -----------------------------------------------------------------------------
    for form in 'CALL mm_archive_sessions()' 'SELECT archive_old_sessions()'; do
        fresh undisturbed "$shape"
        took=$(duration_of undisturbed "$form")
        result "$shape: $form undisturbed: nothing is lost, nothing old is left" "$(lost undisturbed; equals 0 "$(old undisturbed)")"
        killed=0
        for ((round = 1; round <= (ROUNDS + 1) / 2; round++)); do
            fresh killing "$shape"
            sql postgres -c CHECKPOINT
            work killing "$form"
            ms=$((RANDOM % took))
            [[ $(kill_at "$ms" KILL) != killed ]] || killed=$((killed + 1))
            wait "$WORKER" || true
            wait_for_server
            left=$(old killing)
            result "$shape: $form, kill -9 after $ms of $took ms ($left old ones left): nothing is lost or doubled, the next call finishes" "$(
                lost killing
                quiet killing "$form" 2>&1
                lost killing
                equals 0 "$(old killing)")"
        done
        echo "# killed $killed of $(((ROUNDS + 1) / 2))"
    done

    # ---- two at once, and people at work --------------------------------------------------------
    fresh busy "$shape"
    # A user updates old sessions and signs new ones up, imports of the past come in, somebody is erased.
    cat >"$WORK/people.sql" <<'SQL'
UPDATE assessment_sessions SET reflection_notes = reflection_notes || '!' WHERE id IN (SELECT id FROM inserted ORDER BY random() LIMIT 5);
INSERT INTO assessment_sessions (user_id, created_at) SELECT ('00000000-0000-4000-8000-' || lpad((random() * 299)::int::text, 12, '0'))::uuid, now() - random() * interval '60 months';
DELETE FROM session_keys WHERE id = (SELECT id FROM inserted ORDER BY random() LIMIT 1);
SQL
    "$PG_BIN/pgbench" -n -c 2 -T 3 -f "$WORK/people.sql" busy >"$WORK/pgbench" 2>&1 &
    people=$!
    sleep 0.3
    quiet busy 'CALL mm_archive_sessions()' 2>"$WORK/one" &
    one=$!
    quiet busy 'CALL mm_archive_sessions()' 2>"$WORK/two" &
    two=$!
    wait "$one" && wait "$two" && both=0 || both=$?
    wait "$people" || true
    result "$shape: two archivers at once, while people write: none fails" "$(equals 0 "$both"; cat "$WORK/one" "$WORK/two"; grep -E 'ERROR|aborted' "$WORK/pgbench" || true)"
    result "$shape: every key has its session once, and every session its key" "$(
        sql_value busy "SELECT 'sessions ' || count(*), 'different ' || count(DISTINCT id) FROM (SELECT id FROM assessment_sessions UNION ALL SELECT id FROM assessment_sessions_archive) AS s HAVING count(*) <> count(DISTINCT id)"
        sql_value busy "SELECT 'without a session: ' || count(*) FROM session_keys AS k WHERE NOT EXISTS (SELECT FROM assessment_sessions AS s WHERE s.id = k.id AND s.created_at = k.created_at) AND NOT EXISTS (SELECT FROM assessment_sessions_archive AS s WHERE s.id = k.id AND s.created_at = k.created_at) HAVING count(*) > 0"
        sql_value busy "SELECT 'without a key: ' || count(*) FROM (SELECT id FROM assessment_sessions UNION ALL SELECT id FROM assessment_sessions_archive) AS s WHERE id NOT IN (SELECT id FROM session_keys) HAVING count(*) > 0")"
    # An erasure takes a session from wherever it is.
    result "$shape: the next run archives what came meanwhile" "$(quiet busy 'CALL mm_archive_sessions()' 2>&1; equals 0 "$(old busy)")"

    # ---- months that the archive lacks ---------------------------------------------------------
    # In one transaction no new month is made, which would lock every new session out to its end.
    fresh waiting "$shape"
    blocked=$(sql waiting -At -o "$WORK/blocked" <<'SQL'
SET client_min_messages = warning;
BEGIN;
SELECT archive_old_sessions();
SELECT l.relation::regclass, l.mode FROM pg_locks AS l WHERE l.pid = pg_backend_pid() AND l.relation = 'session_keys'::regclass
    AND l.mode IN ('ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock');
COMMIT;
SQL
    tail -n +2 "$WORK/blocked")
    [[ $shape != flat ]] ||
        result "$shape: archive_old_sessions() lets new sessions in" "$(equals '' "$blocked"
            [[ $(sql_value waiting 'SELECT count(*) FROM assessment_sessions_archive_default') -gt 0 ]] || echo 'nothing waits in the DEFAULT partition')"
    result "$shape: the next CALL gives months to what waits in the archive's DEFAULT partition" "$(
        quiet waiting 'CALL mm_archive_sessions()' 2>&1
        lost waiting
        equals 0 "$(sql_value waiting 'SELECT count(*) FROM assessment_sessions_archive_default')")"

    # ---- a new month while somebody deletes a key ----------------------------------------------
    # The archiver finds old rows that others hold, then has to make a month, for which it must lock
    # session_keys and a table that others use: meanwhile nobody who deletes a key may wait for it.
    if [[ $shape == partitioned ]]; then
        for form in 'CALL mm_archive_sessions' 'SELECT archive_old_sessions'; do
            fresh held partitioned
            quiet held "CALL mm_archive_sessions('24 months')"
            rest=$(sql_value held "SELECT partition FROM mm_time_partitions('assessment_sessions') WHERE now() - interval '24 months' BETWEEN from_time AND to_time")
            sql held -o /dev/null -c 'BEGIN' -c "SELECT FROM $rest FOR UPDATE" \
                -c 'LOCK TABLE ONLY assessment_sessions_archive_default IN ROW EXCLUSIVE MODE' -c 'SELECT pg_sleep(5)' -c 'COMMIT' &
            holder=$!
            sleep 0.5
            quiet held "$form('23 months')" 2>"$WORK/one" &
            one=$!
            sleep 1
            months=$(sql_value held "SELECT count(*) FROM mm_time_partitions('assessment_sessions_archive')")
            deleted=$(PGOPTIONS='-c statement_timeout=10s' sql held -c 'DELETE FROM session_keys WHERE id = (SELECT id FROM inserted ORDER BY created_at DESC LIMIT 1)' 2>&1
                kill -0 "$holder" 2>/dev/null || echo 'the key was deleted when nothing was held any more')
            wait "$one" || deleted+=$(cat "$WORK/one")
            result "$form() waits for a table to make a month: a key is deleted meanwhile, and it ends" "$deleted$(
                equals $((months + 1)) "$(sql_value held "SELECT count(*) FROM mm_time_partitions('assessment_sessions_archive')")")"
            wait "$holder"
        done
    fi

    # ---- months while an autovacuum is at the keys -----------------------------------------------
    # lock_timeout ends each wait before deadlock_timeout, at which Postgres would call the autovacuum off.
    if [[ $shape == partitioned ]]; then
        fresh vacuumed partitioned
        sql postgres -c 'ALTER SYSTEM SET autovacuum_naptime = 1' -c 'SELECT pg_reload_conf()' -o /dev/null
        for form in "SELECT mm_ensure_partitions(d, d) FROM (SELECT (now() - interval '70 months')::date AS d) AS old" 'SELECT archive_old_sessions()'; do
            sql vacuumed -c 'ALTER TABLE session_keys SET (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)' \
                -c "DELETE FROM session_keys WHERE id IN (SELECT id FROM assessment_sessions WHERE created_at > now() - interval '2 months' LIMIT 100)"
            for _ in $(seq 600); do
                [[ $(sql_value vacuumed "SELECT count(*) FROM pg_stat_progress_vacuum WHERE relid = 'session_keys'::regclass") == 0 ]] || break
                sleep 0.1
            done
            result "$form: an autovacuum of session_keys is called off" "$(
                equals 1 "$(sql_value vacuumed "SELECT count(*) FROM pg_stat_progress_vacuum WHERE relid = 'session_keys'::regclass")"
                quiet vacuumed "$form" 2>&1)"
        done
        sql postgres -c 'ALTER SYSTEM RESET autovacuum_naptime' -c 'SELECT pg_reload_conf()' -o /dev/null
    fi

    # ---- progress ----------------------------------------------------------------------------
    fresh seen "$shape"
    sql seen -o /dev/null -c 'CALL mm_archive_sessions()' 2>"$WORK/notices" &
    worker=$!
    shown=''
    while kill -0 "$worker" 2>/dev/null; do
        shown+=$(sql_value postgres "SELECT application_name FROM pg_stat_activity WHERE datname = 'seen' AND application_name ~ '^mindmeasure: archive [0-9]+/[0-9]+\$'")
        sleep 0.02
    done
    wait "$worker"
    result "$shape: another session sees how far it is" "$([[ -n $shown ]] || echo 'nothing was seen')"
    result "$shape: and the caller is told, up to the end" "$(
        [[ $(grep -c 'NOTICE:  archive: [0-9]* of [0-9]* done' "$WORK/notices") -gt 1 ]] || cat "$WORK/notices"
        tail -n 1 "$WORK/notices" | grep -q -E '(: [0-9]+) of ([0-9]+) done' || tail -n 1 "$WORK/notices")"
done

# ---- from flat to partitioned, while people write -------------------------------------------
for form in 'SELECT mm_partition_sessions()' 'CALL mm_partition_sessions_in_steps()'; do
    fresh busy flat
    cat >"$WORK/people.sql" <<'SQL'
INSERT INTO assessment_sessions (user_id) SELECT '00000000-0000-4000-8000-000000000777';
UPDATE assessment_sessions SET category = 'busy' WHERE id = (SELECT id FROM inserted ORDER BY random() LIMIT 1);
SELECT count(*) FROM assessment_sessions WHERE user_id = '00000000-0000-4000-8000-000000000007';
SQL
    "$PG_BIN/pgbench" -n -c 3 -T 3 -f "$WORK/people.sql" busy >"$WORK/pgbench" 2>&1 &
    people=$!
    sleep 0.5
    status=0
    quiet busy "$form" 2>"$WORK/one" || status=$?
    quiet busy 'SELECT mm_ensure_partitions()' 2>>"$WORK/one" || status=$?
    wait "$people" || true
    done_by_people=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$WORK/pgbench")
    result "$form while people write: no statement of theirs fails, no session is lost" "$(
        equals 0 "$status"
        [[ $status -eq 0 ]] || cat "$WORK/one"
        grep -E 'ERROR|aborted' "$WORK/pgbench" || true
        equals p "$(sql_value busy "SELECT relkind FROM pg_class WHERE relname = 'assessment_sessions'")"
        equals "$((20000 + ${done_by_people:-0}))" "$(sql_value busy 'SELECT count(*) FROM assessment_sessions')")"
done

fresh seen flat
sql seen -o /dev/null -c 'CALL mm_partition_sessions_in_steps()' 2>"$WORK/notices"
result 'CALL mm_partition_sessions_in_steps() tells how far it is' "$(
    equals '1 2 3' "$(sed -n 's/^NOTICE:  partition: \([0-9]\) of 3 done$/\1/p' "$WORK/notices" | paste -s -d ' ')")"

finish
