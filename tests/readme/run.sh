#!/usr/bin/env bash
# The example in README.md, typed in from the top, prints what README.md says.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh

# block LANGUAGE: the first such block after the mark.
block() {
    awk -v fence="\`\`\`$1" '/<!-- example:/ { marked = 1 } marked && $0 == fence { inside = 1; next } inside && /^```$/ { exit } inside' README.md
}

cluster_start readme
sql postgres -c "CREATE DATABASE example"
got=$(block sql | "$PG_BIN/psql" -X -q -d example -f - 2>&1 | sed -E 's/^psql:<stdin>:[0-9]+: //' || true)
if [[ ${1:-} == --print ]]; then
    printf '%s\n' "$got"
    exit
fi
diff <(block text | sed -e 's/[[:space:]]*$//') <(printf '%s\n' "$got" | sed -e 's/[[:space:]]*$//') ||
    { echo "README.md says something else than the database (< README, > database)"; exit 1; }
echo "README.md's example prints what it says"
