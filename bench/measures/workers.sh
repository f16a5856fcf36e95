# shellcheck shell=bash
# One worker on a queue, and two on another as long: by the clock.

workers_prepare() { :; }

# Batches of a sixteenth of the queue: with larger ones two workers would not end together. Over one connection,
# as a worker's.
drain() {
    sql small -c 'DO $$ BEGIN LOOP EXIT WHEN mm_fuse_pending(100) = 0; COMMIT; END LOOP; END $$'
}

workers_round() {
    local one two started add
    add="SELECT bench.pending('100', 1, 20, 4, 'p' || :'label'); ANALYZE assessment_sessions;"
    sql small -o /dev/null -v label="one$1" <<<"$add"
    started=$(date +%s%N)
    drain
    one=$((($(date +%s%N) - started) / 1000))
    sql small -o /dev/null -v label="two$1" <<<"$add"
    started=$(date +%s%N)
    drain &
    drain
    wait
    two=$((($(date +%s%N) - started) / 1000))
    result 'mm_fuse_pending, two workers' "$1" "$two" "$one"
}
