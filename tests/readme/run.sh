#!/usr/bin/env bash
# The examples in README.md and docs/scoring.md, typed in from the top, print what stands below them;
# and the session that docs/scoring.md computes by hand comes out as its formulas have it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh

# block FILE LANGUAGE: the first such block after the mark.
block() {
    awk -v fence="\`\`\`$2" '/<!-- example:/ { marked = 1 } marked && $0 == fence { inside = 1; next } inside && /^```$/ { exit } inside' "$1"
}

cluster_start readme
for file in README.md docs/scoring.md; do
    sql postgres -c "CREATE DATABASE example"
    got=$(block "$file" sql | "$PG_BIN/psql" -X -q -d example -f - 2>&1 | sed -E 's/^psql:<stdin>:[0-9]+: //' || true)
    sql postgres -c "DROP DATABASE example"
    if [[ ${1:-} == --print ]]; then
        printf '%s\n\n' "$got"
        continue
    fi
    diff <(block "$file" text | sed -e 's/[[:space:]]*$//') <(printf '%s\n' "$got" | sed -e 's/[[:space:]]*$//') ||
        { echo "$file says something else than the database (< $file, > database)"; exit 1; }
    echo "the example of $file prints what it says"
done
[[ ${1:-} == --print ]] || python3 tests/readme/worked_example.py docs/scoring.md
