# shellcheck shell=bash
# What mm_fuse_pending(10000) takes of memory at its peak: anonymous pages of the backend, without shared buffers.

memory_prepare() { :; }

# anonymous PID: kB.
anonymous() {
    awk '/^RssAnon/ { print $2 }' "/proc/$1/status" 2>/dev/null
}

memory_round() {
    local backend before peak now
    [[ $1 -eq 1 ]] || return 0
    sql small -o /dev/null -c "SELECT bench.pending('100', 1, 24, 21, 'm')" -c "ANALYZE assessment_sessions"
    coproc WORKER { "$PG_BIN/psql" -X -q -At -v ON_ERROR_STOP=1 -d small; }
    # Warm: plans, catalog, model.
    echo "SELECT mm_fuse_pending(50) > 0, pg_backend_pid();" >&"${WORKER[1]}"
    IFS='|' read -r _ backend <&"${WORKER[0]}"
    before=$(anonymous "$backend")
    peak=$before
    echo "SELECT mm_fuse_pending(10000); \\q" >&"${WORKER[1]}"
    while now=$(anonymous "$backend") && [[ -n $now ]]; do
        [[ $now -le $peak ]] || peak=$now
        sleep 0.02
    done
    read -r now <&"${WORKER[0]}"
    [[ $now -ge 9900 ]] || die 1 "mm_fuse_pending scored $now of 10,000" "see the server's log"
    wait "$WORKER_PID" 2>/dev/null || true
    result 'mm_fuse_pending(10000), memory growth at its peak' "$1" "$(((peak - before) / 1024))" NULL
}
