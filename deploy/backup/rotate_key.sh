#!/usr/bin/env bash
# A new repository with a new key for pgBackRest; the first one, too. Run again
# after an interruption, it goes on. Usage: rotate_key.sh
#
# While the first full backup of the new repository is taken, WAL goes to both:
# no moment is lost between them.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/backup/lib.sh
source "$HERE/lib.sh"
# shellcheck source=deploy/backup/repository.sh
source "$HERE/repository.sh"

# begin: the new repository exists and comes first; the old one comes second.
begin() {
    local name path key
    name=$(date +%Y%m%dT%H%M%SZ)
    path=$REPOSITORY_ROOT/$name
    [[ ! -e $path ]] || die 4 "$path exists already"
    key=$(openssl rand -base64 48)
    # Whoever holds an identity of the archives can restore with a lost
    # configuration, too.
    mkdir -p "$ARCHIVE_ROOT/repository_keys" "$path" "$PGBACKREST_CONFIG_INCLUDE_PATH"
    age -R "$RECIPIENTS" <<<"$key" | write_whole "$ARCHIVE_ROOT/repository_keys/$name.age"
    STAGING=$(mktemp -d "$PGBACKREST_CONFIG_INCLUDE_PATH/.new.XXXXXX")
    {
        printf '# Written by rotate_key.sh. Secret.\n[global]\n'
        repository_lines 1 "$path" "$key"
        if [[ -f $CURRENT ]]; then
            repository_lines 2 "$(setting "$CURRENT" repo1-path)" "$(setting "$CURRENT" repo1-cipher-pass)"
        fi
    } >"$STAGING/repositories.conf"
    PGBACKREST_CONFIG_INCLUDE_PATH=$STAGING backrest stanza-create || die 4 "the new repository could not be made"
    write_whole "$CURRENT" <"$STAGING/repositories.conf"
}

# retire: the second repository is taken out; its settings stay for restores.
retire() {
    local path key directory
    path=$(setting "$CURRENT" repo2-path)
    key=$(setting "$CURRENT" repo2-cipher-pass)
    directory=$PGBACKREST_CONFIG_INCLUDE_PATH/retired/$(basename "$path")
    mkdir -p "$directory"
    { printf '[global]\n'; repository_lines 1 "$path" "$key"; } | write_whole "$directory/repositories.conf"
    grep -v '^repo2-' "$CURRENT" | write_whole "$CURRENT"
    say "retired $path"
}

[[ $# -eq 0 ]] || die 2 "usage: rotate_key.sh"
configure
take_lock
STAGING=''
trap 'end_jobs; [[ -z $STAGING ]] || rm -rf "$STAGING"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
readonly CURRENT=$PGBACKREST_CONFIG_INCLUDE_PATH/repositories.conf
if [[ ! -f $CURRENT || -z $(setting "$CURRENT" repo2-path) ]]; then
    begin
fi
take_full
if [[ -n $(setting "$CURRENT" repo2-path) ]]; then
    retire
fi
say "repository $(setting "$CURRENT" repo1-path)"
