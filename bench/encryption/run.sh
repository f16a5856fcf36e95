#!/usr/bin/env bash
# What encryption costs: writing, scoring and reading 1,000 sessions of 17 documents and 3 texts each, without the
# triggers that seal (bare), with them and no key file (open), and with one (sealed), in turn, in fresh databases.
# The extension must be installed as a release build. Usage: run.sh [ROUNDS]
# Prints milliseconds of processor time: of the inserts, of mm_fuse_session() one by one, of mm_rescore_user() for
# everybody, of reading all clear views.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
ROUNDS=${1:-3}
KEYS=$(new_cluster_dir /var/tmp/mindmeasure-bench-keys.XXXXXX)
trap 'cluster_remove_all; rm -rf "$KEYS"' EXIT
echo "bench $(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')" | as_pg sh -c "umask 077; cat >'$KEYS/keys'"

# measured DATABASE PSQL_ARG…: processor time of the backend in ms, which other work on the machine disturbs less
# than the clock.
CPU="SELECT 'cpu ' || 10 * (x[14]::int + x[15]::int) FROM (SELECT string_to_array(regexp_replace(pg_read_file('/proc/self/stat'), '[(].*[)]', 'x'), ' ') AS x) AS p"
measured() {
    local database=$1
    shift
    sql "$database" -At -c "$CPU" "$@" -c "$CPU" | awk '/^cpu / { if (n++ == 0) first = $2; last = $2 } END { printf "%9d", last - first }'
}

cluster_start bench "autovacuum = off" "shared_buffers = 512MB"
printf '%-10s %9s %9s %9s %9s\n' '' insert fuse rescore read
for ((round = 1; round <= ROUNDS; round++)); do
    for mode in bare open sealed; do
        sql postgres -c "CREATE DATABASE $mode"
        [[ $mode != sealed ]] || sql postgres -c "ALTER DATABASE $mode SET mindmeasure.key_file = '$KEYS/keys'"
        sql $mode -c "SET client_min_messages = warning" -c "CREATE EXTENSION mindmeasure"
        [[ $mode != bare ]] || sql $mode -At -c "SELECT format('ALTER TABLE %s DISABLE TRIGGER %I;', tgrelid::regclass, tgname) FROM pg_trigger WHERE tgfoid = 'mm_seal()'::regprocedure AND tgparentid = 0" | sql $mode
        insert=$(measured $mode -f bench/encryption/fill.sql)
        fuse=$(measured $mode -c "DO \$\$ DECLARE session uuid; BEGIN FOR session IN SELECT id FROM assessment_sessions ORDER BY created_at LOOP PERFORM FROM mm_fuse_session(session); END LOOP; END \$\$")
        rescore=$(measured $mode -c "SELECT sum(mm_rescore_user(user_id)) FROM (SELECT DISTINCT user_id FROM session_keys) AS u")
        read=$(measured $mode -c "SELECT count(s::text) FROM assessment_sessions_clear AS s UNION ALL SELECT count(t::text) FROM text_analysis_clear AS t UNION ALL SELECT count(t::text) FROM audio_analysis_clear AS t UNION ALL SELECT count(t::text) FROM visual_analysis_clear AS t UNION ALL SELECT count(t::text) FROM passive_analysis_clear AS t")
        printf '%-10s %s %s %s %s\n' $mode "$insert" "$fuse" "$rescore" "$read"
        sql postgres -c "DROP DATABASE $mode WITH (FORCE)"
    done
done
