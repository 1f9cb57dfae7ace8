#!/usr/bin/env bash
# Good neighbours: limits that are in force and said, and daemons that pause for the owner of their machine and go on by
# themselves; no task is lost or doubled by that.
#   neighbour.sh CASE...
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts_lib.sh"

state_is() { [ "$(status_of "$1" "$2")" = "$3" ]; } # PROFILE JQ-FILTER VALUE
hour() { date -d "$1" +%H:%M; }
# A window of the day that ended an hour ago, and one that is open for an hour still.
closed="$(hour '2 hours ago')-$(hour '1 hour ago')"
open="$(hour '1 hour ago')-$(hour '1 hour')"
each_once() { # FILE N: 1 to N, each once
  sort -n "$1" | cmp - <(seq "$2") || fail "not each once: $(sort -n "$1" | uniq -d | head -3), $(wc -l <"$1") of $2"
}

case_limits() {
  expect 0 clowder up kind -n 1 --nice 12 --cpus 1 --mem 200M
  expect 0 clowder map -p kind -- sh -c 'cut -d " " -f 19 /proc/$$/stat; (nice)' ::: x
  [ "$(tr '\n' ' ' <out)" = '12 12 ' ] || fail "nice: $(cat out)"
  limits=$(status_of kind '.daemon_list[0].limits')
  expect 0 clowder status kind
  grep -qF "limits: $limits" out || fail "status does not tell the limits: $(cat out)"
  grep -q 'nice 12' <<<"$limits" || fail "limits: $limits"
  hog='import sys; x = bytearray(400 << 20); print(len(x))'
  # Whichever is in force is the one that tasks see, and what is said is it.
  case $limits in
  *'together (cgroup)'*)
    expect 0 clowder map -p kind -- sh -c 'cat /sys/fs/cgroup$(sed -n "s/^0:://p" /proc/self/cgroup)/memory.max' ::: x
    prints 209715200
    groups_end
    ;;
  *'a process (rlimit'*)
    expect 0 clowder map -p kind -- sh -c 'ulimit -v' ::: x
    prints 204800
    ;;
  *) fail "no limit of memory is said: $limits" ;;
  esac
  case $limits in
  *'CPUs (cgroup)'*) ;;
  *'whole CPU'*)
    expect 0 clowder map -p kind -- sh -c nproc ::: x
    grep -q "$(cat out) whole CPU" <<<"$limits" || fail "nproc says $(cat out), the status $limits"
    ;;
  *'CPUs not limited'*) [ "$(nproc)" -le 1 ] || fail "CPUs: $limits" ;;
  *) fail "no limit of CPUs is said: $limits" ;;
  esac
  expect 1 clowder map -p kind -- python3 -c "$hog" ::: x
  says '200M of memory.*set by --mem'
  printf '1\n2\n' | expect 1 clowder map -p kind -w -- python3 -c "$hog"
  says 'ended with|200M of memory'
  expect 0 clowder map -p kind -- python3 -c 'x = bytearray(40 << 20); print(len(x))' ::: x
  expect 1 clowder map -p kind -- no-such-program ::: x
  says 'command not found'
  # Other tasks are as they were: nothing of this is on the daemon itself, and another profile knows nothing of it.
  [ "$(cut -d ' ' -f 19 "/proc/$(status_of kind '.daemon_list[0].pid')/stat")" = "$(nice)" ] || fail "the daemon is nice itself"
  expect 0 clowder up plain -n 1
  expect 0 clowder map -p plain -- sh -c 'nice; ulimit -v' ::: x
  [ "$(tr '\n' ' ' <out)" = "$(nice) unlimited " ] || fail "plain: $(cat out)"
  # Settings are kept, shown, exported, and reach daemons that are up.
  expect 0 clowder profile set kind --nice 15 --cpus 0 --mem 0
  expect 0 clowder up kind
  nice_is_15() { [ "$(clowder map -p kind -- sh -c nice ::: x)" = 15 ]; }
  wait_until nice_is_15
  expect 0 clowder map -p kind -- sh -c 'ulimit -v' ::: x
  prints unlimited
  expect 0 clowder profile set kind --hours "$closed" --pause-load 99.5 --pause-user 15m --pause-now --mem 1G
  expect 0 clowder profile show kind --json
  jq -e --arg h "$closed" '.nice == 15 and .cpus == 0 and .mem_bytes == 1073741824 and .pause_load == 99.5 and
    .pause_user_ms == 900000 and .pause_now and .hours == $h' out >/dev/null || fail "profile show: $(cat out)"
  expect 0 clowder profile show kind
  grep -q "pause  *outside $closed" out || fail "profile show: $(cat out)"
  clowder export >exported
  expect 0 clowder down --all
  expect 0 clowder profile remove kind plain --yes
  expect 0 clowder import exported
  expect 0 clowder profile show kind --json
  jq -e --arg h "$closed" '.nice == 15 and .hours == $h and .pause_now' out >/dev/null || fail "import: $(cat out)"
  expect 0 clowder profile remove kind --yes
  # Bad values: one line, and 2.
  for bad in '--nice 20' '--nice -1' '--cpus x' '--cpus 0.001' '--mem 10K' '--pause-load -1' '--pause-user soon' \
    '--hours 8-12' '--hours 08:00-08:00' '--pause-now --no-pause-now'; do
    # shellcheck disable=SC2086
    expect 2 clowder profile set kind $bad
    one_line
  done
  expect 2 clowder up kind -n 1 --hours 22-6
  one_line
  groups_of_others
}

# A group goes with its daemon, whatever is in it still, and one that was killed leaves its own to the next.
groups_end() {
  local group killed
  expect 0 clowder up one -n 1 --mem 100M
  own_group() { clowder map -p one -- sh -c 'echo /sys/fs/cgroup$(sed -n "s/^0:://p" /proc/self/cgroup)' ::: x; }
  killed=$(own_group)
  kill -9 "$(status_of one '.daemon_list[0].pid')"
  group_is_new() { group=$(own_group) && [ "$group" != "$killed" ]; }
  wait_until group_is_new
  [ ! -e "$killed" ] || fail "the group of a daemon that was killed is there still: $killed"
  expect 0 clowder map -p one -- sh -c 'setsid sleep 300.517 >/dev/null 2>&1 &
    while ! pgrep -f "^sleep 300.517"; do :; done' ::: x
  expect 0 clowder up one --mem 0 # and its group has somebody in it
  expect 0 clowder map -p one -- true ::: x
  expect 0 clowder down one
  group_is_gone() { [ ! -e "$group" ]; }
  wait_until group_is_gone
  none_running '^sleep 300.517' || fail "what was in the group of a daemon that went is there still"
  expect 0 clowder profile remove one --yes
}

# The group that a daemon would make is there already, and others beside it: files that look like them, where the kernel's
# own are, for an engine that sees only these, and whose processes have the first numbers.
groups_of_others() {
  local mounted limits group i
  mounted=$(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
  if [ "$(id -u)" != 0 ] || [ -z "$mounted" ] || ! unshare -mpf --mount-proc true 2>/dev/null; then
    echo "SKIP: groups of others (needs root, a cgroup2, and namespaces of mounts and processes)"
    return 0
  fi
  expect 0 clowder engine stop
  for i in $(seq 300); do
    mkdir -p "cg/clowder-$i"
    printf 0 | tee "cg/clowder-$i/memory.max" "cg/clowder-$i/memory.swap.max" >"cg/clowder-$i/cgroup.procs"
    : >"cg/clowder-$i/cpu.max"
  done
  mkdir cg/clowder-4194001 cg/clowder-4194002 cg/clowder-4194002/in cg/clowder-4194003.scope
  : >cg/cgroup.procs
  echo cpu memory >cg/cgroup.subtree_control
  cat >inside.sh <<'SH'
set -e
mount --bind cg "$1"
clowder up group -n 1 --cpus 1 >/dev/null
clowder map -p group -- echo ::: x
clowder status group --json >group.json
clowder down group >/dev/null
clowder engine stop
SH
  expect 0 unshare -mpf --mount-proc bash inside.sh "$mounted"
  prints x
  limits=$(jq -r '.profiles[0].daemon_list[0].limits' group.json)
  grep -qF '1 CPUs (cgroup)' <<<"$limits" || fail "limits: $limits"
  group=cg/clowder-$(jq '.profiles[0].daemon_list[0].pid' group.json)
  [ "$(cat "$group/cpu.max")" = '100000 100000' ] || fail "cpu.max: $(cat "$group/cpu.max")"
  [ "$(cat "$group/memory.max" "$group/memory.swap.max")" = maxmax ] || fail "a limit that was there already is in force: $(cat "$group/memory.max")"
  [ ! -e cg/clowder-4194001 ] || fail "the group of a daemon that is gone is there still"
  [ -e cg/clowder-4194002 ] && [ -e cg/clowder-4194003.scope ] && [ -e cg/clowder-1 ] || fail "groups of others are gone: $(ls cg)"
}

# Outside its hours a daemon takes nothing, says why, and goes on by itself; its tasks go to others.
case_hours() {
  expect 0 clowder up mixed -n 2
  seq 300 | clowder map -p mixed -- sh -c 'echo $CLOWDER_DAEMON >>ran; sleep 0.01; echo {}' >map.out 2>map.err &
  local map=$!
  wait_until test -s ran
  expect 0 clowder up mixed --hours "$closed"
  wait_until state_is mixed .state paused
  state_is mixed .daemons.paused 2 || fail "paused: $(clowder status --json)"
  wait_until state_is mixed .tasks.executing 0 # what ran has ended, the rest waits here
  local before
  before=$(wc -l <ran)
  expect 0 clowder status mixed
  grep -q "paused: outside its hours $closed" out || fail "status: $(cat out)"
  grep -Eq '^mixed +paused +2/2' out || fail "status: $(cat out)"
  grep -q 'daemon paused daemon=mixed-1 host=local why="outside its hours' "$engine_log" || fail "the log does not tell of it"
  [ "$(wc -l <ran)" -eq "$before" ] || fail "a paused daemon worked"
  expect 0 clowder job list
  grep -q "! its daemons are paused: outside its hours $closed" out || fail "job list: $(cat out)"
  job=$(clowder submit -p mixed -- echo ::: 1)
  says_why() { clowder job show "$job" --json | jq -e '.reason | startswith("its daemons are paused: outside its hours")'; }
  wait_until says_why
  [ "$before" -lt 300 ] || fail "the map was over before the pause"
  state_is mixed '.daemon_list[0].reason' "$(status_of mixed .reason)" || fail "reasons: $(clowder status --json)"
  expect 0 clowder up mixed --hours "$open"
  wait_until state_is mixed .state up
  wait $map || fail "the map: $(cat map.err)"
  seq 300 | cmp - map.out || fail "the results are others"
  [ "$(wc -l <ran)" -eq 300 ] || fail "$(wc -l <ran) tasks ran for 300 results"
  expect 0 clowder job collect "$job"
  prints 1
  state_is mixed .tasks.retried 0 || fail "pauses count as retries: $(clowder status --json)"
  # A daemon that comes up outside its hours: up does not wait for it, and everywhere waits for it.
  expect 0 clowder up late -n 1 --hours "$closed"
  wait_until state_is late .state paused
  clowder everywhere -p late -- echo here >everywhere.out &
  local everywhere=$!
  wait_until state_is late .tasks.awaiting 1
  expect 0 clowder up late --hours "$open"
  wait $everywhere || fail "everywhere failed"
  grep -q here everywhere.out || fail "everywhere: $(cat everywhere.out)"
  # What sets a daemon up comes in its order, also to one that joins outside its hours.
  expect 0 clowder up sets -n 1
  for i in a b c; do expect 0 clowder everywhere -p sets --setup -- sh -c "echo $i >>order.\$CLOWDER_DAEMON"; done
  expect 0 clowder up sets -n 2 --hours "$closed"
  wait_until state_is sets .daemons.paused 2
  expect 0 clowder up sets --hours "$open"
  is_set_up() { [ "$(wc -l <order.sets-2)" -eq 3 ]; }
  wait_until is_set_up
  [ "$(paste -sd , order.sets-2)" = a,b,c ] || fail "set up as $(cat order.sets-2)"
  expect 0 clowder down --all
}

# Over and over, lines and commands: every task ends once, and none is done twice.
case_often() {
  local kind map i
  expect 0 clowder up often -n 2 --idletime 1h
  for kind in commands lines; do
    rm -f ran
    if [ $kind = commands ]; then
      seq 400 | clowder map -p often -- sh -c 'echo {} >>ran; sleep 0.02; echo {}' >map.out 2>map.err &
    else
      seq 6000 | clowder map -p often -w -- python3 -uc 'import sys, time
for line in sys.stdin:
    open("ran", "a").write(line); time.sleep(0.001); print(line, end="", flush=True)' >map.out 2>map.err &
    fi
    map=$!
    wait_until test -s ran
    for i in 1 2 3 4; do
      expect 0 clowder up often --hours "$closed"
      wait_until state_is often .state paused
      wait_until state_is often .tasks.executing 0
      expect 0 clowder up often --hours "$open"
      wait_until state_is often .state up
    done
    kill -0 $map 2>/dev/null || fail "$kind: over before the last pause"
    wait $map || fail "$kind: $(cat map.err)"
    i=$(wc -l <map.out)
    seq "$i" | cmp - map.out || fail "$kind: the results are others"
    each_once ran "$i"
  done
  state_is often .tasks.retried 0 || fail "pauses count as retries: $(clowder status --json)"
  expect 0 clowder down --all
}

# A worker that has nothing to do, and tasks that come one by one: some are on their way to it when its daemon pauses.
case_idle() {
  local map i=0
  expect 0 clowder up idle -n 2
  until [ -e enough ]; do
    i=$((i + 1))
    echo $i
    sleep 0.001
  done | tee given | clowder map -p idle -w -- cat >map.out 2>map.err &
  map=$!
  wait_until test -s map.out
  for i in $(seq 20); do
    expect 0 clowder up idle --hours "$closed"
    wait_until state_is idle .state paused
    expect 0 clowder up idle --hours "$open"
    wait_until state_is idle .state up
  done
  touch enough
  wait $map || fail "idle: $(cat map.err)"
  same map.out given
  expect 0 clowder down --all
}

# --pause-now stops what runs, its time limit waits too, and it goes on where it was.
case_now() {
  expect 0 clowder up now -n 1 --pause-now
  clowder map -p now --timeout 6s -- sh -c 'i=0; while [ $i -lt 40 ]; do i=$((i + 1)); echo $i >at; sleep 0.05; done; echo done' ::: x \
    >map.out 2>map.err &
  local map=$! task
  wait_until test -s at
  task=$(pgrep -P "$(status_of now '.daemon_list[0].pid')")
  expect 0 clowder up now --hours "$closed"
  wait_until state_is now .state paused
  is_stopped() { [ "$(ps -o stat= -p "$task" | cut -c 1)" = "$1" ]; }
  wait_until is_stopped T
  state_is now .tasks.executing 1 || fail "the task is gone: $(clowder status --json)"
  local at
  at=$(cat at)
  seq 3 | clowder map -p now -- echo >others.out & # waits as well
  local others=$!
  wait_until state_is now .tasks.awaiting 3
  [ "$(cat at)" = "$at" ] || fail "the task is not stopped"
  # One that is cancelled meanwhile ends, stopped or not.
  expect 0 clowder up now --hours "$open"
  wait $map || fail "the map: $(cat map.err)"
  [ "$(cat map.out)" = 'done' ] || fail "the task: $(cat map.out)"
  wait $others || fail "what waited"
  clowder map -p now -- sh -c 'exec sleep 300.515' ::: x >/dev/null 2>&1 &
  map=$!
  wait_until state_is now .tasks.executing 1
  expect 0 clowder up now --hours "$closed"
  wait_until state_is now .state paused
  interrupted() { ! kill -INT "$map"; } # the second one leaves
  wait_until interrupted
  wait $map || true
  wait_until none_running '^sleep 300.515'
  # A worker as well, and one that is too late.
  expect 0 clowder up now --hours "$open"
  echo x | clowder map -p now -w --deadline 3 -- sh -c 'echo >late; exec sleep 300.517' >/dev/null 2>&1 &
  map=$!
  wait_until test -e late
  expect 0 clowder up now --hours "$closed"
  wait_until state_is now .state paused
  wait $map && fail "a late task is no success"
  wait_until none_running '^sleep 300.517'
  # A daemon that dies while its task is stopped leaves nothing behind.
  expect 0 clowder up now --hours "$open"
  clowder map -p now --retries 0 -- sh -c 'exec sleep 300.516' ::: x >/dev/null 2>&1 &
  map=$!
  sleeps() { [ "$(running '^sleep 300.516')" = 1 ]; }
  wait_until sleeps
  expect 0 clowder up now --hours "$closed"
  wait_until state_is now .state paused
  kill -9 "$(status_of now '.daemon_list[0].pid')"
  wait $map && fail "a lost task is no success"
  wait_until none_running '^sleep 300.516'
  expect 0 clowder down --all --now
}

# Load that others make pauses; load that tasks make does not. What the kernel would say stands in a file of the test's own,
# laid over the kernel's for the engine alone, so that what else this machine does counts for nothing; and what runs needs no
# CPU (waiting.c).
waiting=$bin/tests/waiting
says_load() { # LOAD: as it is now
  echo "$1 0.00 0.00 1/100 1" >loadavg.new
  cat loadavg.new >loadavg # in its place: it is mounted
}
# What the kernel would say SINCE_MS after COUNT threads began to wait, above BASE: an average over a minute.
average() { # BASE COUNT SINCE_MS
  awk -v base="$1" -v n="$2" -v ms="$3" 'BEGIN { printf "%.2f", base + n * (1 - exp(-ms / 60000)) }'
}
now_ms() { echo $(($(date +%s%N) / 1000000)); }
all_wait() { [ "$(ps -o stat= -p "$(pgrep -d , -f "^$waiting")" | grep -c D)" = "$1" ]; }

case_load() {
  real_load
  if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
    echo "SKIP: load of others and of tasks apart (needs root and a mount namespace, for a /proc/loadavg of the test's own)"
    return 0
  fi
  says_load 0.20
  unshare -m sh -c "mount --bind '$work/loadavg' /proc/loadavg && exec clowder engine start" ||
    fail "the engine did not start in a namespace"
  expect 0 clowder up load -n 12 --pause-load 3.5
  state_is load .state up || fail "it pauses below the mark: $(clowder status load)"
  seq 12 | clowder map -p load -- "$waiting" 4 >/dev/null 2>&1 &
  local map=$! began load=0
  wait_until all_wait 48
  began=$(now_ms)
  # From the mark to well above it: longer than daemons take to look again.
  until [ "${load%.*}" -ge 8 ]; do
    load=$(average 0.2 48 $(($(now_ms) - began)))
    says_load "$load"
    sleep 0.1
  done
  ! grep -q 'paused daemon=load' "$engine_log" || fail "paused for its own load, $load"
  says_load 40
  wait_until state_is load .daemons.paused 12
  grep -qE "load [0-9.]+ of others, above 3.5" <<<"$(status_of load .reason)" || fail "reason: $(status_of load .reason)"
  interrupted() { ! kill -INT "$map"; } # the second one leaves
  wait_until interrupted
  wait $map || true
  seq 20 | clowder map -p load -- echo >map.out 2>map.err &
  map=$!
  wait_until state_is load .tasks.awaiting 20
  says_load 0.20
  wait $map || fail "the map: $(cat map.err)"
  seq 20 | cmp - map.out || fail "the results are others"
  expect 0 clowder down --all
  expect 0 clowder engine stop
}

# The kernel's own word, which daemons read: our load is above next to nothing, whatever others do.
real_load() {
  local others
  expect 0 clowder up real -n 1 --pause-load 0.01
  "$waiting" 12 &
  others=$!
  wait_until state_is real .state paused
  grep -qE "load [0-9.]+ of others, above 0.01" <<<"$(status_of real .reason)" || fail "reason: $(status_of real .reason)"
  kill $others
  wait $others 2>/dev/null || true
  expect 0 clowder up real --pause-load 1000
  wait_until state_is real .state up
  expect 0 clowder down --all
  expect 0 clowder engine stop
}

# A login session: a pty with an entry in the file utmp. It has had a key typed; "out" logs out, "in" logs in again.
session() { # FILE
  cat >session.py <<'PY'
import os, pty, struct, sys
master, slave = pty.openpty()
line = os.ttyname(slave)[5:]
def log(kind):
    entry = struct.pack("hi32s4s32s256shhiii4i20s", kind, os.getpid(), line.encode(), b"ts/9", b"owner", b"", *[0] * 9, b"")
    with open(sys.argv[1], "wb") as f:
        f.write(entry)
os.write(master, b"x\n")
os.read(slave, 10)
log(7)
print(line, flush=True)
for word in sys.stdin:
    log(8 if word.strip() == "out" else 7)
PY
  coproc SESSION { exec python3 session.py "$1"; }
  read -r session_line <&"${SESSION[0]}"
}
session_say() { echo "$1" >&"${SESSION[1]}"; }

# Somebody types on this machine: utmp is one of the test's own, in a mount namespace of the engine's own.
case_user() {
  if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
    echo "SKIP: users (needs root and a mount namespace, for a utmp of the test's own)"
    return 0
  fi
  session "$work/utmp"
  unshare -m sh -c "mount -t tmpfs none /run && ln -s '$work/utmp' /run/utmp && exec clowder engine start" ||
    fail "the engine did not start in a namespace"
  expect 0 clowder up user -n 1 --pause-user 10m
  wait_until state_is user .state paused
  grep -qE "owner is active on $session_line \([0-9]+ s ago\)" <<<"$(status_of user .reason)" || fail "reason: $(status_of user .reason)"
  session_say out
  wait_until state_is user .state up
  session_say in
  wait_until state_is user .state paused
  expect 0 clowder up user --pause-user 1ms # that was longer ago
  wait_until state_is user .state up
  expect 0 clowder down --all
  clowder engine stop
  if [ ! -e /var/run/utmp ]; then # never pretend
    expect 0 clowder up blind -n 1 --pause-user 10m
    grep -q 'users are not seen' <<<"$(status_of blind '.daemon_list[0].limits')" || fail "blind: $(clowder status blind)"
  fi
}

case_host() { # two daemons there and one here: what is paused there is done here
  use_lab clwn 10.98
  set +e
  [ "$(unshare -m true 2>&1)" = "" ] && mkdir -p "$LAB/h1" &&
    echo "mount -t tmpfs none /run && mkdir -p /run/sshd && ln -s $LAB/h1/utmp /run/utmp" >"$LAB/h1/mount"
  lab_up 1
  set -e
  cl host add h1 >/dev/null
  expect 0 cl up far --on h1:2 --nice 11 --mem 300M
  expect 0 cl map -p far -- sh -c nice ::: x
  prints 11
  grep -q 'memory 300M' <<<"$(status_of far '.daemon_list[0].limits')" || fail "limits: $(clowder status far)"
  expect 0 cl up far -n 1
  seq 200 | cl map -p far -- sh -c 'echo $CLOWDER_HOST {}; sleep 0.02' >map.out 2>map.err &
  local map=$!
  wait_until state_is far .daemons.busy 3
  # All three are paused, and then all go on; a place with its own reason says it.
  expect 0 cl up far --hours "$closed"
  wait_until state_is far '.hosts | map(.state) | unique | join(" ")' paused
  wait_until state_is far .tasks.executing 0
  grep -q "outside its hours" <<<"$(status_of far '.hosts[] | select(.host == "h1") | .reason')" || fail "reason: $(clowder status far)"
  expect 0 cl up far --hours "$open"
  wait $map || fail "the map: $(cat map.err)"
  cut -d ' ' -f 2 map.out | cmp - <(seq 200) || fail "the results are others"
  # Its owner comes: what is there goes to the daemon here, at once.
  # shellcheck disable=SC2154
  if [ "$lab_mode" = namespaces ]; then
    session "$LAB/h1/utmp"
    session_say out
    expect 0 cl up far --pause-user 1h
    seq 600 | cl map -p far -- sh -c 'echo $CLOWDER_HOST {}; sleep 0.05' >map.out 2>map.err &
    map=$!
    wait_until state_is far .daemons.busy 3
    session_say in
    wait_until state_is far '.hosts[] | select(.host == "h1") | .state' paused
    state_is far .state up || state_is far .state partial || fail "state: $(clowder status far)"
    wait $map || fail "the map: $(cat map.err)"
    cut -d ' ' -f 2 map.out | cmp - <(seq 600) || fail "the results are others"
    [ "$(tail -50 map.out | cut -d ' ' -f 1 | sort -u)" = local ] || fail "its owner came, and it worked on: $(tail -50 map.out)"
    state_is far .tasks.retried 0 || fail "retried: $(clowder status --json)"
    session_say out
    wait_until state_is far .daemons.paused 0
  fi
  expect 0 cl down far
}

for name in "$@"; do
  echo "== $name"
  "case_$name"
done
