#!/usr/bin/env bash
# Scores a cohort of real people through the public functions, in time order, recording each
# session's label after it, and reports how well p_worse_fused foretold the labels.
# Usage: bench/cohort/run.sh FEATURES.csv LABELS.csv [WEIGHTS.csv]
#   FEATURES: user_id,session_at,modality,feature,value    LABELS: user_id,session_at,worse,self_report
#   WEIGHTS:  feature,weight (log-odds of worse per z); a feature it does not name gets 0.05
# The extension must be installed (./pg_demo.sh or ./pg_test.sh does). Nothing of the data stays.
set -euo pipefail
features=$(realpath "$1") labels=$(realpath "$2") weights=${3:+$(realpath "$3")}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh

cluster_start cohort
sql postgres -c "CREATE DATABASE cohort"
sql cohort -c "SET client_min_messages = warning" -c "CREATE EXTENSION mindmeasure" -f bench/cohort/tables.sql
sql cohort -c "\\copy feature_csv FROM '$features' CSV HEADER" -c "\\copy label_csv FROM '$labels' CSV HEADER"
[[ -z $weights ]] || sql cohort -c "\\copy weight_csv FROM '$weights' CSV HEADER"
sql cohort -f bench/cohort/load.sql
sql cohort -f bench/cohort/score.sql
sql cohort -f bench/cohort/report.sql
sql cohort -f bench/cohort/learn.sql
