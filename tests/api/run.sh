#!/usr/bin/env bash
# docs/api.md is what the catalog says, and the documents name no function that is not there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if ! diff -u docs/api.md <(scripts/api.sh --print) | head -n 40; then
    echo "not ok - docs/api.md is out of date (- docs/api.md, + the catalog): run scripts/api.sh"
    exit 1
fi
echo "ok - docs/api.md is what the catalog says"

missing=$(grep -h -o -E '\bmm_[a-z_]+\(' README.md docs/*.md | tr -d '(' | sort -u |
    while read -r name; do grep -q -F "$name(" docs/api.md || echo "$name"; done)
if [[ -n $missing ]]; then
    echo "not ok - the documents name functions that do not exist:" $missing
    exit 1
fi
echo "ok - every function that the documents name exists"
