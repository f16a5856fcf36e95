# shellcheck shell=bash
# Weekly and annual archives: pg_dump, encrypted by age to public keys. To be
# sourced after lib.sh.
#
# An archive is a directory ARCHIVE_ROOT/TIER/20261122T030000Z with
#   database.dump.age   pg_dump -Fc, without the rows of user_keys
#   globals.sql.age     roles and their memberships, without passwords
#   inventory.age       rows and a hash of every table, of the same snapshot
#   manifest            plain: what it is, who can open it, SHA-256 of each file
# It gets that name in one step when all of it is on disk.

readonly ARCHIVE_NAME='????????T??????Z'
PARTIAL=''

# ---- which rows are left out ---------------------------------------------------

# keys_tables: id, schema and name of the data keys' table and its partitions.
# Rows of a wrapped key must not lie beside the data that it opens: erasing the
# person could not reach them here.
keys_tables() {
    sql -F $'\t' -d "$DATABASE" <<'SQL'
SELECT c.oid, n.nspname, c.relname
FROM pg_class AS k
JOIN LATERAL (SELECT k.oid UNION SELECT relid FROM pg_partition_tree(k.oid)) AS t (relid) ON true
JOIN pg_class AS c ON c.oid = t.relid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE k.relname = 'user_keys' AND k.relkind IN ('r', 'p')
  AND (k.relowner = (SELECT oid FROM pg_roles WHERE rolname = 'mindmeasure_owner')
       OR k.relnamespace IN (SELECT extnamespace FROM pg_extension WHERE extname = 'mindmeasure'))
SQL
}

# quoted NAME: for a pattern of pg_dump, every character taken literally.
quoted() {
    printf '"%s"' "${1//\"/\"\"}"
}

# ---- taking one --------------------------------------------------------------------

# Snapshot: a session that holds it until close_snapshot.
open_snapshot() {
    coproc SNAPSHOT { sql -d "$DATABASE" 2>"$PARTIAL/snapshot.log"; }
    # shellcheck disable=SC2153 # set by coproc
    SNAPSHOT_IN=${SNAPSHOT[1]} SNAPSHOT_OUT=${SNAPSHOT[0]} SNAPSHOT_SESSION=$SNAPSHOT_PID
    printf '%s\n' 'BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;' \
        'SET LOCAL idle_in_transaction_session_timeout = 0;' \
        'SET LOCAL statement_timeout = 0;' \
        'SELECT pg_export_snapshot();' >&"$SNAPSHOT_IN"
    IFS= read -r -u "$SNAPSHOT_OUT" SNAPSHOT_NAME || die 4 "no snapshot: $(cat "$PARTIAL/snapshot.log")"
}

# close_snapshot EXCLUDED: after the inventory of what the dump has seen.
close_snapshot() {
    # An inventory is written by the session itself: the pipe stays small.
    printf '\\set excluded %s\n\\o %s\n\\i %s\n\\o\nCOMMIT;\n\\q\n' \
        "'${1:-0}'" "'$PARTIAL/inventory'" "'$HERE/inventory.sql'" >&"$SNAPSHOT_IN"
    wait "$SNAPSHOT_SESSION" || die 4 "the inventory failed: $(cat "$PARTIAL/snapshot.log")"
}

# seal FILE: standard input, encrypted, into the archive; its SHA-256 into
# FILE.sum. The sum is taken of what was meant to be written.
seal() {
    age -R "$RECIPIENTS" | tee "$PARTIAL/$1" | sha256sum | sed "s/ .*//" >"$PARTIAL/$1.sum"
}

# dump PG_DUMP_ARG…: through pg_restore twice on its way, so that an archive
# that cannot be read to its end gets no name. Nothing plain touches the disk.
dump() {
    local contents whole
    mkfifo "$PARTIAL/contents.fifo" "$PARTIAL/whole.fifo"
    { { "$PG_BIN/pg_restore" --list >"$PARTIAL/contents" && cat >/dev/null; } <"$PARTIAL/contents.fifo"; } &
    contents=$!
    "$PG_BIN/pg_restore" -f /dev/null <"$PARTIAL/whole.fifo" &
    whole=$!
    # In the background, so that a signal is heard at once; end_jobs stops it.
    "$PG_BIN/pg_dump" -Fc --lock-wait-timeout=10min "$@" "$DATABASE" |
        tee "$PARTIAL/contents.fifo" "$PARTIAL/whole.fifo" | seal database.dump.age &
    wait %% || die 4 "the dump could not be taken or written"
    wait "$contents" || die 5 "the dump has no readable list of contents"
    wait "$whole" || die 5 "the dump cannot be read to its end"
    rm "$PARTIAL/contents.fifo" "$PARTIAL/whole.fifo"
}

# take_archive TIER
take_archive() {
    local tier=$1 name oid schema table excluded='' arguments=() file
    [[ -s $RECIPIENTS ]] || die 2 "no age recipients in $RECIPIENTS"
    ! grep -q 'AGE-SECRET-KEY' "$RECIPIENTS" || die 2 "$RECIPIENTS holds a secret key; it must not be on this host"
    mkdir -p "$ARCHIVE_ROOT/$tier"
    name=$(date +%Y%m%dT%H%M%SZ)
    while [[ -e $ARCHIVE_ROOT/$tier/$name ]]; do
        sleep 1
        name=$(date +%Y%m%dT%H%M%SZ)
    done
    clear_leftovers "$tier"
    PARTIAL=$ARCHIVE_ROOT/$tier/$name.partial
    mkdir "$PARTIAL"

    while IFS=$'\t' read -r oid schema table; do
        excluded+=${excluded:+,}$oid
        arguments+=("--exclude-table-data=$(quoted "$schema").$(quoted "$table")")
    done < <(keys_tables)
    open_snapshot
    dump --snapshot="$SNAPSHOT_NAME" --compress="${DUMP_COMPRESSION:-6}" ${arguments[@]+"${arguments[@]}"}
    while IFS=$'\t' read -r oid schema table; do
        ! grep -q -F " TABLE DATA $schema $table " "$PARTIAL/contents" ||
            die 5 "the dump holds rows of $schema.$table"
    done < <(keys_tables)
    close_snapshot "$excluded"
    seal inventory.age <"$PARTIAL/inventory"
    "$PG_BIN/pg_dumpall" --globals-only --no-role-passwords | seal globals.sql.age

    {
        printf 'format 1\ntier %s\ntaken %s\ndatabase %s\n' "$tier" "$name" "$DATABASE"
        sql -d "$DATABASE" -c "SELECT 'server ' || current_setting('server_version')" \
            -c "SELECT 'extension ' || extversion FROM pg_extension WHERE extname = 'mindmeasure'"
        sed -n 's/^ *\(age1[^ ]*\).*/recipient \1/p' "$RECIPIENTS"
        for file in database.dump.age globals.sql.age inventory.age; do
            printf 'sha256 %s %s\n' "$(<"$PARTIAL/$file.sum")" "$file"
        done
    } >"$PARTIAL/manifest"
    rm "$PARTIAL"/*.sum "$PARTIAL/inventory" "$PARTIAL/contents" "$PARTIAL/snapshot.log"
    keep "$PARTIAL"/*
    check_sums "$PARTIAL"
    keep "$PARTIAL"
    mv -T "$PARTIAL" "$ARCHIVE_ROOT/$tier/$name"
    PARTIAL=''
    keep "$ARCHIVE_ROOT/$tier"
    say "archive $ARCHIVE_ROOT/$tier/$name"
}

# check_sums DIRECTORY: all three files are what the manifest says.
check_sums() {
    local sums
    sums=$(sed -n 's/^sha256 \([0-9a-f]\{64\}\) \([a-z.]*\)$/\1  \2/p' "$1/manifest")
    [[ $(wc -l <<<"$sums") -eq 3 ]] || die 5 "$1/manifest is not whole"
    (cd "$1" && sha256sum --check --strict --quiet --status <<<"$sums") ||
        die 5 "$1 was changed or damaged: SHA-256 differs from its manifest"
}

# What an interrupted run left. The lock is held: nobody works on it.
clear_leftovers() {
    find "$ARCHIVE_ROOT/$1" -mindepth 1 -maxdepth 1 \( -name "$ARCHIVE_NAME.partial" -o -name "$ARCHIVE_NAME.removing" \) -exec rm -rf {} + 2>/dev/null || true
}

remove_partial() {
    [[ -z $PARTIAL ]] || rm -rf "$PARTIAL"
}

# ---- expiry -----------------------------------------------------------------------------

archives_of() { # TIER: oldest first
    find "$ARCHIVE_ROOT/$1" -mindepth 1 -maxdepth 1 -type d -name "$ARCHIVE_NAME" -printf '%f\n' 2>/dev/null | sort
}

# expire_archives TIER YEARS: removes what is YEARS old, but never the newest,
# and no more than three in one go: a clock that is wrong must not take all.
expire_archives() {
    local tier=$1 years=$2 limit names=() due=() name
    clear_leftovers "$tier"
    mapfile -t names < <(archives_of "$tier")
    [[ ${#names[@]} -gt 0 ]] || return 0
    [[ ! ${names[-1]} > $(date +%Y%m%dT%H%M%SZ) ]] ||
        die 6 "$ARCHIVE_ROOT/$tier/${names[-1]} is from the future: is the clock right? Nothing was removed."
    limit=$(date -d "$years years ago" +%Y%m%dT%H%M%SZ)
    for name in "${names[@]:0:${#names[@]}-1}"; do
        [[ $name > $limit ]] || due+=("$name")
    done
    [[ ${names[-1]} > $limit ]] ||
        say "warning: the newest $tier archive, ${names[-1]}, is due, and is kept because it is the newest"
    [[ ${#due[@]} -le 3 || ${CATCH_UP:-no} == yes ]] ||
        die 6 "${#due[@]} $tier archives are due at once: is the clock right? If it is, CATCH_UP=yes removes them."
    for name in ${due[@]+"${due[@]}"}; do
        mv -T "$ARCHIVE_ROOT/$tier/$name" "$ARCHIVE_ROOT/$tier/$name.removing"
        rm -rf "$ARCHIVE_ROOT/$tier/$name.removing"
        say "expired $ARCHIVE_ROOT/$tier/$name"
    done
}
