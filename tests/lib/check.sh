# shellcheck shell=bash
# Tests of a script, counted: result, check or is for each, finish at the end. To be sourced; check keeps
# what was said in WORK, a directory of the script's own.
FAILED=0
COUNT=0

# result DESCRIPTION WRONG: one test; WRONG is empty when all is well.
result() {
    COUNT=$((COUNT + 1))
    if [[ -z $2 ]]; then
        echo "ok $COUNT - $1"
    else
        FAILED=$((FAILED + 1))
        echo "not ok $COUNT - $1"
        head -n 20 <<<"$2" | sed 's/^/#   /'
    fi
}

# check DESCRIPTION COMMAND…: one test; the command succeeds.
check() {
    local description=$1 said=''
    shift
    if ! "$@" >"$WORK/check.log" 2>&1; then
        said=$(tail -n 20 "$WORK/check.log")
        said=${said:-it failed, and said nothing}
    fi
    result "$description" "$said"
}

# is DESCRIPTION WANTED SEEN: one test.
is() {
    result "$1" "$(equals "$2" "$3")"
}

# ---- for use in these ----
equals() { # WANTED SEEN: or says the difference
    [[ $1 == "$2" ]] || { echo "wanted $1, got $2"; return 1; }
}
same_text() { # WANTED SEEN, files
    diff -u --label wanted --label seen "$1" "$2"
}
not() {
    ! "$@"
}

finish() {
    echo "$((COUNT - FAILED)) of $COUNT passed"
    [[ $FAILED -eq 0 ]]
}
