#!/usr/bin/env bash
# run is as if the command ran here: stdin, output, exit status. Closed descriptors. What the hands of GNU parallel's users type.
. "$(dirname "$0")/lib.sh"

clowder up -n 2 >/dev/null
head -c 3000000 /dev/urandom >bytes
clowder run -- cat <bytes >back || fail "run: $?"
same bytes back
: | expect 0 clowder run -- cat
prints ''
expect 0 clowder run -- wc -c </dev/null
prints 0
printf 'a{}b' | expect 0 clowder run -- sh -c 'cat; echo "$1"' x '{}' # nothing is replaced, and nothing is added
prints 'a{}b{}'
for status in 1 2 7 255; do
  expect $status clowder run -- sh -c "exit $status"
  [ ! -s err ] || fail "it speaks: $(cat err)"
done
# shellcheck disable=SC2016
expect 143 clowder run -- sh -c 'kill -TERM $$'
says 'killed by signal 15'
expect 124 clowder run --timeout 100ms -- sleep 60
says 'timed out'
expect 7 clowder --json run -- sh -c 'echo out; exit 7'
jq -e '.exit == 7 and .stdout == "out\n"' out >/dev/null || fail "json: $(cat out)"
expect 1 clowder map -- sh -c 'exit 7' ::: a # of many tasks there is no one status
expect 4 clowder run -p nobody -- true

# It says what it waits for.
mkfifo quiet
clowder run -- cat <quiet >got 2>told &
run=$!
exec 8>quiet
wait_until grep -q 'reading stdin for the task, until its end; </dev/null gives it none' told
echo end >&8
exec 8>&-
wait $run || fail "run: $?"
[ "$(cat got)" = end ] || fail "run: $(cat got)"

# Closed descriptors stay closed: nothing else gets their number.
expect 0 timeout 20 clowder run -- echo fine <&-
prints fine
expect 1 timeout 20 clowder map -- echo <&-
says 'cannot read the inputs: Bad file descriptor'
got=0
timeout 20 clowder map -- echo ::: a >&- 2>err || got=$?
[ $got = 1 ] || fail "without stdout: $got"
says 'cannot write to stdout: Bad file descriptor'
timeout 20 clowder map -- echo ::: a 2>&- >got || fail "without stderr: $?"
[ "$(cat got)" = a ] || fail "without stderr: $(cat got)"
expect 0 clowder engine stop
timeout 20 clowder engine start <&- >&- 2>&- || fail "an engine without descriptors: $?"
expect 0 clowder map -n 1 -- echo ::: a
prints a
clowder up -n 2 >/dev/null

# GNU parallel's words.
refused() { # PATTERN WORD...
  local pattern=$1
  shift
  expect 2 clowder "$@"
  says "$pattern"
  one_line
  [ ! -s out ] || fail "something ran: $(cat out)"
}
refused '\{3\}: there are 2 lists of inputs' map echo '{3}' ::: a ::: b
refused '\{2\}: there is 1 list of inputs' map convert '{}' 'out/{2/.}.png' ::: a
refused '\{-2\}: there is 1 list of inputs' map -- sh -c 'echo {-2}' ::: a
refused "'echo \{\}' is no program; a line for the shell needs --shell" map 'echo {}' ::: a
expect 0 clowder map echo '{1}' 'x{1/.}' ::: d/a.b
prints 'd/a.b xa'
refused 'there are no slots' map echo 'slot{%}' ::: a
refused 'no Perl' map echo '{= s/a/b/ =}' ::: a
for option in -j4 '-j 4' '--jobs 4' '-P 4' -k --keep-order '-S h1' --bar --eta '-I %' '-N 2' -X -m '-L 1' --link \
  --pipe '--halt now' '--tagstring x' --lb '--wd /' '--nice 3' '--delay 1'; do
  # shellcheck disable=SC2086
  refused "is GNU parallel's; here:" map $option echo ::: a
done
refused "is GNU parallel's" submit -j4 echo ::: a
refused 'unknown option -Z' map -Z echo ::: a
# What only looks alike is text.
expect 0 clowder map -- sh -c 'echo ${1}x' sh ::: a
prints ax
echo aab | expect 0 clowder map --stdin -- grep -E 'a{2}b'
prints aab
echo aab | expect 0 clowder map --stdin -- grep -E '.{3}'
prints aab
expect 0 clowder map -- echo '{}{1' ::: a
prints 'a{1'
