#!/usr/bin/env bash
# Taken back or out of time, by the thousand: each task bears it alone (blame.c says how that is looked at).
. "$(dirname "$0")/lib.sh"
million=${MILLION:-1000000}
if ldd "$bin/clowder" | grep -E 'asan|tsan' >ldd.out; then million=$((million / 5)); fi

clowder up -n 2 >/dev/null
for kind in lines frames; do
  expect 0 timeout 200 "$CLOWDER_TEST_BLAME" cancel $kind "$million"
  cat out
  [ "$(sed 's/.*, \(.*\) cancelled.*/\1/' out)" -gt $((million / 50)) ] || fail "hardly anything was cancelled in time"
done
expect 0 timeout 200 "$CLOWDER_TEST_BLAME" cancel commands $((million / 500))
cat out
clowder scale -n 1 >/dev/null
for kind in lines frames; do
  expect 0 timeout 200 "$CLOWDER_TEST_BLAME" timeout $kind "$million"
  cat out
  [ "$(sed 's/.*, \(.*\) timed out.*/\1/' out)" -gt 0 ] || fail "nothing was out of time"
done
