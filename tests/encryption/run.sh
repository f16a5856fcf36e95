#!/usr/bin/env bash
# Encryption on a real cluster: what an application writes is found in no file, log or backup; keys under
# concurrency, rotation and kill -9; dumps and restores; erasure; a standby. MINDMEASURE_FULL=1 flips every bit
# of 1,000 envelopes and kills more often; MINDMEASURE_SEED=n repeats a run's moments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
HERE=tests/encryption
WORK=$(new_cluster_dir /var/tmp/mindmeasure-encryption.XXXXXX)
trap 'cluster_remove_all; rm -rf "$WORK"' EXIT
KILLS=3
ENVELOPES=0
[[ ${MINDMEASURE_FULL:-0} != 1 ]] || { KILLS=25; ENVELOPES=1000; }
RANDOM=${MINDMEASURE_SEED:-$$}
CLUSTER=main
# shellcheck source=tests/lib/kill.sh
source tests/lib/kill.sh

# says PATTERN COMMAND…: prints what was said where it does not fit; the command may fail.
says() {
    local pattern=$1 said
    shift
    said=$("$@" 2>&1) || true
    grep -q -E "$pattern" <<<"$said" || echo "${said:-it said nothing}"
}

# ---- key files -----------------------------------------------------------------------------
KEYS=$WORK/keys
random_key() { od -An -tx1 -N32 /dev/urandom | tr -d ' \n'; }
K1="k1 $(random_key)"
K2="k2 $(random_key)"
# key_file LINE…: as an operator replaces it: written beside, owned and closed, moved into place.
key_file() {
    printf '%s\n' "$@" | as_pg sh -c "umask 077; cat >'$KEYS.new'; mv '$KEYS.new' '$KEYS'"
}

# ---- writing as an application does: the extended protocol, every value a parameter ---------
ALICE=a11ce000-0000-4000-8000-000000000000
BOB=b0b00000-0000-4000-8000-000000000000
SENTIMENT=$(tr -d '\n' <tests/fixtures/sentiment_analysis.json)
send() { # DATABASE FILE MARKER PERSON SESSION
    "$PG_BIN/pgbench" -n -t 1 -M prepared -f "$2" -D marker="$3" -D person="$4" -D session="$5" -D sentiment="$SENTIMENT" "$1" >"$WORK/pgbench.log" 2>&1
}
marker() { echo "zq$(random_key | cut -c 1-30)qz"; }
session_of() { echo "5e551000-0000-4000-8000-$(printf '%012d' "$1")"; }
found() { # MARKER PLACE…
    python3 "$HERE/scan.py" "$@"
}
quietly() {
    local database=$1
    shift
    PGOPTIONS="${PGOPTIONS:-} -c client_min_messages=warning" sql "$database" -o /dev/null "$@"
}
opened() { # DATABASE: everything that can be read, as one hash
    sql_value "$1" "SELECT md5(string_agg(x, chr(10) ORDER BY x)) FROM (
        SELECT to_jsonb(s)::text AS x FROM assessment_sessions_clear AS s UNION ALL SELECT to_jsonb(t)::text FROM text_analysis_clear AS t
        UNION ALL SELECT to_jsonb(t)::text FROM audio_analysis_clear AS t UNION ALL SELECT to_jsonb(t)::text FROM passive_analysis_clear AS t
        UNION ALL SELECT to_jsonb(t)::text FROM session_insights_clear AS t) AS t"
}

key_file "$K1"
cluster_start main --durable "wal_level = replica" "max_wal_senders = 4" \
    "log_statement = all" "log_min_duration_statement = 0" "log_parameter_max_length = 0" "log_parameter_max_length_on_error = 0" \
    "mindmeasure.key_file = '$KEYS'"
DATA=${CLUSTER_DIR[main]}/data
LOG=${CLUSTER_DIR[main]}/log
sql postgres -c 'CREATE DATABASE source'
quietly source -c 'CREATE EXTENSION mindmeasure' -c 'CREATE ROLE app LOGIN IN ROLE mindmeasure_user' -c 'CREATE ROLE worker LOGIN IN ROLE mindmeasure_system'

# ---- a marker is nowhere --------------------------------------------------------------------
SECRET=$(marker)
OPEN=$(marker)
# The search itself must be able to find: a column that is not encrypted.
sql source -c "INSERT INTO assessment_sessions (user_id, category) VALUES ('$BOB', '$OPEN')"
send source "$HERE/write.sql" "$SECRET" $ALICE "$(session_of 1)" || { cat "$WORK/pgbench.log"; exit 1; }
send source "$HERE/write.sql" "$(marker)" $BOB "$(session_of 2)"
# What is refused, in every way that a row can be: before and after it is sealed.
refused=0
while read -r statement; do
    printf "BEGIN;\nSET LOCAL ROLE mindmeasure_user;\nSELECT set_config('request.jwt.claim.sub', :person, true);\n%s\nCOMMIT;\n" "$statement" >"$WORK/refused.sql"
    ! send source "$WORK/refused.sql" "$SECRET" $ALICE "$(session_of 1)" || echo "# went through: $statement"
    grep -q 'ERROR' "$WORK/pgbench.log" && refused=$((refused + 1))
    ! grep -q "$SECRET" "$WORK/pgbench.log" || echo "# the client was told the marker: $statement"
done <<'SQL'
INSERT INTO assessment_sessions (reflection_notes) VALUES (repeat(:marker::text, 10000));
INSERT INTO assessment_sessions (mood_before) VALUES (jsonb_build_object('energy_level', :marker::text));
INSERT INTO assessment_sessions (mood_before) VALUES (jsonb_build_object(:marker::text, :marker::text, 'mm_enc', :marker::text));
INSERT INTO assessment_sessions (reflection_notes) VALUES (concat('mm_enc:', :marker::text));
INSERT INTO assessment_sessions (id, reflection_notes) VALUES (:session, :marker::text);
INSERT INTO assessment_sessions (user_id, reflection_notes) VALUES ('b0b00000-0000-4000-8000-000000000000', :marker::text);
INSERT INTO assessment_sessions (reflection_notes, status) VALUES (:marker::text, NULL);
INSERT INTO assessment_sessions (reflection_notes, status) VALUES (:marker::text, 'completed');
INSERT INTO assessment_sessions (reflection_notes, category) VALUES (:marker::text, repeat('x', 101));
UPDATE assessment_sessions SET reflection_notes = :marker::text, user_id = 'b0b00000-0000-4000-8000-000000000000' WHERE id = :session;
SELECT mm_decrypt('assessment_sessions', 'reflection_notes', :session, :person, concat('mm_enc:1:', :marker::text));
SQL
result 'eleven statements are refused' "$(equals 11 $refused)"
# Reading, scoring, exporting by COPY and by a dump.
sql source -o /dev/null -c "SELECT * FROM assessment_sessions_clear" -c "SELECT * FROM mm_fuse_session('$(session_of 1)')" -c "SELECT mm_rescore_user('$ALICE')"
"$PG_BIN/pg_dump" -Fp -f "$WORK/dump.sql" source
quietly source -c "VACUUM ANALYZE" -c "CHECKPOINT" -c "SELECT pg_switch_wal()"
as_pg "$PG_BIN/pg_basebackup" -h "$PGHOST" -U postgres -D "$WORK/backup" -X stream -c fast
result 'the search finds what is not encrypted, in the heap, the WAL and the backup' "$(
    found "$OPEN" "$DATA" >"$WORK/found"
    grep -q '^base/' "$WORK/found" || echo 'not in the heap'
    grep -q '^pg_wal/' "$WORK/found" || echo 'not in the WAL'
    found "$OPEN" "$WORK/backup" | grep -q '^base/' || echo 'not in the backup'
    found "$OPEN" "$LOG" | grep -q . || echo 'not in the log, where it was a literal')"
result 'the log has seen the statements' "$(grep -q 'INSERT INTO text_analysis' "$LOG" || echo 'it has not')"
result 'the marker is in no heap file, index, TOAST or WAL segment' "$(found "$SECRET" "$DATA")"
result 'nor in the base backup' "$(found "$SECRET" "$WORK/backup")"
result 'nor in the dump' "$(found "$SECRET" "$WORK/dump.sql")"
result 'nor in a log line or error message' "$(found "$SECRET" "$LOG")"
result 'and the person reads it' "$(equals 4 "$(PGOPTIONS="-c request.jwt.claim.sub=$ALICE -c role=mindmeasure_user" sql_value source "SELECT count(*) FROM (SELECT s::text AS x FROM assessment_sessions_clear AS s UNION ALL SELECT t::text FROM text_analysis_clear AS t UNION ALL SELECT i::text FROM session_insights_clear AS i UNION ALL SELECT 'x$SECRET') AS x WHERE x ~ '$SECRET'")")"
result 'key material is in none of these either' "$(for key in "${K1#* }" "$(tr a-f A-F <<<"${K1#* }")"; do found "$key" "$DATA" "$WORK/backup" "$LOG" "$WORK/dump.sql"; done)"
result 'who read whom is in the log' "$(grep -q "mindmeasure audit: decrypt of assessment_sessions of person $ALICE by postgres as mindmeasure_user" "$LOG" || grep 'mindmeasure audit' "$LOG" | tail -n 3)"

# ---- encryption is the superuser's to turn off ------------------------------------------------
# As a login role, in a connection that has loaded nothing yet.
by_app() { # PSQL_ARG…
    PGUSER=app sql source -At "$@" -c "BEGIN; SELECT set_config('request.jwt.claim.sub', '$ALICE', true); INSERT INTO assessment_sessions (reflection_notes) VALUES ('x') RETURNING reflection_notes; COMMIT"
}
result 'a user writes, sealed' "$(says '^mm_enc:1:' by_app)"
result 'one who turns encryption off before the library is loaded has not turned it off' "$(says '^mm_enc:1:' by_app -c "SET mindmeasure.key_file = ''")"
result 'one who does so by an option of the connection is refused' "$(PGOPTIONS='-c mindmeasure.key_file=' says 'encryption is off' by_app)"
result 'nothing open was stored' "$(equals 0 "$(sql_value source "SELECT count(*) FROM assessment_sessions WHERE reflection_notes NOT LIKE 'mm_enc:1:%'")")"

# ---- first values of one person, at once -------------------------------------------------------
CAROL=ca401000-0000-4000-8000-000000000000
sql source -c "SELECT pg_advisory_lock(4711)" -c "SELECT pg_sleep(1.5)" -o /dev/null &
GATE=$!
for ((i = 1; i <= 8; i++)); do
    sql source -o /dev/null -c "SELECT pg_advisory_lock_shared(4711)" -c "INSERT INTO assessment_sessions (user_id, reflection_notes) VALUES ('$CAROL', 'note $i')" &
done
wait "$GATE"
wait
result 'eight first values of one person at once: one key, and all open' "$(
    equals 1 "$(sql_value source "SELECT count(*) FROM user_keys WHERE user_id = '$CAROL'")"
    equals "note 1,note 2,note 3,note 4,note 5,note 6,note 7,note 8" "$(sql_value source "SELECT string_agg(reflection_notes, ',' ORDER BY reflection_notes) FROM assessment_sessions_clear WHERE user_id = '$CAROL'")")"
# She has been written of before: the audit's first line about somebody is 40001 under an older view.
sql source -c "INSERT INTO assessment_sessions (user_id) VALUES ('da4e0000-0000-4000-8000-000000000000')"
sql source -o /dev/null -c "BEGIN ISOLATION LEVEL REPEATABLE READ" -c "SELECT 1" \
    -c "\\! '$PG_BIN/psql' -X -q -d source -c \"INSERT INTO assessment_sessions (user_id, reflection_notes) VALUES ('da4e0000-0000-4000-8000-000000000000', 'first')\"" \
    -c "INSERT INTO assessment_sessions (user_id, reflection_notes) VALUES ('da4e0000-0000-4000-8000-000000000000', 'second')" -c COMMIT
result 'an older view of the data finds the key that somebody else has made since' "$(
    equals first,second "$(sql_value source "SELECT string_agg(reflection_notes, ',' ORDER BY reflection_notes) FROM assessment_sessions_clear WHERE user_id = 'da4e0000-0000-4000-8000-000000000000'")")"

# ---- a standby reads --------------------------------------------------------------------------------
as_pg "$PG_BIN/pg_basebackup" -h "$PGHOST" -U postgres -D "$WORK/standby" -X stream -c fast -R
as_pg mkdir -p "$WORK/s"
as_pg "$PG_BIN/pg_ctl" start -w -s -D "$WORK/standby" -l "$WORK/standby.log" -o "-c unix_socket_directories='$WORK/s'" </dev/null >/dev/null
result 'a hot standby opens what it holds, and notes who read' "$(
    equals "again $SECRET" "$(PGHOST=$WORK/s sql_value source "SELECT reflection_notes FROM assessment_sessions_clear WHERE id = '$(session_of 1)'")"
    grep -q "mindmeasure audit: decrypt" "$WORK/standby.log" || echo 'nothing noted')"
as_pg "$PG_BIN/pg_ctl" stop -s -m immediate -D "$WORK/standby"

# ---- dumps and restores ---------------------------------------------------------------------------------
BEFORE=$(opened source)
"$PG_BIN/pg_dump" -Fc -f "$WORK/full" source
"$PG_BIN/pg_dump" -Fc --data-only -f "$WORK/data" source
# The compliance archive: without the keys.
"$PG_BIN/pg_dump" -Fc --exclude-table-data='*.user_keys' -f "$WORK/archive" source
sql postgres -c 'CREATE DATABASE whole' -c 'CREATE DATABASE only_data'
result 'a full dump is restored' "$("$PG_BIN/pg_restore" --exit-on-error -d whole "$WORK/full" 2>&1)"
result 'and opens to the same' "$(equals "$BEFORE" "$(opened whole)")"
quietly only_data -c 'CREATE EXTENSION mindmeasure' -c 'TRUNCATE mm_models, mm_schema_migrations'
result 'a data-only dump is restored, though the keys come last' "$("$PG_BIN/pg_restore" --exit-on-error -d only_data "$WORK/data" 2>&1)"
result 'and opens to the same' "$(equals "$BEFORE" "$(opened only_data)")"
result 'envelopes are stored as they were' "$(equals "$(sql_value source "SELECT md5(string_agg(s::text, '' ORDER BY id)) FROM assessment_sessions AS s")" "$(sql_value only_data "SELECT md5(string_agg(s::text, '' ORDER BY id)) FROM assessment_sessions AS s")")"

# ---- erasure ------------------------------------------------------------------------------------------------
sql source -c "DELETE FROM user_keys WHERE user_id = '$ALICE'"
result 'when a key is erased, all the person wrote is closed at once' "$(says 'the data key that sealed this value is gone' sql source -c "SELECT * FROM assessment_sessions_clear WHERE user_id = '$ALICE'")"
sql postgres -c 'CREATE DATABASE archived'
"$PG_BIN/pg_restore" --exit-on-error -d archived "$WORK/archive"
sql source -c "\\copy user_keys TO '$WORK/live_keys'"
sql archived -c "\\copy user_keys FROM '$WORK/live_keys'"
result 'in an archive from before, opened with the live keys, the person is dark' "$(
    equals 1 "$(sql_value archived "SELECT count(*) FROM assessment_sessions WHERE id = '$(session_of 1)'")"
    says 'the data key that sealed this value is gone' sql archived -c "SELECT * FROM assessment_sessions_clear WHERE id = '$(session_of 1)'")"
result 'and everybody else is there' "$(equals 8 "$(sql_value archived "SELECT count(reflection_notes) FROM assessment_sessions_clear WHERE user_id = '$CAROL' AND reflection_notes LIKE 'note %'")")"

# ---- what was written before encryption was on ------------------------------------------------------------------
sql postgres -c 'CREATE DATABASE earlier'
PGOPTIONS='-c mindmeasure.key_file=' quietly earlier -c 'CREATE EXTENSION mindmeasure'
PLAIN=$(marker)
PGOPTIONS='-c mindmeasure.key_file=' sql earlier -c "INSERT INTO assessment_sessions (id, user_id, reflection_notes, created_at, updated_at) SELECT gen_random_uuid(), gen_random_uuid(), concat('$PLAIN', n), '2020-01-01', '2020-01-02' FROM generate_series(1, 500) AS n" \
    -c "INSERT INTO session_insights (session_id, notable_changes) SELECT id, '$PLAIN' FROM session_keys LIMIT 100"
BEFORE=$(opened earlier)
result 'before: all rows are open' "$(equals 600 "$(sql_value earlier 'SELECT sum(rows) FROM mm_unencrypted_rows()')")"
# Stopped after the first batches, then called again.
timeout 20 "$PG_BIN/psql" -X -q -d earlier -c "SET statement_timeout = 300" -c 'CALL mm_encrypt_existing(3)' >"$WORK/stopped" 2>&1 || true
result 'CALL mm_encrypt_existing() tells how far it is' "$(grep -q 'NOTICE:  encrypt: [0-9]* of [0-9]* done' "$WORK/stopped" || cat "$WORK/stopped")"
quietly earlier -c 'CALL mm_encrypt_existing(64)' 2>/dev/null
result 'afterwards no open row is left' "$(equals 0 "$(sql_value earlier 'SELECT sum(rows) FROM mm_unencrypted_rows()')")"
result 'all open to what they were, updated_at too' "$(equals "$BEFORE" "$(opened earlier)")"
quietly earlier -c 'VACUUM FULL assessment_sessions' -c 'VACUUM FULL session_insights' -c 'CHECKPOINT'
result 'after VACUUM FULL the open values are in no table' "$(found "$PLAIN" "$DATA/base")"

# ---- kill -9 in mm_rotate_keys() -----------------------------------------------------------------------------------
sql earlier -o /dev/null -c "SELECT count(k.kid) FROM generate_series(1, 8000) AS n, mm_data_key(('00000000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid) AS k"
ALL=$(sql_value earlier 'SELECT count(*) FROM user_keys')
DATA_KEYS="SELECT md5(string_agg(k.kid || encode(k.key, 'hex'), '' ORDER BY u.user_id)) FROM user_keys AS u, mm_data_key(u.user_id) AS k"
WANTED=$(sql_value earlier "$DATA_KEYS")
ROTATE="DO \$\$ BEGIN LOOP EXIT WHEN (SELECT rewrapped FROM mm_rotate_keys(50)) = 0; COMMIT; END LOOP; END \$\$"
key_file "$K1" "$K2"
hit=0
for ((round = 1; round <= KILLS; round++)); do
    work earlier "$ROTATE"
    [[ $(kill_at $((RANDOM % 150 + 20)) KILL) != killed ]] || hit=$((hit + 1))
    wait "$WORKER" || true
    wait_for_server
    result "kill -9 in mm_rotate_keys(), round $round: every key is the one it was" "$(
        equals "$ALL" "$(sql_value earlier 'SELECT count(*) FROM user_keys')"
        equals "$WANTED" "$(sql_value earlier "$DATA_KEYS")")"
    # Through, or nearly: the other key is the newest for the next round.
    if [[ $(sql_value earlier "SELECT count(*) FROM user_keys WHERE wrapped_by = '$(tail -n 1 "$KEYS" | cut -d ' ' -f 1)'") -gt $((ALL / 2)) ]]; then
        if [[ $(tail -n 1 "$KEYS") == "$K2" ]]; then key_file "$K2" "$K1"; else key_file "$K1" "$K2"; fi
    fi
done
result 'at least one rotation was hit' "$([[ $hit -gt 0 ]] || echo 'none')"
key_file "$K1" "$K2"
sql earlier -c "$ROTATE"
key_file "$K2"
result 'when it is through, the old key can leave the file, without a restart' "$(
    equals 0 "$(sql_value earlier "SELECT count(*) FROM user_keys WHERE wrapped_by <> 'k2'")"
    equals "$WANTED" "$(sql_value earlier "$DATA_KEYS")"
    equals "$BEFORE" "$(opened earlier)")"
result 'a database whose keys were not rotated stays closed, and says why' "$(
    says 'mindmeasure.key_file: the key k1 is missing' sql whole -c 'SELECT * FROM assessment_sessions_clear'
    says 'mindmeasure.key_file: the key k1 is missing' sql whole -c "INSERT INTO assessment_sessions (user_id, reflection_notes) VALUES ('$BOB', 'x')")"
key_file "$K1" "$K2"
result 'with both keys in the file all open again' "$(sql whole -o /dev/null -c 'SELECT * FROM assessment_sessions_clear' 2>&1)"

# ---- every bit of many envelopes --------------------------------------------------------------------------------------
if [[ $ENVELOPES -gt 0 ]]; then
    sql postgres -c 'CREATE DATABASE bits'
    quietly bits -c 'CREATE EXTENSION mindmeasure'
    PGOPTIONS='-c client_min_messages=warning' sql bits -At -f tests/sql/lib/speaking.psql -f tests/sql/lib/envelopes.psql -c "SELECT spec.fill_envelopes($ENVELOPES)" -o /dev/null
    result "no changed bit of $ENVELOPES envelopes is accepted" "$(sql_value bits "SELECT f ->> 'accepted' FROM (SELECT spec.flipped(e) AS f FROM spec.envelopes AS e) AS x WHERE (f ->> 'accepted') IS NOT NULL LIMIT 3")"
    result "none of $ENVELOPES envelopes opens in the place of another" "$(sql_value bits "SELECT e.number FROM spec.envelopes AS e JOIN spec.envelopes AS p ON (e.relation, e.field, e.row_id, e.person) <> (p.relation, p.field, p.row_id, p.person) AND e.json = p.json AND p.number % 10 = 0 AND spec.opens(e, p) LIMIT 3")"
fi

# ---- loaded before every connection ----------------------------------------------------------------------------------------
cluster_stop main
as_pg sh -c "echo \"shared_preload_libraries = 'mindmeasure'\" >>'$DATA/postgresql.conf'"
cluster_resume main
result 'preloaded, a connection that asks for no encryption is refused' "$(PGOPTIONS='-c mindmeasure.key_file=' says 'permission denied to set parameter "mindmeasure.key_file"' by_app)"
result 'and others encrypt' "$(says '^mm_enc:1:' by_app)"

finish
