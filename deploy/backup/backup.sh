#!/usr/bin/env bash
# One step of the backup schedule. Usage: backup.sh daily|weekly|annual|expire
#   daily    full backup by pgBackRest (30 days; any moment of the last 7 days)
#   weekly   encrypted archive, kept 1 year
#   annual   encrypted archive, kept 7 years
#   expire   removes what is past its time, in every tier
# Exit codes: see lib.sh.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/backup/lib.sh
source "$HERE/lib.sh"
# shellcheck source=deploy/backup/archives.sh
source "$HERE/archives.sh"
# shellcheck source=deploy/backup/repository.sh
source "$HERE/repository.sh"

finish() {
    local code=$?
    trap - EXIT
    end_jobs
    remove_partial || true
    record "$1" "$code" || say "warning: $STATUS_FILE could not be written"
    [[ $code -eq 0 ]] || say "$1: failed with $code"
    exit "$code"
}

step=${1:-}
[[ $# -eq 1 && $step =~ ^(daily|weekly|annual|expire)$ ]] || die 2 "usage: backup.sh daily|weekly|annual|expire"
configure
take_lock
trap 'finish "$step"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

case $step in
    daily) take_full ;;
    weekly | annual) take_archive "$step" ;;
    expire)
        expire_repositories
        expire_archives weekly 1
        expire_archives annual 7
        ;;
esac
