# shellcheck shell=bash
# archives: encrypted to public keys, without data keys, whole or not at all

check 'backup.sh weekly' run backup.sh weekly
FIRST=$(newest weekly)
opened() { # ARCHIVE IDENTITY: the dump as SQL
    as_pg age --decrypt -i "$WORK/$2.identity" "$1/database.dump.age" | "$PG_BIN/pg_restore" -f -
}
check 'an archive holds four files, for its owner only' equals 'database.dump.age 600 globals.sql.age 600 inventory.age 600 manifest 600' \
    "$(find "$FIRST" -type f -printf '%f %m\n' | sort | paste -s -d ' ')"
check 'a dump holds the marker in plain (or the next test shows nothing)' grep -q MARKER-what <("$PG_BIN/pg_dump" -Fc -Z0 mind)
check 'it is in no file of the archive' not grep -q -r -a MARKER-what "$FIRST"
check 'the archive opens, with the marker in it' grep -q MARKER-what <(opened "$FIRST" first)
check 'the rows of user_keys are not in it, the table is' equals '0 1' \
    "$(opened "$FIRST" first | grep -c DATA-KEY) $(opened "$FIRST" first | grep -c 'CREATE TABLE "Key ""Vault""".user_keys')"
check 'a table of that name that is the application'"'"'s own is in it, with rows' grep -q SPARE-KEY <(opened "$FIRST" first)
check 'the identity of somebody else does not open it' fails 5 'does not open' \
    run restore_archive.sh --archive "$FIRST" --identity "$WORK/stranger.identity" --database stolen
check 'an existing database is not overwritten' fails 6 'already' \
    run restore_archive.sh --archive "$FIRST" --identity "$WORK/first.identity" --database other

# Damage: one bit, a missing end, an exchanged file.
damage() { # NAME COMMAND…: on a copy
    rm -rf "$WORK/damaged"
    cp -R "$FIRST" "$WORK/damaged"
    (cd "$WORK/damaged" && eval "$2")
    give "$WORK/damaged"
    check "damage is noticed: $1" fails 5 'SHA-256\|not whole' \
        run restore_archive.sh --archive "$WORK/damaged" --identity "$WORK/first.identity" --database damaged
}
damage 'a flipped bit' "printf '\\x01' | dd of=database.dump.age bs=1 seek=5000 conv=notrunc status=none"
damage 'the last byte missing' 'truncate -s -1 database.dump.age'
damage 'a file missing' 'rm inventory.age'
damage 'a line of the manifest missing' "sed -i '/inventory/d' manifest"
check 'a refused archive leaves no database' equals '' \
    "$(sql_value postgres "SELECT string_agg(datname, ' ') FROM pg_database WHERE datname ~ 'stolen|damaged|restoring'")"

# Restored rows that differ from the inventory, with every sum right.
rm -rf "$WORK/damaged"
cp -R "$FIRST" "$WORK/damaged"
as_pg age --decrypt -i "$WORK/first.identity" "$FIRST/inventory.age" | sed 's/^\(.*assessment_sessions\)|[0-9]*|/\1|1|/' | age -R "$WORK/recipients" >"$WORK/damaged/inventory.age"
sed -i "s/^sha256 .* inventory.age/sha256 $(sha256sum <"$WORK/damaged/inventory.age" | cut -c 1-64) inventory.age/" "$WORK/damaged/manifest"
give "$WORK/damaged"
check 'fewer rows than archived are noticed' fails 5 'not what was archived' \
    run restore_archive.sh --archive "$WORK/damaged" --identity "$WORK/first.identity" --database damaged

# Another cluster, that has never heard of mindmeasure.
sql postgres -c 'CREATE DATABASE twin TEMPLATE mind'
sql twin -f tests/dump_restore/go_on.sql >"$WORK/twin.on" 2>&1 || true
cluster_start fresh
check 'restored into a fresh cluster: rows and hashes as archived' run restore_archive.sh --archive "$FIRST" \
    --identity "$WORK/first.identity" --database mind --host "$PGHOST" --globals --keys-from "host=$LIVE/socket dbname=mind"
sql mind -f tests/dump_restore/go_on.sql >"$WORK/mind.on" 2>&1 || true
check 'a replay there gives the same bits, and scoring goes on' same_text "$WORK/twin.on" "$WORK/mind.on"
check 'the data keys come from the live database' equals 3 "$(sql_value mind 'SELECT count(*) FROM "Key ""Vault""".user_keys')"
cluster_remove fresh
cluster_use live
sql postgres -c 'DROP DATABASE twin'

# Rotation: both for a while, then the new one alone.
cat "$WORK/first.recipient" "$WORK/second.recipient" >"$WORK/recipients"
check 'two recipients' run backup.sh weekly
BOTH=$(newest weekly)
cp "$WORK/second.recipient" "$WORK/recipients"
check 'the new recipient alone' run backup.sh weekly
SECOND=$(newest weekly)
can() { as_pg age --decrypt -i "$WORK/$2.identity" "$1/inventory.age" 2>/dev/null | grep -q assessment_sessions && printf yes || printf no; }
check 'first, both, second: the old identity opens the old ones' equals 'yes yes no' "$(can "$FIRST" first) $(can "$BOTH" first) $(can "$SECOND" first)"
check 'first, both, second: the new identity opens the new ones' equals 'no yes yes' "$(can "$FIRST" second) $(can "$BOTH" second) $(can "$SECOND" second)"
check 'the manifest says who opens it' equals "$(cat "$WORK/second.recipient")" "$(sed -n 's/^recipient //p' "$SECOND/manifest")"
cp "$WORK/first.recipient" "$WORK/recipients"
