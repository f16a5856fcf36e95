#!/usr/bin/env bash
# pg_upgrade to a newer PostgreSQL: every row, the catalog of a fresh install there, the same bits.
# The newer one: MM_UPGRADE_PG_CONFIG, else the newest under /usr/lib/postgresql that has mindmeasure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
# shellcheck source=tests/lib/check.sh
source tests/lib/check.sh
SHARED=tests/dump_restore

newer_postgres() {
    local candidate major
    if [[ -n ${MM_UPGRADE_PG_CONFIG:-} ]]; then
        printf '%s\n' "$MM_UPGRADE_PG_CONFIG"
        return
    fi
    for major in 18 17 16; do
        candidate=/usr/lib/postgresql/$major/bin/pg_config
        if [[ -x $candidate && -f "$("$candidate" --sharedir)/extension/mindmeasure.control" ]] &&
            [[ $("$candidate" --version) != $("$PG_CONFIG" --version) ]]; then
            printf '%s\n' "$candidate"
            return
        fi
    done
}
NEW_CONFIG=$(newer_postgres)
if [[ -z $NEW_CONFIG ]]; then
    echo "no newer PostgreSQL with mindmeasure beside $("$PG_CONFIG" --version): install postgresql-17, then PG_MAJOR=17 scripts/install.sh"
    exit 77
fi
OLD_BIN=$PG_BIN
NEW_BIN=$("$NEW_CONFIG" --bindir)

WORK=$(mktemp -d /var/tmp/mindmeasure-pg-upgrade.XXXXXX)
trap 'cluster_remove_all; rm -rf "$WORK"' EXIT
[[ $EUID -ne 0 ]] || chown postgres "$WORK"

filled() { # DATABASE SCHEMA SHAPE
    sql postgres -c "CREATE DATABASE $1"
    [[ $2 == public ]] || sql "$1" -c "CREATE SCHEMA \"$2\""
    PGOPTIONS='-c client_min_messages=warning' sql "$1" -o /dev/null -c "CREATE EXTENSION mindmeasure SCHEMA \"$2\""
    PGOPTIONS='-c client_min_messages=warning' sql "$1" -o /dev/null -f "$SHARED/fill.sql"
    [[ $3 == flat ]] || sql "$1" -o /dev/null -c "SELECT \"$2\".mm_partition_sessions()"
}

# describe DATABASE PREFIX: rows, and what going on looks like, in a copy
describe() {
    sql "$1" -f "$SHARED/rows.sql" >"$2.rows"
    sql postgres -c "CREATE DATABASE copy TEMPLATE $1"
    sql copy -f "$SHARED/go_on.sql" >"$2.on" 2>&1 || true
    sql postgres -c 'DROP DATABASE copy'
}

SHAPES=('flat public flat' 'spaced mm:x flat')
if grep -q mm_partition_sessions "$("$NEW_CONFIG" --sharedir)"/extension/mindmeasure--*.sql; then
    SHAPES+=('parted public partitioned')
fi

cluster_start old
for shape in "${SHAPES[@]}"; do
    read -r name schema form <<<"$shape"
    filled "$name" "${schema/:/ }" "$form"
    describe "$name" "$WORK/$name"
    check "$name: goes on before the upgrade" bash -c "test -s '$WORK/$name.on' && ! grep -n ERROR '$WORK/$name.on'"
done
cluster_stop old

# 18 has checksums by default, which both have to have or not.
PG_BIN=$NEW_BIN
cluster_start new
if [[ $(sql_value postgres 'SHOW data_checksums') == on ]]; then
    cluster_stop new
    as_pg "$NEW_BIN/pg_checksums" --disable -D "${CLUSTER_DIR[new]}/data" >/dev/null
else
    cluster_stop new
fi
upgrade() {
    (cd "$WORK" && unset PGHOST PGPORT PGUSER && if [[ $EUID -eq 0 ]]; then
        HOME=/ setpriv --reuid=postgres --regid=postgres --init-groups "$@"
    else "$@"; fi)
}
arguments=(-b "$OLD_BIN" -B "$NEW_BIN" -d "${CLUSTER_DIR[old]}/data" -D "${CLUSTER_DIR[new]}/data" -U postgres --socketdir "$WORK")
check "pg_upgrade --check" upgrade "$NEW_BIN/pg_upgrade" --check "${arguments[@]}"
check "pg_upgrade from $("$PG_CONFIG" --version) to $("$NEW_CONFIG" --version)" upgrade "$NEW_BIN/pg_upgrade" "${arguments[@]}"
cluster_resume new

for shape in "${SHAPES[@]}"; do
    read -r name schema form <<<"$shape"
    describe "$name" "$WORK/seen"
    check "$name: every table has the same rows" same_text "$WORK/$name.rows" "$WORK/seen.rows"
    check "$name: a replay gives the same bits as before, and scoring goes on" same_text "$WORK/$name.on" "$WORK/seen.on"
    check "$name: mm_migrate() applies nothing" test "$(sql_value "$name" "SELECT count(*) FROM \"${schema/:/ }\".mm_migrate()")" = 0
    filled fresh "${schema/:/ }" "$form"
    check "$name: the catalog is that of a fresh install" same_text \
        <(sql fresh -f "$SHARED/catalog.sql" | sort) <(sql "$name" -f "$SHARED/catalog.sql" | sort)
    sql postgres -c 'DROP DATABASE fresh'
    "$NEW_BIN/pg_dump" -Fc -f "$WORK/dump" "$name"
    sql postgres -c 'CREATE DATABASE again'
    check "$name: a dump of the upgraded database is restored" "$NEW_BIN/pg_restore" --exit-on-error -d again "$WORK/dump"
    sql again -f "$SHARED/rows.sql" >"$WORK/seen.rows"
    check "$name: with the same rows" same_text "$WORK/$name.rows" "$WORK/seen.rows"
    sql postgres -c 'DROP DATABASE again'
done
finish
