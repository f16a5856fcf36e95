# shellcheck shell=bash
# daily backups: encrypted, and readable with the right key only

check 'the marker is in WAL (or the tests below show nothing)' grep -q -r -a MARKER-what "$LIVE/data/pg_wal"
check 'no backup without a repository: the attempt is recorded as failed' fails 4 'could not take the backup' run backup.sh daily
check 'status: never succeeded' equals '0 4' "$(status_of daily last_success_seconds) $(status_of daily last_exit_code)"
check 'rotate_key.sh makes the first repository and a full backup' run rotate_key.sh
check 'pgBackRest finds WAL archiving in order' backrest check
check 'backup.sh daily' run backup.sh daily
check 'status: it succeeded now' test "$(status_of daily last_success_seconds)" -ge "$(($(date +%s) - 60))"
tiers=$(sql_value postgres "SELECT string_agg(m[1], ' ') FROM regexp_matches(pg_read_file('$STATUS'), 'last_success_seconds{tier=\"(\w+)\"} (\d+)', 'g') AS m WHERE to_timestamp(m[2]::float8) > now() - interval '1 min'")
check 'and SQL can read it' equals daily "$tiers"
check 'the status file can be read by everybody, the repository settings by nobody else' equals '644 600' \
    "$(stat -c %a "$STATUS") $(stat -c %a "$CONF_D/repositories.conf")"
check 'and in the data directory' grep -q -r -a MARKER-what "$LIVE/data/base"
check 'it is in no file of the repository' not grep -q -r -a MARKER-what "$WORK/repositories"
check 'nor is a data key' not grep -q -r -a DATA-KEY "$WORK/repositories"

cp -R "$CONF_D" "$WORK/wrong.d"
sed -i 's/^repo1-cipher-pass=.*/repo1-cipher-pass=not-the-key/' "$WORK/wrong.d/repositories.conf"
give "$WORK/wrong.d"
check 'with another key the repository is refused' fails 75 'unable to load info file' \
    as_pg pgbackrest --config="$WORK/pgbackrest.conf" --config-include-path="$WORK/wrong.d" --stanza=main --pg1-path="$WORK/wrong" restore
check 'and nothing is restored' test -z "$(ls -A "$WORK/wrong" 2>/dev/null)"
