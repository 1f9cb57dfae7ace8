#!/usr/bin/env bash
# durable.sh CASE: detached jobs. What map prints and what collect prints are compared byte for byte; engines, daemons and
# clients are killed; tasks count by side effects how often they ran.
# shellcheck disable=SC2016,SC2317
case ${1:?a case} in
full)
  # A file system of our own, in a mount namespace of our own.
  if [ -z "${IN_NAMESPACE:-}" ]; then
    unshare -m true 2>/dev/null || { echo "SKIP: mounts are not allowed here"; exit 77; }
    exec env IN_NAMESPACE=1 unshare -m bash "$0" "$@"
  fi
  ;;
esac
. "$(dirname "$0")/lib.sh"

state_of() { clowder job show "$1" --json 2>/dev/null | jq -r .state; }
job_is() { [ "$(state_of "$1")" = "$2" ]; }
waits_for() { clowder job show "$1" --json | jq -r .reason | grep -qE -- "$2"; }
lines() { wc -l <"$1"; }
# Results of the job that are in the store, from its first task on; no engine is needed or started for that.
recorded() {
  clowder job collect "$1" --no-wait >recorded 2>recorded.err || true
  lines recorded
}
recorded_at_least() { [ "$(recorded "$1")" -ge "$2" ]; }
gone() { ! kill -0 "$1" 2>/dev/null; }
engine_runs() { kill -0 "$(engine_pid)"; }
kill_engine() {
  local pid
  wait_until engine_runs # one that was killed may have been replaced just now
  pid=$(engine_pid)
  kill -9 "$pid"
  wait_until gone "$pid"
}
# pair OPTIONS... -- COMMAND...: the same inputs (file in) by map and by submit and collect.
pair() {
  local want=0 got=0 job
  clowder map "$@" <in >want 2>want.err || want=$?
  job=$(clowder submit "$@" <in)
  clowder job collect "$job" >got 2>got.err || got=$?
  [ "$got" -eq "$want" ] || fail "collect ended with $got, map with $want: $*: $(cat got.err)"
  same got want
  same got.err want.err
  last=$job
}

case_same() {
  clowder up -n 2 >/dev/null
  seq 300 >in
  pair -- sh -c 'echo "{}: $CLOWDER_TASK"'
  pair -- sh -c 'head -c {} /dev/urandom >/dev/null; printf "\\000\\377\\n\\001{}"' # binary, without a newline at the end
  pair -- true                                                       # nothing
  seq 5 >in
  pair -- sh -c 'head -c 1048576 /dev/zero | tr "\\000" "x"; echo {}' # large
  pair --stdin -- cat
  pair -- sh -c 'echo out {}; echo err {} >&2; test $(({} % 2)) = 0 || exit {}'
  [ "$(lines got)" -eq 5 ] || fail "output of failed tasks is missing"
  expect 1 clowder job wait "$last"
  expect 0 clowder job show "$last" --json
  jq -e '.state == "failed" and .done == 2 and .failed == 3 and .detached and [.failures[].index] == [1, 3, 5]
    and .failures[1].status == "exit 3" and .failures[1].input == "3" and .failures[1].stderr == "err 3\n"' out >/dev/null ||
    fail "job show: $(cat out)"
  pair --timeout 1s -- sh -c 'test {} != 3 || sleep 20.77; echo {}'
  printf 'a b\0c\nd\0\0e' >in
  pair -0 -- sh -c 'printf "%s|" "$1"' x
  : >in
  pair -- echo
  seq 200000 >in
  pair -w -- cat
  sed 's/.*/& word & word/' in | head -30000 >in2 && mv in2 in
  pair -w -- sed -u 's/word/WORD/'
  head -2000 in >in2 && mv in2 in
  pair -W -- "$CLOWDER_TEST_WORKER" "$work/starts"
  pair --seed 7 -w -- sh -c 'while read -r x; do echo "$x"; done'

  # Files that tasks leave come with collect; shipped ones are kept in the store.
  seq 3 >in
  echo "echo \$1 >result-\$1" >tool.sh
  job=$(clowder submit --ship tool.sh --fetch 'result-{}' -- sh tool.sh {} <in)
  rm tool.sh
  mkdir here
  (cd here && expect 0 clowder job collect "$job")
  [ "$(cat here/result-2)" = 2 ] || fail "fetched files: $(ls here)"

  # Daemons of its own: they come and go with it.
  job=$(seq 4 | clowder submit -n 1 -- sh -c 'touch runs; until test -e go; do sleep 0.02; done; echo "$1"' sh)
  wait_until test -e runs
  expect 5 clowder down "job-$job"
  says "'job-$job' goes when job $job ends; end that with 'clowder job cancel'"
  other=$(clowder submit -n 1 -- sh -c 'touch other-runs; exec sleep 305.771' ::: 1)
  wait_until test -e other-runs
  engine=$(engine_pid)
  expect 0 clowder job cancel "$other"
  wait_until none_running '^sleep 305.771'
  other_gone() { [ "$(clowder status --json | jq '[.profiles[] | select(.name == "job-'"$other"'")] | length')" = 0 ]; }
  wait_until other_gone
  [ "$(engine_pid)" = "$engine" ] && kill -0 "$engine" || fail "the engine ended with the job"
  touch go
  expect 0 clowder job collect "$job"
  prints "$(seq 4)"
  own_gone() { [ "$(clowder status --json | jq '[.profiles[] | select(.name == "job-'"$job"'")] | length')" = 0 ]; }
  wait_until own_gone

  # JSON, tags and a job log, as map makes them.
  printf 'x\ny\n' >in
  job=$(clowder submit --json --name pair -- sh -c 'echo {}; test {} = x' <in | jq .job)
  expect 1 clowder job collect "$job" --json
  jq -s -e '[.[] | [.index, .input, .status, .exit, .stdout, .host]] ==
    [[1, "x", "done", 0, "x\n", "local"], [2, "y", "failed", 1, "y\n", "local"]]' out >/dev/null || fail "json: $(cat out)"
  expect 1 clowder job collect "$job" --tag --joblog log
  prints "$(printf 'x\tx\ny\ty')"
  [ "$(cut -f1,2,5,6,7,8 log | tail -n 2)" = "$(printf '1\t:\t1\t2\t0\t0\n2\t:\t1\t2\t1\t0')" ] || fail "job log: $(cat log)"

  # A worker that breaks its contract leaves results in doubt.
  job=$(seq 10 | clowder submit -w -- sh -c 'while read -r x; do echo $x; done; echo more')
  expect 1 clowder job wait "$job"
  says 'failed: .*answered more lines than it was given'
  expect 1 clowder job collect "$job"
  same out <(seq 10)
  says 'answered more lines than it was given'

  # --stop, and what is not a detached job.
  job=$(seq 500 | clowder submit --stop -- sh -c 'sleep 0.01; test {} != 3')
  expect 1 clowder job wait "$job"
  expect 0 clowder job show "$job" --json
  jq -e '.state == "failed" and .failed >= 1 and .cancelled > 0 and (.reason | test("first failure"))' out >/dev/null ||
    fail "--stop: $(cat out)"
  seq 2 | clowder map -- echo >/dev/null
  wait_until clowder job show $((job + 1)) # it is in the store
  expect 5 clowder job collect $((job + 1))
  says 'was not detached'
  expect 0 clowder job wait $((job + 1))
  expect 4 clowder job collect 4711
  expect 4 clowder job wait 4711
  expect 2 clowder job collect
  expect 4 clowder submit -p nothere -- echo ::: 1
  one_line
  printf 'a\nb\0' >in
  expect 2 clowder submit -0 -w -a in -- cat
  says 'newline'
  expect 4 clowder submit -a nothere -- echo
  expect 0 clowder submit --dry-run -- echo {} ::: 'a b'
  prints "echo 'a b'"
}

case_life() {
  # Nobody is up: it waits and says why; the client is gone at once; collecting is possible as often as wanted.
  job=$(seq 20 | clowder submit -- sh -c 'until test -e go; do sleep 0.02; done; echo {}')
  wait_until waits_for "$job" 'no daemons up'
  expect 0 clowder job list
  grep -q 'no daemons up' out || fail "job list does not say why: $(cat out)"
  expect 0 clowder status
  grep -q "job $job waits: .*no daemons up" out || fail "status does not say why: $(cat out)"
  expect 6 clowder job wait "$job" --timeout 0.1s
  expect 6 clowder job collect "$job" --no-wait
  says '0 of 20 results'
  clowder up -n 2 >/dev/null
  wait_until job_is "$job" running
  expect 5 clowder job remove "$job"
  says 'not finished'
  expect 5 clowder job retry "$job"
  clowder job collect "$job" >follows &
  follower=$!
  clowder job wait "$job" &
  waiter=$!
  touch go
  wait "$waiter" || fail "wait ended with $?"
  wait "$follower" || fail "collect ended with $?"
  same follows <(seq 20)
  expect 0 clowder job collect "$job"
  same out <(seq 20)
  expect 0 clowder job collect "$job" --remove
  same out <(seq 20)
  expect 4 clowder job show "$job"

  # While its inputs are still being read nobody runs it: that is said, and waited for.
  mkfifo feed
  clowder submit -a feed -- echo >number &
  local reader=$!
  exec 7>feed
  echo 1 >&7
  reading() { job=$(clowder job list --json | jq '[.jobs[].id] | max') && clowder job show "$job" | grep -q 'still being read'; }
  wait_until reading
  expect 6 clowder job wait "$job" --timeout 0.3s
  says "job $job: its inputs are still being read; waiting"
  says "job $job is not finished: its inputs are still being read"
  clowder job wait "$job" 2>told 7>&- &
  waiter=$!
  wait_until grep -q 'still being read; waiting' told
  exec 7>&-
  wait "$reader" || fail "submit ended with $?"
  wait "$waiter" || fail "wait ended with $?: $(cat told)"
  [ "$(cat number)" = "$job" ] || fail "another number: $(cat number)"
  expect 0 clowder job collect "$job" --remove

  # Who cannot read the number hears of the job nevertheless.
  expect 1 sh -c 'clowder submit -- echo ::: 1 >/dev/full'
  says 'cannot write to stdout: No space left on device; job [0-9]+ is submitted nevertheless$'
  one_line
  job=$(sed 's/.*job \([0-9]*\) is.*/\1/' err)
  expect 0 clowder job wait "$job"
  expect 0 clowder job collect "$job" --remove
  prints 1

  # Removing asks only for what nobody has collected.
  job=$(clowder submit -- echo ::: 1)
  expect 0 clowder job wait "$job"
  expect 5 clowder job remove "$job" </dev/null
  says 'not collected'
  expect 0 clowder job remove --yes "$job"
  expect 4 clowder job collect "$job"
  for _ in 1 2 3; do clowder submit -- echo ::: 1 >>ids; done
  # shellcheck disable=SC2046
  expect 0 clowder job wait $(cat ids)
  expect 0 clowder job prune --keep 1 --yes
  prints '2 jobs removed'

  # What had ended when a job was cancelled stays.
  job=$(clowder submit -- sh -c 'echo {}; touch ended-{}; test {} = 1 || until test -e never; do sleep 0.02; done' ::: 1 2 3)
  wait_until test -e ended-3 # on two daemons: after the first has ended
  has_ended() { [ "$(clowder job show --json "$job" | jq .done)" = 1 ]; }
  wait_until has_ended
  expect 0 clowder job cancel "$job"
  jq -e '.state == "cancelled" and .done == 1 and .cancelled == 2' <(clowder job show --json "$job") >/dev/null ||
    fail "lost: $(clowder job show "$job")"
  expect 1 clowder job collect "$job"
  prints 1

  # A deadline counts from when the job begins to run, and anew when it is put back.
  job=$(clowder submit --deadline 2 -- sh -c 'test -e in-time || sleep 100; echo {}' ::: 1 2)
  expect 1 clowder job wait "$job"
  touch in-time
  expect 0 clowder job retry "$job"
  expect 0 clowder job collect "$job"
  prints '1
2'
  clowder down --all >/dev/null
  job=$(clowder submit --deadline 2 -- echo ::: 1 2)
  sleep 2.5
  clowder up -n 2 >/dev/null
  expect 0 clowder job collect "$job"

  # Daemons of its own are what was asked for, also when a profile of the same name is stored.
  next=$(($(clowder submit -- echo ::: 1) + 1))
  clowder profile set "job-$next" -n 1 --env MINE=1
  job=$(clowder submit -n 1 -- sh -c 'echo "x$MINE"' ::: 1)
  [ "$job" = "$next" ] || fail "number $job"
  expect 0 clowder job collect "$job"
  prints x

  # Where the tasks would run is gone.
  mkdir folder
  (cd folder && rmdir ../folder && expect 4 clowder submit -- touch made ::: 1 2>/dev/null) || fail "it was taken"
  [ ! -e /made ] || fail "a task ran in /"

  # Room goes back to the disk.
  size() { stat -c %s "$XDG_DATA_HOME/clowder/clowder.db"; }
  head -c 30000000 /dev/urandom | base64 >in
  job=$(clowder submit -w -a in -- cat)
  expect 0 clowder job wait "$job"
  expect 0 clowder job collect "$job"
  same out in
  clowder engine stop >/dev/null
  [ "$(size)" -gt 40000000 ] || fail "where are the results? $(size)"
  expect 0 clowder job remove "$job"
  [ "$(size)" -lt 4000000 ] || fail "no room is given back: $(size)"

  # Cancelled: queued and running tasks end, what is recorded stays; retry runs the rest.
  rm -f go
  clowder up -n 2 >/dev/null
  job=$(seq 6 | clowder submit -- sh -c 'test {} -le 2 && echo {} && exit; touch began-{}; test -e go && echo {} || sleep 318.77123')
  wait_until recorded_at_least "$job" 2
  is_running() { [ "$(running "$1")" -gt 0 ]; }
  wait_until is_running "^sleep 318.77123"
  expect 0 clowder job cancel "$job"
  wait_until none_running '^sleep 318.77123'
  expect 1 clowder job wait "$job"
  says 'cancelled'
  expect 1 clowder job collect "$job"
  same out <(seq 2)
  says '4 of 6 tasks failed'
  expect 5 clowder job cancel "$job"
  touch go
  expect 0 clowder job retry "$job"
  prints "job $job: 4 tasks will run again"
  expect 0 clowder job collect "$job"
  same out <(seq 6)
  expect 0 clowder job retry "$job"
  says 'nothing to do'
  # … also without an engine.
  clowder engine stop >/dev/null
  job=$(clowder submit -- echo ::: 1)
  wait_until waits_for "$job" 'no daemons up'
  clowder engine stop >/dev/null
  expect 0 clowder job cancel "$job"
  job_is "$job" cancelled || fail "cancelled without an engine: $(state_of "$job")"

  # Failed tasks run again, the others do not.
  clowder up -n 2 >/dev/null
  rm -f go
  job=$(seq 50 | clowder submit -- sh -c 'echo {} >>ran; test $(({} % 7)) != 0 || test -e go || exit 9; echo {}')
  expect 1 clowder job collect "$job"
  [ "$(lines out)" -eq 43 ] || fail "$(lines out) results"
  touch go
  expect 0 clowder job retry "$job"
  expect 0 clowder job collect "$job"
  same out <(seq 50)
  [ "$(lines ran)" -eq 57 ] || fail "$(lines ran) runs instead of 57"

  # A submitter that dies has submitted nothing.
  mkfifo slow
  clowder submit -a slow -- echo >id 2>err &
  submitter=$!
  exec 8>slow
  seq 100000 >&8
  kept() { [ "$(clowder job list --json | jq '[.jobs[] | select(.reason == "its inputs are still being read" and .total > 0)] | length')" = 1 ]; }
  wait_until kept
  count=$(clowder job list --json -n 1000 | jq '.jobs | length')
  kill -9 "$submitter"
  exec 8>&-
  wait "$submitter" 2>/dev/null || true
  [ ! -s id ] || fail "a number was given out: $(cat id)"
  job=$(clowder submit -- echo ::: 1) # whatever makes the engine look
  expect 0 clowder job wait "$job"
  is_gone() { [ "$(clowder job list --json -n 1000 | jq '.jobs | length')" -eq "$count" ]; }
  wait_until is_gone

  # Nobody but the user reads it.
  [ "$(stat -c %a "$XDG_DATA_HOME"/clowder/clowder.db* | sort -u)" = 600 ] || fail "rights: $(ls -l "$XDG_DATA_HOME/clowder")"
}

# As another process would that is in the middle of writing.
lock_store() {
  mkfifo locked unlock
  python3 - "$XDG_DATA_HOME/clowder/clowder.db" <<'PYTHON' &
import sqlite3, sys
store = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
store.execute("BEGIN IMMEDIATE")
open("locked", "w").write("x")
open("unlock").read()
store.execute("ROLLBACK")
PYTHON
  locker=$!
  read -r -n 1 <locked
}
unlock_store() {
  : >unlock
  wait "$locker"
  rm locked unlock
}

case_number() {
  # The engine that gave a submitter its number dies before the submitter can write it down (the store is locked), and the
  # next one gives it to another job.
  clowder up -n 2 >/dev/null
  needs nngcat:nng-utils
  given() { nngcat --req --dial "ipc://$XDG_RUNTIME_DIR/clowder/engine.sock" --ascii --data '{"op":"reserve"}' | jq .job; }
  lock_store
  number=$(given)
  clowder submit -- echo ::: detached >id 2>err &
  submitter=$!
  is_skipped() { sleep 0.1 && before=$number && number=$(given) && [ "$number" -gt $((before + 1)) ]; }
  wait_until is_skipped
  number=$((before + 1)) # the submitter's
  kill_engine
  clowder engine start
  is_next() { [ "$(given)" -eq $((number - 1)) ]; }
  [ "$number" -eq 1 ] || wait_until is_next
  clowder map -- sh -c 'touch began; until test -e end; do sleep 0.02; done; echo ordinary' ::: 1 >ordinary &
  mapper=$!
  wait_until test -e began
  grep -q "job open job=$number " "$engine_log" || fail "the ordinary job has not number $number"
  kill -0 $submitter || fail "the submitter did not wait: $(cat err)"
  # The submitter writes first; the engine goes on when that is in the store.
  engine=$(engine_pid)
  kill -STOP "$engine"
  unlock_store
  is_written() {
    python3 - "$XDG_DATA_HOME/clowder/clowder.db" "$number" <<'PYTHON'
import sqlite3, sys
store = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
sys.exit(not store.execute("SELECT 1 FROM job WHERE id = ?", sys.argv[2:]).fetchone())
PYTHON
  }
  wait_until is_written
  kill -CONT "$engine"
  wait $submitter || fail "submit ended with $?: $(cat err)"
  [ "$(cat id)" -gt "$number" ] || fail "two jobs have number $number"
  touch end
  wait $mapper || fail "the map ended with $?"
  same ordinary <(echo ordinary)
  expect 0 clowder job collect "$(cat id)"
  prints detached
}

case_locked() {
  # An engine that cannot read which jobs there are looks again by itself.
  clowder up -n 2 >/dev/null
  job=$(clowder submit -- sh -c 'until test -e go; do sleep 0.02; done; echo {}' ::: 1 2)
  wait_until grep -q "job open job=$job" "$engine_log"
  clowder engine stop --now
  store=$XDG_DATA_HOME/clowder/clowder.db
  mv "$store" "$store.away"
  mkdir "$store"
  clowder engine start
  wait_until grep -q 'detached jobs cannot be looked for' "$engine_log"
  expect 0 clowder status
  grep -q "! no store, so nothing is kept.* is not a regular file; move it away" out || fail "status: $(cat out)"
  rmdir "$store"
  mv "$store.away" "$store"
  taken_over() { [ "$(grep -c "job kept job=$job" "$engine_log")" -eq 2 ]; }
  wait_until taken_over
  touch go
  clowder up -n 2 >/dev/null
  wait_until job_is "$job" "done"
  # A job that is put back before its cancellation could be written runs on.
  job=$(seq 100 | clowder submit -- sh -c 'until test -e on-$((({} + 9) / 10)); do sleep 0.02; done; echo {}')
  touch on-1
  wait_until recorded_at_least "$job" 10
  lock_store
  touch on-2
  wait_until grep -q 'results cannot be written' "$engine_log"
  unlock_store
  expect 0 clowder job cancel "$job"
  expect 0 clowder job retry "$job"
  for i in $(seq 3 10); do touch "on-$i"; done
  wait_until job_is "$job" "done"
  expect 0 clowder job collect "$job"
  same out <(seq 100)
}

case_back() {
  # Many chunks are complete: they are passed over in a loop, not in one call within the other.
  seq 700000 >in
  (ulimit -s 256 && clowder up -n 1) >/dev/null
  job=$(clowder submit -a in -w -- sh -c 'while read -r x; do test $x != 700000 || until test -e go; do sleep 0.02; done; echo y$x; done')
  wait_until recorded_at_least "$job" 690000
  kill_engine
  touch go
  (ulimit -s 256 && clowder engine start)
  engine=$(engine_pid)
  expect 0 clowder job collect "$job"
  [ "$(engine_pid)" = "$engine" ] || fail "the engine died"
  same out <(sed s/^/y/ in)
  clowder engine stop

  # The engine's own connection, by which it gives the job to its daemons, breaks while results are not written.
  [ "$(id -u)" -eq 0 ] || { echo "not looked at without root: a connection that breaks"; return; }
  clowder up -n 2 >/dev/null
  # Tasks behind a cut wait for it, so that the job is not over before.
  job=$(seq 200 | clowder submit -- sh -c 'echo {} >>ran
    for part in 20 60 100; do test {} -le $part || until test -e cut-$part; do sleep 0.02; done; done; echo {}')
  for part in 20 60 100; do
    ran_so_many() { [ "$(lines ran)" -ge "$part" ]; }
    wait_until ran_so_many
    python3 - "$(engine_pid)" <<'PYTHON' || fail "no connection to cut after $part tasks"
import ctypes, os, socket, struct, sys
pid = int(sys.argv[1])
syscall = ctypes.CDLL(None, use_errno=True).syscall
process, cut = syscall(434, pid, 0), 0  # pidfd_open
for fd in os.listdir(f"/proc/{pid}/fd"):
    copy = syscall(438, process, int(fd), 0)  # pidfd_getfd
    if copy < 0 or not os.readlink(f"/proc/self/fd/{copy}").startswith("socket:"):
        continue
    s = socket.socket(fileno=copy)
    if s.family == socket.AF_UNIX and s.type == socket.SOCK_STREAM and not s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        peer = struct.unpack("3i", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        if peer == pid:
            s.shutdown(socket.SHUT_RDWR)
            cut += 1
sys.exit(cut == 0)
PYTHON
    touch cut-$part
  done
  expect 0 clowder job collect "$job"
  same out <(seq 200)
  [ "$(lines ran)" -gt 200 ] || fail "no connection was cut"
}

case_killed() {
  # The engine is killed again and again. Tasks write down that they ran: none whose result was in the store does again.
  clowder up -n 2 >/dev/null
  tasks=600
  seq $tasks >in
  job=$(clowder submit -a in -- sh -c 'echo {} >>ran; sleep 0.01; echo y{}')
  for part in 60 180 300; do
    wait_until recorded_at_least "$job" $part
    kill_engine
    recorded "$job" >/dev/null
    sed s/y// recorded >before
    ran=$(lines ran)
    clowder engine start
    wait_until recorded_at_least "$job" $((part + 20))
    tail -n +$((ran + 1)) ran | sort >after
    both=$(comm -12 <(sort before) after)
    [ -z "$both" ] || fail "ran again though their results were in the store: $both"
  done
  kill -9 "$(status_of default '.daemon_list[].pid' | head -1)"
  expect 0 clowder job collect "$job"
  same out <(sed s/^/y/ in)
  [ "$(lines ran)" -lt $((tasks + 400)) ] || fail "$(lines ran) runs of $tasks tasks"

  # The same with a worker, and with what is collected while it goes on.
  seq 400000 >in
  # shellcheck disable=SC2016
  job=$(clowder submit -a in -w -- sh -c 'while read -r x; do case $x in 100000 | 250000) until test -e "gate-$x"; do sleep 0.02; done ;; esac; echo y$x; done')
  clowder job collect "$job" >follows 2>follows.err &
  follower=$!
  for part in 20000 100000; do
    reached() { [ "$(lines follows)" -ge "$part" ]; }
    wait_until reached
    kill_engine
    touch "gate-$([ $part = 20000 ] && echo 100000 || echo 250000)"
  done
  wait "$follower" || fail "collect ended with $?: $(cat follows.err)"
  same follows <(sed s/^/y/ in)

  # Stopping the engine keeps what its daemons have finished; daemons come back when somebody wants them.
  rm -f ran
  job=$(seq 40 | clowder submit -- sh -c 'echo {} >>ran; until test -e "go-$((({} + 3) / 4))"; do sleep 0.02; done; echo {}')
  wait_until test -s ran
  touch go-1 go-2
  wait_until recorded_at_least "$job" 8
  clowder engine stop >stopped &
  stopper=$!
  wait_until grep -q 'stopping now=0' "$engine_log"
  for i in $(seq 3 10); do touch "go-$i"; done
  wait "$stopper" || fail "engine stop ended with $?"
  recorded "$job" >/dev/null
  ran=$(lines ran)
  [ "$(lines recorded)" -eq "$ran" ] || fail "$ran tasks ran, $(lines recorded) are recorded"
  clowder up -n 2 >/dev/null
  expect 0 clowder job collect "$job"
  same out <(seq 40)
  [ "$(lines ran)" -eq 40 ] || fail "$(lines ran) runs of 40 tasks"

  # Down in the middle: it waits, and goes on.
  job=$(seq 200 | clowder submit -- sh -c 'test {} -le 20 || until test -e rest; do sleep 0.02; done; echo {}')
  wait_until recorded_at_least "$job" 10
  clowder down --now >/dev/null
  wait_until waits_for "$job" 'no daemons'
  touch rest
  clowder up -n 2 >/dev/null
  expect 0 clowder job collect "$job"
  same out <(seq 200)
}

case_many() {
  # More jobs than are run at once, on one profile and on several; each gets its own results.
  clowder up -n 2 >/dev/null
  clowder up other -n 1 >/dev/null
  jobs=${JOBS:-260}
  for i in $(seq "$jobs"); do
    profile=default
    [ $((i % 10)) != 0 ] || profile=other
    seq "$i" $((i + 2)) | clowder submit -p $profile -w -- cat >>ids
  done
  # shellcheck disable=SC2046
  expect 0 clowder job wait $(cat ids)
  i=0
  while read -r job; do
    i=$((i + 1))
    expect 0 clowder job collect "$job"
    prints "$(seq "$i" $((i + 2)))"
  done <ids
  # A long job does not keep a short one waiting, and does not grow the engine.
  { yes 0123456789abcdef || true; } | head -n 4000000 >in
  before=$(clowder status --json | jq .engine.rss_bytes)
  long=$(clowder submit -w -a in -- cat)
  short=$(clowder submit -- echo ::: short)
  expect 0 clowder job collect "$short"
  expect 0 clowder job wait "$long"
  peak=$(clowder status --json | jq .engine.rss_peak_bytes)
  ldd "$bin/clowder" | grep -E 'asan|tsan' >ldd.out || [ $((peak - before)) -lt 100000000 ] || fail "the engine grew by $((peak - before)) bytes"
  clowder job collect "$long" | cmp - in || fail "the long job's results"
}

case_full() {
  mkdir -p "$XDG_DATA_HOME/clowder"
  mount -t tmpfs -o size=3m none "$XDG_DATA_HOME/clowder" || { echo "SKIP: no tmpfs here"; exit 77; }
  trap 'status=$?; set +e; timeout 20 clowder engine stop --now >/dev/null 2>&1; umount -l "$XDG_DATA_HOME/clowder"; umount -l small 2>/dev/null; (exit $status); finish' EXIT
  room() { mount -o "remount,size=$1" "$XDG_DATA_HOME/clowder"; }
  clowder up -n 2 >/dev/null
  seq 80 >in
  # shellcheck disable=SC2016
  big='echo $1 >>ran; head -c 100000 /dev/zero | tr "\000" x; echo $1'
  clowder map -a in -- sh -c "$big" x {} >want
  rm ran
  job=$(clowder submit -a in -- sh -c "$big" x {})
  wait_until waits_for "$job" 'no room on the disk where the store lives'
  expect 0 clowder job list
  grep -q 'no room on the disk' out || fail "job list: $(cat out)"
  expect 0 clowder status
  grep -q "job $job waits: no room on the disk" out || fail "status: $(cat out)"
  grep -q 'results cannot be written why="no room on the disk' "$engine_log" || fail "nothing in the log"
  job_is "$job" running || fail "state: $(state_of "$job")"

  # Killed in this state it comes to the same one again, and loses only what was not written.
  kill_engine
  clowder engine start
  wait_until waits_for "$job" 'no room on the disk where the store lives'

  # A job log that finds no room is said to be incomplete.
  mkdir small
  mount -t tmpfs -o size=4k none small
  seq 300 >many
  expect 1 clowder map -a many --joblog small/log -- true
  umount small
  says 'cannot write the job log: No space left on device'
  one_line

  # Nothing more can be submitted, and that is said.
  head -c 4000000 /dev/zero | tr '\0' x >large
  expect 1 clowder submit -a large -- true
  says 'no room on the disk where the store lives'

  # With room it goes on by itself.
  room 40m
  expect 0 clowder job collect "$job"
  same out want
  wait_until job_is "$job" 'done'
  clowder job list --json | jq -e '[.jobs[] | select(.state == "queued" or .state == "running")] == []' >/dev/null ||
    fail "something is left: $(clowder job list)"
}

case_joblog() {
  # A map is killed; --resume runs what is missing, also after a torn line, and --resume-failed what failed.
  clowder up -n 2 >/dev/null
  seq 200 >in
  clowder map -a in --joblog log -- sh -c 'echo {} >>ran; sleep 0.01; echo y{}' >out1 2>/dev/null &
  map=$!
  some() { [ "$(lines log)" -ge 40 ]; }
  wait_until some
  kill -9 "$map" || fail "the map was over"
  wait "$map" 2>/dev/null || true
  [ "$(head -1 log)" = "$(printf 'Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand')" ] || fail "$(head -1 log)"
  awk -F'\t' 'NR > 1 && (NF != 9 || $2 != ":" || $3 !~ /^[0-9]+\.[0-9]+$/ || $7 != 0 || $8 != 0) { exit 1 }' log ||
    fail "the job log: $(cat log)"
  tail -n +2 log | cut -f1 | sed s/^/y/ >logged
  same <(head -n "$(lines logged)" out1) logged # what is in the log was printed
  printf '199\t:\t17' >>log
  idle() { [ "$(status_of default .tasks.executing)" = 0 ]; }
  wait_until idle
  rm ran
  expect 0 clowder map -a in --joblog log --resume -- sh -c 'echo {} >>ran; echo y{}'
  sort -n logged out | sed s/y// | sort -n >all
  same all in
  [ "$(lines ran)" -eq $((200 - $(lines logged))) ] || fail "$(lines ran) tasks ran"
  [ "$(tail -n +2 log | cut -f1 | sort -n | uniq | wc -l)" -eq 200 ] || fail "the log has $(lines log) lines"
  expect 1 clowder map -a in --joblog log2 -- sh -c 'test $(({} % 50)) != 0 || test -e fixed || exit 3'
  expect 0 clowder map -a in --joblog log2 --resume -- echo {}
  prints ''
  touch fixed
  expect 0 clowder map -a in --joblog log2 --resume-failed -- sh -c 'test $(({} % 50)) != 0 || test -e fixed || exit 3; echo {}'
  prints "$(printf '50\n100\n150\n200')"
  expect 0 clowder map -a in --joblog log2 --resume-failed -- echo
  prints ''
  expect 2 clowder map -a in --resume-failed -- echo

  # What is not out is not in the log; what could not be done is no success there.
  seq 5 >five
  expect 1 sh -c 'clowder map -a five --joblog log3 -- echo >/dev/full'
  says 'cannot write to stdout: No space left on device'
  one_line
  expect 0 clowder map -a five --joblog log3 --resume -- echo
  same out five
  seq 2000 >many
  expect 1 sh -c 'clowder map -a many -- sh -c "echo {} >>began; head -c 5000 /dev/zero" >/dev/full'
  [ "$(lines began)" -lt 1000 ] || fail "all tasks ran though nobody could see it"
  expect 1 clowder map -a five --joblog log4 -w -- true
  says 'tasks failed'
  failed=$(tail -n +2 log4 | awk '$7 != 0' | wc -l)
  [ "$failed" -gt 0 ] || fail "tasks that failed stand as done: $(cat log4)"
  expect 0 clowder map -a five --joblog log4 --resume-failed -- echo
  [ "$(lines out)" -eq "$failed" ] || fail "$(lines out) ran again of $failed"
  mkdir result-2
  expect 1 clowder map -a five --joblog log5 --fetch 'result-{}' -- sh -c 'echo x >result-{}'
  says 'cannot save the fetched file result-2: Is a directory'
  rmdir result-2
  expect 0 clowder map -a five --joblog log5 --resume-failed --fetch 'result-{}' -- sh -c 'echo {}; echo x >result-{}'
  prints 2
  [ -f result-2 ] || fail "not fetched"
  rm result-2
  mkdir result-2
  job=$(clowder submit -a five --fetch 'result-{}' -- sh -c 'echo x >result-{}')
  expect 1 clowder job collect --remove "$job"
  says "counts as not collected"
  rmdir result-2
  expect 0 clowder job collect --remove "$job"
  [ -f result-2 ] || fail "not fetched from the store"

  # What a crash left behind the last task of the log is not taken for a result: a resume refuses, and says how to go on.
  clowder map -a five --joblog log6 -o results -- sh -c 'echo {}'
  cp results whole
  sed -i '$d' log6 # as if it had died between the two
  expect 2 clowder map -a five --joblog log6 --resume -o results -- sh -c 'echo {}'
  says 'results has 2 bytes more than the job log accounts for'
  one_line
  sh -c "$(sed -n 's/.*cut it too: //p' err)"
  printf torn >>results
  expect 2 clowder map -a five --joblog log6 --resume -o results -- sh -c 'echo {}'
  sh -c "$(sed -n 's/.*cut it too: //p' err)"
  expect 0 clowder map -a five --joblog log6 --resume -o results -- sh -c 'echo {}'
  cmp results whole
  clowder map -a five --tag --joblog log7 -o tagged -- sh -c 'echo {}; test {} != 3' && fail "one was to fail"
  expect 0 clowder map -a five --tag --joblog log7 --resume-failed -o tagged -- sh -c 'echo {}'
  [ "$(awk -F'\t' 'NR > 1 { n += $6 } END { print n }' log7)" = "$(wc -c <tagged)" ] || fail "the log counts other bytes: $(cat log7)"

  # One file is not two things.
  cp five in.txt
  expect 2 clowder map -a in.txt -o ./in.txt --force -- echo
  says 'the results would replace their own inputs'
  cmp five in.txt
  expect 2 clowder map -a five --joblog same -o same --force -- echo
  says 'are one file'
  [ ! -e same ] || fail "a refused map made its log"

  # Another file than a log stays what it is.
  head -c 3000 /dev/urandom | base64 -w 0 >notes
  cp notes before
  expect 2 clowder map -a five --joblog notes --resume -- echo
  one_line
  same notes before
  expect 1 clowder map -a five --joblog /dev/full -- echo
  one_line
}

"case_$1"
