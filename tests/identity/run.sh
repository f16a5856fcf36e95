#!/usr/bin/env bash
# mm_set_identity(): which tokens are taken, which keys, how long it lasts, and that nothing of it
# passes through a transaction-pooling PgBouncer to the next client.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
# shellcheck source=tests/lib/check.sh
source tests/lib/check.sh
HERE=tests/identity
command -v openssl >/dev/null || { echo "openssl is not installed"; exit 77; }
command -v pgbouncer >/dev/null || { echo "pgbouncer is not installed"; exit 77; }
ALICE=a11ce000-0000-4000-8000-000000000000
BOB=b0b00000-0000-4000-8000-000000000000


# as_user QUERY…: the values that a user without claims gets in one transaction, one a line.
as_user() {
    local query
    { echo "BEGIN; SET LOCAL ROLE app_user;"; for query in "$@"; do echo "$query;"; done; echo "COMMIT;"; } |
        "$PG_BIN/psql" -X -q -At -d identity 2>&1 | sed -n 's/^\(ERROR: *\)//; /^HINT/!p' || true
}

jwt() { cat "$KEYS/$1.jwt"; }
use_keys() { sql identity -c "ALTER DATABASE identity SET mindmeasure.jwt_keys_file = '$KEYS/$1'"; }

cluster_start identity "max_prepared_transactions = 2"
KEYS=${CLUSTER_DIR[identity]}/keys
mkdir "$KEYS"
python3 "$HERE/lib/tokens.py" "$KEYS" "$ALICE"
chown -R --reference="${CLUSTER_DIR[identity]}/data" "$KEYS"
sql postgres -c "CREATE DATABASE identity"
sql identity -c "SET client_min_messages = warning" -c "CREATE EXTENSION mindmeasure" \
    -c "CREATE ROLE app_user LOGIN IN ROLE mindmeasure_user" \
    -c "INSERT INTO auth.users (id) VALUES ('$ALICE'), ('$BOB')" \
    -c "INSERT INTO assessment_sessions (user_id) VALUES ('$ALICE'), ('$ALICE'), ('$BOB')" \
    -c "ALTER DATABASE identity SET mindmeasure.jwt_audience = 'mindmeasure'" \
    -c "ALTER DATABASE identity SET mindmeasure.jwt_issuer = 'https://id.example.org'"
use_keys keys.json

# ---- tokens ------------------------------------------------------------------------------
sql identity -c "CREATE TABLE cases (name text, token text, answer text)" \
    -c "\\copy cases FROM '$KEYS/cases.tsv'"
while IFS='|' read -r name wanted seen; do
    is "$name" "$wanted" "$seen"
done < <(sql identity -At <<'SQL'
CREATE FUNCTION answer(token text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN mm_set_identity(token);
EXCEPTION WHEN OTHERS THEN
    RETURN CASE SQLSTATE WHEN '28000' THEN '' ELSE SQLSTATE || ' ' END || SQLERRM;
END $$;
SELECT name, answer, answer(token) FROM cases;
SQL
)
is "NULL is refused" "jwt: is missing" "$(as_user 'SELECT mm_set_identity(NULL)' | head -n 1)"
is "a token is nowhere in the server's log" 0 "$(as_pg grep -c -F "$(jwt good)" "${CLUSTER_DIR[identity]}/log" || true)"

# ---- keys --------------------------------------------------------------------------------
keys_answer() { # FILE TOKEN
    use_keys "$1"
    as_user "SELECT mm_set_identity('$(jwt "$2")')" | head -n 1
}
is "public keys may be read by everybody" "$ALICE" "$(keys_answer public.json rs256)"
is "a secret may not" "mindmeasure.jwt_keys_file holds a secret that others can read" "$(keys_answer secret_for_all.json good)"
is "nor any key be written by others" "mindmeasure.jwt_keys_file can be written by others than its owner" "$(keys_answer written_by_all.json rs256)"
is "a secret of 31 bytes is refused" "mindmeasure.jwt_keys_file holds a key that is too short: HS256 needs 32 bytes, RS256 2048 bits" "$(keys_answer short_secret.json good)"
is "and RSA of 1024 bits" "mindmeasure.jwt_keys_file holds a key that is too short: HS256 needs 32 bytes, RS256 2048 bits" "$(keys_answer short_rsa.json rs256)"
is "a key for encryption signs nothing" "mindmeasure.jwt_keys_file holds no key for HS256, RS256, ES256 or EdDSA" "$(keys_answer other_use.json rs256)"
is "of two keys the token must say which" "jwt: does not say which key (kid) it is signed with" "$(keys_answer two_secrets.json no_kid)"
is "a file that is no JSON" "mindmeasure.jwt_keys_file is no JWK Set" "$(keys_answer no_json.json good)"
is "no file" "mindmeasure.jwt_keys_file names no file the server can read" "$(keys_answer nowhere.json good)"
is "a directory" "mindmeasure.jwt_keys_file is no file of at most 1 MiB" "$(keys_answer . good)"
sql identity -c "ALTER DATABASE identity RESET mindmeasure.jwt_keys_file"
is "no setting" "mindmeasure.jwt_keys_file is not set" "$(as_user "SELECT mm_set_identity('$(jwt good)')" | head -n 1)"
use_keys current.json
as_pg cp "$KEYS/public.json" "$KEYS/current.json"
is "a rotated file is read again by the same connection" "jwt: names no known key of its algorithm,$ALICE" "$(
    sql identity -At -v jwt="$(jwt good)" <<SQL | paste -sd,
SELECT answer(:'jwt');
\\! cp "$KEYS/keys.json" "$KEYS/current.new" && chown --reference="$KEYS/keys.json" "$KEYS/current.new" && mv "$KEYS/current.new" "$KEYS/current.json"
SELECT answer(:'jwt');
SQL
)"
use_keys keys.json
sql identity -c "ALTER DATABASE identity RESET mindmeasure.jwt_audience"
is "without an audience set, a token for one is refused" "jwt: has an audience, and mindmeasure.jwt_audience is not set" "$(as_user "SELECT mm_set_identity('$(jwt good)')" | head -n 1)"
is "and one for none is taken" "$ALICE" "$(as_user "SELECT mm_set_identity('$(jwt no_audience)')")"
sql identity -c "ALTER DATABASE identity SET mindmeasure.jwt_audience = 'mindmeasure'"

# ---- who the transaction speaks for --------------------------------------------------------
SET_ALICE="SELECT mm_set_identity('$(jwt good)') IS NULL"
SET_BOB="SELECT mm_set_identity('$(jwt bob)') IS NULL"
CLAIM_BOB="SET LOCAL request.jwt.claims = '{\"sub\": \"$BOB\"}'"
SEEN="SELECT count(*) FROM assessment_sessions"
is "Alice sees her rows" "f,2" "$(as_user "$SET_ALICE" "$SEEN" | paste -sd,)"
is "a verified identity counts more than a claim" "f,2" "$(as_user "$CLAIM_BOB" "$SET_ALICE" "$SEEN" | paste -sd,)"
is "and a claim made afterwards" "f,2" "$(as_user "$SET_ALICE" "$CLAIM_BOB" "$SEEN" | paste -sd,)"
is "the last token counts" "f,f,1" "$(as_user "$SET_ALICE" "$SET_BOB" "$SEEN" | paste -sd,)"
is "a claim alone counts, as long as verification is not required" 1 "$(as_user "$CLAIM_BOB" "$SEEN")"
is "a savepoint takes it back" "f,f,1,2" "$(as_user "$SET_ALICE" "SAVEPOINT s" "$SET_BOB" "$SEEN" "ROLLBACK TO s" "$SEEN" | paste -sd,)"
is "a released one does not" "f,f,1" "$(as_user "$SET_ALICE" "SAVEPOINT s" "$SET_BOB" "RELEASE s" "$SEEN" | paste -sd,)"
is "an outer savepoint takes a released one back" "f,f,2" "$(as_user "$SET_ALICE" "SAVEPOINT a" "SAVEPOINT b" "$SET_BOB" "RELEASE b" "ROLLBACK TO a" "$SEEN" | paste -sd,)"
after() { # DESCRIPTION SQL: nobody speaks afterwards on the same connection
    is "$1" "" "$("$PG_BIN/psql" -X -q -At -d identity -v ON_ERROR_STOP=0 2>/dev/null <<SQL | tail -n 1
$2
SELECT coalesce(auth.uid()::text, '');
SQL
)"
}
after "nothing of it after COMMIT" "BEGIN; $SET_ALICE; COMMIT;"
after "nor after ROLLBACK" "BEGIN; $SET_ALICE; ROLLBACK;"
after "nor after an error" "BEGIN; $SET_ALICE; SELECT 1/0; ROLLBACK;"
after "nor after PREPARE TRANSACTION" "BEGIN; $SET_ALICE; PREPARE TRANSACTION 'x';"
after "nor without a transaction block" "$SET_ALICE;"
after "nor after a procedure has committed" "CREATE PROCEDURE p() LANGUAGE plpgsql AS \$\$ BEGIN PERFORM mm_set_identity('$(jwt good)'); COMMIT; CREATE TEMP TABLE now AS SELECT auth.uid(); END \$\$; CALL p(); DISCARD ALL;"

sql identity -c "ALTER DATABASE identity SET mindmeasure.require_verified_identity = on"
is "where verification is required, a claim speaks for nobody" 0 "$(as_user "$CLAIM_BOB" "$SEEN")"
is "nor request.jwt.claim.sub" 0 "$(as_user "SET LOCAL request.jwt.claim.sub = '$BOB'" "$SEEN")"
is "a token speaks" "f,2" "$(as_user "$SET_ALICE" "$SEEN" | paste -sd,)"
is "a user cannot write for a claim" "new row violates row-level security policy for table \"assessment_sessions\"" \
    "$(as_user "$CLAIM_BOB" "INSERT INTO assessment_sessions (user_id) VALUES ('$BOB')" | head -n 1)"
is "nor have a session scored" "session_id: there is no such session" \
    "$(as_user "$CLAIM_BOB" "SELECT mm_fuse_session('$(sql_value identity "SELECT id FROM assessment_sessions WHERE user_id = '$BOB'")')" | head -n 1)"
for setting in "require_verified_identity = off" "jwt_keys_file = '/tmp/mine'" "jwt_audience = 'x'" "jwt_issuer = 'x'" "jwt_leeway = 300"; do
    is "a user cannot set mindmeasure.${setting%% *}" "permission denied to set parameter \"mindmeasure.${setting%% *}\"" \
        "$("$PG_BIN/psql" -X -q -At -U app_user -d identity -c "SELECT auth.uid()" -c "SET mindmeasure.$setting" 2>&1 | sed -n 's/^ERROR: *//p')"
    is "nor before the library is loaded" "0" \
        "$("$PG_BIN/psql" -X -q -At -U app_user -d identity -c "SET mindmeasure.$setting" -c "SET request.jwt.claims = '{\"sub\": \"$BOB\"}'" -c "$SEEN" 2>/dev/null | tail -n 1)"
done
is "a user cannot read where the keys are" "must be superuser or have privileges of pg_read_all_settings to examine \"mindmeasure.jwt_keys_file\"" \
    "$("$PG_BIN/psql" -X -q -At -U app_user -d identity -c "SELECT auth.uid()" -c "SHOW mindmeasure.jwt_keys_file" 2>&1 | sed -n 's/^ERROR: *//p' | sed 's/must be superuser or a member of/must be superuser or have privileges of/')"

# ---- PgBouncer, one server connection for all ------------------------------------------------
POOL=${CLUSTER_DIR[identity]}/pool
as_pg mkdir "$POOL"
as_pg tee "$POOL/pgbouncer.ini" >/dev/null <<INI
[databases]
identity = host=${CLUSTER_DIR[identity]}/socket port=5432 dbname=identity
[pgbouncer]
listen_addr =
unix_socket_dir = $POOL
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = 1
max_client_conn = 20
server_reset_query =
logfile = $POOL/log
pidfile = $POOL/pid
INI
sed -i "s/^identity = .*/& user=app_user/" "$POOL/pgbouncer.ini"
as_pg pgbouncer -q -d "$POOL/pgbouncer.ini"
trap 'kill "$(cat "$POOL/pid" 2>/dev/null)" 2>/dev/null; cluster_remove_all' EXIT
for _ in $(seq 50); do [[ -S $POOL/.s.PGSQL.6432 ]] && break; sleep 0.1; done
pooled() { "$PG_BIN/psql" -X -q -At -h "$POOL" -p 6432 -U app_user -d identity "$@"; }
BACKEND=$(pooled -c "SELECT pg_backend_pid()")
is "Alice, through the pool" "f,2" "$(printf 'BEGIN; %s; %s; COMMIT;' "$SET_ALICE" "$SEEN" | pooled | paste -sd,)"
is "the next client on the same server connection is nobody" ",0,$BACKEND" "$(pooled -c "SELECT auth.uid()" -c "$SEEN" -c "SELECT pg_backend_pid()" | paste -sd,)"
is "also after an error" ",0,$BACKEND" "$(printf 'BEGIN; %s; SELECT 1/0; ROLLBACK;' "$SET_ALICE" | pooled >/dev/null 2>&1; pooled -c "SELECT auth.uid()" -c "$SEEN" -c "SELECT pg_backend_pid()" | paste -sd,)"
# One client in its transaction, the other waits for the same server connection.
mkfifo "$POOL/alice"
pooled <"$POOL/alice" >"$POOL/alice.out" 2>&1 &
CLIENT=$!
exec 8>"$POOL/alice"
printf 'BEGIN; %s; %s;\n' "$SET_ALICE" "$SEEN" >&8
for _ in $(seq 50); do [[ $(wc -l <"$POOL/alice.out") -ge 2 ]] && break; sleep 0.1; done
pooled -c "$SEEN" >"$POOL/other.out" 2>&1 &
OTHER=$!
sleep 0.3
printf 'COMMIT; %s;\n' "$SEEN" >&8
exec 8>&-
wait "$CLIENT" "$OTHER"
is "a client that waited for the connection sees nothing" 0 "$(cat "$POOL/other.out")"
is "and Alice nothing more in her next transaction" "f,2,0" "$(paste -sd, <"$POOL/alice.out")"
# A client that goes away in the middle of its transaction.
# psql is the parent of what it runs.
# shellcheck disable=SC2016
printf 'BEGIN; %s; \\! kill -9 $PPID\n' "$SET_ALICE" | pooled >/dev/null 2>&1 || true
is "a client that died in its transaction leaves nothing" 0 "$(pooled -c "$SEEN")"

finish
