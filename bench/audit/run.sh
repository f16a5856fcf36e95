#!/usr/bin/env bash
# What the audit costs: a score, and an analysis row, with the audit's triggers and without them, and
# the analysis row in a table as the seed writes it. The extension must be installed as a release build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
ROUNDS=${ROUNDS:-8}
EACH=${EACH:-2000}

cluster_start bench
sql postgres -c "CREATE DATABASE bench"
sql bench -c "SET client_min_messages = warning" -c "CREATE EXTENSION mindmeasure" -f bench/audit/fill.sql
sql bench -At -v rounds="$ROUNDS" -v each="$EACH" -f bench/audit/measure.sql
