#!/usr/bin/env bash
# The configuration of deploy/, started on loopback ports: plain text, TLS 1.2 and wrong certificates are
# refused by server, pooler and clients; what is right works through PgBouncer; nothing that a transaction
# said of its person is there in the next one; no log holds what a person said.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
# shellcheck source=tests/lib/check.sh
source tests/lib/check.sh
HERE=tests/deploy
for tool in pgbouncer openssl python3; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed"; exit 77; }
done
[[ -f "$("$PG_CONFIG" --pkglibdir)/pgaudit.so" ]] || { echo "pgaudit is not installed"; exit 77; }
WORK=$(new_cluster_dir /var/tmp/mmd.XXXXXX)
chmod 711 "$WORK"
# shellcheck source=tests/deploy/lib/speak.sh
source "$HERE/lib/speak.sh"
trap 'stop_poolers; cluster_remove_all; rm -rf "$WORK"' EXIT

connect() { # CONNINFO [SQL]
    "$PG_BIN/psql" -X -At -v ON_ERROR_STOP=1 -d "$1" -c "${2:-SELECT 1}"
}
# refused TEXT CONNINFO: no connection, for that reason.
refused() {
    local said
    if said=$(connect "$2" 2>&1); then
        echo "it was let in"
        return 1
    fi
    echo "$said"
    grep -q -e "$1" <<<"$said"
}
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# ---- certificates, server, pooler --------------------------------------------------------
TLS=$WORK/tls
deploy/tls/make_certificates.sh "$TLS" server localhost >/dev/null
deploy/tls/make_certificates.sh "$TLS" pooler localhost >/dev/null
deploy/tls/make_certificates.sh "$TLS/other" server localhost >/dev/null
deploy/tls/make_certificates.sh --self-signed "$TLS" leaf localhost >/dev/null
deploy/tls/make_certificates.sh --self-signed "$TLS" next localhost >/dev/null
check 'a key is for its owner only' equals 600 "$(stat -c %a "$TLS/server.key")"
check 'an existing key is not overwritten' not deploy/tls/make_certificates.sh "$TLS" server localhost
chmod 711 "$TLS" "$TLS/other"
[[ $EUID -ne 0 ]] || chown postgres:postgres "$TLS"/*.key "$TLS"/other/*.key

PORT=$(free_port)
SERVER=$(new_cluster_dir /var/tmp/mmb.XXXXXX)
sed "s|/etc/mindmeasure/tls|$TLS|" deploy/postgresql/mindmeasure.conf >"$WORK/mindmeasure.conf"
sed "s|^hostssl    mindmeasure |hostssl    mind        |" deploy/postgresql/pg_hba.conf >"$WORK/pg_hba.conf"
# For these tests themselves, at a socket that only they reach.
sed -i '0,/^local/s//local      all           postgres                     trust\nlocal/' "$WORK/pg_hba.conf"
chmod 644 "$WORK"/*.conf
cluster_start server --dir "$SERVER" "include '$WORK/mindmeasure.conf'" "hba_file = '$WORK/pg_hba.conf'" \
    "listen_addresses = '127.0.0.1'"
# The port after that: cluster_start looks for its socket under 5432.
cluster_stop server
as_pg sh -c "echo 'port = $PORT' >>'$SERVER/data/postgresql.conf'"
cluster_resume server
export PGPORT=$PORT
sql postgres -c 'CREATE DATABASE mind'
sql mind -c 'CREATE EXTENSION mindmeasure' 2>/dev/null
sql mind -f - <<'SQL'
SET password_encryption = 'scram-sha-256';
CREATE ROLE wellness_app LOGIN PASSWORD 'a good one';
CREATE ROLE unlisted LOGIN PASSWORD 'a good one';
GRANT mindmeasure_user, mindmeasure_system TO wellness_app;
INSERT INTO auth.users (id, email) VALUES ('a11ce000-0000-4000-8000-000000000001', 'alice@example.org'),
    ('b0b00000-0000-4000-8000-000000000002', 'bob@example.org');
SQL
sql mind -v role=wellness_app -f deploy/postgresql/roles.sql
# A server that starts with an empty environment has no secrets to inherit.
SECRET=$(sql_value mind "SELECT format('\"%s\" \"%s\"', rolname, rolpassword) FROM pg_authid WHERE rolname = 'wellness_app'")
printf '%s\n' "$SECRET" >"$WORK/userlist.txt"

# start_pooler NAME PORT [SED_EXPRESSION…]: the shipped file, with these changes.
start_pooler() {
    local name=$1 port=$2 directory=$WORK/$1 expressions=() expression try
    shift 2
    for expression in "$@"; do expressions+=(-e "$expression"); done
    mkdir -p "$directory"
    sed -e "s|^mindmeasure = .*|mind = host=localhost port=$PORT dbname=mind|" -e "s|^listen_port = .*|listen_port = $port|" \
        -e "s|/etc/mindmeasure/tls|$TLS|" -e "s|/etc/pgbouncer/|$WORK/|" -e "s|/var/run/postgresql|$directory|" \
        -e "s|/var/log/postgresql|$directory|" -e "s|^default_pool_size = .*|default_pool_size = 1|" \
        ${expressions[@]+"${expressions[@]}"} deploy/pgbouncer/pgbouncer.ini >"$directory/pgbouncer.ini"
    [[ $EUID -ne 0 ]] || chown -R postgres:postgres "$directory" "$WORK/userlist.txt"
    as_pg pgbouncer -q -d "$directory/pgbouncer.ini" >"$directory/stderr" 2>&1 </dev/null || true
    for ((try = 0; try < 100; try++)); do
        if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return; fi
        sleep 0.1
    done
    cat "$directory/stderr" "$directory/pgbouncer.log" >&2 || true
    die 4 "PgBouncer did not start" "see above"
}
stop_poolers() { # [NAME…]
    local file name
    for file in "$WORK"/*/pgbouncer.pid; do
        name=$(basename "$(dirname "$file")")
        [[ ! -s $file || ($# -gt 0 && " $* " != *" $name "*) ]] || kill "$(<"$file")" 2>/dev/null || true
    done
}
POOL_PORT=$(free_port)
start_pooler pooler "$POOL_PORT"
PIN="sslmode=verify-full sslrootcert=$TLS/root.crt"
USER_PART="dbname=mind user=wellness_app password='a good one'"
DIRECT="$USER_PART host=localhost port=$PORT"
POOLED="$USER_PART host=localhost port=$POOL_PORT"
# Nobody's ~/.postgresql decides here.
export HOME=$WORK

# ---- the server, and the pooler ------------------------------------------------------------
check 'server: verify-full, SCRAM: in' connect "$DIRECT $PIN channel_binding=require"
check 'server: TLS 1.3' equals TLSv1.3 "$(connect "$DIRECT $PIN" "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")"
check 'pooler: verify-full, SCRAM: in' connect "$POOLED $PIN"
check 'pooler to server: TLS 1.3' equals TLSv1.3 "$(connect "$POOLED $PIN" "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")"
check 'server: plain text is refused' refused 'no encryption\|pg_hba.conf rejects' "$DIRECT sslmode=disable"
check 'pooler: plain text is refused' refused 'SSL required' "$POOLED sslmode=disable"
for side in server pooler; do
    case $side in server) at=$DIRECT port=$PORT ;; pooler) at=$POOLED port=$POOL_PORT ;; esac
    handshake() { openssl s_client -starttls postgres -connect "localhost:$port" -CAfile "$TLS/root.crt" -verify_return_error "$@" </dev/null; }
    check "$side: openssl with TLS 1.3: in" handshake -tls1_3
    check "$side: openssl with TLS 1.2: refused" not handshake -tls1_2
    check "$side: openssl with TLS 1.2 says why" grep -q -i 'protocol version' <(handshake -tls1_2 2>&1 || true)
    check "$side: psql with TLS 1.2: refused" refused 'protocol version' "$at $PIN ssl_max_protocol_version=TLSv1.2"
    check "$side: the client refuses a certificate of another authority" refused 'certificate verify failed' "$at sslmode=verify-full sslrootcert=$TLS/other/root.crt"
    check "$side: the client refuses a certificate for another host" refused 'does not match host name\|no valid names\|127.0.0.1' "${at/localhost/127.0.0.1} $PIN"
    check "$side: a wrong password is refused" refused 'password authentication failed\|SASL authentication failed' "${at/a good one/a bad one} $PIN"
done
check 'server: a superuser comes by the socket only' refused 'pg_hba.conf rejects' "dbname=mind user=postgres password=x host=localhost port=$PORT $PIN"
check 'server: another database is refused' refused 'pg_hba.conf rejects' "${DIRECT/dbname=mind/dbname=postgres} $PIN"
check 'server: replication in plain text is refused' refused 'no encryption\|pg_hba.conf rejects' "$DIRECT replication=true sslmode=disable"
check 'pooler: its console answers the user who runs it, at the socket' as_pg "$PG_BIN/psql" -X -h "$WORK/pooler" -p "$POOL_PORT" -U pgbouncer -d pgbouncer -c 'SHOW VERSION'
check 'pooler: and nobody by the network' refused 'authentication failed\|no such user\|not allowed' "host=localhost port=$POOL_PORT dbname=pgbouncer user=pgbouncer password=x $PIN"
check 'pooler: a role that is not listed is refused' refused 'authentication failed\|no such user' "${POOLED/wellness_app/unlisted} $PIN"

# ---- the pooler's side of the server's certificate --------------------------------------------
PORT_A=$(free_port)
start_pooler other_root "$PORT_A" "s|^server_tls_ca_file = .*|server_tls_ca_file = $TLS/other/root.crt|"
check 'the pooler refuses a server of another authority' refused '.' "${POOLED/port=$POOL_PORT/port=$PORT_A} $PIN"
check 'and says why' grep -q 'certificate verify failed' "$WORK/other_root/pgbouncer.log"
PORT_B=$(free_port)
start_pooler other_name "$PORT_B" "s|host=localhost|host=127.0.0.1|"
check 'the pooler refuses a server of another name' refused '.' "${POOLED/port=$POOL_PORT/port=$PORT_B} $PIN"
check 'and says why' grep -q 'not present in server certificate' "$WORK/other_name/pgbouncer.log"
stop_poolers other_root other_name

# change SETTING=VALUE…: of the server; the pooler has to connect anew.
change() {
    local setting
    for setting in "$@"; do sql postgres -c "ALTER SYSTEM SET ${setting%%=*} = '${setting#*=}'"; done
    sql postgres -o /dev/null -c 'SELECT pg_reload_conf()'
    sleep 0.3
    sql postgres -o /dev/null -c "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE usename = 'wellness_app'"
}
reset_settings() {
    sql postgres -c 'ALTER SYSTEM RESET ALL' -o /dev/null -c 'SELECT pg_reload_conf()'
    sleep 0.3
    sql postgres -o /dev/null -c "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE usename = 'wellness_app'"
}
change ssl_min_protocol_version=TLSv1.2 ssl_max_protocol_version=TLSv1.2
check 'a server that speaks TLS 1.2 only: a client of it gets in (or the next test shows nothing)' connect "$DIRECT $PIN"
check 'the pooler refuses it' refused '.' "$POOLED $PIN"
reset_settings
change ssl=off
check 'the pooler refuses a server without TLS' refused '.' "$POOLED $PIN"
reset_settings
# A failed login is kept for server_login_retry.
comes_back() {
    local try
    for ((try = 0; try < 20; try++)); do
        if connect "$POOLED $PIN"; then return; fi
        sleep 0.5
    done
    return 1
}
check 'and works again with the right one' comes_back

# ---- pinning a certificate itself ---------------------------------------------------------------
change "ssl_cert_file=$TLS/leaf.crt" "ssl_key_file=$TLS/leaf.key"
LEAF="sslmode=verify-full sslrootcert=$TLS/leaf.crt"
check 'a pinned self-signed certificate: in' connect "$DIRECT $LEAF"
cat "$TLS/leaf.crt" "$TLS/next.crt" >"$TLS/both.crt"
change "ssl_cert_file=$TLS/next.crt" "ssl_key_file=$TLS/next.key"
check 'the same name with another key is refused' refused 'certificate verify failed' "$DIRECT $LEAF"
check 'a client that has both pins goes on through the change' connect "$DIRECT ${LEAF/leaf/both}"
reset_settings
comes_back >/dev/null 2>&1 || true

# ---- transactions through one server connection ----------------------------------------------------
ALICE='{"sub": "a11ce000-0000-4000-8000-000000000001"}'
BOB='{"sub": "b0b00000-0000-4000-8000-000000000002"}'
open_session alice "$POOLED $PIN"
open_session bob "$POOLED $PIN"
pid=$(ask alice 'SELECT pg_backend_pid()')
check 'two clients, one server connection' equals "$pid" "$(ask bob 'SELECT pg_backend_pid()')"
said=$(ask alice BEGIN 'SET LOCAL ROLE mindmeasure_user' "SET LOCAL request.jwt.claims = '$ALICE'" \
    "INSERT INTO assessment_sessions (id) VALUES ('5e551000-0000-4000-8000-000000000001')" 'SELECT auth.uid()' COMMIT)
check 'Alice, in her transaction, is Alice' equals a11ce000-0000-4000-8000-000000000001 "$said"
who="SELECT concat_ws('|', coalesce(auth.uid()::text, 'nobody'), current_user, coalesce(current_setting('request.jwt.claims', true), ''))"
check 'Bob, after it, on the same connection: nobody' equals 'nobody|wellness_app|' "$(ask bob "$who")"
check 'and so is Alice herself in her next transaction' equals 'nobody|wellness_app|' "$(ask alice "$who")"
check 'Bob sees nothing of hers' equals 0 "$(ask bob BEGIN 'SET LOCAL ROLE mindmeasure_user' "SET LOCAL request.jwt.claims = '$BOB'" 'SELECT count(*) FROM assessment_sessions' COMMIT)"
check 'it was her only session' equals 1 "$(ask alice BEGIN 'SET LOCAL ROLE mindmeasure_user' "SET LOCAL request.jwt.claims = '$ALICE'" 'SELECT count(*) FROM assessment_sessions' COMMIT)"
check 'the system scores it through the pooler' equals 5e551000-0000-4000-8000-000000000001 "$(ask bob BEGIN 'SET LOCAL ROLE mindmeasure_system' \
    "INSERT INTO text_analysis (session_id, text_wellness_score) VALUES ('5e551000-0000-4000-8000-000000000001', 40)" \
    "SELECT session_id FROM mm_fuse_session('5e551000-0000-4000-8000-000000000001')" COMMIT)"
ask alice BEGIN "SET LOCAL request.jwt.claims = '$ALICE'" 'SELECT 1/0' COMMIT >/dev/null
check 'nor do claims survive a transaction that failed' equals 'nobody|wellness_app|' "$(ask bob "$who")"
# A careless client: SET without LOCAL.
ask alice "SET request.jwt.claims = '$ALICE'" 'SET ROLE mindmeasure_system' 'SELECT pg_advisory_lock(42)' 'CREATE TEMP TABLE note (said text)' >/dev/null
check 'a careless SET of claims and role does not reach the next client' equals 'nobody|wellness_app|' "$(ask bob "$who")"
check 'nor does a session lock, or a temporary table' equals '0 gone' \
    "$(ask bob "SELECT concat_ws(' ', (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), CASE WHEN to_regclass('pg_temp.note') IS NULL THEN 'gone' END)")"
check 'still the same connection' equals "$pid" "$(ask bob 'SELECT pg_backend_pid()')"
check 'the server sees who is behind the pooler' grep -q -E '^psql - 127\.0\.0\.1:[0-9]+$' <(ask bob "SELECT current_setting('application_name')")
close_sessions
# Without the reset, a careless SET does reach the next client: the test above can fail.
PORT_C=$(free_port)
start_pooler careless "$PORT_C" "s|^server_reset_query_always = .*|server_reset_query_always = 0|"
open_session alice "${POOLED/port=$POOL_PORT/port=$PORT_C} $PIN"
open_session bob "${POOLED/port=$POOL_PORT/port=$PORT_C} $PIN"
ask alice "SET request.jwt.claims = '$ALICE'" >/dev/null
check '(without server_reset_query_always it would)' equals a11ce000-0000-4000-8000-000000000001 "$(ask bob 'SELECT auth.uid()')"
close_sessions

# ---- what is in the logs -------------------------------------------------------------------------------
as_system() { connect "$POOLED $PIN" "BEGIN; SET LOCAL ROLE mindmeasure_system; $1; COMMIT"; }
MARK=MARKER-what-a-person-said
check 'a row without its id is refused' not as_system "INSERT INTO session_insights (id, session_id, conversation_summary) VALUES (NULL, '5e551000-0000-4000-8000-000000000001', '$MARK')"
check 'a bad value is refused' not as_system "INSERT INTO text_analysis (session_id, text_wellness_score, sentiment_analysis) VALUES ('5e551000-0000-4000-8000-000000000001', 101, '{\"$MARK\": 1}')"
check 'what is no uuid is refused' not as_system "SELECT mm_explain_session('$MARK')"
check 'a syntax error is refused' not as_system "SELECT FROM $MARK oops oops"
check 'a slow statement is ended' not as_system "SET LOCAL statement_timeout = 50; SELECT '$MARK', pg_sleep(5)"
printf "\\set n 1\nSELECT '%s' || 1 / (:n - 1);\n" "$MARK" >"$WORK/extended.sql"
PGHOST=localhost PGPORT=$POOL_PORT PGUSER=wellness_app PGPASSWORD='a good one' PGSSLMODE=require PGSSLROOTCERT=$TLS/root.crt \
    "$PG_BIN/pgbench" -n -M extended -t 1 -f "$WORK/extended.sql" mind >/dev/null 2>&1 || true
check 'the server logs who came and went (or the next test shows nothing)' grep -q 'connection authorized: user=wellness_app' "$SERVER/log"
check 'pgaudit writes there' grep -q 'AUDIT: .*ALTER ROLE' "$SERVER/log"
check 'what a person said is not in it' not grep -q -e "$MARK" "$SERVER/log"
check 'nor in the log of the pooler' not grep -q -r -e "$MARK" --include='*.log' "$WORK"
check 'a password is in neither' not grep -q -r -e 'a good one' -e SCRAM-SHA "$SERVER/log" "$WORK/pooler/pgbouncer.log"
sql mind -c 'ALTER ROLE wellness_app RESET log_min_messages'
sql postgres -o /dev/null -c "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE usename = 'wellness_app'"
as_system "SELECT mm_explain_session('$MARK')" >/dev/null 2>&1 || true
check '(without roles.sql it would be: the test can fail)' grep -q -e "$MARK" "$SERVER/log"
check 'superusers are not in the list of the pooler' not grep -q postgres "$WORK/userlist.txt"

finish
