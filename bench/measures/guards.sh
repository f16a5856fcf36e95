# shellcheck shell=bash
# What encryption and audit cost, each on against off. bench/encryption and bench/audit look closer.

guards_prepare() {
    echo "bench $(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')" | as_pg sh -c "umask 077; cat >'${CLUSTER_DIR[bench]}/keys'"
    sql postgres -c "CREATE DATABASE sealed TEMPLATE small" -c "CREATE DATABASE unaudited TEMPLATE small" -c "CREATE DATABASE guarded TEMPLATE small" \
        -c "ALTER DATABASE sealed SET mindmeasure.key_file = '${CLUSTER_DIR[bench]}/keys'"
    sql unaudited -At -c "SELECT format('ALTER TABLE %s DISABLE TRIGGER %I;', tgrelid::regclass, tgname) FROM pg_trigger
        WHERE tgfoid = 'mm_audit_statement'::regproc AND tgparentid = 0" | sql unaudited
}

guards_round() {
    local database name took
    declare -A cost
    for database in guarded sealed unaudited; do
        while IFS='|' read -r name took; do
            cost[$database $name]=$took
        done < <(sql "$database" -At -v label="k$1" -f bench/measures/guards.sql)
    done
    for name in mm_fuse_session 'inserting a text analysis'; do
        result "encryption on: $name" "$1" "${cost[sealed $name]}" "${cost[guarded $name]}"
        result "audit on: $name" "$1" "${cost[guarded $name]}" "${cost[unaudited $name]}"
    done
}
