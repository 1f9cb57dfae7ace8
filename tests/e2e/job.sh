#!/usr/bin/env bash
# The ledger from the command line: list, show, save, retry, cancel, what cannot be run again; scale; completed names.
. "$(dirname "$0")/lib.sh"

# The ledger is written a moment after a command has ended: each job is waited for by its number.
job_is() { [ "$(clowder job show "$1" --json 2>/dev/null | jq -r .state)" = "$2" ]; }

clowder up -n 2 >/dev/null
printf 'a\nb\nc\nd e\n' >inputs
# shellcheck disable=SC2016
expect 1 clowder map -a inputs -- sh -c 'if test -e "$0/ok" || [ "$1" = a ]; then echo "$CLOWDER_TASK:$1"; else echo bad >&2; exit 3; fi' "$work" {}
prints 1:a
id=1
wait_until job_is $id failed
expect 0 clowder job show "$id" --json
jq -e '.total == 4 and .done == 1 and .failed == 3 and [.failures[].index] == [2, 3, 4]
  and (.failures[0] | .input == "b" and .status == "exit 3" and .stderr == "bad\n" and .input_cut == false)' out >/dev/null ||
  fail "job show: $(cat out)"
expect 0 clowder job save "$id" saved --inputs
[ "$(cat saved)" = "$(tail -n 3 inputs)" ] || fail "saved inputs: $(cat saved)"
expect 0 clowder job save "$id" -
[ "$(jq -s -c '[.[].input]' out)" = '["b","c","d e"]' ] || fail "saved: $(cat out)"

# A retried task keeps its number.
touch ok
expect 0 clowder job retry "$id"
prints "$(printf '2:b\n3:c\n4:d e')"
wait_until job_is 2 'done'

# What cannot be run again says why.
head -c 70000 /dev/zero | tr '\0' x >big
expect 1 clowder map --stdin -a big -- false
wait_until job_is 3 failed
expect 5 clowder job retry 3
says 'too long to be kept whole'
expect 5 clowder job save 3 - --inputs
expect 0 clowder map -- true ::: a
wait_until job_is 4 'done'
expect 0 clowder job retry 4
says 'nothing to do'
expect 4 clowder job retry 4711
one_line
expect 4 clowder job cancel 4711
expect 2 clowder job cancel x
expect 2 clowder job save "$id"

# Cancel reaches a map that runs; one that runs is not run again.
clowder map -- sh -c 'sleep 317.11' ::: a >/dev/null 2>&1 &
map=$!
wait_until job_is 5 running
expect 5 clowder job retry 5
says 'not finished'
expect 0 clowder job cancel 5
! wait "$map" || fail "a cancelled map said that all is well"
wait_until job_is 5 cancelled

# Scaling tells the number that was asked for, not those that are still leaving.
expect 0 clowder scale -n 1
prints 'default: 1 daemon up'
expect 0 clowder scale -n 0
prints 'default: 0 daemons up'
expect 2 clowder scale

# Completion knows verbs and names.
clowder host add spare1 10.0.0.7 >/dev/null
clowder completion bash >completion.bash
completes() { # INDEX WORD...
  # shellcheck disable=SC2016
  bash -c '. ./completion.bash; COMP_CWORD=$1; shift; COMP_WORDS=("$@"); _clowder; echo "${COMPREPLY[*]}"' - "$@"
}
[ "$(completes 2 clowder host sho)" = show ] || fail "verbs: $(completes 2 clowder host sho)"
[ "$(completes 3 clowder host show sp)" = spare1 ] || fail "hosts: $(completes 3 clowder host show sp)"
[ "$(completes 3 clowder up --on sp)" = spare1 ] || fail "--on: $(completes 3 clowder up --on sp)"
[ "$(completes 2 clowder down def)" = default ] || fail "profiles: $(completes 2 clowder down def)"

# Inputs that are no text are shown in base64; one that was cut in the middle of a character is text still.
clowder scale -n 1 >/dev/null
printf 'ok\n\377\376\n' >bytes
{ head -c 65535 /dev/zero | tr '\0' x; printf 'ü\n'; } >>bytes
expect 1 clowder map --stdin -a bytes -- false
id=$(clowder job list --json -n 1 | jq .jobs[0].id)
wait_until job_is "$id" failed
expect 0 clowder job show "$id" --json
jq -c .failures[] out >shown
expect 0 clowder job save "$id" -
cmp out shown || fail "job save and job show differ"
jq -es '.[0].input == "ok" and .[1].input_base64 == "//4=" and (.[1] | has("input") | not)
  and (.[2].input | length) == 65535 and .[2].input_cut' out >/dev/null || fail "inputs: $(head -c 500 out)"
