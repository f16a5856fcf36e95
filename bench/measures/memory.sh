# shellcheck shell=bash
# What mm_fuse_pending(10000) takes of memory at its peak: anonymous pages of the backend, without shared buffers.

memory_prepare() { :; }

# anonymous PID: kB.
anonymous() {
    awk '/^RssAnon/ { print $2 }' "/proc/$1/status" 2>/dev/null
}

memory_round() {
    local backend before peak now to from worker
    [[ $1 -eq 1 ]] || return 0
    sql small -o /dev/null -c "SELECT bench.pending('100', 1, 24, 21, 'm')" -c "ANALYZE assessment_sessions"
    coproc WORKER { "$PG_BIN/psql" -X -q -At -v ON_ERROR_STOP=1 -d small; }
    # Of our own: bash takes back the other three with the process.
    worker=$WORKER_PID
    exec {to}>&"${WORKER[1]}" {from}<&"${WORKER[0]}"
    # Warm: plans, catalog, model.
    echo "SELECT mm_fuse_pending(50) > 0, pg_backend_pid();" >&"$to"
    IFS='|' read -r _ backend <&"$from"
    before=$(anonymous "$backend")
    peak=$before
    printf '%s\n' 'SELECT mm_fuse_pending(10000);' '\q' >&"$to"
    while now=$(anonymous "$backend") && [[ -n $now ]]; do
        [[ $now -le $peak ]] || peak=$now
        sleep 0.02
    done
    read -r now <&"$from"
    exec {to}>&- {from}<&-
    [[ $now -ge 9900 ]] || die 1 "mm_fuse_pending scored $now of 10,000" "see the server's log"
    wait "$worker" 2>/dev/null || true
    result 'mm_fuse_pending(10000), memory growth at its peak' "$1" "$(((peak - before) / 1024))" NULL
}
