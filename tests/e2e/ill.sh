#!/usr/bin/env bash
# Programs that will not end, or leave others behind that write for ever: the daemon goes on.
. "$(dirname "$0")/lib.sh"

# Whoever writes on after a task's end is read no further than what the task itself can have left.
clowder up -n 1 >/dev/null
for i in 1 2 3 4 5 6; do
  mkdir "flood$i"
  expect 1 timeout 60 clowder run --max-output 10 -- "$CLOWDER_TEST_ILL" flood "$work/flood$i"
  says 'stdout cut at the limit of 10 bytes'
  wait_until test -e "flood$i/after" # nobody reads them any more: they ended
  [ "$(cat "flood$i/after")" -lt $((16 << 20)) ] || fail "$(cat "flood$i/after") bytes were read after the end of the task"
done

# A process that does not end when it is killed is left behind after a while, and its task answered.
if ! "$CLOWDER_TEST_ILL" stuck "$work" </dev/null; then
  echo "SKIPPED: a process may not trace another one here"
  exit 0
fi
for kind in lines mute command; do
  mkdir $kind
  case $kind in
  lines) set -- -w -- "$CLOWDER_TEST_ILL" stuck "$work/$kind" ;;
  mute) set -- -w -- "$CLOWDER_TEST_ILL" stuck "$work/$kind" mute ;;
  command) set -- --stdin -- "$CLOWDER_TEST_ILL" stuck "$work/$kind" ;;
  esac
  (status=0; timeout 60 clowder map -n 1 --timeout 500ms "$@" ::: hang >$kind.out 2>$kind.err || status=$?; echo $status >$kind.status) &
done
wait
for kind in lines mute command; do
  [ -e $kind/held ] || fail "$kind: it was not killed"
  touch $kind/go
  [ "$(cat $kind.status)" = 1 ] || fail "$kind: ended with $(cat $kind.status)"
  grep -q 'timed out: no .* after 0.5 s' $kind.err || fail "$kind: $(cat $kind.err)"
done
expect 0 clowder map -- echo ::: still here
