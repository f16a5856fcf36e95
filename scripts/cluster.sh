# shellcheck shell=bash
# Private throw-away PostgreSQL clusters: reachable through a socket in a
# directory of their own only, gone when the script ends. To be sourced.
#
#   cluster_start NAME [--durable] [--dir DIR] [CONF_LINE…]
#   cluster_use NAME            sql, createdb, pg_prove … go there from now on
#   cluster_stop NAME [MODE]    stop; the directory stays (MODE: fast, immediate)
#   cluster_resume NAME         start it again, with recovery after `immediate`
#   cluster_remove NAME         stop and remove
#   cluster_keep NAME           leave it running when the script ends
#   sql DATABASE [PSQL_ARG…]    psql that stops at the first error
#   sql_value DATABASE QUERY    one value, bare
#   as_pg COMMAND…              as the user who runs the server
#   template_create             database `tpl`: pgTAP and the extension
#   template_partition          database `partitioned`: the same, with assessment_sessions by month
#   database_clone NAME [TEMPLATE]
#
# PG_CONFIG (default: PostgreSQL 15 of Debian) says which PostgreSQL. A script
# that sets a trap on EXIT of its own calls cluster_remove_all in it.

# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/${PG_MAJOR:-15}/bin/pg_config}
PG_BIN=${PG_BIN:-$("$PG_CONFIG" --bindir)}
declare -gA CLUSTER_DIR=() CLUSTER_KEPT=()

# PostgreSQL refuses to run as root.
as_pg() {
    if [[ $EUID -ne 0 ]]; then
        "$@"
        return
    fi
    # The working directory may be closed to postgres.
    (cd / && HOME=/ exec setpriv --reuid=postgres --regid=postgres --init-groups "$@")
}

# new_cluster_dir PATTERN: prints a directory for as_pg only: everybody who
# reaches the socket is let in as superuser (trust).
new_cluster_dir() {
    local directory
    if [[ $EUID -eq 0 ]] && ! id -u postgres >/dev/null 2>&1; then
        die 3 "there is no user postgres, and the server does not run as root" \
            "useradd --system postgres, or run this as another user"
    fi
    # Not below TMPDIR: a socket's path may have 107 characters at most, and
    # /tmp is often in memory.
    directory=$(mktemp -d "$1")
    [[ $EUID -ne 0 ]] || chown postgres:postgres "$directory"
    printf '%s\n' "$directory"
}

# write_configuration DIR DURABLE CONF_LINE…
write_configuration() {
    local directory=$1 durable=$2
    shift 2
    {
        printf '%s\n' \
            "listen_addresses = ''" \
            "unix_socket_directories = '$directory/socket'" \
            "timezone = 'UTC'" \
            "log_timezone = 'UTC'" \
            "log_line_prefix = '%m [%p] %q%u@%d '"
        if [[ $durable == no ]]; then
            printf '%s\n' "fsync = off" "synchronous_commit = off" "full_page_writes = off"
        fi
        [[ $# -eq 0 ]] || printf '%s\n' "$@"
    } | as_pg tee -a "$directory/data/postgresql.conf" >/dev/null
}

# cluster_fails DIR MESSAGE: with the server's own words.
cluster_fails() {
    [[ ! -s $1/log ]] || show_log "$1/log"
    die 4 "$2" "see the log above; is there room in /var/tmp?"
}

# cluster_start NAME [--durable] [--dir DIR] [CONF_LINE…]
cluster_start() {
    local name=$1 durable=no directory='' output
    shift
    while [[ ${1:-} == --* ]]; do
        case $1 in
            --durable) durable=yes; shift ;;
            --dir) directory=$2; shift 2 ;;
            *) die 2 "cluster_start: unknown option $1" "see scripts/cluster.sh" ;;
        esac
    done
    [[ -n $directory ]] || directory=$(new_cluster_dir /var/tmp/mindmeasure.XXXXXX)
    [[ ${#directory} -le 80 && $directory != *\'* ]] ||
        die 2 "not a path for a socket: $directory" "choose a shorter one without quotes"
    CLUSTER_DIR[$name]=$directory
    as_pg mkdir -p "$directory/socket"
    output=$(as_pg "$PG_BIN/initdb" -D "$directory/data" -A trust -U postgres --no-sync \
        -E UTF8 --locale=C.UTF-8 2>&1) || {
        printf '%s\n' "$output" >&2
        cluster_fails "$directory" "initdb failed in $directory"
    }
    write_configuration "$directory" "$durable" "$@"
    cluster_resume "$name"
}

# cluster_resume NAME
cluster_resume() {
    local directory=${CLUSTER_DIR[$1]}
    as_pg "$PG_BIN/pg_ctl" start -w -t 120 -s -D "$directory/data" -l "$directory/log" \
        </dev/null >/dev/null || cluster_fails "$directory" "the server in $directory did not start"
    cluster_use "$1"
}

cluster_use() {
    export PGHOST=${CLUSTER_DIR[$1]}/socket PGPORT=5432 PGUSER=postgres
}

cluster_is_running() {
    as_pg "$PG_BIN/pg_ctl" status -D "${CLUSTER_DIR[$1]}/data" >/dev/null 2>&1
}

# cluster_stop NAME [MODE]
cluster_stop() {
    if cluster_is_running "$1"; then
        as_pg "$PG_BIN/pg_ctl" stop -w -s -m "${2:-fast}" -D "${CLUSTER_DIR[$1]}/data"
    fi
}

cluster_remove() {
    local directory=${CLUSTER_DIR[$1]:-}
    [[ -n $directory ]] || return 0
    cluster_stop "$1" immediate || true
    rm -rf "$directory"
    unset "CLUSTER_DIR[$1]"
}

cluster_keep() {
    CLUSTER_KEPT[$1]=yes
}

cluster_remove_all() {
    local name
    for name in "${!CLUSTER_DIR[@]}"; do
        [[ -n ${CLUSTER_KEPT[$name]:-} ]] || cluster_remove "$name"
    done
}
trap cluster_remove_all EXIT

sql() {
    local database=$1
    shift
    "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -d "$database" "$@"
}

sql_value() {
    sql "$1" -At -c "$2"
}

# template_create: what every test file starts from.
template_create() {
    sql postgres -c "CREATE DATABASE bare" -c "CREATE DATABASE tpl" &&
        sql bare -c "SET client_min_messages = warning" -c "CREATE EXTENSION pgtap" &&
        sql tpl -c "SET client_min_messages = warning" \
            -c "CREATE EXTENSION pgtap" -c "CREATE EXTENSION mindmeasure"
}

template_partition() {
    database_clone partitioned tpl &&
        sql partitioned -o /dev/null -c "SET client_min_messages = warning" \
            -c "SELECT mm_partition_sessions()" -c "SELECT mm_ensure_partitions()"
}

# database_clone NAME [TEMPLATE]
database_clone() {
    sql postgres -c "CREATE DATABASE \"$1\" TEMPLATE \"${2:-tpl}\""
}
