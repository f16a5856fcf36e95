#!/usr/bin/env bash
# Restores the whole cluster to a moment, from pgBackRest.
#
#   restore_pitr.sh --into DIR [--target 'TIME with offset'] [--repository NAME] [--set name=value]…
#       a copy beside the live server: DIR must be empty. It is started, reachable
#       through a socket in DIR.socket by its owner only, archives nothing, runs
#       no preloaded library and no job. --set adds a line to its postgresql.conf
#       (as mindmeasure.key_file, to read encrypted fields).
#   restore_pitr.sh --in-place DIR [--target …] [--repository NAME]
#       the live data directory itself, with the server down. Start it as usual.
#
# Without --target: to the end of the archived WAL. --repository: a retired one,
# by its name below retired/. Fails when the moment cannot be reached.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/backup/lib.sh
source "$HERE/lib.sh"
# shellcheck source=deploy/backup/repository.sh
source "$HERE/repository.sh"

usage() {
    die 2 "usage: restore_pitr.sh --into DIR|--in-place DIR [--target 'TIME with offset'] [--repository NAME] [--set name=value]…"
}

directory='' in_place=no target='' repository='' settings=()
while [[ $# -gt 0 ]]; do
    [[ $# -ge 2 ]] || usage
    case $1 in
        --into) directory=$2 ;;
        --in-place) directory=$2 in_place=yes ;;
        --target) target=$2 ;;
        --repository) repository=$2 ;;
        --set) settings+=("$2") ;;
        *) usage ;;
    esac
    shift 2
done
[[ $directory == /* ]] || usage
configure

arguments=(--pg1-path="$directory" --log-level-console=warn)
if [[ -n $target ]]; then
    [[ $target =~ (Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)$ ]] || die 2 "--target without an offset from UTC: $target"
    target=$(date -d "$target" '+%Y-%m-%d %H:%M:%S.%6N+00') || die 2 "--target is no time"
    arguments+=(--type=time --target="$target" --target-action=promote)
fi
if [[ $in_place == yes ]]; then
    # pgBackRest refuses to write below a running server.
    mkdir -p "$directory"
    [[ -z $(ls -A "$directory") ]] || arguments+=(--delta)
else
    [[ ! -e $directory || -z $(ls -A "$directory") ]] || die 6 "$directory is not empty"
    mkdir -p "$directory"
    arguments+=(--archive-mode=off)
fi
chmod 700 "$directory"
if [[ -n $repository ]]; then
    [[ -f $PGBACKREST_CONFIG_INCLUDE_PATH/retired/$repository/repositories.conf ]] || die 2 "no retired repository $repository"
    export PGBACKREST_CONFIG_INCLUDE_PATH=$PGBACKREST_CONFIG_INCLUDE_PATH/retired/$repository
fi
backrest "${arguments[@]}" restore || die 4 "pgBackRest could not restore"
if [[ $in_place == yes ]]; then
    say "restored in $directory; start the server"
    exit
fi

# ---- the copy gets settings of its own ------------------------------------------------

# alone: what recovery needs, and nothing that reaches outside.
alone() {
    local file line
    for file in postgresql.conf postgresql.auto.conf pg_hba.conf pg_ident.conf; do
        [[ ! -f $directory/$file ]] || cp "$directory/$file" "$directory/$file.source"
    done
    grep -E '^(restore_command|recovery_target)' "$directory/postgresql.auto.conf.source" >"$directory/postgresql.auto.conf" || true
    {
        printf "%s\n" "listen_addresses = ''" "unix_socket_directories = '$directory.socket'" "port = 5432" \
            "ssl = off" "archive_mode = off" "hot_standby = off" "shared_preload_libraries = ''" \
            "log_min_error_statement = panic" "log_parameter_max_length_on_error = 0"
        for line in ${settings[@]+"${settings[@]}"}; do
            printf "%s = '%s'\n" "${line%%=*}" "${line#*=}"
        done
    } >"$directory/postgresql.conf"
    printf 'local all all peer map=owner\n' >"$directory/pg_hba.conf"
    printf 'owner %s %s\n' "$(id -un)" "$PGUSER" >"$directory/pg_ident.conf"
}

alone
mkdir -p "$directory.socket"
did_not_start() {
    tail -n 20 "$directory/log" >&2
    die 4 "the copy in $directory did not start"
}
"$PG_BIN/pg_ctl" start -w -t 86400 -s -D "$directory" -l "$directory/log" </dev/null >/dev/null || did_not_start
export PGHOST=$directory.socket PGPORT=5432
# It lets nobody in before recovery has ended at the target; if it cannot get
# there, it ends.
until [[ $(sql -d postgres -c 'SELECT pg_is_in_recovery()' 2>/dev/null) == f ]]; do
    "$PG_BIN/pg_ctl" status -D "$directory" >/dev/null 2>&1 || did_not_start
    sleep 0.2
done
say "restored and started in $directory: PGHOST=$directory.socket; stop it with pg_ctl stop -D $directory"
