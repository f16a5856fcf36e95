# shellcheck shell=bash
# Four clients that write, fuse, read and archive: errors, memory of the backends, and how even it is.

soak_prepare() {
    sql postgres -c "CREATE DATABASE soak TEMPLATE small"
    sql soak <<'SQL'
CREATE TABLE bench.people AS SELECT row_number() OVER (ORDER BY c, t.user_id) AS n, bench.copy_id(t.user_id, c) AS id
FROM bench.template AS t, generate_series(1, 24) AS c WHERE t.kind = '100';
CREATE UNIQUE INDEX ON bench.people (n);
GRANT SELECT ON bench.people TO PUBLIC;
-- A session of a person, one in ten more than two years old: something for the archive.
CREATE FUNCTION bench.new_session(person int) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    id CONSTANT uuid := gen_random_uuid();
BEGIN
    PERFORM bench.add_sessions(ARRAY[id], ARRAY[(SELECT p.id FROM bench.people AS p WHERE n = person)],
        ARRAY[now() - CASE WHEN random() < 0.1 THEN interval '3 years' ELSE interval '0' END]);
    RETURN id;
END;
$$;
SQL
    mkdir -p "$RESULTS/soak"
    cat >"$RESULTS/soak/fuse.sql" <<'SQL'
\set person random(1, 480)
BEGIN;
SET LOCAL ROLE mindmeasure_system;
SELECT bench.new_session(:person) AS id \gset
SELECT score FROM mm_fuse_session(:id);
COMMIT;
SQL
    cat >"$RESULTS/soak/read.sql" <<'SQL'
\set person random(1, 480)
BEGIN;
SELECT set_config('request.jwt.claims', json_build_object('sub', id)::text, true) FROM bench.people WHERE n = :person;
SET LOCAL ROLE mindmeasure_user;
SELECT s.*, ms.combined_score, ms.baseline_deviation FROM assessment_sessions s LEFT JOIN mind_measure_scores ms ON s.id = ms.session_id
WHERE s.user_id = (SELECT auth.uid()) ORDER BY s.created_at DESC LIMIT 10;
COMMIT;
SQL
    cat >"$RESULTS/soak/archive.sql" <<'SQL'
SET client_min_messages = warning;
SELECT archive_old_sessions();
SQL
}

soak_round() {
    local clients backend now warm_at errors growth
    declare -A warm=() last=()
    [[ $1 -eq 1 ]] || return 0
    rm -f "$RESULTS"/soak/log*
    step "four clients for $SOAK s"
    "$PG_BIN/pgbench" -n -M prepared -c 4 -j 2 -T "$SOAK" -R 80 -l --log-prefix="$RESULTS/soak/log" \
        -f "$RESULTS/soak/fuse.sql@50" -f "$RESULTS/soak/read.sql@49" -f "$RESULTS/soak/archive.sql@1" soak >"$RESULTS/soak/out" 2>"$RESULTS/soak/errors" &
    clients=$!
    warm_at=$((SECONDS + SOAK / 4))
    while kill -0 "$clients" 2>/dev/null; do
        sleep 1
        for backend in $(sql_value soak "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE application_name = 'pgbench'"); do
            now=$(anonymous "$backend") || continue
            [[ -n $now ]] || continue
            [[ $SECONDS -lt $warm_at || -n ${warm[$backend]:-} ]] || warm[$backend]=$now
            last[$backend]=$now
        done
    done
    # A client that met an error ends, and pgbench with it.
    errors=$(grep -c . "$RESULTS/soak/errors" || true)
    wait "$clients" || errors=$((errors + 1))
    [[ $errors -eq 0 ]] || cat "$RESULTS/soak/errors" >&2
    growth=0
    for backend in "${!warm[@]}"; do
        now=$((last[$backend] - warm[$backend]))
        [[ $now -le $growth ]] || growth=$now
    done
    result 'soak, four clients: errors' "$1" "$errors" NULL
    result 'soak, four clients: memory growth of a backend' "$1" "$growth / 1024.0" NULL
    # pgbench's log: client, transaction, microseconds, script, time (two columns), of which it waited for a client.
    cat "$RESULTS"/soak/log* | awk '$4 == 0 { print ($3 - $7) / 1000 }' | sort -n >"$RESULTS/soak/times"
    [[ -s $RESULTS/soak/times ]] || die 1 "nothing was fused" "see ${RESULTS#"$MM_ROOT"/}/soak"
    result 'soak, four clients: 99 % of the times to write and fuse a session' "$1" \
        "$(sed -n "$((($(wc -l <"$RESULTS/soak/times") * 99 + 99) / 100))p" "$RESULTS/soak/times")" \
        "$(sed -n "$((($(wc -l <"$RESULTS/soak/times") + 1) / 2))p" "$RESULTS/soak/times")"
}
