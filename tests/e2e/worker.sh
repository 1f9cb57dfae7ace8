#!/usr/bin/env bash
# Maps by workers: order, speed enough to be useful, memory, and every way in which a worker can go wrong.
. "$(dirname "$0")/lib.sh"
million=${MILLION:-1000000}

clowder up -n 2 >/dev/null
expect 0 sh -c "yes | head -$million | clowder map -n 2 -w -- cat | md5sum"
[ "$(cat out)" = "$(yes | head -"$million" | md5sum)" ] || fail "lines lost or changed"
expect 0 sh -c "seq $million | clowder map -w -- cat | md5sum"
[ "$(cat out)" = "$(seq "$million" | md5sum)" ] || fail "lines out of order"
expect 0 sh -c 'seq 20000 | clowder map -u -w -- cat | sort -n | md5sum'
[ "$(cat out)" = "$(seq 20000 | md5sum)" ] || fail "unordered: lines lost"

# Inputs that wait for the first results, because the worker needs its time to start, are no error.
seq 9000 >in9
expect 0 clowder map -w -a in9 -- sh -c 'sleep 1; exec cat'
same out in9
[ ! -s err ] || fail "a slow start is told as an error: $(cat err)"

# A reader that is slow stops the map, and does not fill the engine.
before=$(status_of default .tasks.completed)
expect 0 sh -c "yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa | head -$million | clowder map -w -- cat |
  (dd bs=1 count=1 status=none; while ! test -e go; do sleep 0.05; done; cat) | wc -c & 
  count() { clowder status default --json | jq .profiles[0].tasks.\$1; }
  while test \$(count completed) -eq $before; do sleep 0.02; done
  until test \$(count completed) -eq \$(sleep 0.3; count completed); do :; done
  clowder engine status --json >memory; touch go; wait"
[ "$(jq '.rss_peak_bytes < 256 * 1048576' memory)" = true ] || fail "engine memory: $(cat memory)"
[ "$(cat out)" -eq $((million * 45)) ] || fail "slow reader got $(cat out) bytes"

# Answers that wait for a slow reader stay what they are, when the worker that gave them was replaced long ago.
seq 3000 | "$CLOWDER_TEST_ILL" brief 3000 | md5sum >want
expect 0 sh -c "seq 3000 | clowder map -w -- '$CLOWDER_TEST_ILL' brief 5 |
  (dd bs=1 count=1 status=none; sleep 0.5
  while before=\$(clowder status default --json | jq .profiles[0].tasks.completed); sleep 0.3
    test \$before -ne \$(clowder status default --json | jq .profiles[0].tasks.completed); do :; done; cat) | md5sum"
same out want

# Lines of every kind.
{ echo; echo 'a b'; head -c 1000000 /dev/zero | tr '\0' y; echo; printf 'ünï\n"q"\n'; head -c 500 /dev/urandom | tr -d '\n'; echo; } >lines
expect 0 sh -c 'clowder map -w -- cat <lines'
same out lines
expect 0 sh -c 'clowder map -w -- cat </dev/null'
prints ''
printf 'a\nb\0' >nul
expect 2 sh -c 'clowder map -0 -w -- cat <nul'
says 'newline, which a line worker would take for two'

# Framed: binary data, and errors with a message.
expect 0 sh -c 'printf "a\nb\0\0x\0" | clowder map -0 -W -- "$CLOWDER_TEST_WORKER" | od -An -c | tr -d " \n"'
prints 'a\nb\n\nx\n' # one below the other
printf 'a\n\0b\0\0' >ends
expect 0 sh -c 'clowder map -0 -W -- "$CLOWDER_TEST_WORKER" <ends | od -An -c | tr -d " \n"'
prints 'a\nb\n\n'
expect 0 sh -c 'clowder map -0 -W --json -- "$CLOWDER_TEST_WORKER" <ends | jq -c .stdout'
prints '"a\n"
"b"
""'
expect 0 clowder map -W --tag -- "$CLOWDER_TEST_WORKER" ::: a b
prints $'a\ta\nb\tb'
expect 1 clowder map -W -- "$CLOWDER_TEST_WORKER" ::: good fail3 good
says 'task 2 \(fail3\): exit 3: told to fail'
expect 0 sh -c "seq 100000 | clowder map -W --json -- \"$CLOWDER_TEST_WORKER\" | jq -r .stdout | md5sum"
[ "$(cat out)" = "$(seq 100000 | md5sum)" ] || fail "framed answers lost or out of order"
expect 0 sh -c 'seq 1000 | clowder map -w -- "$CLOWDER_TEST_WORKER" lines | md5sum'
[ "$(cat out)" = "$(seq 1000 | md5sum)" ] || fail "lines of clowder_worker.h"

# What forks, prints or reads in a task is none of its answers.
for kind in -W -w; do
  speaks=$([ $kind = -W ] || echo lines)
  # shellcheck disable=SC2086
  expect 0 sh -c "{ seq 50; echo fork; seq 50; echo print; echo fork; echo drain; seq 50; } >in; clowder map $kind -- $CLOWDER_TEST_WORKER $speaks <in"
  same out in
done

# The start of a framed worker does not count as its first task's time; a task's does.
expect 0 clowder map -W --timeout 300ms -- sh -c 'sleep 1; exec "$0"' "$CLOWDER_TEST_WORKER" ::: a b
expect 1 clowder map -w --timeout 300ms -- sh -c 'sleep 1; exec cat' ::: a
says 'timed out: no answer after 0.3 s'

# A task that takes too long is the one that is blamed, whatever was answered just before it.
for kind in -W -w; do
  speaks=$([ $kind = -W ] || echo lines)
  # shellcheck disable=SC2086
  expect 0 sh -c "{ seq 1000; echo sleep; seq 1000; } | clowder map -n 1 $kind --timeout 1s -- $CLOWDER_TEST_WORKER $speaks | md5sum"
  [ "$(cat out)" = "$(seq 1000 | cat - <(seq 1000) | md5sum)" ] || fail "answers beside one that was out of time"
  says 'task 1001 \(sleep\): timed out: no answer after 1 s'
  says '1 of 2001 tasks failed'
done

# What is no frame is shown, at once, and fails the tasks that it may belong to.
framed() { # MODE INPUT...: as its words say
  local mode=$1
  shift
  timeout 20 clowder map -n 1 -W -- python3 "$CLOWDER_SOURCE/tests/e2e/framed_worker.py" "$mode" ::: "$@"
}
expect 1 framed good a fail b
prints $'a\nb'
for first in 'x' 'Fatal error: cannot open the file'; do
  expect 1 timeout 20 clowder map -W -- sh -c 'echo "$0"; exec sleep 304.77123' "$first" ::: a b c
  says "task 1 \\(a\\): exit 126: the worker wrote '$first\\\\n', which is not a frame \\("
  says '3 of 3 tasks failed'
done
wait_until none_running 'sleep 304.77123'
expect 1 framed old a b
says "the worker wrote '.*a.*', which is not a frame .*build the worker again if it was built with an older clowder_worker.h"
expect 1 timeout 20 clowder map -W -- cat ::: a
says 'which is not a frame'
expect 1 framed garbage a bad b c
says "task 2 \\(bad\\): failed: the worker wrote 'something else.*', which is not a frame of its answer"
prints $'a\nb\nc'
expect 1 framed skips a bad b c # it answers b in the place of bad
says "task 2 \\(bad\\): failed: the worker wrote"
prints $'a\nb\nc'
expect 1 framed twice a bad b c
says 'answered a task twice'
prints $'a\nbad\nb\nc'
expect 1 framed after a bad
says "the worker wrote 'x', which is not a frame"
prints $'a\nbad'

# It cannot start.
expect 1 sh -c 'seq 3 | clowder map -w -- nosuchworker'
says 'task 1 \(1\): exit 127'
says '3 of 3 tasks failed'

# It dies: only the task that kills it fails, its neighbours are answered by a new one.
expect 1 sh -c 'seq 1000 | clowder map -w -- sh -c "while read -r x; do test \$x != 500 || kill -9 \$\$; echo \$x; done"'
says 'task 500 \(500\): killed by signal 9'
says '1 of 1000 tasks failed'
seq 1000 | grep -vx 500 >want
same out want
expect 1 sh -c 'seq 20 | clowder map -w -- sh -c "while read -r x; do echo trouble at \$x >&2; test \$x != 7 || exit 5; echo \$x; done"'
says 'task 7 \(7\): exit 5: the worker ended with status 5 before it answered'
says 'stderr: .*trouble at 7'
# One that ends after each answer is started again.
expect 0 sh -c 'seq 20 | clowder map -w -- head -1'
prints "$(seq 20)"

# It answers too much: said once, exit 1, nobody else is hurt.
expect 1 sh -c 'seq 3 | clowder map -w -- sh -c "while read -r x; do echo \$x; echo \$x; done"'
says 'answered more lines than it was given'
# It answers too little, or never: only a time limit can tell.
expect 1 sh -c 'seq 3 | clowder map -w --timeout 300ms -- sh -c "while read -r x; do test \$x = 2 || echo \$x; done"'
says 'timed out: no answer after 0.3 s'
expect 1 timeout 60 sh -c 'echo x | clowder map -w --timeout 300ms -- sh -c "while printf .; do sleep 0.1; done"' # it says something, and no answer
expect 1 sh -c 'seq 2 | clowder map -w --timeout 300ms -- sleep 302.77123'
says '2 of 2 tasks failed'
wait_until none_running 'sleep 302.77123'
# One that answers before it has read its input gets the rest of it, also when others have come meanwhile.
cat >early.sh <<'SH'
echo early
until test -e go; do sleep 0.02; done
read -r long
read -r next
echo "$next ${#long}"
SH
expect 0 timeout 60 sh -c '(head -c 5000000 /dev/zero | tr "\0" z; echo; until grep -q early early.out; do sleep 0.02; done; echo next
  until [ "$(clowder status --json | jq "[.profiles[].tasks.executing] | add")" = 1 ]; do sleep 0.02; done; touch go) |
  clowder map -n 1 -w -- sh early.sh >early.out; cat early.out'
prints $'early\nnext 5000000'
# An answer without end is cut off.
expect 1 sh -c 'echo a | clowder map -w --max-output 10000 -- sh -c "read x; yes | tr -d \"\\n\""'
says 'longer than the limit'
# The limit holds to the byte, and what follows the answer that is too long is nobody's.
expect 1 clowder map -w --max-output 10 -- cat ::: 0123456789 0123456789x b
prints $'0123456789\nb'
says 'task 2 .*: failed: an answer of 11 bytes, longer than the limit of 10'
expect 1 sh -c 'seq 5000 | timeout 60 clowder map -n 1 -w --max-output 10000 -- "$CLOWDER_TEST_ILL" torrent 3000'
says 'task 3000 \(3000\): failed: an answer longer than the limit of 10000 bytes'
says '1 of 5000 tasks failed'
prints "$(seq 5000 | grep -vx 3000)"
# Two jobs with different workers at once do not mix.
(seq 2000 | clowder map -w -- sed -u s/^/a/ >a.out) &
(seq 2000 | clowder map -w -- sed -u s/^/b/ >b.out)
wait
seq 2000 | sed s/^/a/ | cmp - a.out || fail "first of two jobs"
seq 2000 | sed s/^/b/ | cmp - b.out || fail "second of two jobs"

# All is well afterwards, and nothing is left.
[ "$(status_of default .daemons.connected)" = 2 ] || fail "a daemon went away"
expect 0 clowder map -w -- cat ::: still here
