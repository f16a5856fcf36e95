# shellcheck shell=bash
# a moved clock: what is kept in each tier, and what goes

# What was taken before is of today.
rm -rf "$ARCHIVES"/weekly "$ARCHIVES"/annual
EPOCH=$(date -u -d '2030-01-06 03:00:00' +%s) # a Sunday

# ---- archives -------------------------------------------------------------------------
# taken TIER TIME: by the script, or, in the short form, a copy of the first one:
# what expiry looks at is the name.
taken() {
    local name
    name=$(date -u -d "$2" +%Y%m%dT%H%M%SZ)
    if [[ ${MINDMEASURE_FULL:-0} == 1 || ! -d $ARCHIVES/$1 ]]; then
        moved "$(date -u -d "$2" '+%F %T')" "$SCRIPTS/backup.sh" "$1" >>"$WORK/moved.log" 2>&1 || { tail -n 5 "$WORK/moved.log"; return 1; }
    else
        as_pg cp -R "$(newest "$1")" "$ARCHIVES/$1/$name"
    fi
}
expire_at() { moved "$(date -u -d "$1" '+%F %T')" env ${2:+"$2"} "$SCRIPTS/backup.sh" expire; }

# The numbers of archives right after one was taken, and six days later. The short
# form lets expiry run every 25th week while nothing may go.
weeks() {
    local week at fewest=999 most=0 count oldest
    for ((week = 0; week < 57; week++)); do
        at=$(date -u -d "@$((EPOCH + week * 7 * 86400))" '+%F %T')
        taken weekly "$at" || return 1
        [[ $week -ge 51 || $((week % 25)) -eq 0 || ${MINDMEASURE_FULL:-0} == 1 ]] || continue
        expire_at "$at 3 hours" >>"$WORK/moved.log" 2>&1 || { tail -n 5 "$WORK/moved.log"; return 1; }
        count=$(names weekly | wc -l)
        if [[ $week -ge 54 ]]; then
            [[ $count -lt $most ]] || most=$count
            expire_at "$at 6 days" >>"$WORK/moved.log" 2>&1 || { tail -n 5 "$WORK/moved.log"; return 1; }
            count=$(names weekly | wc -l)
            [[ $count -gt $fewest ]] || fewest=$count
        elif [[ $week -le 51 && $count -ne $((week + 1)) ]]; then
            echo "week $week: $count archives, one has gone too soon"
            return 1
        fi
    done
    oldest=$(names weekly | head -n 1)
    echo "between $fewest and $most, oldest $oldest on $at"
    [[ $fewest -ge 52 && $most -le 53 ]]
}
check 'weekly archives over 57 weeks: none goes within the year, 52 or 53 are kept after' weeks
sed 's/^/# /' "$WORK/check.log"
rm -rf "$ARCHIVES/weekly"

years() {
    local year
    for ((year = 2030; year <= 2037; year++)); do
        taken annual "$year-01-01 04:00:00" || return 1
        expire_at "$year-01-01 06:00:00" CATCH_UP=yes >>"$WORK/moved.log" 2>&1 || { tail -n 5 "$WORK/moved.log"; return 1; }
        [[ $(names annual | wc -l) -eq $((year < 2037 ? year - 2029 : 7)) ]] || { echo "$year: $(names annual | wc -l) archives"; return 1; }
    done
    names annual
}
check 'annual archives over eight years: seven are kept, the eighth takes the first away' years
check 'the first has gone, the second is there' equals 20310101T0400 "$(names annual | head -n 1 | cut -c 1-13)"

before=$(names annual)
check 'a clock that jumps ahead does not take all: it stops' fails 6 'is the clock right' expire_at '2044-06-01 00:00:00'
check 'nothing has gone' same_text <(echo "$before") <(names annual)
check 'a clock that jumps back is noticed' fails 6 'from the future' expire_at '2029-06-01 00:00:00'
check 'with CATCH_UP=yes they go, but never the newest' expire_at '2045-06-01 00:00:00' CATCH_UP=yes
check 'the newest stays' equals "$(tail -n 1 <<<"$before")" "$(names annual)"

# ---- daily backups and WAL ---------------------------------------------------------------
# A small cluster and pgBackRest read the clock from one file.
if [[ ${MINDMEASURE_FULL:-0} != 1 ]]; then
    echo '# 45 nights of full backups are in the long form'
    return 0
fi
CLOCK=$WORK/clock
NIGHTS=45
DAY=86400
HOUR=3600
set_clock() { # SECONDS ahead of the real one
    printf '+%d\n' "$1" >"$CLOCK.new"
    give "$CLOCK.new"
    mv "$CLOCK.new" "$CLOCK"
}
ahead() {
    as_pg env LD_PRELOAD="$FAKETIME_LIBRARY" FAKETIME_TIMESTAMP_FILE="$CLOCK" FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 \
        PG_BIN="$PG_BIN" MINDMEASURE_BACKUP_CONF="$SMALL/backup.conf" "$@"
}
small() { as_pg env PGHOST="$SMALL/socket" PGUSER=postgres "$PG_BIN/psql" -X -q -At -v ON_ERROR_STOP=1 -d postgres -c "$1"; }
cluster_remove live
SMALL=$(new_cluster_dir /var/tmp/mmb.XXXXXX)
stop_small() { as_pg "$PG_BIN/pg_ctl" stop -s -m immediate -D "$SMALL/data" >/dev/null 2>&1 || true; }
mkdir -p "$SMALL/conf.d" "$SMALL/lock" "$SMALL/log" "$SMALL/repositories" "$SMALL/socket"
sed -e "s|$LIVE|$SMALL|g" -e "s|$WORK/|$SMALL/|g" "$WORK/pgbackrest.conf" >"$SMALL/pgbackrest.conf"
sed -e "s|$LIVE|$SMALL|g" -e "s|$CONF_D|$SMALL/conf.d|; s|=$WORK/|=$SMALL/|; s|^DATABASE=.*|DATABASE=postgres|" \
    -e "s|^RECIPIENTS=.*|RECIPIENTS=$WORK/recipients|" "$WORK/backup.conf" >"$SMALL/backup.conf"
give "$SMALL"
chmod 640 "$SMALL/backup.conf"
set_clock 0
as_pg "$PG_BIN/initdb" -D "$SMALL/data" -A trust -U postgres --no-sync -E UTF8 --locale=C.UTF-8 >/dev/null
printf "%s\n" "listen_addresses = ''" "unix_socket_directories = '$SMALL/socket'" "timezone = 'UTC'" "archive_mode = on" "fsync = off" \
    "archive_command = 'pgbackrest --config=$SMALL/pgbackrest.conf --config-include-path=$SMALL/conf.d --stanza=main archive-push %p'" |
    as_pg tee -a "$SMALL/data/postgresql.conf" >/dev/null
ahead "$PG_BIN/pg_ctl" start -w -s -D "$SMALL/data" -l "$SMALL/server.log" </dev/null >/dev/null
small 'CREATE TABLE days (day int, at timestamptz DEFAULT clock_timestamp())'

fulls() { as_pg pgbackrest --config="$SMALL/pgbackrest.conf" --config-include-path="$SMALL/conf.d" --stanza=main info --output=json | grep -o '"label":"[^"]*"' | wc -l; }
nightly() {
    local night count most=0
    ahead "$SCRIPTS/rotate_key.sh" || return 1
    for ((night = 1; night <= NIGHTS; night++)); do
        set_clock $((night * DAY - 11 * HOUR))
        small "INSERT INTO days VALUES ($night)" && small 'SELECT pg_switch_wal()' || return 1
        set_clock $((night * DAY))
        ahead "$SCRIPTS/backup.sh" daily || return 1
        set_clock $((night * DAY + 5 * HOUR))
        ahead "$SCRIPTS/backup.sh" expire || return 1
        count=$(fulls)
        [[ $count -le $most ]] || most=$count
        [[ $count -eq $((night + 1 < 30 ? night + 1 : 30)) ]] || { echo "night $night: $count full backups"; return 1; }
    done
    echo "at most $most full backups were kept over $NIGHTS nights"
}
check "$NIGHTS nights: a full backup every night, none goes in its first 30 days, 30 are kept" nightly
tail -n 1 "$WORK/check.log" | sed 's/^/# /'

restored_days() { # TIME
    local status=0
    ahead "$SCRIPTS/restore_pitr.sh" --into "$SMALL/copy" --target "$1" || status=$?
    [[ $status -ne 0 ]] || as_pg env PGHOST="$SMALL/copy.socket" PGUSER=postgres "$PG_BIN/psql" -X -At -d postgres -c 'SELECT count(*) FROM days' || status=$?
    as_pg "$PG_BIN/pg_ctl" stop -s -m immediate -D "$SMALL/copy" 2>/dev/null || true
    rm -rf "$SMALL/copy" "$SMALL/copy.socket"
    return "$status"
}
moment_before() { small "SELECT clock_timestamp() - interval '$1'"; }
check 'a moment 7 days ago can be restored' equals $((NIGHTS - 7)) "$(restored_days "$(moment_before '7 days')" 2>"$WORK/moved.log" || tail -n 5 "$WORK/moved.log")"
check 'a moment 8 days ago cannot, and that is an error' not restored_days "$(moment_before '8 days')"

# ---- a retired repository ------------------------------------------------------------------
retired_path=$(sed -n 's/^repo1-path=//p' "$SMALL/conf.d/repositories.conf")
check 'a rotation' ahead "$SCRIPTS/rotate_key.sh"
set_clock $((NIGHTS * DAY + 29 * DAY))
ahead "$SCRIPTS/backup.sh" expire >"$WORK/moved.log" 2>&1 || true
check '29 days later the old repository and its key are there' test -d "$retired_path" -a -n "$(ls "$SMALL/conf.d/retired")"
set_clock $((NIGHTS * DAY + 31 * DAY))
check '31 days later: expiry' ahead "$SCRIPTS/backup.sh" expire
check 'the old repository has gone, its key and the copy of its key too' test ! -e "$retired_path" -a -z "$(ls "$SMALL/conf.d/retired")" \
    -a ! -e "$SMALL/archives/repository_keys/$(basename "$retired_path").age"
check 'the present one has its backup' equals 1 "$(fulls)"
stop_small
