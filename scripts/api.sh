#!/usr/bin/env bash
# Writes docs/api.md from the catalog of a private throw-away cluster. Usage: scripts/api.sh [--print]
# The extension must be installed (scripts/install.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh

cluster_start api
sql postgres -c "CREATE DATABASE api"
# The library first: it makes the settings.
page=$(sql api -c "SET client_min_messages = warning" -c "CREATE EXTENSION mindmeasure" -f scripts/api.sql)
if [[ ${1:-} == --print ]]; then
    printf '%s\n' "$page"
else
    printf '%s\n' "$page" >docs/api.md
fi
