#!/usr/bin/env bash
# Static security check (search_path, CREATE OR REPLACE, SECURITY DEFINER …) of
# the SQL that runs with a superuser's rights: the installed install script and
# the migrations. Every finding fails, except those listed word for word in
# tests/pgspot.allow; an exception that is no longer needed fails as well.
set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

readonly PGSPOT_VERSION=0.9.4
readonly ALLOW=$MM_ROOT/tests/pgspot.allow
VENV=$MM_ROOT/target/pgspot-venv

# Debian's own python3 has python3-venv beside it; one that comes earlier in
# PATH may not.
python_with_venv() {
    local python
    for python in /usr/bin/python3 python3; do
        if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            printf '%s\n' "$python"
            return
        fi
    done
    die 3 "no Python 3.10 or newer with venv" "apt-get install python3-venv"
}

pgspot_is_there() {
    [[ "$("$VENV/bin/pgspot" --version 2>/dev/null)" == *" $PGSPOT_VERSION" ]]
}

ensure_pgspot() {
    local python
    if pgspot_is_there; then
        return
    fi
    python=$(python_with_venv)
    rm -rf "$VENV"
    must_run "$MM_LOGS/pgspot.log" "apt-get install python3-venv" "$python" -m venv "$VENV"
    must_run "$MM_LOGS/pgspot.log" "check the network (pypi.org), then run this again" \
        "$VENV/bin/pip" install --disable-pip-version-check "pgspot==$PGSPOT_VERSION"
}

# check_file FILE NAME PRELUDE: one finding a line, as `NAME: finding`, without
# the line number, which moves with every edit.
check_file() {
    local copy output status=0
    copy=$(mktemp)
    { printf '%s\n' "$3"; cat "$1"; } >"$copy"
    output=$("$VENV/bin/pgspot" "$copy") || status=$?
    rm -f "$copy"
    printf '%s\n' "$output" |
        grep -v -E '^ *(Errors: [0-9]+ Warnings: [0-9]+ Unknown: [0-9]+ *)?$' |
        sed -E -e 's/ at line [0-9]+$//' -e "s|^|$2: |" || true
    if [[ $status -ne 0 && $output != *PS0* && $output != *nknown* ]]; then
        printf '%s: pgspot ended with %s\n' "$2" "$status"
    fi
}

# updated_script FILE: for mindmeasure--A--B.sql the full script of A. An update may replace what A has
# made; the functions of the library are made there without the schema's name, and found by it.
updated_script() {
    local name=${1##*/}
    if [[ $name == mindmeasure--*--* ]]; then
        sed -E 's/^CREATE +FUNCTION "(mm_[a-z_]+)"/CREATE FUNCTION @extschema@.\1/' "${1%/*}/${name%--*}.sql"
        printf '\n'
    fi
}

all_findings() {
    local file installed
    installed=$("$PG_CONFIG" --sharedir)/extension
    for file in "$installed"/mindmeasure--*.sql; do
        [[ -f $file ]] || die 3 "no install script in $installed" "install the extension first"
        check_file "$file" "${file##*/}" "$(updated_script "$file")"
    done
    for file in "$MM_ROOT"/sql/migrations/*.sql; do
        # mm_migrate() runs them under exactly this search_path.
        [[ ! -f $file ]] || check_file "$file" "${file##*/}" 'SET search_path = pg_catalog, pg_temp; '
    done
}

allowed() {
    [[ ! -f $ALLOW ]] || grep -v -E '^(#.*)?$' "$ALLOW" || true
}

main() {
    local findings unexpected stale
    check_rust
    choose_postgres
    postgres_is_there
    ensure_pgspot
    findings=$(all_findings | sort -u)
    unexpected=$(comm -23 <(printf '%s\n' "$findings") <(allowed | sort -u) | sed '/^$/d')
    stale=$(comm -13 <(printf '%s\n' "$findings") <(allowed | sort -u) | sed '/^$/d')
    if [[ -n $unexpected ]]; then
        printf 'pgspot findings:\n%s\n' "$unexpected"
    fi
    if [[ -n $stale ]]; then
        printf 'exceptions in tests/pgspot.allow that nothing needs any more:\n%s\n' "$stale"
    fi
    [[ -z $unexpected && -z $stale ]] || exit 1
    printf 'pgspot: 0 findings\n'
}

main
