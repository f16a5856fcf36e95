#!/usr/bin/env bash
# ALTER EXTENSION mindmeasure UPDATE from every released version: the database ends up like a fresh one,
# every row is as it was, and scoring goes on to the bit. Released files never change.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
# shellcheck source=tests/lib/check.sh
source tests/lib/check.sh
HERE=tests/upgrade
SHARED=tests/dump_restore
WORK=$(mktemp -d /var/tmp/mindmeasure-upgrade.XXXXXX)
trap 'cluster_remove_all; rm -rf "$WORK"' EXIT

INSTALLED=$("$PG_CONFIG" --sharedir)/extension
LIBRARY=$("$PG_CONFIG" --pkglibdir)/mindmeasure.so
PRESENT=$(sed -n "s/^default_version = '\(.*\)'$/\1/p" "$INSTALLED/mindmeasure.control")
mapfile -t RELEASED < <(find sql -maxdepth 1 -name 'mindmeasure--*.sql' ! -name 'mindmeasure--*--*' -printf '%f\n' | sed 's/.*--\(.*\)\.sql/\1/' | sort -V)
# Before the first release, and always as a test of the comparisons: from the present version to itself.
mapfile -t VERSIONS < <(printf '%s\n' ${RELEASED[@]+"${RELEASED[@]}"} "$PRESENT" | sort -V -u)

# ---- released files ------------------------------------------------------------------------------------
if [[ -f $HERE/released.sha256 ]]; then
    check "no released file has changed" sha256sum --quiet --check "$HERE/released.sha256"
fi
for version in ${RELEASED[@]+"${RELEASED[@]}"}; do
    check "$version: its script is frozen" grep -q -F "  sql/mindmeasure--$version.sql" "$HERE/released.sha256"
    check "$version: its script is installed as it was released" cmp "sql/mindmeasure--$version.sql" "$INSTALLED/mindmeasure--$version.sql"
done
# After a release the sources give another script only under another version.
if [[ -f target/generated/mindmeasure--$PRESENT.sql && -f sql/mindmeasure--$PRESENT.sql ]]; then
    check "$PRESENT: the sources still give what was released (if not: scripts/release.sh begin NEXT_VERSION)" \
        python3 scripts/release.py same "sql/mindmeasure--$PRESENT.sql" "target/generated/mindmeasure--$PRESENT.sql"
fi

# The library goes on holding what the functions of older versions call.
nm -D --defined-only "$LIBRARY" | awk '{ print $3 }' | sort -u >"$WORK/symbols"
for version in "${VERSIONS[@]}"; do
    sed -n "s/^AS 'MODULE_PATHNAME', '\(.*\)';$/\1/p" "$INSTALLED/mindmeasure--$version.sql" | sort -u >"$WORK/needed"
    check "$version: there are functions of the library in it" test -s "$WORK/needed"
    check "$version: the library has all of them" same_text /dev/null <(comm -23 "$WORK/needed" "$WORK/symbols")
done

# ---- databases -----------------------------------------------------------------------------------------
quietly() { # DATABASE PSQL_ARG…
    local database=$1
    shift
    PGOPTIONS='-c client_min_messages=warning' sql "$database" -o /dev/null "$@"
}

# filled DATABASE VERSION SCHEMA SHAPE
filled() {
    sql postgres -c "CREATE DATABASE $1"
    [[ $3 == public ]] || sql "$1" -c "CREATE SCHEMA \"$3\""
    quietly "$1" -c "CREATE EXTENSION mindmeasure SCHEMA \"$3\" VERSION '$2'"
    quietly "$1" -f "$SHARED/fill.sql"
    # It adds a column: from 1.1.0 on there are views to bring up to date.
    ! grep -q 'FUNCTION.*mm_create_clear_views' "$INSTALLED/mindmeasure--$2.sql" ||
        quietly "$1" -c "SELECT \"$3\".mm_create_clear_views()"
    [[ $4 == flat ]] || quietly "$1" -c "SELECT \"$3\".mm_partition_sessions()"
}

# Sorted: where a migration adds a column behind one of the application's, its place differs.
catalog() { # DATABASE
    # A check that an update widens is NOT VALID on every partition that is there, and valid on those made later.
    sql "$1" -f "$SHARED/catalog.sql" |
        sed -E 's/ NOT VALID//; /^constraint \| [^|]*_default \|/s/ \| [tf] \| CHECK/ | CHECK/' | sort
}

goes_on() { # DATABASE: from a copy, which is dropped again
    sql postgres -c "CREATE DATABASE copy TEMPLATE $1"
    sql copy -f "$SHARED/go_on.sql" 2>&1 || true
    sql postgres -c 'DROP DATABASE copy'
}

has_partitions() { # VERSION: whether its sessions can be partitioned
    grep -q 'FUNCTION.*mm_partition_sessions' "$INSTALLED/mindmeasure--$1.sql"
}

reads() { # DATABASE SCHEMA: what people read, in full
    sql "$1" -At -c "SET search_path = \"$2\"" \
        -c 'SELECT md5(string_agg(mm_explain_session(session_id), chr(10) ORDER BY session_id)) FROM fusion_outputs' \
        -c 'SELECT p.user_id, count(*), sum(h.score) FROM profiles AS p CROSS JOIN LATERAL mm_score_history(p.user_id, NULL, NULL) AS h GROUP BY 1 ORDER BY 1' \
        -c "SELECT bool_and(mm_report_html(user_id, NULL, NULL) LIKE '<!%</html>%') FROM profiles"
}

no_differences() { # DATABASE
    sql "$1" -f "$HERE/compare.sql" >"$WORK/differences" || return 1
    same_text /dev/null "$WORK/differences"
}

applies_nothing() { # DATABASE SCHEMA
    [[ "$(sql_value "$1" "SELECT count(*) FROM \"$2\".mm_migrate()")" == 0 ]]
}

# like_fresh DATABASE DESCRIPTION
like_fresh() {
    check "$2: every row is as it was" no_differences "$1"
    quietly "$1" -c 'DROP SCHEMA kept CASCADE'
    catalog "$1" >"$WORK/seen.catalog"
    check "$2: the catalog is that of a fresh install" same_text "$WORK/fresh.catalog" "$WORK/seen.catalog"
    goes_on "$1" >"$WORK/seen.on"
    check "$2: a replay gives the same bits, and scoring goes on" same_text "$WORK/fresh.on" "$WORK/seen.on"
    check "$2: mm_migrate() applies nothing more" applies_nothing "$1" "$SCHEMA"
    sql postgres -c "DROP DATABASE $1"
}

# with_kept DATABASE: the rows as they were before the update, beside the restored ones.
with_kept() {
    "$PG_BIN/pg_restore" -d "$1" "$WORK/kept.dump"
}

# interrupted DATABASE FROM DESCRIPTION: an update that may not wait changes nothing; grants of one's own are named.
interrupted() {
    local holder
    sql "$1" -c "DO \$\$ BEGIN EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO reporter', (SELECT p.oid::regprocedure FROM pg_proc AS p WHERE p.proname = 'mm_json_schema')); END \$\$"
    "$PG_BIN/psql" -X -d "$1" -c "SELECT pg_advisory_lock(hashtextextended('mindmeasure.mm_migrate', 0))" -c 'SELECT pg_sleep(600)' >"$WORK/holder" 2>&1 &
    holder=$!
    until [[ $(sql_value "$1" "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted") == 1 ]]; do sleep 0.1; done
    check "$3: with lock_timeout a blocked update gives up" bash -c \
        "'$PG_BIN/psql' -X -d '$1' -c \"SET lock_timeout = '200ms'\" -c 'ALTER EXTENSION mindmeasure UPDATE' 2>&1 | grep 'lock timeout'"
    check "$3: and has changed nothing" test "$(sql_value "$1" "SELECT extversion FROM pg_extension WHERE extname = 'mindmeasure'")" = "$2"
    sql "$1" -o /dev/null -c "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    wait "$holder" || true
    sql postgres -c "CREATE DATABASE warned TEMPLATE $1"
    check "$3: a grant of one's own is named" bash -c \
        "'$PG_BIN/psql' -X -d warned -c 'ALTER EXTENSION mindmeasure UPDATE' 2>&1 | grep 'WARNING:.*mm_json_schema.*was granted to reporter'"
    sql postgres -c 'DROP DATABASE warned'
}

# update FROM SCHEMA SHAPE
update() {
    local from=$1 name="$1, $3 in $2"
    SCHEMA=$2
    filled fresh "$PRESENT" "$SCHEMA" "$3"
    catalog fresh >"$WORK/fresh.catalog"
    goes_on fresh >"$WORK/fresh.on"
    check "$name: a fresh database goes on without an error" bash -c "test -s '$WORK/fresh.on' && ! grep -n ERROR '$WORK/fresh.on'"
    reads fresh "$SCHEMA" >"$WORK/fresh.read"
    sql postgres -c 'DROP DATABASE fresh'

    # The new library under the functions of the old version.
    filled old "$from" "$SCHEMA" "$3"
    check "$name: nothing has been updated yet" test "$(sql_value old "SELECT extversion FROM pg_extension WHERE extname = 'mindmeasure'")" = "$from"
    goes_on old >"$WORK/old.on"
    check "$name: before the update the new library scores to the same bits" same_text "$WORK/fresh.on" "$WORK/old.on"
    reads old "$SCHEMA" >"$WORK/old.read"
    check "$name: before the update people read the same" same_text "$WORK/fresh.read" "$WORK/old.read"
    check "$name: before the update mm_migrate() applies nothing" applies_nothing old "$SCHEMA"
    "$PG_BIN/pg_dump" -Fc -f "$WORK/old.dump" old
    quietly old -f "$HERE/keep.sql"
    "$PG_BIN/pg_dump" -Fc -n kept -f "$WORK/kept.dump" old
    sql postgres -c 'CREATE DATABASE closed TEMPLATE old'

    PGOPTIONS='-c client_min_messages=warning' sql old -f "$HERE/update.sql" >"$WORK/long" 2>&1 || true
    check "$name: ALTER EXTENSION UPDATE reads no table from end to end, and writes none anew" same_text /dev/null "$WORK/long"
    like_fresh old "$name"
    [[ $from == "$PRESENT" ]] || interrupted closed "$from" "$name"
    # row_security off is how a restore is told; an update is none.
    check "$name: ALTER EXTENSION UPDATE with row_security off" quietly closed -c 'SET row_security = off' -c 'ALTER EXTENSION mindmeasure UPDATE'
    like_fresh closed "$name, row_security off"

    # CREATE EXTENSION in a dump names no version: the functions are the present ones, the tables the old.
    sql postgres -c 'CREATE DATABASE restored'
    check "$name: its dump is restored" "$PG_BIN/pg_restore" --exit-on-error -d restored "$WORK/old.dump"
    check "$name: mm_migrate() brings the restored tables along" quietly restored -c "SELECT * FROM \"$SCHEMA\".mm_migrate()"
    with_kept restored
    like_fresh restored "$name, restored"

    # Unless the old functions are there already: CREATE EXTENSION IF NOT EXISTS leaves them.
    [[ $SCHEMA == public ]] || return 0
    sql postgres -c 'CREATE DATABASE pinned'
    quietly pinned -c 'SET row_security = off' -c "CREATE EXTENSION mindmeasure VERSION '$from'" 2>/dev/null
    check "$name: its dump is restored under its own version" "$PG_BIN/pg_restore" --exit-on-error -d pinned "$WORK/old.dump"
    with_kept pinned
    check "$name: ALTER EXTENSION UPDATE after the restore" quietly pinned -c 'ALTER EXTENSION mindmeasure UPDATE'
    like_fresh pinned "$name, restored under its version"
}

update_path() { # FROM
    [[ $(sql_value postgres "SELECT count(*) FROM pg_extension_update_paths('mindmeasure') WHERE source = '$1' AND target = '$PRESENT' AND path IS NOT NULL") == 1 ]]
}

cluster_start upgrade
sql postgres -c 'CREATE ROLE reporter'
for version in "${VERSIONS[@]}"; do
    [[ $version == "$PRESENT" ]] || check "there is a way from $version to $PRESENT (if not: scripts/release.sh draft $version)" update_path "$version"
done
[[ $FAILED -eq 0 ]] || finish
for version in "${VERSIONS[@]}"; do
    update "$version" public flat
    update "$version" 'mm x' flat
    if has_partitions "$version"; then
        update "$version" public partitioned
    else
        echo "# $version has no mm_partition_sessions(): the partitioned shape is not there to be updated"
    fi
done
finish
