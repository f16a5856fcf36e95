#!/usr/bin/env bash
# Four clients that write, fuse, read and archive for so many seconds: an hour is the full form.
# Usage: bench/soak.sh [SECONDS]
set -euo pipefail
MINDMEASURE_BENCH_SOAK=${1:-60} MINDMEASURE_BENCH_COPIES=24 exec "$(dirname "${BASH_SOURCE[0]}")/run.sh" quick soak
