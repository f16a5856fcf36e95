# shellcheck shell=bash
# a new key for the repository: the old backups stay readable until they expire

old_path=$(sed -n 's/^repo1-path=//p' "$CONF_D/repositories.conf")
old_key=$(sed -n 's/^repo1-cipher-pass=//p' "$CONF_D/repositories.conf")
OLD=$(basename "$old_path")
sql mind -c "CREATE TABLE application.rotation (at timestamptz DEFAULT clock_timestamp())" -c 'INSERT INTO application.rotation DEFAULT VALUES'
old_moment=$(sql_value mind 'SELECT clock_timestamp()')
sql mind -c 'INSERT INTO application.rotation DEFAULT VALUES'
check 'rotate_key.sh' run rotate_key.sh
new_key=$(sed -n 's/^repo1-cipher-pass=//p' "$CONF_D/repositories.conf")
check 'another key, another path, one repository' equals '0 1 no' \
    "$(grep -c -F -e "$old_key" -e "$old_path" "$CONF_D/repositories.conf") $(grep -c '^repo[0-9]-path=' "$CONF_D/repositories.conf") $([[ $new_key == "$old_key" ]] && echo yes || echo no)"
check 'the new one has a full backup, and WAL goes there' backrest check
check 'a moment before the rotation is restored from the retired repository' run restore_pitr.sh --into "$WORK/old" --target "$old_moment" --repository "$OLD"
check 'it is that moment' equals 1 "$(as_pg env PGHOST="$WORK/old.socket" PGUSER=postgres "$PG_BIN/psql" -X -At -d mind -c 'SELECT count(*) FROM application.rotation')"
as_pg "$PG_BIN/pg_ctl" stop -s -m immediate -D "$WORK/old"
rm -rf "$WORK/old" "$WORK/old.socket"
check 'the key in the archives opens with the identity: a lost configuration is no loss' equals "$new_key" \
    "$(as_pg age --decrypt -i "$WORK/first.identity" "$ARCHIVES/repository_keys/$(basename "$(sed -n 's/^repo1-path=//p' "$CONF_D/repositories.conf")").age")"

# Interrupted in the middle, with both repositories in the settings: run again, it goes on.
{ cat "$CONF_D/repositories.conf"; sed -n 's/^repo1-/repo2-/p' "$CONF_D/retired/$OLD/repositories.conf"; } >"$WORK/half"
cat "$WORK/half" >"$CONF_D/repositories.conf"
rm -rf "$CONF_D/retired/$OLD"
check 'interrupted half-way, it goes on with the key it made' run rotate_key.sh
check 'and is where it would have been' equals "$new_key|$old_key" \
    "$(sed -n 's/^repo1-cipher-pass=//p' "$CONF_D/repositories.conf")|$(sed -n 's/^repo1-cipher-pass=//p' "$CONF_D/retired/$OLD/repositories.conf")"
