#!/usr/bin/env bash
# Random statements by random people: nobody ever sees or meets a row of somebody else's. 2,000 probes
# and 500 queries of sqlsmith, 100,000 and 10,000 with MINDMEASURE_FULL=1; MINDMEASURE_SEED=n repeats a
# run. That the probes can see foreign rows is shown first, with a policy that lets them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
# shellcheck source=tests/lib/check.sh
source tests/lib/check.sh
HERE=tests/probes
command -v sqlsmith >/dev/null || { echo "sqlsmith is not installed"; exit 77; }
WORK=$(mktemp -d /var/tmp/mindmeasure-probes.XXXXXX)
trap 'cluster_remove_all; rm -rf "$WORK"' EXIT
PROBES=2000
QUERIES=500
[[ ${MINDMEASURE_FULL:-0} != 1 ]] || { PROBES=100000; QUERIES=10000; }
SEED=${MINDMEASURE_SEED:-$((RANDOM % 1000))}
echo "MINDMEASURE_SEED=$SEED"


cluster_start probes "statement_timeout = 0"
sql postgres -c "CREATE DATABASE probes"
sql probes -c "SET client_min_messages = warning" -c "CREATE EXTENSION mindmeasure" -f "$HERE/fill.sql" -f "$HERE/probe.sql"

# ---- probes --------------------------------------------------------------------------------
sql probes -c 'CREATE POLICY "leak" ON text_analysis FOR SELECT TO mindmeasure_user USING (true)' -c "CALL probe.run(500, 0.5)"
is "with a policy that leaks, the probes see it" t "$(sql_value probes "SELECT count(*) > 0 FROM probe.foreign_row")"
sql probes -c 'DROP POLICY "leak" ON text_analysis' -c "TRUNCATE probe.foreign_row, probe.result, probe.failure"

sql probes -c "CALL probe.run($PROBES, ${SEED} / 1000.0)"
is "$PROBES probes: no foreign row" "" "$(sql_value probes "SELECT role, person, statement, seen FROM probe.foreign_row LIMIT 5")"
is "no error but refusals" "" "$(sql_value probes "SELECT state, message, statement FROM probe.failure LIMIT 5")"
is "and rows enough to tell" t "$(sql_value probes "SELECT rows > probes FROM probe.result")"
is "and refusals" t "$(sql_value probes "SELECT refused > probes / 20 FROM probe.result")"
sql_value probes "SELECT format('# %s probes saw %s rows of their own, %s were refused', probes, rows, refused) FROM probe.result"

# ---- sqlsmith, as the first person ------------------------------------------------------------
sql probes -c "ALTER ROLE probe_app SET statement_timeout = '1s'" -c "ALTER ROLE probe_app SET temp_file_limit = '100MB'" \
    -c "ALTER ROLE probe_app SET request.jwt.claims = '{\"sub\": \"$(sql_value probes 'SELECT id FROM probe.person WHERE n = 1')\"}'" 2>/dev/null ||
    sql probes -c "ALTER ROLE probe_app SET request.jwt.claims = '{\"sub\": \"$(sql_value probes 'SELECT id FROM probe.person WHERE n = 1')\"}'"
PID=$(head -n 1 <(as_pg cat "${CLUSTER_DIR[probes]}/data/postmaster.pid"))
OWN="MARK1MARK|$(sql_value probes 'SELECT id FROM probe.person WHERE n = 1')"
# Few of its queries read anything. Another seed follows, five at most, until some row is the person's own.
: >"$WORK/queries.sql"
: >"$WORK/sqlsmith.log"
for ((batch = 1; batch <= 5; batch++)); do
    timeout $((QUERIES + 60)) sqlsmith --target="host=$PGHOST port=$PGPORT user=probe_app dbname=probes" --exclude-catalog \
        --max-queries="$QUERIES" --seed="$((SEED + batch - 1))" --dump-all-queries >>"$WORK/queries.sql" 2>>"$WORK/sqlsmith.log" || true
    # The same queries again, to look at what they give.
    PGUSER=probe_app "$PG_BIN/psql" -X -At -d probes -v ON_ERROR_STOP=0 -f "$WORK/queries.sql" >"$WORK/seen.txt" 2>"$WORK/errors.txt" || true
    ! grep -q -E "$OWN" "$WORK/seen.txt" || break
done
is "sqlsmith made $QUERIES queries" t "$(awk -v n="$QUERIES" '/;$/ { c++ } END { print (c >= n * 0.9) ? "t" : "made " c }' "$WORK/queries.sql")"
sql_value probes "SELECT string_agg(id || '|' || mark, '|') FROM probe.person WHERE n > 1" >"$WORK/foreign"
is "none of them shows a foreign row" "" "$(grep -E -m 3 "$(cat "$WORK/foreign")" "$WORK/seen.txt" || true)"
is "they do show the person's own" t "$(grep -q -E "$OWN" "$WORK/seen.txt" && echo t)"
is "no error message holds a foreign row" "" "$(grep -E -m 3 "$(cat "$WORK/foreign")" "$WORK/errors.txt" "$WORK/sqlsmith.log" || true)"
is "no backend has crashed" "" "$(as_pg grep -E -m 3 'terminated by signal|PANIC|TRAP' "${CLUSTER_DIR[probes]}/log" || true)"
is "and the server is the same" "$PID" "$(head -n 1 <(as_pg cat "${CLUSTER_DIR[probes]}/data/postmaster.pid"))"
is "no internal error (XX000) of ours" "" "$(grep -E -m 3 'ERROR: .*(panicked|query failed|should not happen)' "$WORK/errors.txt" || true)"

finish
