#!/usr/bin/env bash
# Killed daemons, a killed engine, interrupts: every result arrives once and right, or the end says so; nothing is left behind.
. "$(dirname "$0")/lib.sh"
tasks=${TASKS:-10000}

daemon_pids() { status_of "$1" '.daemon_list[].pid'; }
has_done() { [ "$(status_of "$1" .tasks.completed)" -ge "$2" ]; }

# kill -9 of one of two daemons in the middle of a map, by worker and by command.
clowder up -n 2 >/dev/null
seq "$tasks" >in
sed s/^/y/ in >want
clowder map -w -- sh -c 'while read -r x; do echo y$x; done' <in >got &
map=$!
wait_until has_done default $((tasks / 10))
kill -9 "$(daemon_pids default | head -1)"
wait "$map" || fail "exit status $? after a daemon was killed"
same got want
head -600 in >in2
head -600 want >want2
two_up() { [ "$(status_of default .daemons.connected)" = 2 ]; }
wait_until two_up # replaced
before=$(status_of default .tasks.completed)
clowder map -- sh -c 'sleep 0.02; echo y{}' <in2 >got &
map=$!
wait_until has_done default $((before + 60))
kill -9 "$(status_of default '[.daemon_list[] | select(.state == "executing")][0].pid')"
wait "$map" || fail "exit status $? after a daemon was killed"
same got want2
wait_until two_up
[ "$(status_of default .tasks.retried)" -gt 0 ] || fail "nothing was retried: the kill came too late to test anything"

# A task that kills its daemon fails alone, after retries+1 daemons; the others are done.
expect 1 clowder map --retries 1 -- sh -c 'test {} != 5 || kill -9 $PPID; echo {}' ::: 1 2 3 4 5 6 7 8 9
says 'task 5 \(5\): lost: its daemon died, 2 times'
prints "$(seq 9 | grep -v 5)"
grep -c 'lost daemon=' "$engine_log" >/dev/null || fail "no word of lost daemons in the log"
wait_until two_up

# What a killed daemon was running ends with it.
clowder map --retries 0 -- sleep ::: 303.77123 >/dev/null 2>&1 &
map=$!
is_running() { [ "$(running "$1")" -gt 0 ]; }
wait_until is_running '^sleep 303.77123'
kill -9 "$(status_of default '.daemon_list[] | select(.state == "executing") | .pid')"
wait_until none_running '^sleep 303.77123'
wait "$map" && fail "a lost task counts as done"
wait_until two_up

# Scale while tasks run.
clowder map -- sh -c 'sleep 0.01; echo y{}' <in2 >got &
map=$!
before=$(status_of default .tasks.completed)
wait_until has_done default $((before + 50))
clowder up -n 4 >/dev/null
[ "$(status_of default .daemons.connected)" = 4 ] || fail "not scaled up"
wait_until has_done default $((before + 150))
clowder up -n 1 >/dev/null
wait "$map" || fail "exit status $? while scaling"
same got want2
one_up() { [ "$(status_of default .daemons.connected)" = 1 ]; }
wait_until one_up

# All daemons taken away in the middle: said, and 3.
expect_down() { clowder down --now; }
clowder map -- sleep ::: 304.77123 304.77123 304.77123 >out 2>err &
map=$!
wait_until is_running '^sleep 304.77123'
expect_down
status=0
wait "$map" || status=$?
[ "$status" -eq 3 ] || fail "exit status $status after down --now"
says 'no daemons left'
wait_until none_running '^sleep 304.77123'

# kill -9 of the engine in the middle: another one takes over; own daemons (-n) and the profile's come back.
for how in '-n 2' ''; do
  [ -n "$how" ] || clowder up -n 2 >/dev/null
  rm got
  # shellcheck disable=SC2086
  clowder map $how -- sh -c 'sleep 0.01; echo y{}' <in2 >got 2>err &
  map=$!
  wait_until test -s got # it is at work
  kill -9 "$(engine_pid)"
  wait "$map" || fail "exit status $? after the engine was killed: $(cat err)"
  same got want2
  says 'another engine runs; it was given the [0-9]+ tasks without a result again'
done

# A deadline is so long, whatever becomes of the wall's clock meanwhile, and of the engine.
clock=$CLOWDER_BUILD/bin/tests/libfaultclock.so
if ! nm "$bin/clowder" | grep __asan >/dev/null; then
  python3 -c "import struct, sys; sys.stdout.buffer.write(struct.pack('<q', 0))" >clock
  at_that_time() { env LD_PRELOAD="$clock" CLOWDER_FAULT_CLOCK="$work/clock" "$@"; }
  clowder engine stop --now >/dev/null
  at_that_time clowder up timely -n 1 >/dev/null
  at_that_time clowder map -p timely --deadline 1h -- sh -c 'touch late.began; until test -e late.go; do sleep 0.02; done; echo {}' ::: 1 2 3 >late.out 2>late.err &
  map=$!
  wait_until test -e late.began
  python3 -c "import struct, sys; sys.stdout.buffer.write(struct.pack('<q', 400 * 86400))" >clock.new
  cat clock.new >clock
  kill -9 "$(engine_pid)"
  touch late.go
  wait $map || fail "a clock that was set ended tasks: $(cat late.err)"
  [ "$(cat late.out)" = $'1\n2\n3' ] || fail "results: $(cat late.out)"
  clowder engine stop --now >/dev/null
fi

# An engine that dies while it greets a client is not the last word: the next one gets the tasks.
clowder up -n 1 >/dev/null
clowder map -- sh -c 'until test -e open; do sleep 0.02; done; echo y{}' ::: 1 2 3 >got 2>err &
map=$!
is_executing() { [ "$(status_of default .tasks.executing)" -gt 0 ]; }
wait_until is_executing
kill -STOP "$map"
kill -9 "$(engine_pid)"
python3 - "$XDG_RUNTIME_DIR/clowder/data.sock" <<'EOF' &
import os, socket, sys
os.path.exists(sys.argv[1]) and os.unlink(sys.argv[1])
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
open("listening", "w").close()
s.accept()[0].close()
os.unlink(sys.argv[1])
EOF
wait_until test -e listening
touch open
kill -CONT "$map"
wait "$map" || fail "exit status $? after an engine died while it greeted: $(cat err)"
[ "$(cat got)" = "y1
y2
y3" ] || fail "results after an engine died while it greeted: $(cat got)"

# A daemon that can start nothing for a moment (no descriptors, memory, processes) fails no task for it.
daemon=$(daemon_pids default)
may_open() { prlimit --pid "$daemon" --nofile="$1":; }
may_open "$(ls "/proc/$daemon/fd" | wc -l)"
clowder map -- echo y{} ::: 1 2 3 >got 2>err &
map=$!
clowder map -w -- cat ::: 4 5 6 >got2 2>err2 &
other=$!
both_wait() { [ "$(status_of default '.tasks.executing + .tasks.awaiting')" -ge 6 ]; }
wait_until both_wait
may_open 1024
wait "$map" || fail "exit status $? after a shortage of descriptors: $(cat err)"
wait "$other" || fail "exit status $? of a worker's map after a shortage of descriptors: $(cat err2)"
[ "$(cat got got2 | tr '\n' ' ')" = "y1 y2 y3 4 5 6 " ] || fail "results after a shortage: $(cat got got2)"

# An engine that can open nothing for some seconds does not give up on its daemons.
clowder up -n 1 >/dev/null
pid=$(engine_pid)
daemon=$(daemon_pids default)
old=$(prlimit --pid "$pid" --nofile --noheadings --output HARD | tr -d ' ')
prlimit --pid "$pid" --nofile=3:
kill -9 "$daemon"
wait_until grep -q 'launch waits' "$engine_log"
sleep 3 # a fault that lasts: five launches would have failed
prlimit --pid "$pid" --nofile="$old":
wait_until one_up
[ "$(daemon_pids default)" != "$daemon" ] || fail "it was not replaced"
! grep -q 'gave up' "$engine_log" || fail "gave up: $(grep 'gave up' "$engine_log")"
expect 0 clowder map -- echo ::: still
prints still

# Interrupts. The first stops submitting and says so; what runs is waited for.
mkfifo inputs
clowder map -n 2 -- sh -c 'touch started-{}; until test -e finish; do sleep 0.02; done; echo {}' <inputs >out 2>err &
map=$!
exec 9>inputs
printf '1\n2\n' >&9
wait_until test -e started-2
kill -INT "$map"
says_interrupted() { grep -q 'interrupted: no more inputs are taken; waiting for 2 tasks' err; }
wait_until says_interrupted
touch finish
status=0
wait "$map" || status=$?
exec 9>&-
[ "$status" -eq 130 ] || fail "exit status $status after ^C"
[ "$(cat out)" = "1
2" ] || fail "results of running tasks are lost after ^C: $(cat out)"
# The second leaves at once, and nothing stays.
clowder map -n 2 -- sleep ::: 305.77123 305.77123 305.77123 >out 2>err &
map=$!
wait_until is_running '^sleep 305.77123'
own=$(clowder status --json | jq -r '.profiles[] | select(.name | startswith("map-")) | .daemon_list[].pid')
kill -INT "$map"
wait_until grep -q interrupted err
kill -INT "$map"
status=0
wait "$map" || status=$?
[ "$status" -eq 130 ] || fail "exit status $status after the second ^C"
wait_until none_running '^sleep 305.77123'
gone() { ! kill -0 "$1" 2>/dev/null; }
for pid in $own; do wait_until gone "$pid"; done
# The same when the client is killed outright.
clowder map -n 1 -- sleep ::: 306.77123 >out 2>err &
map=$!
wait_until is_running '^sleep 306.77123'
kill -9 "$map"
wait_until none_running '^sleep 306.77123'
# A reader that goes away ends the map quietly.
(yes | clowder map -n 1 -w -- cat 2>err.pipe | head -5 >out.pipe) || true
[ "$(wc -l <out.pipe)" -eq 5 ] || fail "head got $(wc -l <out.pipe) lines"
[ ! -s err.pipe ] || fail "a closed pipe is not quiet: $(cat err.pipe)"

# SIGTERM lets the engine finish what runs; the second ends it.
clowder up -n 1 >/dev/null
clowder map -- sh -c 'touch began; until test -e go; do sleep 0.02; done; echo done' ::: a >out 2>err &
map=$!
wait_until test -e began
pid=$(engine_pid)
kill -TERM "$pid"
wait_until grep -q 'stopping now=0' "$engine_log"
expect 5 clowder up late -n 1
says 'stopping'
touch go
wait "$map" || fail "a job that ran when the engine was told to stop: exit status $?, $(cat err)"
[ "$(cat out)" = "done" ] || fail "its result is lost"
wait_until gone "$pid"
stopping_again() { [ "$(grep -c 'stopping now=0' "$engine_log")" -gt "$before" ]; } # two at once would be one signal
clowder up -n 1 >/dev/null
clowder map -- sleep ::: 307.77123 >out 2>err &
map=$!
wait_until is_running '^sleep 307.77123'
pid=$(engine_pid)
before=$(grep -c 'stopping now=0' "$engine_log")
kill -TERM "$pid"
wait_until stopping_again
kill -TERM "$pid"
wait_until gone "$pid"
wait_until none_running '^sleep 307.77123'
wait "$map" && fail "a killed job ended with 0"

# The folder that a killed daemon left is swept away by the next that makes one; those of living ones stay.
mkdir tmp
export TMPDIR=$work/tmp
echo data >shipped
folders() { find tmp -maxdepth 1 -name 'clowder-job-*' | wc -l; }
clowder up -n 1 >/dev/null
clowder map --retries 0 --ship shipped -- sh -c 'kill -9 $PPID' ::: a >/dev/null 2>err || true
[ "$(folders)" = 1 ] || fail "a killed daemon left $(folders) folders"
clowder up -n 2 >/dev/null
clowder map --ship shipped -- sh -c 'touch lives; until test -e ../../go-on; do sleep 0.02; done; cat shipped' ::: a >out 2>err &
map=$!
wait_until eval 'ls tmp/*/lives >/dev/null 2>&1'
touch -d '2 minutes ago' tmp/clowder-job-*
expect 0 clowder map -n 1 --ship shipped -- sh -c 'cat shipped' ::: a # a daemon of its own, and so a new one
prints data
[ "$(folders)" = 1 ] || fail "$(folders) folders are left, not the one that is in use: $(ls -d tmp/*)"
touch go-on
wait "$map" || fail "a job whose folder was old: exit status $?, $(cat err)"
[ "$(cat out)" = data ] || fail "its file was swept away"
wait_until eval '[ "$(folders)" = 0 ]'

# An engine that has just died may hold its lock for a moment: who finds nobody starts one as soon as that is gone.
clowder engine stop --now >/dev/null
python3 - "$XDG_DATA_HOME/clowder/engine.lock" <<'EOF' &
import fcntl, sys, time
with open(sys.argv[1], "r+") as f:
    fcntl.lockf(f, fcntl.LOCK_EX)
    open("held", "w").close()
    time.sleep(0.7)
EOF
holder=$!
wait_until test -e held
expect 0 clowder up -n 1
wait "$holder"

# A client that is stopped, with more results on their way to it than are kept for it: daemons that have the others are not read,
# and it is said; one that dies is missed all the same, nothing is lost, and it holds up neither down --now nor the engine's end.
cd "$work" || exit
seq 40 >forty
unread() { status_of default '[.daemon_list[] | select(.reason | test("does not read")) | .pid][0] // empty'; }
some_unread() { [ -n "$(unread)" ]; }
stopped_map() { # $map
  clowder up -n 6 >/dev/null
  clowder map --max-output 16M -a forty -- sh -c 'head -c 15000000 /dev/zero' >much 2>err &
  map=$!
  wait_until test -s much
  kill -STOP "$map"
  wait_until some_unread
}
stopped_map
clowder map -- echo ::: someone >other 2>other.err & # waits when all have results for the one that is stopped
other=$!
expect 0 clowder job list --json
jq -e '.jobs | any(.reason == "its client does not read its results")' out >/dev/null || fail "it is not said: $(cat out)"
victim=$(unread)
kill -9 "$victim"
replaced() { status_of default '[.daemon_list[].pid] | join(" ")' | grep -vw "$victim"; }
wait_until replaced
kill -CONT "$map"
wait "$map" || fail "a map whose client had been stopped: $?, $(cat err)"
wait "$other" || fail "another client's map: $?, $(cat other.err)"
[ "$(stat -c %s much)" -eq 600000000 ] || fail "it has $(stat -c %s much) bytes"
for how in 'down --now' 'engine stop --now'; do
  rm much
  stopped_map
  pid=$(engine_pid)
  # shellcheck disable=SC2086
  expect 0 timeout 20 clowder $how
  [ "$how" = 'down --now' ] || wait_until gone "$pid"
  kill -9 "$map"
  wait "$map" 2>/dev/null || true
done
rm much
