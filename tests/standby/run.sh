#!/usr/bin/env bash
# A hot standby: everything that only reads runs on it, and says there what it says on the primary.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
# shellcheck source=tests/lib/check.sh
source tests/lib/check.sh
WORK=$(mktemp -d /var/tmp/mindmeasure-standby.XXXXXX)
STANDBY=$(new_cluster_dir /var/tmp/mmb.XXXXXX)
stop_standby() { as_pg "$PG_BIN/pg_ctl" stop -s -m immediate -D "$STANDBY/data" >/dev/null 2>&1 || true; }
trap 'stop_standby; cluster_remove_all; rm -rf "$WORK" "$STANDBY"' EXIT

fails() { # TEXT DATABASE SQL
    local said
    ! said=$(sql "$2" -c "$3" 2>&1) || { echo 'it went through'; return 1; }
    echo "$said"
    grep -q -e "$1" <<<"$said"
}

cluster_start primary 'wal_level = replica' 'max_wal_senders = 4'
sql postgres -c 'CREATE DATABASE mind'
sql mind -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION mindmeasure'
PGOPTIONS='-c client_min_messages=warning' sql mind -o /dev/null -f tests/dump_restore/fill.sql

as_pg "$PG_BIN/pg_basebackup" -h "$PGHOST" -U postgres -D "$STANDBY/data" -R -c fast --no-sync
as_pg mkdir -p "$STANDBY/socket"
as_pg sh -c "echo \"unix_socket_directories = '$STANDBY/socket'\" >>'$STANDBY/data/postgresql.conf'"
as_pg "$PG_BIN/pg_ctl" start -w -t 120 -s -D "$STANDBY/data" -l "$STANDBY/log" </dev/null >/dev/null
CLUSTER_DIR[standby]=$STANDBY
caught_up() {
    local lsn try
    cluster_use primary
    lsn=$(sql_value postgres 'SELECT pg_current_wal_insert_lsn()')
    cluster_use standby
    for ((try = 0; try < 300; try++)); do
        [[ $(sql_value postgres "SELECT pg_last_wal_replay_lsn() >= '$lsn'") != t ]] || return 0
        sleep 0.1
    done
    return 1
}
check 'the standby catches up' caught_up
check 'it is one' equals t "$(sql_value mind 'SELECT pg_is_in_recovery()')"
check 'a write is refused (or the tests below show nothing)' fails 'read-only transaction\|during recovery' mind \
    "SELECT * FROM mm_fuse_session((SELECT id FROM assessment_sessions WHERE status = 'pending' LIMIT 1), true)"

# Every call is made as the system and as the person, on both.
PERSON=00000000-0000-4000-8000-000000000001
SESSION=00000005-0000-4000-8000-000000000001
CALLS=(
    "mm_explain_session|SELECT mm_explain_session('$SESSION')"
    "mm_score_history|SELECT * FROM mm_score_history('$PERSON', '-infinity', 'infinity')"
    "mm_report_html|SELECT mm_report_html('$PERSON', '2000-01-01', '2100-01-01')"
    "mm_session_time|SELECT mm_session_time('$SESSION')"
    "mm_json_schema|SELECT mm_json_schema('mood')"
    "mm_own_rate|SELECT * FROM mm_own_rate('$PERSON')"
    "mm_decrypt|SELECT mm_decrypt('assessment_sessions', 'reflection_notes', '$SESSION', '$PERSON', 'open')"
    "mm_reveal|SELECT mm_reveal('assessment_sessions', '{\"id\": \"$SESSION\", \"user_id\": \"$PERSON\", \"reflection_notes\": \"open\"}')"
)
SYSTEM_CALLS=(
    "mm_model_report|SELECT * FROM mm_model_report(NULL, 2)"
    "mm_model_report of a model|SELECT * FROM mm_model_report('of the clinic', 3)"
)
in_turn() { # ROLE SQL
    sql mind -At <<SQL
BEGIN READ ONLY;
SET LOCAL request.jwt.claims = '{"sub": "$PERSON"}';
SET LOCAL ROLE $1;
$2;
COMMIT;
SQL
}
same_on_both() { # ROLE SQL
    cluster_use primary
    in_turn "$1" "$2" >"$WORK/wanted"
    cluster_use standby
    in_turn "$1" "$2" >"$WORK/seen"
    [[ -s $WORK/wanted ]] || { echo 'nothing came back'; return 1; }
    diff -u "$WORK/wanted" "$WORK/seen"
}
for call in "${CALLS[@]}"; do
    for role in mindmeasure_user mindmeasure_system; do
        check "${call%%|*} on a standby, as $role" same_on_both "$role" "${call#*|}"
    done
done
for call in "${SYSTEM_CALLS[@]}"; do
    check "${call%%|*} on a standby" same_on_both mindmeasure_system "${call#*|}"
done
check 'the query of the dashboard on a standby' same_on_both mindmeasure_user \
    "SELECT s.id, ms.combined_score, ms.baseline_deviation FROM assessment_sessions AS s LEFT JOIN mind_measure_scores AS ms ON s.id = ms.session_id WHERE s.user_id = '$PERSON' ORDER BY s.created_at DESC LIMIT 10"
check 'another person sees nothing there' equals 0 "$(in_turn mindmeasure_user "SELECT count(*) FROM assessment_sessions WHERE user_id <> '$PERSON'")"

# Whatever people may call and says of itself that it only reads has its line above.
unseen=$(sql_value mind "
    SELECT string_agg(p.proname, ' ' ORDER BY p.proname)
    FROM pg_proc AS p
    JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'mindmeasure'
    WHERE p.provolatile = 's' AND p.pronargs > 0 AND has_function_privilege('mindmeasure_user', p.oid, 'EXECUTE')
      AND p.proname <> ALL (string_to_array('$(printf '%s\n' "${CALLS[@]}" "${SYSTEM_CALLS[@]}" | sed 's/[| ].*//' | paste -s -d ' ')', ' '))")
check 'no function that reads was forgotten: add it to CALLS' equals '' "$unseen"

# New rows arrive, and are read.
cluster_use primary
sql mind -o /dev/null -c 'SELECT mm_fuse_pending()'
check 'what is scored on the primary' caught_up
check 'is read on the standby' same_on_both mindmeasure_system "SELECT count(*) FROM fusion_outputs"
check 'and explained there' same_on_both mindmeasure_user "SELECT mm_explain_session('00000012-0000-4000-8000-000000000001')"

finish
