# shellcheck shell=bash
# no secret was in a command line, a log or an output

kill "$WATCHER" 2>/dev/null || true
WATCHER=''
secrets=$(sed -n 's/^repo1-cipher-pass=//p' "$CONF_D"/repositories.conf "$CONF_D"/retired/*/repositories.conf 2>/dev/null; grep -h SECRET "$WORK"/*.identity)
check 'command lines were seen (or the next test shows nothing)' grep -q -a 'backup.sh weekly' "$WORK/command_lines"
check 'none holds a key' not grep -q -a -F -f <(echo "$secrets") "$WORK/command_lines"
check 'nor does a log of pgBackRest or of the server' not grep -q -r -a -F -f <(echo "$secrets") "$WORK/log" "$LIVE/log"
check 'a log was written (or the last test shows nothing)' test -n "$(find "$WORK/log" -size +0 -name '*.log')"
