#!/usr/bin/env bash
# clowder simulate: the same seed gives the same figures, known laws hold, and bad input gets one clear line.
. "$(dirname "$0")/lib.sh"

virtual() { clowder simulate --json "$@" | jq -c 'del(.measured)'; }
figure() { # KEY OPTION...
  local key=$1
  shift
  clowder simulate --json "$@" | jq -r ".$key"
}
near() { # WHAT IS WANTED TOLERANCE
  awk -v is="$2" -v want="$3" -v tolerance="$4" 'BEGIN { exit !(is > want * (1 - tolerance) && is < want * (1 + tolerance)) }' ||
    fail "$1: $2 is not within $4 of $3"
}

# The same seed, the same figures; another one, others.
chance="--hosts 5 -n 40 --tasks 20000 --task-time lognormal:5ms,1 --fail 0.01 --retry-failed 2 --lose 2000 --back 0.1s"
# shellcheck disable=SC2086
{
  one=$(virtual $chance --seed 7) two=$(virtual $chance --seed 7) three=$(virtual $chance --seed 8)
}
[ "$one" = "$two" ] || fail "the same seed gave $one and $two"
[ "$one" != "$three" ] || fail "two seeds gave the same"
jq -e '.deaths > 0 and .retried > 0 and .completed + .failed == 20000' <<<"$one" >/dev/null || fail "$one"

# Every task ends once, whatever happens.
for seed in 1 2 3; do
  virtual -n 20 --hosts 4 --tasks 30000 --jobs 7 --task-time mix:1ms*0.9,50ms*0.1 --fail 0.2 --retry-failed 1 --lose 20000 \
    --back 5ms --speculate --seed "$seed" >out
  jq -e '.completed + .failed == 30000 and .speculated > 0' out >/dev/null || fail "seed $seed: $(cat out)"
done

# Long tasks: all the time is work. One at a time without prefetch: work / (work + round trip).
near "efficiency of long tasks" "$(figure efficiency -n 10 --tasks 10000 --task-time const:10ms --rtt 0.1ms)" 1 0.01
near "efficiency without anything to prefetch" "$(figure efficiency -n 4 --tasks 400 --task-time const:200ms --rtt 100ms)" 0.667 0.03
near "makespan" "$(figure virtual_s -n 10 --tasks 1000 --task-time const:1s --rtt 0)" 100 0.001

# As many exponential tasks as daemons: the last of n ends at the n-th harmonic number, 5.187 for 100.
sum=0
for seed in $(seq 60); do
  sum=$(awk -v a="$sum" -v b="$(figure virtual_s -n 100 --tasks 100 --task-time exp:1s --rtt 0 --seed "$seed")" 'BEGIN { print a + b }')
done
near "mean of the last of 100" "$(awk -v s="$sum" 'BEGIN { print s / 60 }')" 5.187 0.1

# M/M/c: tasks that come at random wait as Erlang's formula says. Two daemons, utilisation 0.8: 1.778 times the service time.
near "M/M/2" "$(figure wait_mean_us -n 2 --tasks 200000 --task-time exp:100ms --rate 16 --rtt 0)" 177800 0.1
# M/M/1, 0.5: as long as the service takes.
near "M/M/1" "$(figure wait_mean_us -n 1 --tasks 200000 --task-time exp:100ms --rate 5 --rtt 0)" 100000 0.1

# An engine that needs 10 us a message is the limit of many daemons with single tasks: two messages each.
near "an engine at its limit" "$(figure tasks_per_s -n 1000 --tasks 200000 --task-time const:10ms --message 10us)" 50000 0.05

# Batches: far fewer events than tasks.
virtual -n 8 --tasks 1e7 --task-time exp:1us >out
jq -e '.completed == 10000000 and .batches < .tasks / 100' out >/dev/null || fail "batches: $(cat out)"
clowder simulate -n 3 --tasks 100 >out
grep -q '^virtual .*tasks/s, efficiency' out || fail "the table: $(cat out)"

refuses() { # WHAT IT SAYS, OPTION...
  local says=$1
  shift
  expect 2 clowder simulate "$@"
  [ "$(wc -l <err)" -eq 1 ] || fail "more than one line: $(cat err)"
  grep -qF -- "$says" err || fail "'$says' is not what it says: $(cat err)"
}
refuses "takes no arguments" 100
refuses "'10' does not say how long tasks take" --task-time 10
refuses "does not say how long" --task-time exp:10
refuses "does not say how long" --task-time uniform:2s,1s
refuses "does not say how long" --task-time mix:1s,2s
refuses "does not say how long" --task-time mix:1s*0
refuses "does not say how long" --task-time lognormal:1s,99
refuses "does not say how long" --task-time const:-1s
refuses "does not say how long" --task-time exp:200000h
refuses "is not a time" --rtt fast
refuses "is not a whole number" --tasks 1.5
refuses "is not a whole number" --daemons many
refuses "is not between" --tasks 0
refuses "is not between" --daemons 1e9
refuses "is not between" --fail 2
refuses "is not a number" --lose often
refuses "is not between" --rate 0
refuses "10 hosts for 5 daemons" --hosts 10 --daemons 5
refuses "is not a size" --memory big
refuses "unknown option" --task-tim exp:1s
