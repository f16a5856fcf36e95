#!/usr/bin/env bash
# Archiving 1,000,000 sessions of 24 whole months while an app writes: how long it takes, and how
# long a writer waits. Flat and partitioned, as one function and as a CALL that commits.
# Usage: bench/archive/run.sh [SESSIONS]. The extension must be installed as a release build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
SESSIONS=${1:-1000000}
WORK=$(mktemp -d /var/tmp/mindmeasure-bench.XXXXXX)
trap 'cluster_remove_all; rm -rf "$WORK"' EXIT

# A writer's transaction: a new session, and a change to one of this month.
cat >"$WORK/writer.sql" <<'SQL'
\set n random(1, 20000)
SELECT 1 / count(*) FROM going;
BEGIN;
INSERT INTO assessment_sessions (user_id) VALUES ('00000000-0000-4000-8000-000000000777');
UPDATE assessment_sessions AS s SET category = 'busy' FROM young AS y WHERE y.n = :n AND s.id = y.id AND s.created_at = y.created_at;
COMMIT;
SQL
# Latencies in ms of the transactions in pgbench's log: number, median, 99 %, longest.
latencies() {
    cat "$WORK"/log.* | awk '{ print $3 / 1000 }' | sort -n |
        awk '{ a[NR] = $1 } END { printf "%d writes: median %.1f ms, 99 %% %.1f ms, longest %.1f ms\n", NR, a[int((NR + 1) / 2)], a[int(NR * 0.99)], a[NR] }'
}
# measured DATABASE TITLE SQL
measured() {
    local started writers
    rm -f "$WORK"/log.*
    "$PG_BIN/pgbench" -n -c 2 -T 600 -l --log-prefix="$WORK/log" -f "$WORK/writer.sql" "$1" >/dev/null 2>"$WORK/errors" &
    writers=$!
    sleep 2
    started=$(date +%s%N)
    PGOPTIONS='-c client_min_messages=warning' sql "$1" -o /dev/null -c "$3"
    printf '%s: %d ms; ' "$2" $((($(date +%s%N) - started) / 1000000))
    # They stop at the division by zero, and write their logs.
    sql "$1" -c 'DELETE FROM going'
    wait "$writers" || true
    sql "$1" -c 'INSERT INTO going VALUES (1)'
    latencies
}

cluster_start bench "max_locks_per_transaction = 256" "shared_buffers = 1GB" "max_wal_size = 8GB" "fsync = on" "full_page_writes = on" "synchronous_commit = on"
sql postgres -c 'CREATE DATABASE flat' -c 'CREATE DATABASE partitioned'
for shape in flat partitioned; do
    sql "$shape" -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION mindmeasure'
done
sql partitioned -o /dev/null -c 'SET client_min_messages = warning' -c 'SELECT mm_partition_sessions()' -c 'SELECT mm_ensure_partitions()' \
    -c "SELECT mm_ensure_partitions((now() - interval '49 months')::date, (now() - interval '1 month')::date)"
for shape in partitioned flat; do
    sql "$shape" -v sessions="$SESSIONS" -f bench/archive/fill.sql
    sql "$shape" -c CHECKPOINT
    # Beside it: nothing but the writers.
    measured "$shape" "$shape, nothing for 5 s" 'SELECT pg_sleep(5)'
    for form in 'CALL mm_archive_sessions()' 'SELECT archive_old_sessions()'; do
        sql postgres -c 'DROP DATABASE IF EXISTS measured' -c "CREATE DATABASE measured TEMPLATE $shape STRATEGY file_copy"
        measured measured "$shape, $form" "$form"
    done
done
sql postgres -c 'DROP DATABASE IF EXISTS measured' -c "CREATE DATABASE measured TEMPLATE flat STRATEGY file_copy"
measured measured 'flat to partitioned, SELECT mm_partition_sessions()' 'SELECT mm_partition_sessions()'
sql postgres -c 'DROP DATABASE IF EXISTS measured' -c "CREATE DATABASE measured TEMPLATE flat STRATEGY file_copy"
sql measured -c 'CREATE UNIQUE INDEX CONCURRENTLY ON assessment_sessions (id, user_id, created_at)'
measured measured 'flat to partitioned, index made beforehand, CALL mm_partition_sessions_in_steps()' 'CALL mm_partition_sessions_in_steps()'
