# shellcheck shell=bash
# What the backup tests stand on: a cluster that archives its WAL, a stanza, age
# keys, and the scripts of deploy/backup under a configuration of their own. To
# be sourced after scripts/cluster.sh and tests/lib/check.sh.

LIVE=$(new_cluster_dir /var/tmp/mmb.XXXXXX)
WORK=$(new_cluster_dir /var/tmp/mmbw.XXXXXX)
SCRIPTS=$WORK/scripts
ARCHIVES=$WORK/archives
CONF_D=$WORK/pgbackrest/conf.d
STATUS=$WORK/backup.prom
export MINDMEASURE_BACKUP_CONF=$WORK/backup.conf


# fails CODE TEXT COMMAND…: with that exit code, saying that.
fails() {
    local code=$1 text=$2 status=0
    shift 2
    "$@" >"$WORK/fails.log" 2>&1 || status=$?
    cat "$WORK/fails.log"
    [[ $status -eq $code ]] || { echo "ended with $status, wanted $code"; return 1; }
    grep -q -e "$text" "$WORK/fails.log" || { echo "does not say: $text"; return 1; }
}

# run SCRIPT ARG…: one of deploy/backup, as the user of the server.
run() {
    local script=$1
    shift
    as_pg env PG_BIN="$PG_BIN" "$SCRIPTS/$script" "$@"
}

# moved TIME COMMAND…: with the clock at TIME.
moved() {
    local at=$1
    shift
    as_pg env LD_PRELOAD="$FAKETIME_LIBRARY" FAKETIME="@$at" FAKETIME_DONT_FAKE_MONOTONIC=1 PG_BIN="$PG_BIN" "$@"
}

backrest() {
    as_pg pgbackrest --config="$WORK/pgbackrest.conf" --config-include-path="$CONF_D" --stanza=main "$@"
}

status_of() { # TIER WHAT
    sed -n "s/^mindmeasure_backup_$2{tier=\"$1\"} //p" "$STATUS"
}
newest() { # TIER
    find "$ARCHIVES/$1" -mindepth 1 -maxdepth 1 -name '*Z' | sort | tail -n 1
}
names() { # TIER
    find "$ARCHIVES/$1" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort
}
give() { # FILE…: to the user of the server
    [[ $EUID -ne 0 ]] || chown -R postgres:postgres "$@"
}

# write_files: the scripts and what configures them.
write_files() {
    cp -R deploy/backup "$SCRIPTS"
    mkdir -p "$WORK/repositories" "$CONF_D" "$WORK/log" "$WORK/lock" "$WORK/spool" "$ARCHIVES"
    local key
    for key in first second stranger; do
        age-keygen -o "$WORK/$key.identity" 2>/dev/null
        age-keygen -y "$WORK/$key.identity" >"$WORK/$key.recipient"
    done
    cp "$WORK/first.recipient" "$WORK/recipients"
    # The shipped files; paths differ, and nothing is compressed, so that a search
    # for a marker would find it.
    sed -e "s|^DATABASE=.*|DATABASE=mind|" -e "s|^PGHOST=.*|PGHOST=$LIVE/socket|" \
        -e "s|^PGBACKREST_CONFIG=.*|PGBACKREST_CONFIG=$WORK/pgbackrest.conf|" \
        -e "s|^PGBACKREST_CONFIG_INCLUDE_PATH=.*|PGBACKREST_CONFIG_INCLUDE_PATH=$CONF_D|" \
        -e "s|^REPOSITORY_ROOT=.*|REPOSITORY_ROOT=$WORK/repositories|" \
        -e "s|^ARCHIVE_ROOT=.*|ARCHIVE_ROOT=$ARCHIVES|" -e "s|^RECIPIENTS=.*|RECIPIENTS=$WORK/recipients|" \
        -e "s|^STATUS_FILE=.*|STATUS_FILE=$STATUS|" deploy/backup/backup.conf.example >"$WORK/backup.conf"
    printf 'DUMP_COMPRESSION=0\n' >>"$WORK/backup.conf"
    sed -e "s|^compress-type=.*|compress-type=none|" -e "s|^log-path=.*|log-path=$WORK/log|" \
        -e "s|^lock-path=.*|lock-path=$WORK/lock|" -e "s|^spool-path=.*|spool-path=$WORK/spool|" \
        -e "s|^pg1-path=.*|pg1-path=$LIVE/data|" -e "s|^pg1-socket-path=.*|pg1-socket-path=$LIVE/socket|" \
        deploy/backup/pgbackrest.conf >"$WORK/pgbackrest.conf"
    chmod 640 "$WORK/backup.conf" "$WORK/pgbackrest.conf"
    give "$WORK"
}

start_live() {
    cluster_start live --dir "$LIVE" --durable "archive_mode = on" \
        "archive_command = 'pgbackrest --config=$WORK/pgbackrest.conf --config-include-path=$CONF_D --stanza=main archive-push %p'"
}

# Every command line that appears while the tests run: no secret may be in one.
watch_command_lines() {
    while :; do
        # A process may be gone by now.
        cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' >>"$WORK/command_lines" || true
        sleep 0.05
    done &
    # shellcheck disable=SC2034 # run.sh ends it
    WATCHER=$!
}
