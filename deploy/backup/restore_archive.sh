#!/usr/bin/env bash
# Restores a weekly or annual archive into a new database, and counts it.
#
#   restore_archive.sh --archive DIR --identity FILE --database NAME
#       [--host DIR] [--port N] [--globals] [--keys-from CONNINFO]
#
# Where: the cluster of backup.conf, or --host and --port. --globals: make the
# archive's roles first, those that exist stay as they are. --keys-from: copy
# the data keys of everybody who still has one from that database; without them
# encrypted fields stay dark. The database appears under its name only when
# every table has the rows and the hash that the archive's inventory says.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/backup/lib.sh
source "$HERE/lib.sh"
# shellcheck source=deploy/backup/archives.sh
source "$HERE/archives.sh"

usage() {
    die 2 "usage: restore_archive.sh --archive DIR --identity FILE --database NAME [--host DIR] [--port N] [--globals] [--keys-from CONNINFO]"
}

archive='' identity='' database='' host='' port='' globals=no keys_from=''
while [[ $# -gt 0 ]]; do
    case $1 in
        --globals) globals=yes; shift; continue ;;
        --*) [[ $# -ge 2 ]] || usage ;;&
        --archive) archive=$2 ;;
        --identity) identity=$2 ;;
        --database) database=$2 ;;
        --host) host=$2 ;;
        --port) port=$2 ;;
        --keys-from) keys_from=$2 ;;
        *) usage ;;
    esac
    shift 2
done
[[ -n $archive && -n $identity && -n $database ]] || usage
configure
export PGHOST=${host:-$PGHOST} PGPORT=${port:-$PGPORT}
[[ -f $archive/manifest ]] || die 2 "$archive is no archive"
[[ -r $identity ]] || die 2 "$identity cannot be read"

open_sealed() {
    age --decrypt -i "$identity" "$archive/$1"
}

# identifier NAME: quoted for SQL.
identifier() {
    printf '"%s"' "${1//\"/\"\"}"
}

exists() { # DATABASE
    [[ $(sql -d postgres -v name="$1" <<<"SELECT count(*) FROM pg_database WHERE datname = :'name'") == 1 ]]
}

check_sums "$archive"
wanted=$(open_sealed inventory.age) ||
    die 5 "this identity does not open $archive; its recipients: $(sed -n 's/^recipient //p' "$archive/manifest" | paste -s -d ' ')"
! exists "$database" || die 6 "there is a database $database already"
restoring=$database.restoring
sql -d postgres -c "DROP DATABASE IF EXISTS $(identifier "$restoring")" 2>/dev/null

if [[ $globals == yes ]]; then
    # The only errors that may come are of roles that are there already.
    errors=$(open_sealed globals.sql.age | "$PG_BIN/psql" -X -q -d postgres -o /dev/null 2>&1 | grep 'ERROR:' | grep -v 'already exists' || true)
    [[ -z $errors ]] || die 4 "the roles could not be made: $errors"
fi
sql -d postgres -c "CREATE DATABASE $(identifier "$restoring") TEMPLATE template0"
drop_unfinished() {
    local code=$?
    trap - EXIT
    [[ $code -eq 0 ]] || sql -d postgres -c "DROP DATABASE IF EXISTS $(identifier "$restoring") WITH (FORCE)" || true
    exit "$code"
}
trap drop_unfinished EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

open_sealed database.dump.age | "$PG_BIN/pg_restore" --exit-on-error --single-transaction -d "$restoring" ||
    die 4 "the archive could not be restored"
# In the database that is restored now, user_keys exist and are empty.
DATABASE=$restoring
excluded=$(keys_tables | cut -f 1 | paste -s -d ,)
seen=$(sql --single-transaction -d "$restoring" -v excluded="${excluded:-0}" -f "$HERE/inventory.sql")
if [[ $seen != "$wanted" ]]; then
    diff <(printf '%s\n' "$wanted") <(printf '%s\n' "$seen") >&2 || true
    die 5 "what was restored is not what was archived (above: < archived, > restored)"
fi

if [[ -n $keys_from ]]; then
    while IFS=$'\t' read -r _ schema table; do
        table=$(identifier "$schema").$(identifier "$table")
        columns=$(sql -d "$restoring" -v relation="$table" <<<"SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = :'relation'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''")
        "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -d "$keys_from" -c "COPY (SELECT $columns FROM $table) TO STDOUT" |
            sql --single-transaction -d "$restoring" -c "SET LOCAL session_replication_role = replica" -c "COPY $table ($columns) FROM STDIN"
    done < <(keys_tables)
fi
sql -d postgres -c "ALTER DATABASE $(identifier "$restoring") RENAME TO $(identifier "$database")"
say "restored $archive as $database: $(wc -l <<<"$wanted") tables, $(awk -F '|' '{ n += $2 } END { print n }' <<<"$wanted") rows, as archived"
