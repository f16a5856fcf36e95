#!/usr/bin/env bash
# pg_dump and pg_restore in every form, into the same cluster and into one that has never heard of
# mindmeasure: rows, catalog and scoring are the same afterwards.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
# shellcheck source=tests/lib/check.sh
source tests/lib/check.sh
HERE=tests/dump_restore
WORK=$(mktemp -d /var/tmp/mindmeasure-dump.XXXXXX)
trap 'cluster_remove_all; rm -rf "$WORK"' EXIT
describe() { # DATABASE PREFIX
    sql "$1" -f "$HERE/catalog.sql" >"$2.catalog"
    sql "$1" -f "$HERE/rows.sql" >"$2.rows"
}

# equal_to PREFIX DATABASE DESCRIPTION
equal_to() {
    describe "$2" "$WORK/seen"
    check "$3: every table has the same rows" same_text "$1.rows" "$WORK/seen.rows"
    check "$3: the catalog is the same" same_text "$1.catalog" "$WORK/seen.catalog"
}

# goes_on PREFIX DATABASE DESCRIPTION
goes_on() {
    sql "$2" -f "$HERE/go_on.sql" >"$WORK/seen.on" 2>&1 || true
    check "$3: a replay gives the same bits, and scoring goes on" same_text "$1.on" "$WORK/seen.on"
}

create() { # DATABASE…
    local name
    for name in "$@"; do sql postgres -c "CREATE DATABASE \"$name\""; done
}

dump() { "$PG_BIN/pg_dump" "$@"; }
restore() { "$PG_BIN/pg_restore" --exit-on-error "$@"; }

quietly() { # DATABASE PSQL_ARG…
    local database=$1
    shift
    PGOPTIONS='-c client_min_messages=warning' sql "$database" -o /dev/null "$@"
}

filled() { # DATABASE [SCHEMA]
    create "$1"
    [[ -z ${2:-} ]] || sql "$1" -c "CREATE SCHEMA \"$2\""
    quietly "$1" -c "CREATE EXTENSION mindmeasure ${2:+SCHEMA \"$2\"}"
    quietly "$1" -f "$HERE/fill.sql"
}

# ---- the source ------------------------------------------------------------------------
cluster_start one
filled source
sql source -At -c 'SELECT mm_seal_audit()' >/dev/null
HEAD=$(sql_value source 'SELECT mm_audit_head()')
describe source "$WORK/source"
check "the source has scores of three people" test "$(sql_value source 'SELECT count(*) FROM fusion_outputs')" = 30
dump -Fp -f "$WORK/plain.sql" source
dump -Fc -f "$WORK/custom" source
dump -Fd -j2 -f "$WORK/directory" source
dump -Fc --data-only --load-via-partition-root -f "$WORK/data" source
dump -Fp --data-only --load-via-partition-root -f "$WORK/data.sql" source
"$PG_BIN/pg_dumpall" >"$WORK/all.sql"
# What going on looks like, in a copy that no dump was made of.
sql postgres -c 'CREATE DATABASE copy TEMPLATE source'
sql copy -f "$HERE/go_on.sql" >"$WORK/source.on" 2>&1 || cat "$WORK/source.on"
check "a replay of the source gives the bits that are stored" \
    same_text <(sed -n 1,3p "$WORK/source.on") <(sed -n 7,9p "$WORK/source.on")
check "the source goes on without an error" bash -c "! grep -n ERROR '$WORK/source.on'"

# ---- (a) whole dumps, same cluster and another one -----------------------------------------
into_this_cluster() { # CLUSTER
    create plain custom parallel sections
    check "plain into cluster $1" sql plain -o /dev/null -f "$WORK/plain.sql"
    equal_to "$WORK/source" plain "plain, cluster $1"
    check "custom into cluster $1" restore -d custom "$WORK/custom"
    equal_to "$WORK/source" custom "custom, cluster $1"
    check "directory with two jobs into cluster $1" restore -j2 -d parallel "$WORK/directory"
    equal_to "$WORK/source" parallel "two jobs, cluster $1"
    local section
    for section in pre-data data post-data; do
        check "section $section into cluster $1" restore --section=$section -d sections "$WORK/custom"
    done
    equal_to "$WORK/source" sections "section by section, cluster $1"
    local database
    for database in plain custom parallel sections; do
        check "$database, cluster $1: the sealed audit stands" test -z "$(sql_value "$database" "SELECT * FROM mm_verify_audit('$HEAD')")"
        goes_on "$WORK/source" "$database" "$database, cluster $1"
        check "$database, cluster $1: sealing goes on, and the audit stands" test "$(sql_value "$database" 'SELECT mm_seal_audit() > 0'),$(sql_value "$database" "SELECT * FROM mm_verify_audit('$HEAD')")" = t,
    done
}
into_this_cluster one
# A restored database can be dumped and restored like the first one.
create again
dump -Fc -f "$WORK/second" sections
describe sections "$WORK/second"
check "dump of a restored database" restore -d again "$WORK/second"
equal_to "$WORK/second" again "dump of a restored database"

# ---- data only, into a database that CREATE EXTENSION has prepared ---------------------------
# The database has written down how it was made: its audit has these lines besides.
but_audit() { grep -v 'audit_log' "$1"; }
prepare() { # DATABASE
    create "$1"
    quietly "$1" -c 'CREATE EXTENSION mindmeasure'
    # What the application added: the schema's part of its own migrations.
    quietly "$1" -c "ALTER TABLE assessment_sessions ADD COLUMN clinic text DEFAULT 'north' CHECK (length(clinic) < 50)" \
        -c 'CREATE TABLE appointment (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, session_id uuid NOT NULL, user_id uuid NOT NULL, at timestamptz,
            FOREIGN KEY (session_id, user_id) REFERENCES session_keys (id, user_id) ON DELETE CASCADE)'
}
# The model v1.0 and the ledger are there already: the rows of the dump take their place.
prepare data_only
check "data only" restore -d data_only "$WORK/data"
describe data_only "$WORK/seen"
check "data only: every table has the same rows" same_text <(but_audit "$WORK/source.rows") <(but_audit "$WORK/seen.rows")
goes_on "$WORK/source" data_only "data only"
prepare data_plain
check "data only, plain" sql data_plain -o /dev/null -f "$WORK/data.sql"
describe data_plain "$WORK/seen"
check "data only, plain: every table has the same rows" same_text <(but_audit "$WORK/source.rows") <(but_audit "$WORK/seen.rows")
# Twice is refused, and nothing is doubled.
check "data only a second time: refused" bash -c "! '$PG_BIN/pg_restore' --exit-on-error -d data_plain '$WORK/data'"
describe data_plain "$WORK/seen"
check "data only a second time: every table has the same rows" same_text <(but_audit "$WORK/source.rows") <(but_audit "$WORK/seen.rows")
# Outside of a restore a model's or a migration's row is not replaced.
for table in mm_models mm_schema_migrations; do
    check "a second row of $table is refused where row_security is on" bash -c \
        "'$PG_BIN/psql' -X -d data_only -c 'INSERT INTO $table SELECT * FROM $table LIMIT 1' 2>&1 | grep 'duplicate key'"
done
check "the system role cannot replace a model by turning row_security off" bash -c \
    "'$PG_BIN/psql' -X -d data_only -c 'SET ROLE mindmeasure_system' -c 'SET row_security = off' \
        -c \"SELECT mm_register_model(jsonb_set(spec, '{fusion,rho}', '0.2')) FROM mm_models WHERE model_version = 'v1.0'\" 2>&1 | grep 'ERROR'"
sql data_only -o /dev/null -c 'SET row_security = off' -c 'SELECT * FROM mm_migrate()'
check "mm_migrate() with row_security off leaves the models as they are" test \
    "$(sql_value data_only 'SELECT md5(string_agg(m::text, chr(10) ORDER BY m::text)) FROM mm_models AS m')" = \
    "$(sql_value source 'SELECT md5(string_agg(m::text, chr(10) ORDER BY m::text)) FROM mm_models AS m')"
# Two jobs load tables in any order, which foreign keys allow without triggers only; then nothing takes a place.
prepare data_without_triggers
filled=$(sql_value data_without_triggers "SELECT string_agg(tgrelid::regclass::text, ', ') FROM pg_trigger WHERE tgname = 'take_restored_row'")
quietly data_without_triggers -c "TRUNCATE $filled"
check "data only --disable-triggers, two jobs" restore -j2 --disable-triggers -d data_without_triggers "$WORK/data"
describe data_without_triggers "$WORK/seen"
check "data only --disable-triggers, two jobs: every table has the same rows" same_text <(but_audit "$WORK/source.rows") <(but_audit "$WORK/seen.rows")

# ---- (b) the extension is gone, the data are not ---------------------------------------------
sql postgres -c 'CREATE DATABASE dropped TEMPLATE source'
check "DROP EXTENSION is refused while policies and triggers use it" bash -c \
    "! '$PG_BIN/psql' -X -d dropped -c 'DROP EXTENSION mindmeasure'"
quietly dropped -c 'DROP EXTENSION mindmeasure CASCADE'
sql dropped -f "$HERE/rows.sql" >"$WORK/dropped.rows"
check "DROP EXTENSION CASCADE: the data stay" same_text "$WORK/source.rows" "$WORK/dropped.rows"
check "DROP EXTENSION CASCADE: row-level security stays on" test "$(sql_value dropped \
    "SELECT count(*) FROM pg_class WHERE relowner = 'mindmeasure_owner'::regrole AND relkind IN ('r', 'p') AND NOT relrowsecurity")" = 0
dump -Fc -f "$WORK/dropped" dropped
create after_drop
check "a dump after DROP EXTENSION CASCADE" restore -d after_drop "$WORK/dropped"
sql after_drop -f "$HERE/rows.sql" >"$WORK/seen.rows"
check "a dump after DROP EXTENSION CASCADE: the data are in it" same_text "$WORK/source.rows" "$WORK/seen.rows"

# ---- (c) another schema -------------------------------------------------------------------------
filled spaced 'mm x'
describe spaced "$WORK/spaced"
dump -Fc -f "$WORK/spaced.custom" spaced
dump -Fp -f "$WORK/spaced.sql" spaced
sql postgres -c 'CREATE DATABASE spaced_copy TEMPLATE spaced'
sql spaced_copy -f "$HERE/go_on.sql" >"$WORK/spaced.on" 2>&1 || true
check "schema \"mm x\": scores as in public" same_text "$WORK/source.on" "$WORK/spaced.on"
create spaced_custom spaced_plain
check "schema \"mm x\", custom" restore -d spaced_custom "$WORK/spaced.custom"
equal_to "$WORK/spaced" spaced_custom 'schema "mm x", custom'
goes_on "$WORK/spaced" spaced_custom 'schema "mm x", custom'
check "schema \"mm x\", plain" sql spaced_plain -o /dev/null -f "$WORK/spaced.sql"
equal_to "$WORK/spaced" spaced_plain 'schema "mm x", plain'

# ---- (d) CREATE EXTENSION while row_security is off -----------------------------------------------
create fresh bare
sql fresh -c 'CREATE EXTENSION mindmeasure'
sql bare -c 'SET row_security = off' -c 'CREATE EXTENSION mindmeasure' 2>"$WORK/notice"
# CREATE EXTENSION keeps NOTICEs of its script from the client; INFO and WARNING get through.
check "row_security off: a message names mm_migrate()" grep -q -E '(NOTICE|INFO|WARNING):.*mm_migrate\(\)' "$WORK/notice"
check "row_security off: no table is made" test "$(sql_value bare "SELECT count(*) FROM pg_class WHERE relowner = 'mindmeasure_owner'::regrole")" = 0
sql bare -At -c 'SELECT version FROM mm_migrate()' >"$WORK/versions"
check "mm_migrate() applies every migration" same_text <(sql_value fresh 'SELECT version FROM mm_schema_migrations ORDER BY 1') "$WORK/versions"
check "mm_migrate() again applies none" test -z "$(sql_value bare 'SELECT version FROM mm_migrate()')"
describe fresh "$WORK/fresh"
describe bare "$WORK/bare"
check "mm_migrate() builds what CREATE EXTENSION builds" same_text "$WORK/fresh.catalog" "$WORK/bare.catalog"
quietly bare -f "$HERE/fill.sql"
check "and it works" test "$(sql_value bare 'SELECT count(*) FROM fusion_outputs')" = 30

# ---- another cluster, without the roles --------------------------------------------------------------
cluster_start two
check "cluster two has never heard of mindmeasure" test "$(sql_value postgres "SELECT count(*) FROM pg_roles WHERE rolname ~ 'mindmeasure'")" = 0
into_this_cluster two
check "the roles are there, without a login" test "$(sql_value postgres "SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname ~ '^mindmeasure' AND NOT rolcanlogin")" = \
    'mindmeasure_auditor mindmeasure_owner mindmeasure_system mindmeasure_user'
create spaced_custom
check "schema \"mm x\", cluster two" restore -d spaced_custom "$WORK/spaced.custom"
equal_to "$WORK/spaced" spaced_custom 'schema "mm x", cluster two'
cluster_remove two

# ---- pg_dumpall ------------------------------------------------------------------------------------------
cluster_start three
"$PG_BIN/psql" -X -q -d postgres -f "$WORK/all.sql" >/dev/null 2>"$WORK/all.log" || true
check "pg_dumpall: no error but that postgres exists" same_text <(echo 'ERROR:  role "postgres" already exists') <(grep -o 'ERROR:.*' "$WORK/all.log")
equal_to "$WORK/source" source 'pg_dumpall'
goes_on "$WORK/source" source 'pg_dumpall'

finish
