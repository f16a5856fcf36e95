#!/usr/bin/env bash
# Builds the extension and installs it into the PostgreSQL of PG_CONFIG.
# A program of its own so that errors stop it even where its caller tests the
# status (bash switches errexit off in functions called from a condition).
set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

check_rust
choose_postgres
postgres_is_there
cd "$MM_ROOT"
extensions=$("$PG_CONFIG" --sharedir)/extension

# released_scripts DIR: cargo pgrx brings the present version's full script and the update scripts;
# those of released versions, as they were released, are brought here. What the sources give is kept
# aside: tests/upgrade holds it against the release, where the present version is one.
released_scripts() {
    local present
    present=$(sed -n "s/^default_version = '\(.*\)'$/\1/p" "$1/mindmeasure.control")
    mkdir -p target/generated
    cp "$1/mindmeasure--$present.sql" target/generated/
    find sql -maxdepth 1 -name 'mindmeasure--*.sql' ! -name 'mindmeasure--*--*' \
        -exec cp --remove-destination {} "$1" \;
}

if [[ -w "$("$PG_CONFIG" --pkglibdir)" && -w $extensions ]]; then
    cargo pgrx install --release -c "$PG_CONFIG"
    released_scripts "$extensions"
    exit
fi

# `cargo pgrx install --sudo` would copy onto the loaded library, which crashes
# running backends; cp --remove-destination gives it a new inode.
staging=$MM_ROOT/target/staging
rm -rf "$staging"
cargo pgrx package -c "$PG_CONFIG" --out-dir "$staging"
released_scripts "$staging$extensions"
as_root cp -R --remove-destination "$staging/." /
