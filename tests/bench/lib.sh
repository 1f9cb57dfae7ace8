# Sourced by the benchmarks with BIN as $1: an engine of their own, in a folder of its own ($work), and arithmetic.
# shellcheck shell=bash
bin=$(cd "$1" && pwd)
export PATH=$bin:$PATH
work=$(mktemp -d /tmp/clowder-bench.XXXXXX)
export XDG_CONFIG_HOME=$work/config XDG_DATA_HOME=$work/data XDG_STATE_HOME=$work/state XDG_CACHE_HOME=$work/cache
export XDG_RUNTIME_DIR=$work/run
mkdir -m 700 "$work/run"
unset CLOWDER_PROFILE
trap 'clowder engine stop --now >/dev/null 2>&1; rm -rf "$work"' EXIT
rounds=${ROUNDS:-3}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
took() { # FILE COMMAND...: adds the seconds to FILE; what the command prints goes to $work/out
  local file=$1 began ended
  shift
  began=$(date +%s%N)
  "$@" >"$work/out"
  ended=$(date +%s%N)
  awk -v ns=$((ended - began)) 'BEGIN { printf "%.4f\n", ns / 1e9 }' >>"$file"
}
