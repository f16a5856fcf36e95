# shellcheck shell=bash
# Scoring in an application: bench/peers/client.py. The one in PL/pgSQL is part of single.sql.

peers_prepare() {
    local ids="bench.pending('10', 1, 2, 1, 'check') || bench.pending('100', 1, 1, 1, 'check') || bench.pending('1000', 1, 1, 1, 'check')"
    if [[ ! -x $RESULTS/venv/bin/python ]]; then
        step "Python with what bench/peers/requirements.txt names"
        python3 -m venv "$RESULTS/venv"
    fi
    "$RESULTS/venv/bin/pip" install --quiet --disable-pip-version-check --requirement bench/peers/requirements.txt
    step "the peers' numbers against ours"
    sql postgres -c "CREATE DATABASE checked TEMPLATE small"
    sql checked <<SQL
SELECT $ids AS ids \\gset
CALL bench.check_plpgsql(:'ids');
SQL
    "$RESULTS/venv/bin/python" bench/peers/client.py checked check "SELECT ${ids//check/again}"
    sql postgres -c "DROP DATABASE checked"
}

peers_round() {
    local figures
    read -ra figures < <("$RESULTS/venv/bin/python" bench/peers/client.py small measure \
        "SELECT bench.pending('100', 1, 3, 1, 'ours$1')" "SELECT bench.pending('100', 4, 6, 1, 'theirs$1')")
    result 'mm_fuse_session, called from Python' "$1" "${figures[0]}" "${figures[2]}"
    result 'mm_fuse_session, called from Python, by the clock' "$1" "${figures[1]}" "${figures[3]}"
}
