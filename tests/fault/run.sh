#!/usr/bin/env bash
# Backends and servers that are killed in the middle of scoring: nothing half-written is left, and the
# next call finishes the work. 5 rounds of each kind, 50 with MINDMEASURE_FULL=1; MINDMEASURE_SEED=n
# repeats a run's moments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
HERE=tests/fault
WORK=$(mktemp -d /var/tmp/mindmeasure-fault.XXXXXX)
trap 'cluster_remove_all; rm -rf "$WORK"' EXIT
ROUNDS=5
[[ ${MINDMEASURE_FULL:-0} != 1 ]] || ROUNDS=50
RANDOM=${MINDMEASURE_SEED:-$$}

CLUSTER=fault
# shellcheck source=tests/lib/kill.sh
source tests/lib/kill.sh

consistent() { # DATABASE
    { sql "$1" -f "$HERE/inconsistent.sql" || echo 'the check failed'; } 2>&1
}

ALL=120
cluster_start fault --durable
sql postgres -c 'CREATE DATABASE filled'
sql filled -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION mindmeasure'
sql filled -o /dev/null -f "$HERE/fill.sql"
PENDING='SELECT mm_fuse_pending()'
RESCORE="SELECT mm_rescore_user(user_id) FROM (SELECT DISTINCT user_id FROM session_keys) AS u"
fresh undisturbed
PENDING_MS=$(duration_of undisturbed "$PENDING")
sql undisturbed -c 'CREATE TABLE wanted AS SELECT session_id, p_worse_fused, score_smoothed FROM fusion_outputs'
WANTED=$(sql_value undisturbed 'SELECT md5(string_agg(f::text, chr(10) ORDER BY session_id)) FROM wanted AS f')
result 'undisturbed: all are scored' "$(equals "$ALL" "$(sql_value undisturbed 'SELECT count(*) FROM fusion_outputs')")"
result 'undisturbed: nothing is inconsistent' "$(consistent undisturbed)"
scores() {
    sql_value "$1" 'SELECT md5(string_agg(f::text, chr(10) ORDER BY session_id)) FROM (SELECT session_id, p_worse_fused, score_smoothed FROM fusion_outputs) AS f'
}

# The check itself can fail.
fresh broken
sql broken -o /dev/null -c 'SELECT mm_fuse_pending(20)' -c "DELETE FROM mind_measure_scores WHERE session_id = (SELECT session_id FROM fusion_outputs LIMIT 1)" \
    -c "UPDATE user_feature_baselines SET m2 = m2 + 1e-9 WHERE feature_name = 'text.clarity'"
result 'a missing score and a wrong baseline are noticed' \
    "$(equals 3 "$(consistent broken | grep -c -E 'score false|differs in (user_feature_baselines|mind_measure_scores)')")"

# ---- a backend is killed in a batch; the server recovers ------------------------------------
# Batches of a few sessions commit in between, as a worker does it.
BATCHES="DO \$\$ BEGIN LOOP EXIT WHEN mm_fuse_pending(7) = 0; COMMIT; END LOOP; END \$\$"
killed=0
missed=0
for ((round = 1; round <= ROUNDS; round++)); do
    fresh victim
    sql postgres -c CHECKPOINT
    work victim "$BATCHES"
    if [[ $(kill_at $((RANDOM % (PENDING_MS + 50))) KILL) == killed ]]; then killed=$((killed + 1)); else missed=$((missed + 1)); fi
    wait "$WORKER" || true
    wait_for_server
    result "kill -9 in mm_fuse_pending(), round $round: nothing half-written, the next call finishes, as if nothing had been" "$(
        consistent victim
        sql_value victim "$BATCHES" 2>&1
        consistent victim
        equals "$ALL" "$(sql_value victim "SELECT count(*) FROM assessment_sessions WHERE status = 'completed'")"
        equals "$WANTED" "$(scores victim)")"
done
echo "# killed $killed, was too late for $missed"
result 'at least one batch was hit' "$([[ $killed -gt 0 ]] || echo 'not one of them')"

# ---- and in a replay ------------------------------------------------------------------------------
fresh rescored
sql rescored -o /dev/null -c "$PENDING"
RESCORE_MS=$(duration_of rescored "$RESCORE")
for ((round = 1; round <= ROUNDS; round++)); do
    # Half of what the replay would put right is wrong before: it is put right wholly or not at all.
    sql rescored -c "UPDATE fusion_outputs SET score_smoothed = 50" -c "CHECKPOINT"
    before=$(scores rescored)
    work rescored "$RESCORE"
    kill_at $((RANDOM % (RESCORE_MS + 50))) KILL >"$WORK/hit"
    status=0
    wait "$WORKER" || status=$?
    wait_for_server
    after=$(scores rescored)
    # Killed after the commit the client hears of no success.
    result "kill -9 in mm_rescore_user(), round $round ($(cat "$WORK/hit")): wholly or not at all, and the next call finishes" "$(
        [[ $after == "$WANTED" || $status -ne 0 && $after == "$before" ]] || echo 'half of it is there'
        sql rescored -o /dev/null -c "$RESCORE" 2>&1
        equals "$WANTED" "$(scores rescored)"
        consistent rescored)"
done

# ---- the whole server --------------------------------------------------------------------------------
fresh victim
work victim "$BATCHES"
sleep "$(printf '0.%03d' $((RANDOM % 300 + 50)))"
cluster_stop fault immediate
wait "$WORKER" || true
cluster_resume fault
result 'the server stops at once in mm_fuse_pending(): nothing half-written, the next call finishes' "$(
    consistent victim
    sql_value victim "$BATCHES" 2>&1
    equals "$WANTED" "$(scores victim)"
    consistent victim)"

# ---- cancelling -----------------------------------------------------------------------------------------
# A person with so many sessions that a replay takes a second.
sql filled -o /dev/null -f - <<'SQL'
INSERT INTO assessment_sessions (id, user_id, status, created_at)
SELECT gen_random_uuid(), '00000000-0000-4000-8000-000000000777', 'completed', '2000-01-01'::timestamptz + n * interval '1 h' FROM generate_series(1, 4000) AS n;
INSERT INTO text_analysis (session_id, text_wellness_score) SELECT id, 50 FROM assessment_sessions WHERE user_id = '00000000-0000-4000-8000-000000000777';
SQL
LONG="SELECT mm_rescore_user('00000000-0000-4000-8000-000000000777')"
# cancelled SQL: a timeout of a sixth of what it takes; prints what is wrong.
cancelled() {
    local whole started took
    whole=$(duration_of filled "$1")
    started=$(date +%s%N)
    ! sql filled -c "SET statement_timeout = $((whole / 6 + 1))" -c "$1" >"$WORK/out" 2>&1 || echo "it was not cancelled after $((whole / 6)) ms"
    took=$((($(date +%s%N) - started) / 1000000))
    grep -q 'canceling statement due to statement timeout' "$WORK/out" || cat "$WORK/out"
    [[ $took -lt $((whole * 2 / 3 + 100)) ]] || echo "it took $took of $whole ms"
}
result 'statement_timeout ends mm_rescore_user()' "$(cancelled "$LONG")"
result 'statement_timeout ends mm_update_baselines()' "$(cancelled "SELECT mm_update_baselines('00000000-0000-4000-8000-000000000777')")"
# The queue is measured in another database: here it stays full.
sql filled -c "SET statement_timeout = $((PENDING_MS / 4 + 1))" -c 'SELECT mm_fuse_pending()' >"$WORK/out" 2>&1 || true
result 'statement_timeout ends mm_fuse_pending()' "$(grep -q 'canceling statement due to statement timeout' "$WORK/out" || cat "$WORK/out")"
result 'a cancelled batch leaves nothing, and makes no session failed' "$(
    equals "pending" "$(sql_value filled "SELECT string_agg(DISTINCT status, ' ') FROM assessment_sessions WHERE user_id <> '00000000-0000-4000-8000-000000000777'")")"

# pg_cancel_backend, and pg_terminate_backend.
work filled "$LONG"
sleep 0.2
pid=$(victim)
sql postgres -o /dev/null -c "SELECT pg_cancel_backend(${pid:-0})"
status=0
wait "$WORKER" || status=$?
result 'pg_cancel_backend() ends mm_rescore_user()' "$(
    [[ $status -ne 0 ]] || echo 'it went through'
    grep -q 'canceling statement due to user request' "$WORK/err" || cat "$WORK/err")"
work filled "$LONG"
sleep 0.2
pid=$(victim)
sql postgres -o /dev/null -c "SELECT pg_terminate_backend(${pid:-0}, 5000)"
wait "$WORKER" || true
result 'pg_terminate_backend() ends mm_rescore_user()' "$(equals '' "$(victim)")"
result 'no lock is left' "$(equals 0 "$(sql_value filled "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")")"

finish
