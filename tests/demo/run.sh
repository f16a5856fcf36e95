#!/usr/bin/env bash
# ./pg_demo.sh, as somebody new would run it: the cohort is scored, a report is written where it says, a second
# run starts over, and stop leaves nothing. Skipped where a demo is up already: it is somebody's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/lib/check.sh
source tests/lib/check.sh
if [[ -e .demo ]]; then
    echo "a demo is up: ./pg_demo.sh stop"
    exit 77
fi
WORK=$(mktemp -d /var/tmp/mindmeasure-demo-test.XXXXXX)
trap './pg_demo.sh stop >"$WORK/stopped" 2>&1; rm -rf "$WORK"' EXIT

demo() {
    ./pg_demo.sh >"$WORK/said" 2>"$WORK/steps"
}
# The line after the one that announces it.
report() {
    sed -n "/report, for a browser/{n;s/^ *//p}" "$WORK/said"
}

check 'the demo runs' demo
page=$(report)
check 'it says where a report is' test -s "$page"
is 'which is one page' '<!DOCTYPE html> </html>' "$(head -c 15 "$page") $(tail -c 8 "$page" | tr -d '\n')"
check 'with a chart' grep -q '<svg' "$page"
check 'of person 04' grep -q 'Person 04' "$page"
check 'that reaches for nothing outside of it' not grep -E -q '<script|<link|(src|href)="(https?:)?//' "$page"
check 'the table shows all twenty people' test "$(grep -c 'Person [0-9][0-9]' "$WORK/said")" -ge 20
connect=$(grep -m 1 -o '[^ ]*/psql .*' "$WORK/said")
is 'and what it offers to connect with, connects: every session has a score' 1200 \
    "$($connect -At -c 'SELECT count(*) FROM public.fusion_outputs')"
rm "$page"
check 'it runs again' demo
check 'and writes the report anew' test -s "$page"
directory=$(<.demo/directory)
check 'stop' ./pg_demo.sh stop
check 'leaves nothing' test ! -e .demo -a ! -e "$directory"
finish
