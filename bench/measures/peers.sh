# shellcheck shell=bash
# The same scoring in SQL and PL/pgSQL, and in an application: bench/peers. Only who gives the same numbers is
# held against.

PEERS=()

# same PEER COMMAND…: takes the peer in where the command finds the same numbers.
same() {
    local peer=$1
    shift
    if "$@"; then
        PEERS+=("$peer")
    else
        step "$peer does not give the same numbers as mm_fuse_session(): left out of the table"
    fi
}

check_plpgsql() {
    sql checked <<SQL
SELECT $1 AS ids \\gset
CALL bench.check_plpgsql(:'ids');
SQL
}

peers_prepare() {
    local ids="bench.pending('10', 1, 2, 1, 'check') || bench.pending('100', 1, 1, 1, 'check') || bench.pending('1000', 1, 1, 1, 'check')"
    if [[ ! -x $RESULTS/venv/bin/python ]]; then
        step "Python with what bench/peers/requirements.txt names"
        python3 -m venv "$RESULTS/venv"
    fi
    "$RESULTS/venv/bin/pip" install --quiet --disable-pip-version-check --requirement bench/peers/requirements.txt
    sql postgres -c "CREATE DATABASE peers TEMPLATE small"
    sql peers -o /dev/null -f bench/peers/plpgsql.sql -f bench/peers/check.sql
    step "the peers' numbers against ours"
    sql postgres -c "CREATE DATABASE checked TEMPLATE peers"
    same plpgsql check_plpgsql "$ids"
    same python "$RESULTS/venv/bin/python" bench/peers/client.py checked check "SELECT ${ids//check/again}"
    sql postgres -c "DROP DATABASE checked"
}

plpgsql_round() {
    local took
    took=$(sql peers -At -v round="$1" <<'SQL'
\o /dev/null
SELECT bench.pending('100', 21, 21, 1, 'v' || :round) AS warm, bench.pending('100', 22, 22, 1, 'w' || :round) AS warm_peer,
       bench.pending('100', 7, 9, 1, 'o' || :round) AS ours, bench.pending('100', 10, 12, 1, 'p' || :round) AS peer \gset
ANALYZE assessment_sessions;
CALL bench.fuse_each(:'warm', NULL);
CALL bench.fuse_each(:'ours', NULL) \gset ours_
SET ROLE mindmeasure_owner;
CALL bench.plpgsql_each(:'warm_peer', NULL);
CALL bench.plpgsql_each(:'peer', NULL) \gset peer_
\o
SELECT :ours_took, :peer_took;
SQL
    )
    result mm_fuse_session "$1" "${took%|*}" "${took#*|}"
}

python_round() {
    local figures
    read -ra figures < <("$RESULTS/venv/bin/python" bench/peers/client.py peers measure \
        "SELECT bench.pending('100', 1, 3, 1, 'ours$1')" "SELECT bench.pending('100', 4, 6, 1, 'theirs$1')")
    result 'mm_fuse_session, called from Python' "$1" "${figures[0]}" "${figures[2]}"
    result 'mm_fuse_session, called from Python, by the clock' "$1" "${figures[1]}" "${figures[3]}"
}

peers_round() {
    local peer
    for peer in "${PEERS[@]}"; do
        "${peer}_round" "$1"
    done
}
