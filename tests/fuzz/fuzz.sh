#!/usr/bin/env bash
# fuzz.sh PROGRAM CORPUS: runs a fuzz target for $CLOWDER_FUZZ_SECONDS, or $CLOWDER_FUZZ_RUNS times, over its corpus; what it
# finds new goes elsewhere.
set -euo pipefail
new=$(mktemp -d /tmp/clowder-fuzz.XXXXXX)
trap 'rm -rf "$new"' EXIT
limit=-max_total_time=${CLOWDER_FUZZ_SECONDS:-20}
[ -z "${CLOWDER_FUZZ_RUNS:-}" ] || limit=-runs=$CLOWDER_FUZZ_RUNS
"$1" "$limit" -timeout=10 -rss_limit_mb=2048 -close_fd_mask=1 -print_final_stats=1 \
  -artifact_prefix="$PWD/" "$new" "$2" 2>&1 | grep -vE '^#|NEW_FUNC' | tail -25
