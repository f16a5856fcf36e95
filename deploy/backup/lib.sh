# shellcheck shell=bash
# What the backup scripts share. To be sourced by a script that has set
# `set -euo pipefail`.
#
# Exit codes: 0 done; 2 wrong usage or configuration; 3 something is missing;
# 4 a step failed; 5 what was made or restored is not what it should be;
# 6 refused, because it would destroy what may still be needed; 75 another
# backup holds the lock.

export LC_ALL=C.UTF-8 TZ=UTC
umask 077

say() {
    printf '%s %s\n' "$(date +%Y-%m-%dT%H:%M:%SZ)" "$*" >&2
}

# die CODE MESSAGE
die() {
    say "error: $2"
    exit "$1"
}

# ---- configuration -----------------------------------------------------------

readonly SETTINGS=(DATABASE PGHOST PGPORT PGUSER STANZA PGBACKREST_CONFIG PGBACKREST_CONFIG_INCLUDE_PATH
    REPOSITORY_ROOT ARCHIVE_ROOT RECIPIENTS STATUS_FILE)

configure() {
    local file=${MINDMEASURE_BACKUP_CONF:-/etc/mindmeasure/backup.conf} name
    [[ $EUID -ne 0 ]] || die 2 "run this as the user who runs the server (postgres), not as root"
    [[ -r $file ]] || die 2 "$file cannot be read; start from backup.conf.example"
    [[ -z $(find -L "$file" -perm /022) ]] || die 2 "$file may be written by others: chmod go-w $file"
    # libpq variables of whoever calls would lead to another server.
    while read -r name; do
        unset "$name"
    done < <(compgen -e | grep -E '^PG[A-Z]+$' || true)
    # shellcheck source=/dev/null
    source "$file"
    for name in "${SETTINGS[@]}"; do
        [[ -n ${!name:-} ]] || die 2 "$file does not set $name"
    done
    export PGHOST PGPORT PGUSER PGBACKREST_CONFIG PGBACKREST_CONFIG_INCLUDE_PATH PGAPPNAME=mindmeasure_backup
    PG_BIN=${PG_BIN:-$(pg_config --bindir)}
    for name in age pgbackrest flock "$PG_BIN/pg_dump"; do
        command -v "$name" >/dev/null || die 3 "$name is not installed"
    done
}

sql() {
    "$PG_BIN/psql" -X -q -At -v ON_ERROR_STOP=1 "$@"
}

# ---- one at a time -------------------------------------------------------------

# take_lock: held until the script ends, and by everything it starts.
take_lock() {
    mkdir -p "$ARCHIVE_ROOT"
    exec 9>"$ARCHIVE_ROOT/.lock"
    flock -w "${LOCK_TIMEOUT:-3600}" 9 || die 75 "another backup is still at work (lock $ARCHIVE_ROOT/.lock)"
}

# end_jobs: what was started in the background, when the script ends early.
end_jobs() {
    local job
    for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
}

# ---- files that are there wholly or not at all -------------------------------------

# keep FILE…: on disk before anybody is told so.
keep() {
    sync -- "$@"
}

# write_whole FILE [MODE]: standard input becomes FILE in one step.
write_whole() {
    local file=$1 partial=$1.partial
    cat >"$partial"
    chmod "${2:-600}" "$partial"
    keep "$partial"
    mv -f "$partial" "$file"
    keep "$(dirname "$file")"
}

# ---- what monitoring reads ------------------------------------------------------------

# record TIER EXIT_CODE: one writer at a time, since the lock is held.
record() {
    local tier=$1 code=$2 now old='' success
    now=$(date +%s)
    [[ ! -r $STATUS_FILE ]] || old=$(<"$STATUS_FILE")
    success=$now
    [[ $code -eq 0 ]] || success=$(sed -n "s/^mindmeasure_backup_last_success_seconds{tier=\"$tier\"} //p" <<<"$old")
    mkdir -p "$(dirname "$STATUS_FILE")"
    {
        grep -v -F "{tier=\"$tier\"}" <<<"$old" | sed '/^$/d' || true
        printf 'mindmeasure_backup_last_success_seconds{tier="%s"} %s\n' "$tier" "${success:-0}"
        printf 'mindmeasure_backup_last_attempt_seconds{tier="%s"} %s\n' "$tier" "$now"
        printf 'mindmeasure_backup_last_exit_code{tier="%s"} %s\n' "$tier" "$code"
    } | write_whole "$STATUS_FILE" 644
}
