#!/usr/bin/env bash
# scripts/release.py: what turns the functions of one version into those of another.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/lib/check.sh
source tests/lib/check.sh
WORK=$(mktemp -d /var/tmp/mindmeasure-release.XXXXXX)
trap 'rm -rf "$WORK"' EXIT

# script FILE BODY FINALIZE: laid out as pgrx does it
script() {
    {
        printf '/* <begin connected objects> */\n-- src/schema.rs:5\n%s\n/* </end connected objects> */\n\n' "$2"
        printf '/* <begin connected objects> */\n-- src/schema.rs:9\n-- finalize\n%s\n/* </end connected objects> */\n' "$3"
    } >"$1"
}

old=$WORK/mindmeasure--1.0.0.sql
new=$WORK/mindmeasure--1.1.0.sql
script "$old" "
-- taken; names
DO \$names\$ BEGIN RAISE 'old; %', 1; END \$names\$;
CREATE TYPE @extschema@.pair AS (a int, b text);
CREATE FUNCTION @extschema@.same(a integer) RETURNS integer LANGUAGE sql AS \$\$ SELECT 1; \$\$;
COMMENT ON FUNCTION @extschema@.same(integer) IS 'The same; it''s kept.';
CREATE FUNCTION @extschema@.body(a integer DEFAULT 1) RETURNS integer LANGUAGE sql AS \$\$ SELECT 1 \$\$;
CREATE  FUNCTION \"spaced\"(
	\"x\" TEXT /* Option < & str > */
) RETURNS void
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'spaced_wrapper';
CREATE FUNCTION @extschema@.result(a integer, b numeric(4, 2) DEFAULT 1.5) RETURNS integer LANGUAGE sql AS \$\$ SELECT 1 \$\$;
COMMENT ON FUNCTION @extschema@.result(integer, numeric) IS 'Gives.';
CREATE FUNCTION @extschema@.fewer(a integer DEFAULT 1) RETURNS integer LANGUAGE sql AS \$\$ SELECT 1 \$\$;
CREATE FUNCTION @extschema@.gone() RETURNS integer LANGUAGE sql AS \$\$ SELECT 1 \$\$;
CREATE FUNCTION @extschema@.typed(a integer) RETURNS integer LANGUAGE sql AS \$\$ SELECT 1 \$\$;" "SELECT 'old end';"
script "$new" "
DO \$names\$ BEGIN RAISE 'new; %', 1; END \$names\$;
CREATE TYPE @extschema@.pair AS (a int, b text, c text);
CREATE FUNCTION @extschema@.same(a integer) RETURNS integer LANGUAGE sql AS \$\$ SELECT 1; \$\$;
COMMENT ON FUNCTION @extschema@.same(integer) IS 'The same; it''s kept.';
CREATE FUNCTION @extschema@.body(a integer DEFAULT 2) RETURNS integer LANGUAGE sql AS \$\$ SELECT 2 \$\$;
CREATE  FUNCTION \"spaced\"(
	\"x\" TEXT /* Option < & str > */
) RETURNS void
STRICT
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'spaced_wrapper';
CREATE FUNCTION @extschema@.result(a integer, b numeric(4, 2) DEFAULT 1.5) RETURNS bigint LANGUAGE sql AS \$\$ SELECT 1 \$\$;
COMMENT ON FUNCTION @extschema@.result(integer, numeric) IS 'Gives.';
CREATE FUNCTION @extschema@.fewer(a integer) RETURNS integer LANGUAGE sql AS \$\$ SELECT 1 \$\$;
CREATE FUNCTION @extschema@.typed(a bigint) RETURNS integer LANGUAGE sql AS \$\$ SELECT 1 \$\$;
CREATE  FUNCTION \"added\"() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'added_wrapper';" "-- the end
SELECT 'new end';"
python3 scripts/release.py draft "$old" "$new" >"$WORK/draft"

says() { grep -q -F -x -e "$1" "$WORK/draft"; }
silent() { ! grep -q -e "$1" "$WORK/draft"; }
check "a new function is made, in our schema" says "CREATE FUNCTION @extschema@.added() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'added_wrapper';"
check "a function with another body is replaced" says "CREATE OR REPLACE FUNCTION @extschema@.body(a integer DEFAULT 2) RETURNS integer LANGUAGE sql AS \$\$ SELECT 2 \$\$;"
check "one of the library as well, in our schema" says 'CREATE OR REPLACE FUNCTION @extschema@.spaced('
check "one with another result is dropped and made" says 'DROP ROUTINE @extschema@.result(a integer, b numeric(4, 2));'
check "and not replaced" silent 'REPLACE FUNCTION @extschema@.result'
check "its comment, gone with it, is said again" says "COMMENT ON FUNCTION @extschema@.result(integer, numeric) IS 'Gives.';"
check "one with fewer defaults is dropped and made" says 'DROP ROUTINE @extschema@.fewer(a integer);'
check "one that is gone is dropped" says 'DROP ROUTINE @extschema@.gone();'
check "one with other types is another function: the old one is dropped" says 'DROP ROUTINE @extschema@.typed(a integer);'
check "and the new one made" says "CREATE FUNCTION @extschema@.typed(a bigint) RETURNS integer LANGUAGE sql AS \$\$ SELECT 1 \$\$;"
check "what is the same is left alone, its comment too" silent '@extschema@.same'
check "names are checked by CREATE EXTENSION only" silent '\$names\$'
check "what else has changed is to be reviewed" bash -c "grep -A 1 REVIEW '$WORK/draft' | grep -q 'CREATE TYPE @extschema@.pair'"
check "so is each function that is dropped" test "$(grep -c REVIEW "$WORK/draft")" = 5
check "the end is the new one's, whole" same_text <(printf -- '-- the end\nSELECT '"'new end'"';\n') <(tail -n 2 "$WORK/draft")

# What pgrx puts in another order is the same, a changed body is not.
python3 - "$new" "$WORK/moved" <<'P'
import sys
text = open(sys.argv[1]).read()
line = next(l for l in text.splitlines() if ".typed(" in l)
open(sys.argv[2], "w").write(text.replace(line + "\n", "").replace("CREATE TYPE", line + "\nCREATE TYPE"))
P
check "another order is no difference" python3 scripts/release.py same "$new" "$WORK/moved"
sed 's/SELECT 2/SELECT 3/' "$WORK/moved" >"$WORK/changed"
check "another body is one" bash -c "! python3 scripts/release.py same '$new' '$WORK/changed'"
finish
