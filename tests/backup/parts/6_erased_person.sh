# shellcheck shell=bash
# an erased person: readable in no archive, and in daily backups until these have gone

if [[ -z $(sql_value mind "SELECT to_regclass('\"Odd Name\".user_keys')") ]]; then
    echo '# skipped: this version seals no fields'
    return 0
fi
printf 'a %s\n' "$(openssl rand -hex 32)" >"$WORK/key_file"
chmod 600 "$WORK/key_file"
give "$WORK/key_file"
as_pg sh -c "echo \"mindmeasure.key_file = '$WORK/key_file'\" >>'$LIVE/data/postgresql.conf'"
sql postgres -o /dev/null -c 'SELECT pg_reload_conf()'
sql postgres -c 'CREATE DATABASE sealed'
sql sealed -c 'CREATE EXTENSION mindmeasure' 2>/dev/null
sed -i 's/^DATABASE=.*/DATABASE=sealed/' "$WORK/backup.conf"
ALICE=00000000-0000-4000-8000-00000000a11c
BEN=00000000-0000-4000-8000-00000000000b
sql sealed -o /dev/null <<SQL
INSERT INTO auth.users (id, email) VALUES ('$ALICE', 'alice@example.org'), ('$BEN', 'ben@example.org');
INSERT INTO assessment_sessions (user_id, reflection_notes) VALUES ('$ALICE', 'SEALED-word-of-alice'), ('$BEN', 'SEALED-word-of-ben');
SQL
# words DATABASE: what opens, as the system reads it; a closed value is an error, and no word.
words() {
    local person
    for person in "$ALICE" "$BEN"; do
        "$PG_BIN/psql" -X -q -At -d "$1" -c 'SET ROLE mindmeasure_system' \
            -c "SELECT reflection_notes FROM assessment_sessions_clear WHERE user_id = '$person'" 2>/dev/null | grep -o 'SEALED-word.*' || true
    done | paste -s -d ' '
}
check 'both are read, both are sealed' equals 'SEALED-word-of-alice SEALED-word-of-ben|0' \
    "$(words sealed)|$(sql_value sealed "SELECT count(*) FROM assessment_sessions WHERE reflection_notes LIKE '%word%'")"
check 'a daily backup with both in it' run backup.sh daily
check 'an archive with both in it' run backup.sh weekly
SEALED=$(newest weekly)
before=$(sql_value sealed 'SELECT clock_timestamp()')
if [[ -n $(sql_value sealed "SELECT to_regproc('mm_erase_user')") ]]; then
    sql sealed -o /dev/null -c "SELECT * FROM mm_erase_user('$ALICE', 'asked for it')" 2>/dev/null
else
    sql sealed -c "DELETE FROM user_keys WHERE user_id = '$ALICE'" -c "DELETE FROM auth.users WHERE id = '$ALICE'"
fi
sql postgres -o /dev/null -c 'SELECT pg_switch_wal()'
check 'erased, with her key' equals 0 "$(sql_value sealed "SELECT count(*) FROM user_keys WHERE user_id = '$ALICE'")"

restored=(run restore_archive.sh --archive "$SEALED" --identity "$WORK/first.identity")
check 'the archive without keys is restored' "${restored[@]}" --database dark
check 'its rows are there, nobody'"'"'s words are' equals '2|' "$(sql_value dark 'SELECT count(*) FROM assessment_sessions')|$(words dark)"
check 'the archive with the live keys is restored' "${restored[@]}" --database lit --keys-from "host=$LIVE/socket user=postgres dbname=sealed"
check 'Ben is read, Alice is dark' equals SEALED-word-of-ben "$(words lit)"
check 'her key is in no file of the archive' equals 0 "$(as_pg age --decrypt -i "$WORK/first.identity" "$SEALED/database.dump.age" | "$PG_BIN/pg_restore" --data-only -t user_keys -f - | grep -c '^[0-9a-f-]\{36\}')"

check 'the moment before, from the daily tier' run restore_pitr.sh --into "$WORK/copy" --target "$before" --set "mindmeasure.key_file=$WORK/key_file"
in_copy() { as_pg env PGHOST="$WORK/copy.socket" PGUSER=postgres "$PG_BIN/psql" -X -q -At -d sealed -c 'SET ROLE mindmeasure_system' -c "SELECT reflection_notes FROM assessment_sessions_clear WHERE user_id = '$ALICE'" 2>/dev/null | grep -o 'SEALED.*' || true; }
check 'for 30 days she is readable there, to who has the key file' equals SEALED-word-of-alice "$(in_copy)"
as_pg "$PG_BIN/pg_ctl" stop -s -m immediate -D "$WORK/copy"
rm -rf "$WORK/copy" "$WORK/copy.socket"
check 'and without the key file' run restore_pitr.sh --into "$WORK/copy" --target "$before"
check 'she is not' equals '' "$(in_copy)"
as_pg "$PG_BIN/pg_ctl" stop -s -m immediate -D "$WORK/copy"
rm -rf "$WORK/copy" "$WORK/copy.socket"
sed -i 's/^DATABASE=.*/DATABASE=mind/' "$WORK/backup.conf"
