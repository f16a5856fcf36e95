#!/usr/bin/env bash
# How fast, against what: one table of ratios, each taken inside this run, medians over alternating rounds.
# Usage: bench/run.sh [quick|full]
#   quick  about a million sessions, some ten minutes
#   full   ten million sessions of 100,000 people over 24 months; wants 100 GB of disk and some hours
# MINDMEASURE_BENCH_COPIES=N takes N copies of each invented person (100 sessions each) instead.
# Writes target/bench/results.json and target/bench/results.md (the table of docs/performance.md).
# The extension must be installed as a release build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh

readonly ROUNDS=5
readonly RESULTS=$MM_ROOT/target/bench
# Copies that come with everything; the others with sessions, texts and scores for dashboards only.
readonly COMPLETE=24

# copies_of MODE: how many copies of each of the twenty people with 100 sessions.
copies_of() {
    case $1 in
        quick) echo 480 ;;
        full) echo 5000 ;;
        *) die 2 "unknown argument: $1" "usage: bench/run.sh [quick|full]" ;;
    esac
}

check_room() {
    local free wanted=$1
    free=$(df --output=avail -k /var/tmp | tail -n 1)
    [[ $((free / 1024 / 1024)) -ge $wanted ]] ||
        die 3 "less than $wanted GB are free in /var/tmp" "make room, or bench/run.sh quick"
}

fill() {
    local copies=$1 complete=$2 lean="'{session_keys,assessment_sessions,text_analysis,mind_measure_scores}'"
    sql postgres -c "CREATE DATABASE bench"
    sql bench -o /dev/null -c "SET client_min_messages = warning" -c "CREATE EXTENSION mindmeasure" -f bench/scale/templates.sql \
        -f bench/scale/copies.sql -f bench/scale/floor.sql -f bench/scale/measure.sql
    # The same people without the crowd around them: what growth is held against.
    sql bench -o /dev/null -c "SELECT bench.copy_people(k, 1, $COMPLETE) FROM unnest('{10,100}'::text[]) AS k" \
        -c "SELECT bench.copy_people('1000', 1, 26)"
    sql postgres -c "CREATE DATABASE small TEMPLATE bench"
    step "copying people: $copies of each, $complete with all that belongs to them"
    sql bench -o /dev/null -c "SELECT bench.copy_people('100', $COMPLETE + 1, $complete)" \
        -c "SELECT bench.copy_people('100', greatest($complete, $COMPLETE) + 1, $copies, $lean)" -f bench/scale/verbatim.sql
    step "vacuum and analyze"
    sql bench -c "VACUUM ANALYZE"
    sql small -c "VACUUM ANALYZE"
}

# One person's fusing in the crowd and without it, in turn.
growth() {
    local round=$1 database what took
    declare -A took
    for database in bench small; do
        took[$database]=$(sql "$database" -At <<SQL
\\o /dev/null
SELECT bench.pending('100', 23, 24, 1, 'g$round') AS ids, bench.pending('100', 22, 22, 1, 'h$round') AS warm \\gset
CALL bench.fuse_each(:'warm', NULL);
CALL bench.fuse_each(:'ids', NULL) \\gset
\\o
SELECT :took;
SQL
        )
    done
    what='fuse, all data'
    sql bench -c "INSERT INTO bench.result VALUES ('$what', $round, ${took[bench]}, ${took[small]})"
}

# Batches of 250, so that two share the queue.
drain() {
    while [[ $(sql_value small "SELECT mm_fuse_pending(250)") -gt 0 ]]; do :; done
}

# One worker on a queue, and two on another as long.
workers() {
    local round=$1 one two started add
    add="SELECT bench.pending('100', 1, 20, 2, 'p' || :'label'); ANALYZE assessment_sessions;"
    sql small -o /dev/null -v label="one$round" <<<"$add"
    started=$(date +%s%N)
    drain
    one=$((($(date +%s%N) - started) / 1000))
    sql small -o /dev/null -v label="two$round" <<<"$add"
    started=$(date +%s%N)
    drain &
    drain
    wait
    two=$((($(date +%s%N) - started) / 1000))
    sql bench -c "INSERT INTO bench.result VALUES ('mm_fuse_pending, two workers', $round, $two, $one)"
}

report() {
    mkdir -p "$RESULTS"
    sql bench -f bench/scale/report.sql
    sql bench -At -o "$RESULTS/results.json" -c "SELECT json_build_object('postgres', current_setting('server_version'), 'mode', '$1',
        'sessions', (SELECT count(*) FROM assessment_sessions), 'rows', (SELECT json_agg(r ORDER BY place) FROM bench.report AS r))"
    {
        echo '| what | ours, µs | compared with | its, µs | ratio | target | met |'
        echo '|---|---|---|---|---|---|---|'
        sql bench -At -c "SELECT format('| %s | %s | %s | %s | %s%s | %s%s | %s |', what, round(ours::numeric, 1), compared_with, round(other::numeric, 1),
            round(ratio::numeric, 2), measure_sign, sign, target, CASE WHEN met THEN 'yes' ELSE 'no' END)
            FROM bench.report CROSS JOIN LATERAL (SELECT CASE measure WHEN 'times' THEN ' × faster' ELSE ' ×' END, CASE measure WHEN 'times' THEN '≥ ' ELSE '≤ ' END) AS m (measure_sign, sign)
            ORDER BY place"
    } >"$RESULTS/results.md"
    sql bench -P footer=off -c "SELECT what, round(ours::numeric, 1) AS \"ours, us\", compared_with, round(other::numeric, 1) AS \"its, us\", round(ratio::numeric, 2) AS ratio,
        CASE measure WHEN 'times' THEN '>= ' ELSE '<= ' END || target AS target, met FROM bench.report ORDER BY place"
    step "written: ${RESULTS#"$MM_ROOT"/}/results.json and results.md"
}

main() {
    local mode=${1:-quick} copies complete round extra
    copies=${MINDMEASURE_BENCH_COPIES:-$(copies_of "$mode")}
    complete=$COMPLETE
    if [[ $mode == full ]]; then
        complete=$copies
        check_room $((copies / 50))
    fi
    cluster_start bench "shared_buffers = 1GB" "max_wal_size = 8GB" "checkpoint_timeout = 1h" "jit = off"
    step "scoring the invented people"
    fill "$copies" "$complete"
    for ((round = 1; round <= ROUNDS; round++)); do
        step "round $round of $ROUNDS"
        sql bench -v round="$round" -f bench/scale/round.sql
        # Further measures: each file adds rows to bench.target (once) and bench.result.
        for extra in bench/scale/rounds/*.sql; do
            [[ ! -f $extra ]] || sql bench -v round="$round" -f "$extra"
        done
        growth "$round"
        workers "$round"
    done
    report "$mode"
}

main "$@"
