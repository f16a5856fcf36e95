#!/usr/bin/env bash
# Puts the last run's table (target/bench/results.md) between the two markers of docs/performance.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ -s target/bench/results.md ]] || { echo "there is no target/bench/results.md: run bench/run.sh first" >&2; exit 1; }
new=$(mktemp)
trap 'rm -f "$new"' EXIT
awk '/^<!-- results -->$/ { print; while ((getline line <"target/bench/results.md") > 0) print line; inside = 1; next }
     /^<!-- \/results -->$/ { inside = 0; ended = 1 }
     !inside
     END { exit !ended }' docs/performance.md >"$new" || { echo "docs/performance.md has lost its markers" >&2; exit 1; }
cat "$new" >docs/performance.md
