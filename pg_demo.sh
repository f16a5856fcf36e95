#!/usr/bin/env bash
# Set-up and the main job on a private cluster that stays up for a look around.
# Usage: ./pg_demo.sh          install, load a simulated cohort, score it, show it
#        ./pg_demo.sh stop     stop that cluster and remove it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

readonly DATABASE=mindmeasure_demo
readonly PATTERN=/var/tmp/mindmeasure-demo
# Where the cluster of this checkout lives: as root it belongs to postgres, who
# may not be able to read the checkout itself.
readonly REMEMBERED=.demo/directory
readonly BATCH=300
readonly REPORT=$MM_ROOT/.demo/report.html

# demo_directory: the remembered one, if it is still ours; else nothing.
demo_directory() {
    local directory
    [[ -f $REMEMBERED ]] || return 0
    directory=$(<"$REMEMBERED")
    # /var/tmp is open to everybody and emptied now and then.
    if [[ $directory == "$PATTERN".?????? && -d $directory && ! -L $directory &&
        $(stat -c %U "$directory") == "$(demo_owner)" ]]; then
        printf '%s\n' "$directory"
    fi
}

demo_owner() {
    if [[ $EUID -eq 0 ]]; then echo postgres; else id -un; fi
}

forget_cluster() {
    [[ -z ${CLUSTER_DIR[demo]:-} ]] || cluster_remove demo
    rm -rf .demo
}

# find_cluster: the earlier one, running, or return 1.
find_cluster() {
    local directory
    directory=$(demo_directory)
    [[ -n $directory ]] || return 1
    CLUSTER_DIR[demo]=$directory
    # A server of another PostgreSQL would load another library.
    [[ "$(cat .demo/pg_config 2>/dev/null)" == "$PG_CONFIG" ]] || return 1
    if cluster_is_running demo; then
        cluster_use demo
        return
    fi
    # In a subshell: a cluster that does not start any more is replaced.
    (trap - EXIT && cluster_resume demo) >/dev/null 2>&1 || return 1
    cluster_use demo
}

start_cluster() {
    local directory
    if find_cluster; then
        step "using the private cluster in ${CLUSTER_DIR[demo]}"
    else
        forget_cluster
        directory=$(new_cluster_dir "$PATTERN.XXXXXX")
        mkdir -p .demo
        printf '%s\n' "$directory" >"$REMEMBERED"
        printf '%s\n' "$PG_CONFIG" >.demo/pg_config
        step "starting a private cluster in $directory (socket only)"
        cluster_start demo --durable --dir "$directory" "cluster_name = 'mindmeasure demo'"
    fi
    cluster_keep demo
}

fresh_database() {
    sql postgres -c "SET client_min_messages = warning" \
        -c "DROP DATABASE IF EXISTS $DATABASE WITH (FORCE)" -c "CREATE DATABASE $DATABASE"
    sql "$DATABASE" -c "SET client_min_messages = warning" -c "CREATE EXTENSION mindmeasure"
}

# The queue worker of a real installation does the same: batches as the system role.
score_cohort() {
    local all done=0 scored
    all=$(sql_value "$DATABASE" "SELECT pg_catalog.count(*) FROM public.assessment_sessions")
    while true; do
        scored=$(sql "$DATABASE" -At -c "SET ROLE mindmeasure_system" \
            -c "SELECT public.mm_fuse_pending($BATCH)")
        [[ $scored -gt 0 ]] || break
        done=$((done + scored))
        step "  scored $done of $all sessions"
    done
    check_scored "$all"
}

check_scored() {
    local scored
    scored=$(sql_value "$DATABASE" "SELECT pg_catalog.count(*) FROM public.fusion_outputs")
    [[ $scored -eq $1 ]] || die 4 "only $scored of $1 sessions were scored" \
        "look at the sessions with status failed: $(connect_line)"
}

connect_line() {
    local as=''
    [[ -z ${SUDO_USER:-} ]] || as='sudo '
    printf '%s%s -h %s -U postgres %s' "$as" "$PG_BIN/psql" "$PGHOST" "$DATABASE"
}

# The report of one person, beside the cluster's other files of this checkout.
write_report() {
    sql "$DATABASE" -At -o "$REPORT" -c "SELECT public.mm_report_html(user_id)
        FROM public.profiles WHERE display_name LIKE 'Person 04%'"
}

say_goodbye() {
    cat <<TEXT

Look around${SUDO_USER:+ (the directory is closed to other users, hence sudo)}:
  $(connect_line)

What does the last session of person 04 say, in plain words?
  SELECT public.mm_explain_session(session_id)
  FROM public.fusion_outputs JOIN public.profiles USING (user_id)
  WHERE display_name LIKE 'Person 04%' ORDER BY session_created_at DESC LIMIT 1;

Why is it scored as it is?
  SELECT item ->> 'feature' AS feature, item ->> 'z' AS z, item ->> 'contribution' AS log_odds_of_worse
  FROM (SELECT drivers FROM public.fusion_outputs JOIN public.profiles USING (user_id)
        WHERE display_name LIKE 'Person 04%' ORDER BY session_created_at DESC LIMIT 1) AS newest,
       jsonb_array_elements(drivers -> 'items') AS item;

How did that person's score move?
  SELECT h.session_created_at::date AS day, h.score, round(h.score_smoothed::numeric, 1) AS smoothed, h.qc_overall
  FROM public.profiles AS p, public.mm_score_history(p.user_id) AS h
  WHERE p.display_name LIKE 'Person 04%' ORDER BY h.session_created_at;

That person's report, for a browser:
  $REPORT

The cluster keeps running. Stop and remove it: ./pg_demo.sh stop
TEXT
}

demo() {
    step "checking what this machine has"
    setup_for_demo
    install_extension
    # Not before: it asks pg_config, which the set-up may have had to install.
    # shellcheck source=scripts/cluster.sh
    source scripts/cluster.sh
    start_cluster
    step "creating database $DATABASE"
    fresh_database
    step "loading the simulated cohort: 20 invented people, 60 sessions each"
    sql "$DATABASE" -o /dev/null -f demo/cohort.sql
    step "scoring as mindmeasure_system, in batches of $BATCH"
    score_cohort
    step "done"
    sql "$DATABASE" -f demo/table.sql
    write_report
    say_goodbye
}

stop() {
    local directory
    [[ ! -f .demo/pg_config ]] || PG_CONFIG=$(<.demo/pg_config)
    choose_postgres
    directory=$(demo_directory)
    if [[ -z $directory ]]; then
        rm -rf .demo
        step "no demo cluster"
        return
    fi
    # shellcheck source=scripts/cluster.sh
    source scripts/cluster.sh
    CLUSTER_DIR[demo]=$directory
    forget_cluster
    step "stopped and removed $directory"
}

case ${1:-} in
    '') demo ;;
    stop) stop ;;
    *) die 2 "unknown argument: $1" "usage: ./pg_demo.sh [stop]" ;;
esac
