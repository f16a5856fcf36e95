# shellcheck shell=bash
# The same people in forty monthly partitions and in one table.

shape_prepare() {
    sql postgres -c "CREATE DATABASE months"
    sql months -o /dev/null -c "SET client_min_messages = warning" -c "CREATE EXTENSION mindmeasure" -c "SELECT mm_partition_sessions()" \
        -c "SELECT mm_ensure_partitions((now() - interval '36 months')::date, (now() + interval '3 months')::date)"
    people months
    sql months -c "VACUUM ANALYZE"
}

shape_round() {
    local database name took
    declare -A flat
    for database in small months; do
        while IFS='|' read -r name took; do
            if [[ $database == small ]]; then
                flat[$name]=$took
            else
                result "40 months: $name" "$1" "$took" "${flat[$name]}"
            fi
        done < <(sql "$database" -At -v label="s$1" -f bench/measures/shape.sql)
    done
}
