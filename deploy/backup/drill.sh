#!/usr/bin/env bash
# The backup drill: takes backups, restores them, counts.
#
#   drill.sh --identity FILE [--scratch DIR] [--destroy DATA_DIRECTORY]
#
# It takes a full backup and a weekly archive, notes every table's rows and hash,
# restores the cluster to that moment and the archive into a fresh cluster, both
# below --scratch (default: a new directory below /var/tmp, removed at the end),
# and compares. The live server is only read.
#
# With --destroy, for a rehearsal server and never for the live one: between the
# backup and the restore, every row of the database is deleted, the server is
# killed and its data directory wiped; then it is restored in place, to the
# moment before the deletion.
#
# The identity is what opens the archives. Carry it here for the drill, and away.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/backup/lib.sh
source "$HERE/lib.sh"
# shellcheck source=deploy/backup/archives.sh
source "$HERE/archives.sh"

usage() {
    die 2 "usage: drill.sh --identity FILE [--scratch DIR] [--destroy DATA_DIRECTORY]"
}

identity='' scratch='' destroy=''
while [[ $# -gt 0 ]]; do
    [[ $# -ge 2 ]] || usage
    case $1 in
        --identity) identity=$2 ;;
        --scratch) scratch=$2 ;;
        --destroy) destroy=$2 ;;
        *) usage ;;
    esac
    shift 2
done
[[ -n $identity ]] || usage
configure
if [[ -n $destroy ]]; then
    [[ $(sql -d "$DATABASE" -c 'SHOW data_directory') == "$destroy" ]] || die 6 "the server's data directory is not $destroy"
fi
own_scratch=no
if [[ -z $scratch ]]; then
    scratch=$(mktemp -d /var/tmp/mindmeasure-drill.XXXXXX)
    own_scratch=yes
fi
mkdir -p "$scratch"

clean_up() {
    local copy
    for copy in "$scratch/moment" "$scratch/fresh"; do
        [[ ! -f $copy/postmaster.pid ]] || "$PG_BIN/pg_ctl" stop -w -s -m immediate -D "$copy" || true
        rm -rf "$copy" "$copy.socket"
    done
    [[ $own_scratch == no ]] || rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

inventory() { # with keys: a physical backup has them
    sql --single-transaction -d "$DATABASE" -v excluded=0 -f "$HERE/inventory.sql"
}

# same BEFORE AFTER RESTORED: a table that nobody wrote to must be the same to the
# bit; one that was written to meanwhile must lie between.
same() {
    awk -F '|' '
        FILENAME == ARGV[1] { before[$1] = $0; rows[$1] = $2; next }
        FILENAME == ARGV[2] { after[$1] = $0; later[$1] = $2; next }
        { seen[$1] = 1
          if (before[$1] == after[$1] && $0 != before[$1]) { print "differs: " $0 ", was: " before[$1]; wrong = 1 }
          if (before[$1] != after[$1]) {
              low = rows[$1] < later[$1] ? rows[$1] : later[$1]; high = rows[$1] < later[$1] ? later[$1] : rows[$1]
              if ($2 < low || $2 > high) { print "differs: " $0 ", was between " low " and " high " rows"; wrong = 1 }
              else busy++ } }
        END { for (t in before) if (t in after && !(t in seen)) { print "missing: " t; wrong = 1 }
              if (busy) print busy " tables were written to meanwhile: counted, not compared"
              exit wrong }' "$1" "$2" "$3" >&2
}

# ---- back up -------------------------------------------------------------------------
"$HERE/backup.sh" daily
"$HERE/backup.sh" weekly
archive=$ARCHIVE_ROOT/weekly/$(archives_of weekly | tail -n 1)
inventory >"$scratch/before"
moment=$(sql -d "$DATABASE" -c 'SELECT clock_timestamp()')
inventory >"$scratch/after"
[[ $(awk -F '|' '{ n += $2 } END { print n + 0 }' "$scratch/before") -gt 0 ]] || die 5 "the database has no rows: a drill would show nothing"

# ---- destroy --------------------------------------------------------------------------
if [[ -n $destroy ]]; then
    sql -d "$DATABASE" <<'SQL'
SET session_replication_role = replica;
SET row_security = off;
SELECT format('DELETE FROM ONLY %s', c.oid::regclass) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
\gexec
SQL
    inventory >"$scratch/emptied"
    [[ $(awk -F '|' '{ n += $2 } END { print n + 0 }' "$scratch/emptied") -eq 0 ]] || die 5 "the rows are still there"
fi
# Recovery stops at the first commit after the moment: there must be one, in the
# archive.
segment=$(sql -d "$DATABASE" -c 'SELECT pg_walfile_name(lsn) FROM (SELECT pg_logical_emit_message(true, '\''mindmeasure drill'\'', '\'''\'') AS lsn) AS m')
sql -d "$DATABASE" -c 'SELECT pg_switch_wal()' >/dev/null
for ((try = 0; ; try++)); do
    [[ $(sql -d "$DATABASE" -v segment="$segment" <<<"SELECT coalesce(last_archived_wal, '') >= :'segment' FROM pg_stat_archiver") != t ]] || break
    [[ $try -lt 600 ]] || die 4 "WAL segment $segment was not archived within a minute: see pg_stat_archiver"
    sleep 0.1
done

# ---- restore to the moment, count ------------------------------------------------------
if [[ -n $destroy ]]; then
    kill -9 "$(head -n 1 "$destroy/postmaster.pid")"
    "$PG_BIN/pg_ctl" stop -s -m immediate -D "$destroy" 2>/dev/null || true
    find "$destroy" -mindepth 1 -delete
    "$HERE/restore_pitr.sh" --in-place "$destroy" --target "$moment"
    "$PG_BIN/pg_ctl" start -w -t 3600 -s -D "$destroy" -l "$scratch/log" </dev/null >/dev/null || {
        tail -n 20 "$scratch/log" >&2
        die 4 "the restored server did not start"
    }
    inventory >"$scratch/restored"
else
    "$HERE/restore_pitr.sh" --into "$scratch/moment" --target "$moment"
    PGHOST=$scratch/moment.socket PGPORT=5432 inventory >"$scratch/restored"
fi
same "$scratch/before" "$scratch/after" "$scratch/restored" || die 5 "the cluster restored to $moment is not what it was"
say "restored to $moment: $(wc -l <"$scratch/restored") tables, $(awk -F '|' '{ n += $2 } END { print n }' "$scratch/restored") rows, as they were"

# ---- restore the archive, count -----------------------------------------------------------
mkdir -p "$scratch/fresh.socket"
"$PG_BIN/initdb" -D "$scratch/fresh" -U "$PGUSER" --auth=peer -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
printf "%s\n" "listen_addresses = ''" "unix_socket_directories = '$scratch/fresh.socket'" "port = 5432" >>"$scratch/fresh/postgresql.conf"
printf 'local all all peer map=owner\n' >"$scratch/fresh/pg_hba.conf"
printf 'owner %s %s\n' "$(id -un)" "$PGUSER" >"$scratch/fresh/pg_ident.conf"
"$PG_BIN/pg_ctl" start -w -s -D "$scratch/fresh" -l "$scratch/fresh/log" </dev/null >/dev/null
"$HERE/restore_archive.sh" --archive "$archive" --identity "$identity" --database drill --host "$scratch/fresh.socket" --port 5432 --globals
rm -f "$scratch"/{before,after,emptied,restored,log}
say "the drill went well"
