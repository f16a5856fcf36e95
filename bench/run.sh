#!/usr/bin/env bash
# How fast, against what: one table of ratios, each taken inside this run, medians over alternating rounds.
# Usage: bench/run.sh [quick|full] [MEASURE…]
#   quick    about half a million sessions, some fifteen minutes on two idle cores; 15 GB of disk
#   full     ten million sessions of 100,000 people over 24 months: 140 GB of disk and some hours, and an hour of soak
#   MEASURE  only these: single peers growth workers shape archive guards memory soak
# MINDMEASURE_BENCH_COPIES=N takes N copies of each of twenty invented people (100 sessions each) instead.
# Writes results.json and results.md into target/bench (MINDMEASURE_BENCH_RESULTS: elsewhere); bench/publish.sh puts the table into docs/performance.md.
# The extension must be installed as a release build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh

readonly RESULTS=${MINDMEASURE_BENCH_RESULTS:-$MM_ROOT/target/bench}
readonly MEASURES='single peers shape archive growth guards memory workers soak'
# Copies that come with everything; the others of `quick` with sessions, texts and scores for dashboards only.
readonly COMPLETE=24
for file in bench/measures/*.sh; do
    # shellcheck disable=SC1090
    source "$file"
done

settings() {
    case $MODE in
        quick) ROUNDS=5 SOAK=60 COPIES=240 ;;
        full) ROUNDS=5 SOAK=3600 COPIES=5000 ;;
        *) die 2 "unknown argument: $MODE" "usage: bench/run.sh [quick|full] [MEASURE…]" ;;
    esac
    COPIES=${MINDMEASURE_BENCH_COPIES:-$COPIES}
    SOAK=${MINDMEASURE_BENCH_SOAK:-$SOAK}
}

# result WHAT ROUND OURS OTHER
result() {
    sql bench -c "INSERT INTO bench.result VALUES (\$\$$1\$\$, $2, $3, $4)"
}

check_room() {
    local free wanted=$1
    free=$(df --output=avail -k /var/tmp | tail -n 1)
    [[ $((free / 1024 / 1024)) -ge $wanted ]] ||
        die 3 "less than $wanted GB are free in /var/tmp" "make room, or MINDMEASURE_BENCH_COPIES=N for fewer people"
}

# people DATABASE: the invented people, scored, and enough copies for the measures.
people() {
    sql "$1" -o /dev/null -f bench/scale/templates.sql -f bench/scale/copies.sql -f bench/scale/floor.sql -f bench/scale/measure.sql \
        -c "SELECT bench.copy_people(k, 1, $COMPLETE) FROM unnest('{10,100}'::text[]) AS k" -c "SELECT bench.copy_people('1000', 1, 26)"
}

# copy_crowd FIRST LAST TABLES: into database bench, by two at a time. Their rows enter the indexes all at once
# afterwards: one by one, in no order, they would take most of the time. Their CHECKs have seen the originals.
copy_crowd() {
    local first=$1 last=$2 tables=$3
    [[ $first -le $last ]] || return 0
    sql bench -o /dev/null -c "SET client_min_messages = warning" -c "SELECT bench.set_templates_aside($tables)" \
        -c "UPDATE pg_index SET indisready = false WHERE indrelid = ANY (bench.copied($tables))" \
        -c "UPDATE pg_class SET relchecks = 0 WHERE oid = ANY (bench.copied($tables))"
    seq "$first" 50 "$last" | xargs -P 2 -I {} "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -d bench -o /dev/null \
        -c "SELECT bench.copy_people('100', {}, least({} + 49, $last), $tables)"
    sql bench -o /dev/null <<SQL
UPDATE pg_class AS c SET relchecks = (SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid AND contype = 'c') WHERE oid = ANY (bench.copied($tables));
SET maintenance_work_mem = '1GB';
SELECT format('REINDEX TABLE %s', t) FROM unnest(bench.copied($tables)) AS t \\gexec
SQL
}

# fill: database small, with these people; database bench, with the crowd around them.
fill() {
    local complete=$COMPLETE lean="'{session_keys,assessment_sessions,text_analysis,mind_measure_scores}'"
    [[ $MODE != full ]] || complete=$COPIES
    check_room $((complete / 40 + 15))
    step "scoring the invented people"
    sql postgres -c "CREATE DATABASE small"
    sql small -c "SET client_min_messages = warning" -c "CREATE EXTENSION mindmeasure"
    people small
    sql small -c "VACUUM ANALYZE"
    sql postgres -c "CREATE DATABASE bench TEMPLATE small STRATEGY file_copy"
    sql bench -f bench/targets.sql
    step "copying people: $COPIES of each, $complete with all that belongs to them"
    copy_crowd $((COMPLETE + 1)) "$complete" NULL
    copy_crowd $((complete > COMPLETE ? complete + 1 : COMPLETE + 1)) "$COPIES" "$lean"
    case " $CHOSEN " in *' single '*) sql bench -o /dev/null -f bench/scale/verbatim.sql ;; esac
    step "vacuum and analyze"
    sql bench -c "VACUUM ANALYZE"
}

report() {
    sql bench -f bench/scale/report.sql
    sql bench -At -o "$RESULTS/results.json" -c "SELECT json_build_object('postgres', current_setting('server_version'), 'mode', '$MODE', 'rounds', $ROUNDS, 'day', now()::date,
        'sessions', (SELECT count(*) FROM session_keys), 'rows', (SELECT json_agg(r ORDER BY place) FROM bench.report AS r))"
    {
        sql bench -At -c "SELECT format('\`bench/run.sh $MODE\`, %s: %s sessions, PostgreSQL %s, $ROUNDS rounds, $(nproc) cores, load %s at the end.', now()::date,
            (SELECT to_char(count(*), 'FM999,999,999') FROM session_keys), split_part(current_setting('server_version'), ' ', 1), '$(cut -d' ' -f1 /proc/loadavg)')"
        printf '\n| what | ours | compared with | its | ratio | target | met |\n|---|---|---|---|---|---|---|\n'
        sql bench -At -c "SELECT format('| %s | %s | %s | %s | %s | %s | %s |', what, ours, compared_with, other, ratio, target, met) FROM bench.printed ORDER BY place"
    } >"$RESULTS/results.md"
    sql bench -P footer=off -c "SELECT what, ours, compared_with, other, ratio, target, met FROM bench.printed ORDER BY place"
    step "written: ${RESULTS#"$MM_ROOT"/}/results.json and results.md"
}

main() {
    local round measure
    MODE=${1:-quick}
    [[ $# -eq 0 ]] || shift
    settings
    CHOSEN=${*:-$MEASURES}
    for measure in $CHOSEN; do
        [[ " $MEASURES " == *" $measure "* ]] || die 2 "unknown measure: $measure" "one of $MEASURES"
    done
    mkdir -p "$RESULTS"
    cluster_start bench "shared_buffers = 1GB" "max_wal_size = 4GB" "wal_level = minimal" "max_wal_senders = 0" "checkpoint_timeout = 1h" \
        "max_locks_per_transaction = 256" "jit = off"
    fill
    for measure in $CHOSEN; do
        step "preparing: $measure"
        "${measure}_prepare"
    done
    for ((round = 1; round <= ROUNDS; round++)); do
        for measure in $CHOSEN; do
            step "round $round of $ROUNDS: $measure"
            "${measure}_round" "$round"
        done
    done
    report
}

main "$@"
