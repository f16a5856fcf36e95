# shellcheck shell=bash
# What a single connection measures in the crowd: against the floor, PL/pgSQL and the document's own.

single_prepare() { :; }

single_round() {
    sql bench -v round="$1" -f bench/measures/single.sql
}
