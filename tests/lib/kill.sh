# shellcheck shell=bash
# Processes that are killed in the middle. To be sourced after scripts/cluster.sh; the caller sets
# WORK, a directory, and names the cluster it kills in: CLUSTER.
# shellcheck source=tests/lib/check.sh
source tests/lib/check.sh

# The checkpointer is started anew after a crash: by it one sees that the server has noticed.
checkpointer() {
    sql_value postgres "SELECT pid || ' ' || backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer'" 2>/dev/null || true
}
# wait_for_server: after kill_at has killed, the postmaster restarts everything.
wait_for_server() {
    local try now before=''
    [[ ! -s $WORK/checkpointer ]] || before=$(cat "$WORK/checkpointer")
    rm -f "$WORK/checkpointer"
    for ((try = 0; try < 1200; try++)); do
        now=$(checkpointer)
        if [[ -n $now && $now != "$before" ]]; then return; fi
        # Ten seconds without a crash: the backend had ended before the signal came, and was only
        # not yet forgotten.
        if [[ $try -ge 200 && -n $now ]]; then return; fi
        sleep 0.05
    done
    die 4 "the server did not come back" "see ${CLUSTER_DIR[$CLUSTER]}/log"
}

# work DATABASE SQL: in the background, in a session called victim.
work() {
    PGAPPNAME=victim sql "$1" -At -c "$2" >"$WORK/out" 2>"$WORK/err" &
    WORKER=$!
}
# Its name changes while it says how far it is.
victim() {
    sql_value postgres "SELECT pid FROM pg_stat_activity WHERE (application_name = 'victim' OR application_name LIKE 'mindmeasure: %') AND state = 'active'" 2>/dev/null || true
}

# kill_at MILLISECONDS SIGNAL: prints whether there was something to kill.
kill_at() {
    local pid
    sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
    pid=$(victim)
    [[ -n $pid ]] || { echo missed; return; }
    checkpointer >"$WORK/checkpointer"
    # It may have ended since.
    kill "-$2" "$pid" 2>/dev/null || { rm -f "$WORK/checkpointer"; echo missed; return; }
    echo killed
}

# How long a call takes undisturbed, in ms: the moments are chosen within.
duration_of() { # DATABASE SQL
    local started
    started=$(date +%s%N)
    sql "$1" -At -c "$2" >/dev/null
    echo $((($(date +%s%N) - started) / 1000000))
}
fresh() { # NAME [TEMPLATE]
    sql postgres -c "DROP DATABASE IF EXISTS $1 WITH (FORCE)" -c "CREATE DATABASE $1 TEMPLATE ${2:-filled} STRATEGY file_copy" 2>/dev/null
}
