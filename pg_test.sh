#!/usr/bin/env bash
# Set-up and every test. Usage: ./pg_test.sh [full]
# `full` lets the tests under tests/*/run.sh take their long form.
# A file in tests/sql runs in a fresh database with pgTAP and mindmeasure; one
# whose first line is `-- database: bare` gets pgTAP only. Files and isolation
# specs run twice: with assessment_sessions flat, and partitioned by month; but
# once where the first line is `-- shape: flat` (`# shape: flat` in a spec). A
# tests/*/run.sh that ends with status 77 says that this machine lacks what it needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

PASSED=0
FAILED=0
FAILURES=()
LOGS=$MM_ROOT/target/logs/test

usage() {
    die 2 "unknown argument: $1" "usage: ./pg_test.sh [full]"
}

# report NAME PASSED FAILED STARTED LOG [NOTE]: one line, and the reasons below
# it when something failed.
report() {
    local name=$1 passed=$2 failed=$3 started=$4 log=$5 note=${6:-} verdict='ok  '
    PASSED=$((PASSED + passed))
    FAILED=$((FAILED + failed))
    [[ $failed -eq 0 ]] || verdict='FAIL'
    step "$(printf '%s %-48s %4d s  %d passed, %d failed%s' \
        "$verdict" "$name" "$((SECONDS - started))" "$passed" "$failed" "${note:+ ($note)}")"
    [[ $failed -gt 0 ]] || return 0
    FAILURES+=("$name: $failed failed, see ${log#"$MM_ROOT"/}")
    if grep -q -E '^not ok|^# +Failed|ERROR:' "$log"; then
        grep -n -E -A 6 '^not ok|ERROR:' "$log" | head -n 60 | sed 's/^/    /'
    else
        tail -n 30 "$log" | sed 's/^/    /'
    fi
}

# one NAME COMMAND…: a command that counts as one unit.
one() {
    local name=$1 started=$SECONDS log
    shift
    log=$LOGS/${name//[^A-Za-z0-9_.-]/_}.log
    if run_logged "$log" "$@"; then
        report "$name" 1 0 "$started" "$log"
    else
        report "$name" 0 1 "$started" "$log"
        return 1
    fi
}

# ---- Rust ------------------------------------------------------------------

rust_tests() {
    local started=$SECONDS log=$LOGS/cargo-test.log status=0 passed failed
    run_logged "$log" cargo test -p mindmeasure-scoring -p mindmeasure-vault || status=$?
    passed=$(sum_of passed "$log")
    failed=$(sum_of failed "$log")
    [[ $status -eq 0 || $failed -gt 0 ]] || failed=1
    report "cargo test -p mindmeasure-scoring -p mindmeasure-vault" "$passed" "$failed" "$started" "$log"
}

# sum_of WORD LOG: over cargo's lines "test result: ok. 12 passed; 0 failed; …".
sum_of() {
    { grep '^test result:' "$2" || true; } |
        sed -E "s/.* ([0-9]+) $1;.*/\1/" | awk '{ n += $1 } END { print n + 0 }'
}

# ---- pgTAP -----------------------------------------------------------------

# sql_tests TEMPLATE (tpl or partitioned)
sql_tests() {
    local file
    for file in tests/sql/*.sql; do
        [[ ! -f $file ]] || sql_test "$file" "$1"
    done
}

sql_test() {
    local file=$1 template=$2 started=$SECONDS status=0 first log passed failed name=$1
    first=$(head -n 1 "$file")
    if [[ $template == partitioned ]]; then
        [[ $first != '-- database: bare'* && $first != '-- shape: flat'* ]] || return 0
        name="$file, partitioned"
    fi
    log=$LOGS/sql-$template-$(basename "$file" .sql).log
    [[ $first != '-- database: bare'* ]] || template=bare
    database_clone test_sql "$template"
    run_logged "$log" pg_prove --verbose --psql-bin "$PG_BIN/psql" --dbname test_sql "$file" || status=$?
    sql postgres -c 'DROP DATABASE test_sql WITH (FORCE)'
    # "not ok … # TODO" is expected to fail.
    passed=$(grep -c -E '^ok |^not ok .*# TODO' "$log" || true)
    failed=$(grep -E '^not ok ' "$log" | grep -v -c '# TODO' || true)
    # A file that dies half-way, or ran another number of tests than planned.
    [[ $status -eq 0 || $failed -gt 0 ]] || failed=1
    report "$name" "$passed" "$failed" "$started" "$log"
}

# ---- isolation: tests/isolation/specs/X.spec, tests/isolation/expected/X.out --

# isolation_tests TEMPLATE (tpl or partitioned)
isolation_tests() {
    local spec
    for spec in tests/isolation/specs/*.spec; do
        [[ -f $spec ]] || continue
        [[ $1 != partitioned || $(head -n 1 "$spec") != '# shape: flat'* ]] || continue
        isolation_test "$(basename "$spec" .spec)" "$1"
    done
}

isolation_test() {
    local name=$1 template=$2 started=$SECONDS log=$LOGS/isolation-$2-$1.log output=$MM_ROOT/target/isolation runner title="isolation $1"
    [[ $template != partitioned ]] || title="isolation $name, partitioned"
    runner=$("$PG_CONFIG" --pkglibdir)/pgxs/src/test/isolation/pg_isolation_regress
    if [[ ! -f tests/isolation/expected/$name.out ]]; then
        echo "tests/isolation/expected/$name.out is missing" >"$log"
        report "$title" 0 1 "$started" "$log"
        return
    fi
    mkdir -p "$output"
    database_clone test_isolation "$template"
    if run_logged "$log" "$runner" --bindir="$PG_BIN" --inputdir=tests/isolation \
        --outputdir="$output" --host="$PGHOST" --port="$PGPORT" --user=postgres \
        --use-existing --dbname=test_isolation "$name"; then
        report "$title" 1 0 "$started" "$log"
    else
        cat "$output/regression.diffs" >>"$log" 2>/dev/null || true
        report "$title" 0 1 "$started" "$log"
    fi
    sql postgres -c 'DROP DATABASE test_isolation WITH (FORCE)'
}

# ---- scripts ---------------------------------------------------------------

script_tests() {
    local script
    for script in tests/*/run.sh; do
        [[ ! -x $script ]] || script_test "$script"
    done
}

# It starts clusters of its own; ours must not be found by accident.
script_test() {
    local script=$1 started=$SECONDS status=0 log
    log=$LOGS/$(basename "$(dirname "$script")").log
    run_logged "$log" env -u PGHOST -u PGPORT -u PGUSER MINDMEASURE_FULL="$FULL" "./$script" || status=$?
    case $status in
        0) report "$script" 1 0 "$started" "$log" ;;
        77) report "$script" 0 0 "$started" "$log" "skipped: $(tail -n 1 "$log")" ;;
        *) report "$script" 0 1 "$started" "$log" ;;
    esac
}

# ---- all of it -------------------------------------------------------------

summary() {
    if [[ $FAILED -gt 0 ]]; then
        printf '\nfailed:\n'
        printf '  %s\n' "${FAILURES[@]}"
    fi
    printf '\n%d passed, %d failed\n' "$PASSED" "$FAILED"
    [[ $FAILED -eq 0 ]] || exit 1
}

main() {
    FULL=0
    case ${1:-} in
        '') ;;
        full) FULL=1 ;;
        *) usage "$1" ;;
    esac
    setup_for_tests
    rm -rf "$LOGS"
    mkdir -p "$LOGS"

    one "cargo fmt --check" cargo fmt --all --check || true
    one "cargo clippy" cargo clippy --workspace --all-targets \
        ${MM_FEATURES[@]+"${MM_FEATURES[@]}"} -- -D warnings || true
    rust_tests
    one "build and install" scripts/install.sh || summary
    one "pgspot" scripts/pgspot.sh || true

    # Not before: it asks pg_config, which the set-up may have had to install.
    # shellcheck source=scripts/cluster.sh
    source scripts/cluster.sh
    cluster_start test
    one "CREATE EXTENSION mindmeasure" template_create || summary
    sql_tests tpl
    isolation_tests tpl
    if one "SELECT mm_partition_sessions()" template_partition; then
        sql_tests partitioned
        isolation_tests partitioned
    fi
    cluster_remove test
    script_tests
    summary
}

main "$@"
