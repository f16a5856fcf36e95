#!/usr/bin/env bash
# Releases. docs/releasing.md tells when to run which.
#   scripts/release.sh cut              the present version: freeze its scripts and migrations
#   scripts/release.sh begin VERSION    what is built from now on is VERSION
#   scripts/release.sh draft OLD        first draft of the update script from OLD to the present version
set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$MM_ROOT"

readonly RELEASED=tests/upgrade/released.sha256

present_version() {
    sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml
}

released_versions() {
    find sql -maxdepth 1 -name 'mindmeasure--*.sql' ! -name 'mindmeasure--*--*' | sed 's/.*--\(.*\)\.sql/\1/' | sort -V
}

# generated SCRIPT: builds, and copies the install script that the sources give.
generated() {
    check_rust
    choose_postgres
    postgres_is_there
    ensure_cargo_pgrx
    step "building …"
    must_run "$MM_LOGS/release.log" "see the log above" cargo pgrx schema --release -c "$PG_CONFIG" -o "$1"
}

# No frozen file is changed or missing, and none of the released scripts is unknown.
check_frozen() {
    sha256sum --quiet --check "$RELEASED" ||
        die 4 "a released file has changed" "git checkout it; what is new goes into a new migration or an update script"
}

cut_release() {
    local version script file
    version=$(present_version)
    script=sql/mindmeasure--$version.sql
    [[ ! -e $script ]] || die 2 "$version is released already" "scripts/release.sh begin NEXT_VERSION"
    [[ ! -e $RELEASED ]] || check_frozen
    for file in $(released_versions); do
        updates "$file" "$version" || die 4 "there is no way from $file to $version" "scripts/release.sh draft $file"
    done
    if grep -l 'REVIEW' sql/mindmeasure--*--"$version".sql 2>/dev/null; then
        die 4 "the update script above has not been reviewed" "decide each REVIEW, and take the word out"
    fi
    generated "$script"
    touch "$RELEASED"
    for file in sql/mindmeasure--*.sql sql/migrations/V*.sql; do
        grep -q -F "  $file" "$RELEASED" || sha256sum "$file" >>"$RELEASED"
    done
    step "$version is cut: look at git diff, run ./pg_test.sh, commit, tag v$version; then scripts/release.sh begin NEXT_VERSION"
}

# updates FROM TO: whether update scripts lead there.
updates() {
    local script next
    [[ $1 != "$2" ]] || return 0
    for script in sql/mindmeasure--"$1"--*.sql; do
        [[ -e $script ]] || continue
        next=${script##*--}
        updates "${next%.sql}" "$2" && return 0
    done
    return 1
}

begin_version() {
    local version=$1 before
    before=$(present_version)
    [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || die 2 "not a version: $version" "three numbers, e.g. 1.1.0"
    printf '%s\n' "$before" "$version" | sort -V -C -u || die 2 "$version does not follow $before" "choose a higher one"
    [[ -e sql/mindmeasure--$before.sql ]] || die 2 "$before has not been cut" "scripts/release.sh cut"
    sed -i "/^\[workspace.package\]/,/^\[/s/^version = \"$before\"/version = \"$version\"/" Cargo.toml
    sed -i "/meta-spec/!s/\"version\": \"$before\"/\"version\": \"$version\"/" META.json
    # Writes the new version of our own two packages into Cargo.lock and nothing else.
    cargo metadata --offline --format-version 1 >/dev/null
    step "$version from now on: migrations say since [${version//./, }]; scripts/release.sh draft $before when functions have changed"
}

draft_update() {
    local old=$1 version script
    version=$(present_version)
    script=sql/mindmeasure--$old--$version.sql
    [[ -e sql/mindmeasure--$old.sql ]] || die 2 "$old was never released" "one of: $(released_versions | tr '\n' ' ')"
    [[ $old != "$version" ]] || die 2 "$old is the present version" "scripts/release.sh begin NEXT_VERSION"
    [[ ! -e $RELEASED ]] || ! grep -q -F "  $script" "$RELEASED" || die 2 "$script is released" "scripts/release.sh begin NEXT_VERSION"
    mkdir -p target/release-draft
    generated "target/release-draft/mindmeasure--$version.sql"
    python3 scripts/release.py draft "sql/mindmeasure--$old.sql" "target/release-draft/mindmeasure--$version.sql" >"$script"
    step "$script: $(grep -c REVIEW "$script" || true) places to review; then scripts/install.sh and tests/upgrade/run.sh"
}

case ${1:-} in
    cut) cut_release ;;
    begin) begin_version "${2:?which version?}" ;;
    draft) draft_update "${2:?from which version?}" ;;
    *) die 2 "unknown argument: ${1:-}" "usage: scripts/release.sh cut | begin VERSION | draft OLD" ;;
esac
