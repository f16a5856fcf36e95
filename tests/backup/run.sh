#!/usr/bin/env bash
# The backup tiers of deploy/backup, run for real: pgBackRest and age, restores to a moment and from an
# archive, wrong keys, damage, a full disk, interruptions, rotation of keys, and a moved clock.
# MINDMEASURE_PARTS names some of the files of tests/backup/parts, 1 and 2 always among them.
# MINDMEASURE_FULL=1: 45 nights, and every one of the weekly and annual archives is taken and not copied.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
# shellcheck source=tests/lib/check.sh
source tests/lib/check.sh
for tool in pgbackrest age flock openssl; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed"; exit 77; }
done
FAKETIME_LIBRARY=$(find /usr/lib -name libfaketime.so.1 2>/dev/null | head -n 1 || true)
[[ -n $FAKETIME_LIBRARY ]] || { echo "libfaketime is not installed"; exit 77; }
HERE=tests/backup
# shellcheck source=tests/backup/lib/fixture.sh
source "$HERE/lib/fixture.sh"
WATCHER='' SMALL=''
stop_small() { :; }
clean_up() {
    [[ -z $WATCHER ]] || kill "$WATCHER" 2>/dev/null || true
    stop_small
    cluster_remove_all
    rm -rf "$LIVE" "$WORK" ${SMALL:+"$SMALL"}
}
trap clean_up EXIT

write_files
start_live
sql postgres -c 'CREATE DATABASE mind' -c 'CREATE DATABASE other'
sql mind -c 'CREATE SCHEMA "Odd Name"' -c 'CREATE EXTENSION mindmeasure SCHEMA "Odd Name"' 2>/dev/null
sql mind -o /dev/null -f "$HERE/fill.sql"
watch_command_lines

for part in ${MINDMEASURE_PARTS:-"$HERE"/parts/*.sh}; do
    echo "# $(sed -n '2s/^# //p' "$part")"
    # shellcheck source=/dev/null
    source "$part"
done

finish
