#!/usr/bin/env bash
# bench.sh BIN: Clowder beside what the machine gives at best and beside xargs, on the same work in the same run, alternating;
# medians of ROUNDS (3) and ratios. An engine of its own, in a folder of its own.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
commands=${COMMANDS:-1000}

by_xargs() { seq "$commands" | xargs -P2 -n1 /bin/true; }
by_clowder() { seq "$commands" | clowder map -- /bin/true {}; }

clowder up -n 2 >/dev/null
for _ in $(seq "$rounds"); do
  clowder bench --json >>"$work/bench"
  "$bin/tests/ceiling" echo 5000 >>"$work/echo"
  took "$work/xargs" by_xargs
  took "$work/clowder" by_clowder
  "$bin/tests/ceiling" spawn "$commands" >>"$work/spawn"
  # shellcheck disable=SC2016
  took "$work/map" bash -c 'yes | head -1000000 | clowder map -w -- cat'
done
value() { jq -r "$1" "$work/bench" | median; }
rate=$(value .tasks_per_s) p50=$(value .latency_p50_us) p99=$(value .latency_p99_us) rss=$(value .engine_rss_bytes)
echo_p50=$(awk '{ print $1 }' "$work/echo" | median)
xargs_s=$(median <"$work/xargs") clowder_s=$(median <"$work/clowder") spawn_s=$(median <"$work/spawn") map_s=$(median <"$work/map")
awk -v rate="$rate" -v p50="$p50" -v p99="$p99" -v rss="$rss" -v echo="$echo_p50" -v x="$xargs_s" -v c="$clowder_s" -v s="$spawn_s" \
  -v m="$map_s" -v n="$commands" 'BEGIN {
  printf "%-44s %12s  %s\n", "WORK", "CLOWDER", "BESIDE"
  printf "%-44s %12.0f\n", "worker tasks/s, libclowder, 2 daemons", rate
  printf "%-44s %12.0f\n", "worker tasks/s, clowder map -w -- cat", 1000000 / m
  printf "%-44s %12.0f  %.1f x a bare nng stream echo (%.0f)\n", "one task, p50 in microseconds", p50, p50 / echo, echo
  printf "%-44s %12.0f  %.1f x p50\n", "one task, p99 in microseconds", p99, p99 / p50
  printf "%-44s %12.0f  %.2f x xargs -P2 (%.0f), %.2f x posix_spawn (%.0f)\n", "commands/s", n / c, x / c, n / x, s / c, n / s
  printf "%-44s %12.1f\n", "engine, peak MB", rss / 1048576
}'
