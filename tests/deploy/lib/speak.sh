# shellcheck shell=bash
# Sessions of psql that stay open, to be spoken to in turn. To be sourced.
#
#   open_session NAME CONNINFO
#   ask NAME SQL…          prints what comes back, errors too
#   close_sessions

declare -gA SESSION_IN=() SESSION_OUT=()

open_session() {
    local name=$1 in out
    mkfifo "$WORK/$name.in" "$WORK/$name.out"
    "$PG_BIN/psql" -X -q -At -d "$2" <"$WORK/$name.in" >"$WORK/$name.out" 2>&1 &
    exec {in}>"$WORK/$name.in" {out}<"$WORK/$name.out"
    SESSION_IN[$name]=$in SESSION_OUT[$name]=$out
}

ask() {
    local name=$1 line text=''
    shift
    printf '%s;\n' "$@" >&"${SESSION_IN[$name]}"
    printf '\\echo %s\n' '-- end --' >&"${SESSION_IN[$name]}"
    while IFS= read -r -t 30 -u "${SESSION_OUT[$name]}" line && [[ $line != '-- end --' ]]; do
        text+=${text:+ }$line
    done
    printf '%s\n' "$text"
}

close_sessions() {
    local name in out
    for name in "${!SESSION_IN[@]}"; do
        in=${SESSION_IN[$name]} out=${SESSION_OUT[$name]}
        exec {in}>&- {out}<&-
        rm -f "$WORK/$name.in" "$WORK/$name.out"
    done
    SESSION_IN=() SESSION_OUT=()
}
