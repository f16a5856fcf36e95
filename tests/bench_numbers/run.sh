#!/usr/bin/env bash
# The peers that the benchmark holds the product against compute the same numbers, to 1e-9: a ratio between two
# different things would say nothing. The one in Python is checked where its packages are (bench/run.sh puts them
# into target/bench/venv).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
# shellcheck source=tests/lib/check.sh
source tests/lib/check.sh

cluster_start peers
sql postgres -c 'CREATE DATABASE peers'
sql peers -o /dev/null -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION mindmeasure' -v people="('10', 1), ('100', 2)" -f bench/scale/templates.sql \
    -f bench/scale/copies.sql -f bench/scale/floor.sql -f bench/scale/measure.sql -f bench/peers/plpgsql.sql -f bench/peers/check.sql

# Sessions that wait to be scored, by what is special about them.
sql peers -o /dev/null <<'SQL'
INSERT INTO bench.template VALUES ('0e000000-0000-4000-8000-000000000000', 'nobody');
SELECT mm_fit_calibration(user_id, 'text') FROM bench.template WHERE kind = '10';
CREATE TABLE bench.waiting AS
SELECT 'of somebody new' AS what, bench.pending('nobody', 0, 0, 1, 'new') AS ids
UNION ALL SELECT 'of somebody with ten sessions and a calibration of their own', bench.pending('10', 0, 0, 1, 'few')
UNION ALL SELECT 'of somebody with a hundred sessions', bench.pending('100', 0, 0, 1, 'many')
UNION ALL SELECT 'with text only, quick, without a self-report', bench.pending('100', 0, 0, 1, 'quick')
UNION ALL SELECT 'with too little to learn from', bench.pending('100', 0, 0, 1, 'poor');
DELETE FROM audio_analysis AS a USING bench.waiting AS w WHERE a.session_id = ANY (w.ids) AND (w.what LIKE 'with text only%' OR w.what LIKE 'with too little%');
DELETE FROM visual_analysis AS a USING bench.waiting AS w WHERE a.session_id = ANY (w.ids) AND w.what LIKE 'with text only%';
DELETE FROM text_analysis AS a USING bench.waiting AS w WHERE a.session_id = ANY (w.ids) AND w.what LIKE 'with too little%';
UPDATE assessment_sessions AS s SET assessment_type = 'quick', mood_before = NULL FROM bench.waiting AS w WHERE s.id = ANY (w.ids) AND w.what LIKE 'with text only%';
GRANT SELECT ON bench.waiting TO PUBLIC;
SQL

python=''
for candidate in target/bench/venv/bin/python python3; do
    if [[ -z $python ]] && "$candidate" -c 'import numpy, psycopg, scipy' 2>/dev/null; then
        python=$candidate
    fi
done
[[ -n $python ]] || echo '# numpy, psycopg and scipy are not here: the peer in Python is not checked'

while read -r what; do
    result "a session $what: SQL and PL/pgSQL give the same numbers" "$(sql peers -o /dev/null 2>&1 <<SQL
SELECT ids FROM bench.waiting WHERE what = '$what' \\gset
CALL bench.check_plpgsql(:'ids');
SQL
    )"
    [[ -z $python ]] ||
        result "a session $what: Python gives the same numbers" "$("$python" bench/peers/client.py peers check "SELECT ids FROM bench.waiting WHERE what = '$what'" 2>&1 | tail -n 12)"
done < <(sql_value peers 'SELECT what FROM bench.waiting')

# Otherwise nothing of this could fail.
sql peers -c "UPDATE bench.feature SET weight = weight * 1.0001 WHERE name = 'text.wellness_score'"
said=$(sql peers -o /dev/null 2>&1 <<'SQL' || true
SELECT ids FROM bench.waiting WHERE what = 'of somebody with a hundred sessions' \gset
CALL bench.check_plpgsql(:'ids');
SQL
)
result 'a peer whose weight is another by a ten thousandth is refused' "$(grep -q 'does not give the same numbers' <<<"$said" || echo "it went through: $said")"
finish
