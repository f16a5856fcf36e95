# shellcheck shell=bash
# what goes wrong leaves no half archive, and is heard of

before=$(names weekly)
succeeded=$(status_of weekly last_success_seconds)
nothing_left() { same_text <(echo "$before") <(names weekly); }
nothing_left_but() { same_text <(echo "$1") <(names weekly); }

cp "$WORK/first.identity" "$WORK/recipients"
check 'a secret key among the recipients is refused' fails 2 'secret key' run backup.sh weekly
cp "$WORK/first.recipient" "$WORK/recipients"
chmod 666 "$WORK/backup.conf"
check 'a configuration that others may write is refused' fails 2 'written by others' run backup.sh weekly
chmod 640 "$WORK/backup.conf"
[[ $EUID -ne 0 ]] || check 'root is refused' fails 2 'not as root' "$SCRIPTS/backup.sh" weekly
check 'an unknown step is refused' fails 2 usage run backup.sh monthly

# A database that is not there: pg_dump's error is the script's.
sed -i 's/^DATABASE=.*/DATABASE=nowhere/' "$WORK/backup.conf"
check 'no database: an error' not run backup.sh weekly
sed -i 's/^DATABASE=.*/DATABASE=mind/' "$WORK/backup.conf"
check 'and nothing is left' nothing_left
check 'the status keeps the last success beside the failure' test "$(status_of weekly last_success_seconds)" = "$succeeded" -a "$(status_of weekly last_exit_code)" -ne 0

# Made large, so that there is a middle.
sql mind -c 'CREATE TABLE application.ballast AS SELECT n, repeat(md5(n::text), 200) AS filling FROM generate_series(1, 20000) AS n' \
    -c 'ALTER TABLE application.ballast ALTER filling SET STORAGE EXTERNAL' -c 'UPDATE application.ballast SET filling = filling || n'
if [[ $EUID -eq 0 ]] && mkdir "$WORK/small" && mount -t tmpfs -o size=8m,mode=1777 tmpfs "$WORK/small" 2>/dev/null; then
    sed -i "s|^ARCHIVE_ROOT=.*|ARCHIVE_ROOT=$WORK/small|" "$WORK/backup.conf"
    check 'a full disk: an error' fails 4 'could not be taken or written' run backup.sh weekly
    check 'a full disk: nothing is left on it' equals '' "$(ls "$WORK/small/weekly")"
    umount "$WORK/small"
    sed -i "s|^ARCHIVE_ROOT=.*|ARCHIVE_ROOT=$ARCHIVES|" "$WORK/backup.conf"
else
    echo '# skipped: a full disk (mounting a small one takes root)'
fi

# middle: waits until a dump is being written; prints the script's process.
middle() {
    local try
    for ((try = 0; try < 400; try++)); do
        if [[ -n $(find "$ARCHIVES/weekly" -path '*.partial/database.dump.age' -size +64k 2>/dev/null) ]]; then
            pgrep -f "bash $SCRIPTS/backup.sh weekly" | head -n 1
            return
        fi
        sleep 0.02
    done
    return 1
}
for signal in TERM KILL; do
    run backup.sh weekly >"$WORK/interrupted.log" 2>&1 &
    job=$!
    victim=$(middle) || victim=''
    check "interrupted by $signal in the middle of the dump" test -n "$victim"
    [[ -z $victim ]] || kill "-$signal" "$victim"
    status=0
    wait "$job" || status=$?
    check "$signal: it does not end as a success" test "$status" -ne 0
    if [[ $signal == TERM ]]; then
        check 'TERM: nothing is left' nothing_left
    else
        check 'KILL: what is left does not look like an archive' equals "$before" "$(names weekly | grep -v '\.partial$')"
        # Children of the killed script end by themselves: their pipes are gone.
        check 'KILL: the next run succeeds' run backup.sh weekly
        check 'KILL: and clears what was left' equals '' "$(names weekly | grep -v 'Z$' || true)"
    fi
done

# A dump that waits for a lock, for hours perhaps, ends at once when told to.
sql mind -o /dev/null -c 'BEGIN' -c 'LOCK TABLE application.ballast' -c 'SELECT pg_sleep(60)' &
holder=$!
run backup.sh weekly >"$WORK/interrupted.log" 2>&1 &
job=$!
for ((try = 0; try < 200; try++)); do
    [[ $(sql_value mind "SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) WHERE NOT l.granted AND a.application_name = 'mindmeasure_backup'") == 0 ]] || break
    sleep 0.05
done
check 'a dump waits for a lock (or the next test shows nothing)' test "$try" -lt 200
kill "$(pgrep -f "bash $SCRIPTS/backup.sh weekly" | head -n 1)"
check 'TERM ends it while it waits' timeout 30 tail --pid="$job" -f /dev/null
check 'and nothing is left' nothing_left_but "$(names weekly | grep 'Z$')"
sql postgres -o /dev/null -c "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query ~ 'pg_sleep' AND pid <> pg_backend_pid()"
wait "$holder" 2>/dev/null || true
wait "$job" 2>/dev/null || true
sql mind -c 'DROP TABLE application.ballast'

# Two at once: one after the other, or a clear end.
as_pg bash -c "exec 9>'$ARCHIVES/.lock'; flock 9; sleep 5" &
holder=$!
sleep 0.3
check 'another backup at work: it says so' fails 75 'still at work' as_pg env LOCK_TIMEOUT=1 PG_BIN="$PG_BIN" "$SCRIPTS/backup.sh" weekly
kill "$holder" 2>/dev/null || true
wait "$holder" 2>/dev/null || true
