#!/usr/bin/env bash
# durable.sh BIN: detached jobs beside maps of the same work in the same run, alternating; medians of ROUNDS (3) and ratios.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
tasks=${TASKS:-1000000} commands=${COMMANDS:-1000}
cd "$work"

# round NAME INPUTS OPTIONS... -- COMMAND...
round() {
  local name=$1 inputs=$2 id
  shift 2
  took "$name.map" clowder map -a "$inputs" "$@"
  took "$name.submit" clowder submit -a "$inputs" "$@"
  id=$(cat out)
  took "$name.run" clowder job wait "$id"
  took "$name.collect" clowder job collect "$id"
  clowder job remove "$id"
}
report() { # NAME WHAT N
  awk -v map="$(median <"$1.map")" -v submit="$(median <"$1.submit")" -v run="$(median <"$1.run")" \
    -v collect="$(median <"$1.collect")" -v what="$2" -v n="$3" 'BEGIN {
    printf "%-34s map %10.0f/s   submit %5.2f x  run %5.2f x  collect %5.2f x  all three %5.2f x\n", what, n / map,
      map / submit, map / run, map / collect, map / (submit + run + collect)
  }'
}

clowder up -n 2 >/dev/null
seq "$tasks" >small
seq "$commands" >few
head -c 100000000 /dev/urandom | base64 -w 100000 >large
for _ in $(seq "$rounds"); do
  round small small -w -- cat
  round few few -- /bin/true
  round large large -w -- cat
done
report small "$tasks lines through cat" "$tasks"
report few "$commands commands" "$commands"
report large "lines of 100 KB, 135 MB" "$(wc -l <large)"
