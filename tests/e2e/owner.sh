#!/usr/bin/env bash
# One engine a store, found from everywhere as its user, also when its sockets vanish.
#   owner.sh CASE...
. "$(dirname "$0")/lib.sh"

needs_root() { # for mounts, namespaces and other users
  [ "$(id -u)" -eq 0 ] || { echo "SKIP: needs root" && exit 77; }
  programs_for_others
}

lock() { sed -n "s/^$1 //p" "$XDG_DATA_HOME/clowder/engine.lock"; } # WORD of the file beside the store
owner() { head -1 "$XDG_DATA_HOME/clowder/engine.lock"; }
engines() { grep -c 'engine started' "$engine_log"; }
as_cron() { env -i HOME="$HOME" PATH="$PATH" LOGNAME=me XDG_DATA_HOME="$XDG_DATA_HOME" XDG_STATE_HOME="$XDG_STATE_HOME" "$@"; }
one_engine() { [ "$(engines)" = 1 ] || fail "$(engines) engines were started"; }

lives() { grep -q '^State:.[^Z]' "/proc/$1/status" 2>/dev/null; } # PID
dead() { ! lives "$1"; }
kill_engine() {
  local pid
  pid=$(owner)
  kill -9 "$pid"
  wait_until dead "$pid"
}

# cron, a unit, another login: no folder for sockets in the environment, or another one.
case_cron() {
  clowder up -n 2 >/dev/null
  expect 0 as_cron clowder map -- sh -c 'echo $CLOWDER_DAEMON' ::: a b c d
  grep -q '^default-' out || fail "cron's tasks ran elsewhere: $(cat out)"
  mkdir -m 700 other
  job=$(as_cron clowder submit -- echo ::: 1 2 3)
  expect 0 env XDG_RUNTIME_DIR="$work/other" clowder job collect "$job"
  same out <(seq 3)
  expect 0 env XDG_RUNTIME_DIR="$work/other" clowder status --json
  [ "$(jq -c '[.profiles[].daemons.connected]' out)" = '[2]' ] || fail "status: $(cat out)"
  [ "$(jq .engine.pid out)" = "$(owner)" ] || fail "not the owner: $(cat out)"
  one_engine
  # Whoever is first owns it: a session finds the engine of cron. Many at once start one.
  expect 0 as_cron clowder engine stop
  for i in 1 2 3 4 5 6 7 8; do
    if [ $((i % 2)) = 0 ]; then clowder map -n 1 -- echo ::: "$i"; else as_cron clowder map -n 1 -- echo ::: "$i"; fi >"got.$i" 2>"err.$i" &
  done
  for job in $(jobs -p); do wait "$job" || fail "both at once: $(cat err.*)"; done
  [ "$(cat got.* | sort | tr -d '\n')" = 12345678 ] || fail "both at once: $(cat got.*)"
  [ "$(engines)" = 2 ] || fail "$(engines) engines were started, not a second one"
  expect 0 as_cron clowder engine stop
  expect 0 clowder engine stop # none runs: nothing to do
}

# A logout takes the folder of the sockets away: what runs goes on, and everybody finds the engine again.
case_logout() {
  clowder up -n 2 --maxtasks 5 >/dev/null
  job=$(clowder submit -- sh -c 'touch began; until test -e go; do sleep 0.02; done; echo {}' ::: $(seq 60))
  wait_until test -e began
  seq 30 | clowder map -- sh -c 'until test -e go; do sleep 0.02; done; echo {}' >mapped 2>map.err &
  map=$!
  maps() { clowder status --json | jq -e '.engine.connections >= 4' >/dev/null; } # two daemons, the engine's own client, the map
  wait_until maps
  rm -rf "$XDG_RUNTIME_DIR"
  expect 0 clowder status # at once: it waits until the sockets are there again
  touch go # the daemons retire after five tasks, and new ones have to find home
  wait $map || fail "a map through a logout: $(cat map.err)"
  same mapped <(seq 30)
  expect 0 clowder job collect "$job"
  same out <(seq 60)
  # Moved aside; one socket deleted; again and again.
  mv "$XDG_RUNTIME_DIR/clowder" "$XDG_RUNTIME_DIR/aside"
  expect 0 clowder map -- echo ::: moved
  prints moved
  for i in 1 2 3; do
    rm -f "$XDG_RUNTIME_DIR"/clowder/*.sock
    expect 0 clowder map -- echo ::: "$i"
    prints "$i"
  done
  one_engine
  [ "$(owner)" = "$(clowder status --json | jq .engine.pid)" ] || fail "another owner"
  expect 0 clowder engine stop
  [ -z "$(find "$XDG_RUNTIME_DIR" -name '*.sock' ! -path '*/aside/*')" ] || fail "sockets are left: $(find "$XDG_RUNTIME_DIR")"
}

# The file system of the folder goes, as at a logout, with nothing left to make another one in: /tmp is there.
case_unmounted() {
  needs_root
  local uid=$((50000 + $$ % 10000))
  outside+=("/tmp/clowder-$uid")
  chmod 755 "$work"
  mkdir "$work/home" "$work/session" && chown $uid "$work/home"
  cat >session.sh <<'SH'
set -eu
mount -t tmpfs -o "mode=700,uid=$1" tmpfs session
me() { uid=$1 && shift && setpriv --reuid "$uid" --regid "$uid" --clear-groups env -i HOME="$PWD/home" PATH="$PATH" XDG_RUNTIME_DIR="$PWD/session" "$@"; }
me "$1" clowder up -n 1
me "$1" clowder engine status
umount -l session
me "$1" clowder map -- echo ::: after
me "$1" clowder engine status
me "$1" clowder engine stop
SH
  expect 0 unshare -m bash session.sh $uid
  grep -q "sockets in $work/session/clowder$" out || fail "not in the session's folder: $(cat out)"
  grep -q '^after$' out || fail "no result: $(cat out)"
  grep -q "sockets in /tmp/clowder-$uid$" out || fail "not in /tmp: $(cat out)"
  [ "$(grep -o 'pid [0-9]*' out | sort -u | wc -l)" = 1 ] || fail "two engines: $(cat out)"
  # As after su: root makes nothing in another user's folder, though it could.
  mkdir -m 700 theirs && chown $uid theirs
  expect 0 env XDG_RUNTIME_DIR="$work/theirs" clowder up -n 1
  [ -z "$(ls -A theirs)" ] || fail "made in another user's: $(ls -A theirs)"
  expect 0 env XDG_RUNTIME_DIR="$work/theirs" clowder engine stop
}

# From a container with the same home, and from another machine with it over NFS: refused, and the owner is named.
case_elsewhere() {
  needs_root
  clowder up -n 1 >/dev/null
  local command
  for command in "status" "engine start" "map -- true ::: a" "submit -- true ::: a" "host list" "engine stop --now" "export"; do
    # shellcheck disable=SC2086
    expect 5 unshare --pid --fork --mount-proc clowder $command
    says "runs elsewhere: process $(owner) in another PID namespace"
    one_line
  done
  echo 11111111-2222-3333-4444-555555555555 >boot
  there() { unshare -m --uts sh -c "mount --bind $work/boot /proc/sys/kernel/random/boot_id && hostname green && exec \"\$@\"" sh "$@"; }
  expect 5 there clowder map -n 1 -- true ::: a
  says "runs elsewhere: process $(owner) on the machine $(hostname)"
  one_line
  expect 0 clowder map -- echo ::: here
  one_engine
  # The other way round.
  expect 0 clowder engine stop
  expect 0 there clowder up -n 1
  expect 5 clowder status
  says 'on the machine green'
  expect 5 clowder engine stop --now
  expect 0 there clowder engine stop
  expect 0 clowder up -n 1
}

# A task on this machine finds the engine that it is from; where there is none it starts none.
case_nested() {
  clowder up -n 2 >/dev/null
  clowder up inner -n 1 >/dev/null
  expect 0 clowder map -- sh -c 'clowder map -p inner -- echo "$CLOWDER_DAEMON"/{} ::: "$1"' sh ::: a b c
  grep -c / out | grep -qx 3 || fail "nested: $(cat out)"
  expect 0 clowder map -- sh -c 'clowder status --json | jq .engine.pid' ::: a
  prints "$(owner)"
  # Who names another store means that one.
  mkdir own
  expect 0 clowder map -- sh -c 'XDG_DATA_HOME=$PWD/own clowder host add a 127.0.0.1' ::: a
  [ -f own/clowder/clowder.db ] || fail "no store of its own: $(ls own)"
  expect 0 clowder host list --json
  [ "$(jq .hosts out)" = '[]' ] || fail "it is in ours: $(cat out)"
  one_engine
  # As on a host without the store: no engine is left behind there.
  mkdir far
  expect 5 env XDG_DATA_HOME="$work/far" CLOWDER_DAEMON=default-1 CLOWDER_HOST=h1 clowder map -n 1 -- true ::: a
  says 'this is a task of default-1 on h1'
  one_line
  local verb
  for verb in start run; do
    expect 5 env XDG_DATA_HOME="$work/far" CLOWDER_DAEMON=default-1 CLOWDER_HOST=h1 timeout 20 clowder engine $verb
    says 'this is a task of default-1 on h1'
    one_line
  done
  expect 3 env XDG_DATA_HOME="$work/far" CLOWDER_DAEMON=default-1 CLOWDER_HOST=h1 clowder engine status
  says 'no engine runs; a task does not start one'
  one_line
  expect 0 clowder run -- clowder engine start # the one that it is from runs
  one_engine
}

# An engine that is hung or stopped ends all the same; its daemons go with it, and the next one starts without them.
case_stop() {
  clowder up -n 2 >/dev/null
  clowder up other -n 1 >/dev/null
  local pid daemons
  # Where none runs there is nothing to stop, and nothing is forgotten.
  kill_engine
  none_runs() { ! clowder engine status; }
  wait_until none_runs
  expect 0 clowder engine stop --now
  expect 0 clowder engine start
  all_up() { [ "$(clowder status --json | jq -c '[.profiles[].daemons.connected] | add')" = 3 ]; }
  wait_until all_up
  expect 0 clowder map -- echo ::: a # deaths are forgotten
  # A map that waits for the engine starts the next one at the moment when this one is killed.
  clowder map -- sh -c 'touch began; sleep 60' ::: a >/dev/null 2>&1 &
  local map=$!
  wait_until test -e began
  pid=$(owner)
  daemons=$(clowder status --json | jq '.profiles[].daemon_list[].pid')
  kill -STOP "$pid"
  expect 6 timeout 30 clowder engine start
  says 'the engine did not answer in time'
  one_line
  expect 0 timeout 60 clowder engine stop --now
  ! lives "$pid" || fail "the engine lives"
  gone() { local d; for d in $daemons; do ! lives "$d" || return 1; done; }
  wait_until gone
  ! wait $map || fail "a map without daemons is no success"
  expect 0 clowder status --json
  [ "$(jq -c '[.profiles[].daemons.connected] | add // 0' out)" = 0 ] || fail "something is wanted still: $(cat out)"
  expect 0 clowder engine start
  [ "$(clowder status --json | jq '.profiles | length')" = 0 ] || fail "profiles came back: $(clowder status)"
}

# An engine that dies again and again, before it has done anything, is not made to begin the same once more.
case_deaths() {
  clowder up -n 2 >/dev/null
  for i in 1 2 3; do
    kill_engine
    expect 0 clowder engine start
  done
  rests() { [ "$(status_of default .state)" = failed ] && [ "$(status_of default .daemons.connected)" = 0 ]; }
  wait_until rests
  status_of default .reason | grep -q 'the engine died 3 times within 60 s' || fail "the reason: $(status_of default .reason)"
  clowder status | grep -q 'the engine died 3 times' || fail "the table: $(clowder status)"
  expect 0 clowder log
  grep -q 'profiles rest and detached jobs wait' out || fail "the log: $(cat out)"
  expect 3 clowder map -- echo ::: a
  says 'the engine died 3 times'
  expect 0 clowder up
  prints 'default: 2 daemons up'
  # Once it works, deaths are no reason to rest; but ten within a minute are.
  for i in 1 2 3 4 5 6; do
    expect 0 clowder map -- echo ::: "$i"
    prints "$i"
    wait_until grep -q '^worked$' "$XDG_DATA_HOME/clowder/engine.lock"
    kill_engine
  done
  expect 3 sh -c 'for i in 1 2 3 4 5 6 7 8 9; do clowder map -- echo ::: a 2>rest.err || exit; kill -9 "$(head -1 "$XDG_DATA_HOME/clowder/engine.lock")"; done'
  grep -q 'the engine died 10 times within 60 s' rest.err || fail "why: $(cat rest.err)"
}

# Two stores of one user are two engines, which leave each other's sockets alone.
case_two() {
  clowder up -n 1 >/dev/null
  second() { XDG_DATA_HOME=$work/second XDG_STATE_HOME=$work/second "$@"; }
  expect 0 second clowder up -n 1
  expect 0 second clowder map -- echo ::: second
  prints second
  expect 0 clowder map -- echo ::: first
  prints first
  [ "$(lock sockets)" = "$XDG_RUNTIME_DIR/clowder" ] || fail "the first is at $(lock sockets)"
  grep -qx "sockets $XDG_RUNTIME_DIR/clowder-1" "$work/second/clowder/engine.lock" || fail "the second is elsewhere: $(cat "$work/second/clowder/engine.lock")"
  # The lock in a folder that is put elsewhere: the engine has it again, or ends when somebody else took it.
  mv "$work/second/clowder/engine.lock" "$work/aside"
  owned() { second clowder engine status && grep -q "^process" "$work/second/clowder/engine.lock"; }
  wait_until owned
  expect 0 second clowder engine stop
  expect 0 clowder engine stop
}

# What others put in the place of the lock, or of the sockets, is not believed.
# What cannot be told for a while is no reason to end what runs.
case_passing() {
  clowder up -n 1 >/dev/null
  clowder map -- sh -c 'touch began; until test -e go; do sleep 0.02; done; echo {}' ::: a >mapped 2>map.err &
  local map=$!
  wait_until test -e began
  mv "$XDG_DATA_HOME/clowder" aside
  : >"$XDG_DATA_HOME/clowder" # as a folder that is not mounted: there is none, and none can be made
  wait_until grep -q 'the lock beside the store vanished' "$engine_log"
  wait_until grep -q 'no sockets why=' "$engine_log"
  rm "$XDG_DATA_HOME/clowder"
  mv aside "$XDG_DATA_HOME/clowder"
  touch go
  wait $map || fail "the map: $(cat map.err)"
  [ "$(cat mapped)" = a ] || fail "the map: $(cat mapped)"
  expect 0 clowder map -- echo ::: b
  one_engine
}

# An engine that has no descriptor or no thread to spare says so, and lives.
case_short() {
  clowder up -n 1 >/dev/null
  local pid name few
  pid=$(owner) name=$(lock process) few=$(find /proc/"$(owner)"/fd -mindepth 1 | wc -l)
  # It says who it is nevertheless, and is stopped.
  prlimit --pid "$pid" --nofile="$((few + 1)):4096"
  expect 0 clowder map -- echo ::: c # it writes down that it has worked
  wait_until grep -q '^worked$' "$XDG_DATA_HOME/clowder/engine.lock"
  [ "$(lock process)" = "$name" ] || fail "it is $(lock process), was $name"
  prlimit --pid "$pid" --nofile="$few:4096"
  wait_until sh -c 'test "$(find "/proc/$1/fd" -mindepth 1 | wc -l)" -ge "$2"' sh "$pid" "$few"
  expect 0 timeout 20 clowder status --json
  expect 6 timeout 20 clowder up two -n 3 --timeout 2s
  says 'not up yet'
  for i in 1 2 3; do # one waits, others are answered
    clowder up two -n 3 --timeout 9s 2>/dev/null &
  done
  expect 0 timeout 20 clowder status
  timeout 20 clowder doctor >doctor.out 2>&1 && fail "all is well: $(cat doctor.out)"
  grep -q '^BAD  files  *all [0-9]* are in use: new processes and connections have to wait' doctor.out || fail "the doctor says $(cat doctor.out)"
  expect 0 timeout 20 clowder engine stop --now
  [ ! -s err ] || fail "it had to be killed: $(cat err)"
  wait_until dead "$pid"
  wait
  expect 1 prlimit --nofile=40:40 clowder engine start
  says 'the limit of 40 open files is too low: an engine needs at least 64; raise the limit'
  one_line
  # Threads, and processes, are counted for a user; the engine has some, and the rest is not to be had.
  needs_root
  local uid=$((52000 + $$ % 10000)) limit
  chmod 755 "$work"
  mkdir -p home/run && chmod 700 home/run && chown -R $uid home
  cat >as_user <<SH
#!/bin/sh
limit=\$1
shift
exec setpriv --reuid $uid --regid $uid --clear-groups env -i HOME='$work/home' PATH='$PATH' XDG_RUNTIME_DIR='$work/home/run' \
  ASAN_OPTIONS=detect_leaks=0 prlimit --nproc="\$limit:\$limit" "\$@"
SH
  chmod +x as_user
  ./as_user 100 clowder host add h1 127.0.0.1 >/dev/null
  for limit in 5 6 7 8 9; do
    expect 0 ./as_user $limit clowder engine start
    pid=$(head -1 home/.local/share/clowder/engine.lock)
    for command in "doctor h1" "up far --on h1:1 --timeout 1s" "up here -n 2 --timeout 1s" "map -p here -- true ::: a" "submit -p here -- true ::: a" "host probe h1"; do
      local status=0
      # shellcheck disable=SC2086
      timeout 20 ./as_user $limit clowder $command >out 2>err || status=$?
      [ "$status" -lt 10 ] || fail "$command with $limit processes: exit $status: $(cat err)"
      lives "$pid" || fail "$command with $limit processes ended the engine"
    done
    expect 0 ./as_user $limit clowder engine stop --now
    wait_until dead "$pid"
  done
}

case_others() {
  needs_root
  local uid=$((50000 + $$ % 10000)) other=$((40000 + $$ % 10000))
  mkdir -p home/.local/share/clowder
  chmod 755 "$work"
  chown -R $uid home
  me() { setpriv --reuid "$uid" --regid "$uid" --clear-groups env -i HOME="$work/home" PATH="$PATH" XDG_RUNTIME_DIR="$work/home/run" "$@"; }
  : >home/.local/share/clowder/engine.lock
  chown $other home/.local/share/clowder/engine.lock
  chmod 666 home/.local/share/clowder/engine.lock
  expect 5 me clowder status
  says 'is not a file that belongs to you'
  expect 5 me clowder up -n 1
  rm home/.local/share/clowder/engine.lock
  ln -s /etc/passwd home/.local/share/clowder/engine.lock
  expect 5 me clowder up -n 1
  rm home/.local/share/clowder/engine.lock
  # An address that leads to somebody else's sockets.
  mkdir -m 755 trap
  chown $other trap
  python3 - "$work/trap" $other <<'PY' &
import os, socket, sys
os.setuid(int(sys.argv[2]))
held = []
for name in ("engine.sock", "data.sock", "updates.sock"):
    s = socket.socket(socket.AF_UNIX)
    s.bind(sys.argv[1] + "/" + name)
    os.chmod(sys.argv[1] + "/" + name, 0o666)
    s.listen(5)
    held.append(s)
open(sys.argv[1] + "/ready", "w").close()
while True:
    c, _ = held[0].accept()
    open(sys.argv[1] + "/heard", "ab").write(c.recv(1000))
PY
  local trap=$!
  wait_until test -e trap/ready
  python3 - home/.local/share/clowder/engine.lock "$work/trap" $uid <<'PY' &
import fcntl, os, sys, time
os.setuid(int(sys.argv[3]))
f = open(sys.argv[1], "w")
fcntl.lockf(f, fcntl.LOCK_EX)
f.write(f"1\nsockets {sys.argv[2]}\n")
f.flush()
time.sleep(600)
PY
  local holder=$!
  wait_until grep -q sockets home/.local/share/clowder/engine.lock
  expect 5 me clowder map -- echo ::: a
  says 'a process of another user'
  [ ! -s trap/heard ] || fail "it told another user: $(cat trap/heard)"
  kill $trap $holder
}

for name in "$@"; do
  echo "== $name"
  "case_$name"
done
