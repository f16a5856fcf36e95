#!/usr/bin/env bash
# A backend is killed with -9 while it erases or restores a person: all of it or nothing, nobody else
# is touched, and the next call finishes. 5 rounds of each, 50 with MINDMEASURE_FULL=1;
# MINDMEASURE_SEED=n repeats a run's moments. Then a person of very many sessions: 2000, or 10000.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
HERE=tests/person
WORK=$(mktemp -d /var/tmp/mindmeasure-person.XXXXXX)
trap 'cluster_remove_all; rm -rf "$WORK"' EXIT
ROUNDS=5
LARGE=2000
[[ ${MINDMEASURE_FULL:-0} != 1 ]] || { ROUNDS=50; LARGE=10000; }
RANDOM=${MINDMEASURE_SEED:-$$}
CLUSTER=person
# shellcheck source=tests/lib/kill.sh
source tests/lib/kill.sh

PERSON=00000000-0000-4000-8000-000000000001
rows() { # DATABASE [false]: of the person, or of all others
    sql "$1" -v person="$PERSON" -v theirs="${2:-true}" -f "$HERE/rows.sql" 2>&1
}
sessions() { # DATABASE: main + archive
    sql_value "$1" "SELECT (SELECT count(*) FROM assessment_sessions WHERE user_id = '$PERSON') + (SELECT count(*) FROM assessment_sessions_archive WHERE user_id = '$PERSON')"
}

cluster_start person --durable
sql postgres -c 'CREATE DATABASE filled'
sql filled -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION mindmeasure'
sql filled -o /dev/null -f "$HERE/fill.sql"
WAS=$(rows filled)
OTHERS=$(rows filled false)
result 'given three hundred sessions, some archived' "$(
    equals 300 "$(sessions filled)"
    [[ $(sql_value filled 'SELECT count(*) FROM assessment_sessions_archive') -gt 50 ]] || echo 'too few are archived')"

# ---- erase -----------------------------------------------------------------------------------------
ERASE="SELECT count(*) FROM mm_erase_user('$PERSON', 'test')"
fresh undisturbed
NOTHING=$(sql undisturbed -o /dev/null -c "$ERASE" && rows undisturbed)
fresh undisturbed
ERASE_MS=$(duration_of undisturbed "$ERASE")
hit=0
finished=0
for ((round = 1; round <= ROUNDS; round++)); do
    fresh victim
    sql postgres -c CHECKPOINT
    work victim "$ERASE"
    [[ $(kill_at $((RANDOM % (ERASE_MS + 30))) KILL) != killed ]] || hit=$((hit + 1))
    status=0
    wait "$WORKER" || status=$?
    wait_for_server
    after=$(rows victim)
    erased=$(sql_value victim 'SELECT count(*) FROM erasure_log WHERE erased_at IS NOT NULL')
    finished=$((finished + erased))
    result "kill -9 in mm_erase_user(), round $round: all or nothing, and the next call finishes" "$(
        case $erased in
            0) equals "$WAS" "$after"; equals 300 "$(sessions victim)" ;;
            *) equals "$NOTHING" "$after"; equals 0 "$(sessions victim)" ;;
        esac
        [[ $status -ne 0 || $erased == 1 ]] || echo 'it was said to be done'
        sql victim -o /dev/null -c "$ERASE" 2>&1
        equals "$NOTHING" "$(rows victim)"
        equals "0 $OTHERS" "$(sql_value victim "SELECT count(*) FROM row_history WHERE user_id = '$PERSON'") $(rows victim false)")"
done
echo "# killed $hit, of which $finished had been done"
result 'at least one erasure was hit' "$([[ $hit -gt 0 ]] || echo 'not one of them')"

# ---- restore ----------------------------------------------------------------------------------------
MOMENT=$(sql_value filled 'SELECT clock_timestamp()')
sql filled -o /dev/null -f "$HERE/change.sql"
BECAME=$(rows filled)
RESTORE="SELECT count(*) FROM backup_restore_user_data('$PERSON', '$MOMENT')"
fresh undisturbed
RESTORE_MS=$(duration_of undisturbed "SET client_min_messages = warning; $RESTORE")
result 'undisturbed, a restore brings everything back, scores too' "$(equals "$WAS" "$(rows undisturbed)"; equals "$OTHERS" "$(rows undisturbed false)")"
hit=0
for ((round = 1; round <= ROUNDS; round++)); do
    fresh victim
    sql postgres -c CHECKPOINT
    work victim "$RESTORE"
    [[ $(kill_at $((RANDOM % (RESTORE_MS + 30))) KILL) != killed ]] || hit=$((hit + 1))
    status=0
    wait "$WORKER" || status=$?
    wait_for_server
    after=$(rows victim)
    result "kill -9 in backup_restore_user_data(), round $round: all or nothing, and the next call finishes" "$(
        [[ $after == "$WAS" || $status -ne 0 && $after == "$BECAME" ]] || echo "half of it is there: $after"
        sql victim -o /dev/null -c 'SET client_min_messages = warning' -c "$RESTORE" 2>&1
        equals "$WAS" "$(rows victim)"
        equals "$OTHERS" "$(rows victim false)")"
done
echo "# killed $hit"
result 'at least one restore was hit' "$([[ $hit -gt 0 ]] || echo 'not one of them')"

# ---- very many sessions -----------------------------------------------------------------------------
fresh large
sql large -o /dev/null -f - <<SQL
INSERT INTO assessment_sessions (id, user_id, status, created_at, reflection_notes)
SELECT gen_random_uuid(), '00000000-0000-4000-8000-000000000010', 'completed', '2000-01-01'::timestamptz + n * interval '1 h', repeat('x', 500) FROM generate_series(1, $LARGE) AS n;
INSERT INTO text_analysis (session_id, text_wellness_score) SELECT id, 50 FROM assessment_sessions WHERE user_id = '00000000-0000-4000-8000-000000000010';
CREATE TABLE document AS SELECT mm_export_user('00000000-0000-4000-8000-000000000010') AS d;
SQL
PERSON=00000000-0000-4000-8000-000000000010
WAS=$(rows large)
sql large -o /dev/null -c "SET session_replication_role = replica" -c "DELETE FROM text_analysis WHERE user_id = '$PERSON'" -c "DELETE FROM assessment_sessions WHERE user_id = '$PERSON'" \
    -c "DELETE FROM session_keys WHERE user_id = '$PERSON'" -c "DELETE FROM row_history WHERE user_id = '$PERSON'"
result "$LARGE sessions go out and in again as one document" "$(
    sql large -o /dev/null -c 'SELECT mm_import_user(d) FROM document' 2>&1
    equals "$WAS" "$(rows large)")"
sql large -o /dev/null -c "SELECT mm_rescore_user('$PERSON')" 2>"$WORK/rescore"
result 'scoring them anew says how far it is, batch by batch' "$(
    equals $((LARGE / 100)) "$(grep -c '^NOTICE:  rescore: ' "$WORK/rescore")"
    tail -n 1 "$WORK/rescore" | grep -q "$LARGE of $LARGE" || tail -n 1 "$WORK/rescore")"
sql large -o /dev/null -c "SELECT mm_erase_user('$PERSON', 'test')" 2>"$WORK/erase"
result 'erasing them says how far it is, batch by batch, and leaves nothing' "$(
    [[ $(grep -c '^NOTICE:  erase: ' "$WORK/erase") -ge 5 ]] || cat "$WORK/erase"
    equals 0 "$(rows large | cut -d ' ' -f 1)")"

finish
