# shellcheck shell=bash
# Shared by every script: clean environment, progress lines, errors with a remedy.
# To be sourced; the caller sets `set -euo pipefail`.

declare -F step >/dev/null && return 0

# shellcheck disable=SC2034 # used by all that source this
MM_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
MM_STARTED=$SECONDS

# libpq variables (PGHOST, PGSERVICE …) would lead to somebody else's server;
# RUST_BACKTRACE puts Rust frames into the DETAIL of ordinary SQL errors.
# PG_MAJOR, PG_CONFIG and PGRX_* carry an underscore and stay.
while read -r name; do
    unset "$name"
done < <(compgen -e | grep -E '^PG[A-Z]+$' || true)
unset name RUST_BACKTRACE RUST_LIB_BACKTRACE
export LC_ALL=C.UTF-8

# step TEXT…: a progress line with the seconds since the start.
step() {
    printf '[%4d s] %s\n' "$((SECONDS - MM_STARTED))" "$*"
}

# die CODE MESSAGE REMEDY
# Codes: 3 something is missing, 4 a step failed, 2 wrong usage.
die() {
    printf '\nerror: %s\nremedy: %s\n' "$2" "$3" >&2
    exit "$1"
}

# show_log FILE: its last 30 lines and where the rest is.
show_log() {
    {
        printf -- '---- last 30 lines of %s\n' "$1"
        tail -n 30 "$1"
        printf -- '---- full log: %s\n' "$1"
    } >&2
}

# A line every 30 seconds, so that nobody takes a long build for a hang. The
# watched command stays in the foreground: Ctrl-C reaches it.
heartbeat() {
    local log=$1 parent=$$
    # The sleep must not keep the caller's pipes open after it is orphaned.
    while sleep 30 >/dev/null 2>&1 && kill -0 "$parent" 2>/dev/null; do
        step "  … at it: $(tail -n 1 "$log" | tr -d '\r' | sed 's/^ *//' | cut -c 1-70)"
    done
}

# run_logged LOG COMMAND…: output goes to LOG; returns the command's status.
run_logged() {
    local log=$1 status=0 watcher
    shift
    mkdir -p "$(dirname "$log")"
    : >"$log"
    heartbeat "$log" &
    watcher=$!
    "$@" </dev/null >>"$log" 2>&1 || status=$?
    kill "$watcher" 2>/dev/null || true
    wait "$watcher" 2>/dev/null || true
    return "$status"
}

# must_run LOG REMEDY COMMAND…: run_logged, and the end when it fails.
must_run() {
    local log=$1 remedy=$2
    shift 2
    if ! run_logged "$log" "$@"; then
        show_log "$log"
        die 4 "failed: $*" "$remedy"
    fi
}
