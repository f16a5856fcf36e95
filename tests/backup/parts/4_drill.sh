# shellcheck shell=bash
# the drill: back up, destroy, restore to a moment and from an archive, count

check 'drill.sh beside a live server' run drill.sh --identity "$WORK/first.identity"
check 'drill.sh --destroy refuses another directory' fails 6 'data directory is not' run drill.sh --identity "$WORK/first.identity" --destroy "$LIVE/elsewhere"
before=$(sql mind -f tests/dump_restore/rows.sql)
check 'drill.sh --destroy: every row deleted, the server killed and wiped' run drill.sh --identity "$WORK/first.identity" --destroy "$LIVE/data"
check 'all rows are back' same_text <(echo "$before") <(sql mind -f tests/dump_restore/rows.sql)
check 'and WAL is archived again, on the new timeline' backrest check

# One moment of several, in a copy.
sql mind -c "CREATE TABLE application.steps (n int, at timestamptz DEFAULT clock_timestamp())"
for n in 1 2 3; do sql mind -c "INSERT INTO application.steps VALUES ($n)"; done
moment=$(sql_value mind "SELECT at + (SELECT min(at) - s.at FROM application.steps WHERE n = 3) / 2 FROM application.steps AS s WHERE n = 2")
sql postgres -o /dev/null -c 'SELECT pg_switch_wal()'
check 'restore_pitr.sh --into: a copy beside the live server' run restore_pitr.sh --into "$WORK/copy" --target "$moment" --set "mindmeasure.settle_interval=7min"
copy_value() { as_pg env PGHOST="$WORK/copy.socket" PGUSER=postgres "$PG_BIN/psql" -X -At -d mind -c "$1"; }
check 'it is at that moment' equals '1 2' "$(copy_value "SELECT string_agg(n::text, ' ' ORDER BY n) FROM application.steps")"
check 'it archives nothing, listens nowhere, has the setting asked for' equals 'off||7min' \
    "$(copy_value "SELECT concat_ws('|', current_setting('archive_mode'), current_setting('listen_addresses'), current_setting('mindmeasure.settle_interval'))")"
check 'the live one is as it was' equals 3 "$(sql_value mind 'SELECT count(*) FROM application.steps')"
check 'a directory that is not empty is refused' fails 6 'not empty' run restore_pitr.sh --into "$WORK/copy" --target "$moment"
as_pg "$PG_BIN/pg_ctl" stop -s -m immediate -D "$WORK/copy"
check 'a time without an offset is refused' fails 2 'offset' run restore_pitr.sh --into "$WORK/never" --target '2026-01-01 00:00'
check 'a moment that the archive has not reached is an error' fails 4 'did not start' run restore_pitr.sh --into "$WORK/never" --target "$(date -u -d '+1 hour' '+%F %T')Z"
rm -rf "$WORK/never" "$WORK/copy"
