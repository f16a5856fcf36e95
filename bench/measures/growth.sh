# shellcheck shell=bash
# One person's fusing in the crowd and without it, in turn.

growth_prepare() { :; }

growth_round() {
    local database
    declare -A took
    for database in bench small; do
        took[$database]=$(sql "$database" -At <<SQL
\\o /dev/null
SELECT bench.pending('100', 23, 24, 1, 'g$1') AS ids, bench.pending('100', 22, 22, 1, 'h$1') AS warm \\gset
CALL bench.fuse_each(:'warm', NULL);
CALL bench.fuse_each(:'ids', NULL) \\gset
\\o
SELECT :took;
SQL
        )
    done
    result 'fuse, all data' "$1" "${took[bench]}" "${took[small]}"
}
