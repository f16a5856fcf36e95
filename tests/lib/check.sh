# shellcheck shell=bash
# Tests of a script, counted: check … for each, finish at the end. To be sourced; WORK is a directory of the
# script's own.
FAILED=0
COUNT=0

# check DESCRIPTION COMMAND…: one test.
check() {
    local description=$1
    shift
    COUNT=$((COUNT + 1))
    if "$@" >"$WORK/check.log" 2>&1; then
        echo "ok $COUNT - $description"
    else
        FAILED=$((FAILED + 1))
        echo "not ok $COUNT - $description"
        head -n 20 "$WORK/check.log" | sed 's/^/#   /'
    fi
}

# same_text WANTED SEEN
same_text() {
    diff -u --label wanted --label seen "$1" "$2"
}

finish() {
    echo "$((COUNT - FAILED)) of $COUNT passed"
    [[ $FAILED -eq 0 ]]
}
