# shellcheck shell=bash
# Daily full backups and WAL by pgBackRest. To be sourced after lib.sh.
#
# PGBACKREST_CONFIG_INCLUDE_PATH/repositories.conf names the repository and its
# key. A key cannot be changed in place: rotate_key.sh makes a new repository
# and moves the old one's settings to retired/NAME/repositories.conf, where they
# serve for restores until the last backup in it is RETENTION_DAYS old.

# A full that is this old makes all older ones go. With one a day that keeps 30,
# and the oldest is 30 days old when it goes.
readonly RETENTION_DAYS=30
# Right after a full, the eighth newest is seven days old: from there on every
# moment can be restored.
readonly RETENTION_WAL_FULLS=8

# repository_lines NUMBER PATH KEY
repository_lines() {
    printf "repo$1-%s\n" "path=$2" "cipher-type=aes-256-cbc" "cipher-pass=$3" \
        "retention-full-type=time" "retention-full=$((RETENTION_DAYS - 1))" \
        "retention-archive-type=full" "retention-archive=$RETENTION_WAL_FULLS"
}

# setting FILE NAME: what a repositories.conf says.
setting() {
    sed -n "s/^$2=//p" "$1"
}

backrest() {
    pgbackrest --stanza="$STANZA" "$@"
}

# retired NAME ARGUMENT…: pgBackRest with the settings of a retired repository.
retired() {
    local name=$1
    shift
    PGBACKREST_CONFIG_INCLUDE_PATH=$PGBACKREST_CONFIG_INCLUDE_PATH/retired/$name pgbackrest --stanza="$STANZA" "$@"
}

# newest_backup ARGUMENT…: when the newest backup ended, in seconds; 0 for none.
newest_backup() {
    local found
    found=$("$@" info --output=json | grep -o '"timestamp":{"start":[0-9]*,"stop":[0-9]*}' | sed 's/.*"stop"://; s/}//' | sort -n | tail -n 1)
    printf '%s\n' "${found:-0}"
}

take_full() {
    # In the background, so that a signal is heard at once; end_jobs passes it on.
    pgbackrest --stanza="$STANZA" --type=full --repo=1 backup &
    wait $! || die 4 "pgBackRest could not take the backup"
    # It ends with 0 when pages have wrong checksums, and notes it here.
    [[ $(backrest --repo=1 info --output=json | grep -o '"error":[a-z]*' | tail -n 1) == '"error":false' ]] ||
        die 5 "the newest backup has pages with wrong checksums: pgbackrest info --set names them"
}

# A retired repository goes when its last backup is RETENTION_DAYS old and the
# present repository has a newer one.
expire_repositories() {
    local directory name path last
    backrest expire || die 4 "pgBackRest could not expire backups"
    for directory in "$PGBACKREST_CONFIG_INCLUDE_PATH"/retired/*/; do
        [[ -f $directory/repositories.conf ]] || continue
        name=$(basename "$directory")
        path=$(setting "$directory/repositories.conf" repo1-path)
        last=$(newest_backup retired "$name")
        if [[ $last -le $(($(date +%s) - RETENTION_DAYS * 86400)) && $(newest_backup backrest) -gt $last ]]; then
            [[ $path == "$REPOSITORY_ROOT"/?* ]] || die 6 "$path is not below $REPOSITORY_ROOT: remove it by hand"
            rm -rf "$path"
            # The key last: while it is there, this can be done again.
            rm -rf "$directory" "$ARCHIVE_ROOT/repository_keys/$name.age"
            say "expired repository $path and its key"
        else
            retired "$name" expire || die 4 "pgBackRest could not expire backups of $path"
        fi
    done
}
