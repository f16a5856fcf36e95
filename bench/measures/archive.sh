# shellcheck shell=bash
# archive_old_sessions(): a million sessions of 24 whole months, partitioned, flat, and as the document writes it.
# bench/archive/run.sh measures how long writers wait meanwhile.

# Sessions in the 24 months.
readonly ARCHIVED=${MINDMEASURE_BENCH_ARCHIVED:-1000000}

archive_prepare() {
    local shape
    for shape in flat months; do
        sql postgres -c "CREATE DATABASE archive_$shape"
        sql "archive_$shape" -c "SET client_min_messages = warning" -c "CREATE EXTENSION mindmeasure"
    done
    sql archive_months -o /dev/null -c "SET client_min_messages = warning" -c "SELECT mm_partition_sessions()" \
        -c "SELECT mm_ensure_partitions((now() - interval '49 months')::date, (now() + interval '3 months')::date)"
    for shape in months flat; do
        sql "archive_$shape" -v sessions="$ARCHIVED" -f bench/archive/fill.sql
    done
    sql archive_flat -o /dev/null -f bench/archive/verbatim.sql
}

# archived TEMPLATE FUNCTION: seconds of processor time in a fresh copy.
archived() {
    sql postgres -c "DROP DATABASE IF EXISTS archive_copy" -c "CREATE DATABASE archive_copy TEMPLATE $1 STRATEGY file_copy"
    sql archive_copy -f bench/scale/spent.sql
    PGOPTIONS='-c client_min_messages=warning' sql archive_copy -At <<SQL
\\o /dev/null
SELECT bench.spent() AS before \\gset
SELECT $2;
\\o
SELECT (bench.spent() - :before) / 1e6;
SQL
}

archive_round() {
    local flat months seed
    # A minute a round, and steadier than the short ones.
    [[ $1 -eq 1 || $MODE == full ]] || return 0
    months=$(archived archive_months 'archive_old_sessions()')
    flat=$(archived archive_flat 'archive_old_sessions()')
    seed=$(archived archive_flat 'seed.archive_old_sessions()')
    result 'archive_old_sessions, whole months, partitioned' "$1" "$months" "$seed"
    result 'archive_old_sessions, whole months, flat' "$1" "$flat" "$seed"
}
