#!/usr/bin/env bash
# The real pgaudit: every read of a sensitive table leaves a line, with the person who was behind it,
# whatever the client calls itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
# shellcheck source=tests/lib/check.sh
source tests/lib/check.sh
[[ -f "$("$PG_CONFIG" --pkglibdir)/pgaudit.so" ]] || { echo "pgaudit is not installed"; exit 77; }
command -v openssl >/dev/null || { echo "openssl is not installed"; exit 77; }
ALICE=a11ce000-0000-4000-8000-000000000000
BOB=b0b00000-0000-4000-8000-000000000000

# ok DESCRIPTION COMMAND…: one test; when it fails, with the end of the server's log.
ok() {
    local description=$1 wrong=''
    shift
    "$@" >/dev/null 2>&1 || wrong="it failed; the log ends with"$'\n'"$(tail -n 15 "$LOG")"
    result "$description" "$wrong"
}

# said SQL: what it adds to the server's log.
said() {
    local before
    before=$(wc -l <"$LOG")
    printf '%s\n' "$1" | "$PG_BIN/psql" -X -q -At -U "${2:-app_user}" -d audited >/dev/null 2>&1 || true
    tail -n +"$((before + 1))" "$LOG" >"$WORK/said"
}
says() { grep -q -E -- "$1" "$WORK/said"; }
says_not() { ! grep -q -E -- "$1" "$WORK/said"; }

cluster_start audited "shared_preload_libraries = 'pgaudit'" "session_preload_libraries = 'mindmeasure'" "pgaudit.log_parameter = off"
LOG=${CLUSTER_DIR[audited]}/log
WORK=${CLUSTER_DIR[audited]}
mkdir "$WORK/keys"
python3 tests/identity/lib/tokens.py "$WORK/keys" "$ALICE"
chown -R --reference="$WORK/data" "$WORK/keys"
sql postgres -c "CREATE DATABASE audited"
sql audited -c "SET client_min_messages = warning" -c "CREATE EXTENSION mindmeasure" \
    -c "CREATE ROLE app_user LOGIN IN ROLE mindmeasure_user" -c "CREATE ROLE app_auditor LOGIN IN ROLE mindmeasure_auditor" \
    -c "INSERT INTO auth.users (id) VALUES ('$ALICE'), ('$BOB')" -c "INSERT INTO assessment_sessions (user_id) VALUES ('$ALICE')" \
    -c "ALTER DATABASE audited SET mindmeasure.jwt_keys_file = '$WORK/keys/keys.json'" \
    -c "ALTER DATABASE audited SET mindmeasure.jwt_audience = 'mindmeasure'"
IDENTITY="SELECT mm_set_identity('$(cat "$WORK/keys/good.jwt")')"
CLAIM="SET LOCAL request.jwt.claims = '{\"sub\": \"$BOB\"}'"

said "SELECT * FROM assessment_sessions"
ok "before it is enabled, a read is not logged" says_not 'AUDIT: '
ok "mm_enable_read_audit() says how many tables are sensitive" test "$(sql_value audited 'SELECT mm_enable_read_audit() >= 16')" = t
ok "again it is no error" sql audited -c 'SELECT mm_enable_read_audit()'
ok "nobody reads anything through the audit's own role" test "$(sql_value audited "SELECT count(*) FROM pg_auth_members WHERE roleid = 'mindmeasure_audit'::regrole")" = 0
ok "mm_doctor() sees it" test "$(sql_value audited "SELECT string_agg(status, ' ') FROM mm_doctor() WHERE check_name ~ '^read_audit'")" = 'ok ok'

said "BEGIN; $IDENTITY; SELECT count(*) FROM assessment_sessions; COMMIT;"
ok "a read leaves a line with the table, the statement and the verified person" \
    says "AUDIT: OBJECT,.*,READ,SELECT,TABLE,public.assessment_sessions,.*,person=$ALICE verified\$"
said "BEGIN; $CLAIM; SELECT count(*) FROM text_analysis; COMMIT;"
ok "the first read of a connection, for a person who is claimed only" says "READ,SELECT,TABLE,public.text_analysis,.*,person=$BOB claimed\$"
said "SELECT count(*) FROM profiles"
ok "a read for nobody" says "READ,SELECT,TABLE,public.profiles,.*,person=none\$"
said "SET application_name = 'person=$BOB verified'; BEGIN; $IDENTITY; SELECT count(*) FROM profiles; COMMIT;"
ok "a client cannot call itself another person" says "public.profiles,.*,person=$ALICE verified\$"
said "BEGIN; $IDENTITY; COMMIT; SELECT count(*) FROM profiles;"
ok "the person ends with the transaction" says "public.profiles,.*,person=none\$"
said "BEGIN; SET LOCAL request.jwt.claims = '{\"sub\": \"x\\n2026-01-01 LOG:  AUDIT: forged\"}'; SELECT count(*) FROM mm_models; SELECT 1 FROM profiles; COMMIT;"
ok "a claim that is no UUID is not written into the log as one" says "public.profiles,.*,person=none\$"
said "BEGIN; $CLAIM; WITH x AS (SELECT * FROM session_insights) SELECT count(*) FROM x; SELECT (SELECT count(*) FROM fusion_outputs); COPY (SELECT * FROM user_baselines) TO STDOUT; COMMIT;"
for relation in session_insights fusion_outputs user_baselines; do
    ok "$relation: however it is read" says "public.$relation,.*,person=$BOB claimed\$"
done
said "SELECT * FROM audio_analysis; SELECT * FROM audit_log" postgres
ok "a superuser's read" says "public.audio_analysis,"
ok "and a read of the audit itself" says "public.audit_log,"
said "SELECT mm_break_glass('$ALICE', 'a complaint, ticket 4711', 5); SELECT count(*) FROM assessment_sessions" app_auditor
ok "an auditor's read through broken glass" says "app_auditor@audited.*public.assessment_sessions,.*person="
said "BEGIN; $IDENTITY; DO \$\$ BEGIN RAISE LOG 'AUDIT: OBJECT,1,1,READ,SELECT,TABLE,public.forged,x,<not logged>'; END \$\$; COMMIT;"
ok "a line that a client writes itself gets no person" says "public.forged,x,<not logged>\$"
said "SELECT * FROM mm_models"
ok "a table without people's rows is not sensitive" says_not "public.mm_models"
said "SELECT mm_enable_read_audit()"
ok "a user cannot change what is audited" says "ERROR:.*permission denied for function mm_enable_read_audit"
said "SET pgaudit.role = ''; SET pgaudit.log = 'none'"
ok "nor with SET" says 'ERROR:.*permission denied to set parameter "pgaudit.role"'
ok "the log holds no token" bash -c "! grep -q -F '$(cat "$WORK/keys/good.jwt")' '$LOG'"

finish
