#!/usr/bin/env bash
# How long mm_fit_model() and mm_model_report() take on 100,000 labelled sessions of 30 features,
# and the most memory the backend had. The extension must be installed as a release build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh

# timed QUERY: in a backend of its own, whose memory is read before it ends.
timed() {
    sql bench -At <<SQL
\\timing on
$1;
\\timing off
SELECT 'VmHWM ' || (regexp_match(pg_read_file('/proc/' || pg_backend_pid() || '/status'), 'VmHWM:\\s*(\\d+ kB)'))[1];
SQL
}

cluster_start bench
sql postgres -c "CREATE DATABASE bench"
sql bench -c "SET client_min_messages = warning" -c "CREATE EXTENSION mindmeasure" -f bench/learning/fill.sql
timed "SELECT mm_fit_model('learnt', 1)"
timed "SELECT mm_fit_model('chosen')"
timed "SELECT predictor, n, round(brier::numeric, 4), round(auc::numeric, 3), round(within_user_auc::numeric, 3) FROM mm_model_report('learnt')"
