#!/usr/bin/env bash
# What docs/security.md promises, each promise as a case.
#   security.sh CASE...
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts_lib.sh"

needs_root() {
  [ "$(id -u)" = 0 ] || {
    echo "SKIP: needs root, to be other users"
    exit 77
  }
  programs_for_others
}
# as UID COMMAND...: as another user, in a home of its own.
as() {
  local uid=$1
  shift
  mkdir -p "$work/home$uid"
  chmod 711 "$work"
  chown "$uid" "$work/home$uid"
  (cd "$work/home$uid" && exec env -u XDG_CONFIG_HOME -u XDG_DATA_HOME -u XDG_STATE_HOME -u XDG_CACHE_HOME HOME="$work/home$uid" \
    setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@")
}
mode() { stat -c %a "$1"; }

# Another user of the desktop: finds no file, folder or socket that is open, whatever the umask was.
case_files() {
  (umask 000 && clowder up -n 1) >/dev/null
  clowder map -- true ::: x
  local file
  for file in "$XDG_RUNTIME_DIR"/clowder "$XDG_DATA_HOME"/clowder "$XDG_STATE_HOME"/clowder; do
    [ "$(mode "$file")" = 700 ] || fail "$file has mode $(mode "$file")"
  done
  for file in "$XDG_RUNTIME_DIR"/clowder/* "$XDG_DATA_HOME"/clowder/* "$XDG_STATE_HOME"/clowder/*; do
    [ "$(mode "$file")" = 600 ] || fail "$file has mode $(mode "$file")"
  done
  # What was left open is closed.
  clowder engine stop
  local dirs=("$XDG_RUNTIME_DIR"/clowder "$XDG_DATA_HOME"/clowder "$XDG_STATE_HOME"/clowder)
  local files=("$XDG_DATA_HOME"/clowder/* "$XDG_STATE_HOME"/clowder/*)
  chmod 755 "${dirs[@]}"
  chmod 666 "${files[@]}"
  job=$(clowder submit -n 1 -- true ::: x)
  expect 0 clowder job wait "$job"
  for file in "${dirs[@]}"; do [ "$(mode "$file")" = 700 ] || fail "left open: $(ls -ld "$file")"; done
  for file in "${files[@]}"; do [ ! -e "$file" ] || [ "$(mode "$file")" = 600 ] || fail "left open: $(ls -l "$file")"; done
}

# The folder under /tmp, when there is no XDG_RUNTIME_DIR: what somebody else put there is refused.
case_tmp() {
  needs_root
  local uid=$((50000 + $$ % 10000)) other=$((40000 + $$ % 10000))
  local dir=/tmp/clowder-$uid
  [ ! -e "$dir" ] || fail "$dir is there already"
  outside+=("$dir")
  mkdir "$work/trap" && chown "$uid" "$work/trap"
  ln -s "$work/trap" "$dir"
  expect 5 as $uid env -u XDG_RUNTIME_DIR clowder engine start
  says 'is not a folder that belongs to you'
  one_line
  [ -z "$(ls "$work/trap")" ] || fail "it followed the link: $(ls "$work/trap")"
  rm "$dir"
  mkdir -m 700 "$dir" && chown "$other" "$dir"
  expect 5 as $uid env -u XDG_RUNTIME_DIR clowder engine start
  says 'is not a folder that belongs to you'
  rmdir "$dir"
  : >"$dir"
  expect 5 as $uid env -u XDG_RUNTIME_DIR clowder engine start
  rm "$dir"
  # A parent where others may replace it.
  mkdir -m 777 "$work/shared"
  expect 5 as $uid env XDG_RUNTIME_DIR="$work/shared" clowder engine start
  says 'others may replace'
  mkdir -m 700 "$work/theirs" && chown "$other" "$work/theirs" && chmod 755 "$work/theirs"
  mkdir "$work/theirs/clowder" && chown "$uid" "$work/theirs/clowder"
  expect 5 as $uid env XDG_RUNTIME_DIR="$work/theirs" clowder engine start
  says 'others may replace'
  # Our own is taken, and closed.
  mkdir -m 777 "$dir" && chown "$uid" "$dir"
  expect 0 as $uid env -u XDG_RUNTIME_DIR clowder engine start
  [ "$(mode "$dir")" = 700 ] || fail "$dir has mode $(mode "$dir")"
  # The memory of the engine is closed also to programs of the same user that are not root.
  local pid
  pid=$(head -1 "$dir/engine.lock")
  expect 1 as $uid cat "/proc/$pid/environ"
  says 'Permission denied'
  expect 1 as $uid dd if="/proc/$pid/mem" of=/dev/null count=1
  says 'Permission denied'
  expect 0 as $uid env -u XDG_RUNTIME_DIR clowder engine stop
}

# What is kept is the user's own, or is not used: not the folder that somebody else has made at a place that all may use, nor
# what lies in one that was open.
case_kept() {
  needs_root
  local uid=$((50000 + $$ % 10000)) other=$((40000 + $$ % 10000)) variable path
  own() { as $uid env XDG_RUNTIME_DIR="$work/home$uid/run" "$@"; }
  own mkdir -m 700 "$work/home$uid/run"
  mkdir -m 1777 "$work/shared"
  as $other env XDG_DATA_HOME="$work/shared" XDG_RUNTIME_DIR="$work/home$other" clowder profile set default --setup "touch $work/shared/ran" >/dev/null
  as $other env XDG_RUNTIME_DIR="$work/home$other" XDG_DATA_HOME="$work/shared" clowder engine stop >/dev/null
  chmod 777 "$work/shared/clowder"
  chmod 666 "$work/shared/clowder"/*
  for variable in XDG_DATA_HOME XDG_STATE_HOME CLOWDER_DATA; do
    path=$work/shared
    [ $variable != CLOWDER_DATA ] || path=$work/shared/clowder
    expect 5 own env $variable="$path" clowder up -n 1
    says "$work/shared/clowder is not a folder that belongs to you"
    one_line
  done
  [ ! -e "$work/shared/ran" ] || fail "another user's set-up command was run"
  rm -r "$work/shared/clowder"
  ln -s "$work/home$uid" "$work/shared/clowder" && chown -h "$other" "$work/shared/clowder"
  expect 5 own env XDG_DATA_HOME="$work/shared" clowder engine start
  says 'is not a folder that belongs to you'
  rm "$work/shared/clowder"
  chmod 777 "$work/shared"
  expect 5 own env XDG_DATA_HOME="$work/shared" clowder engine start
  says 'others may replace'
  chown "$other" "$work/shared"
  chmod 755 "$work/shared"
  mkdir -p "$work/shared/clowder" && chown "$uid" "$work/shared/clowder"
  expect 5 own env XDG_DATA_HOME="$work/shared" clowder engine start
  says 'others may replace'
  # An ordinary home, of a user with a group of their own; and a folder of theirs that is elsewhere.
  expect 0 own sh -c 'umask 002; rm -rf ~/.local; mkdir -p ~/.local/share ~/.local/state far && ln -s "$PWD/far" ~/.local/share/clowder'
  chmod 775 "$work/home$uid" "$work/home$uid"/.local "$work/home$uid"/.local/*
  expect 0 own clowder engine start
  expect 0 own clowder engine stop
  [ "$(mode "$work/home$uid/far")" = 700 ] || fail "left open: $(ls -ld "$work/home$uid/far")"
  # Files of somebody else's, from when it was open.
  local file state=$work/home$uid/.local/state/clowder
  for file in "$work/home$uid/far/clowder.db" "$work/home$uid/far/clowder.db-wal"; do
    [ -e "$file" ] || : >"$file"
    chown "$other" "$file"
    expect 5 own clowder profile list
    says "${file##*/} is not a file that belongs to you"
    one_line
    chown "$uid" "$file"
  done
  for file in engine.log daemons.log; do
    rm "$state/$file"
    ln -s "$work/home$uid/victim" "$state/$file"
    expect 1 own clowder engine start
    says "cannot write the log .*/$file"
    rm "$state/$file"
    : >"$state/$file" && chown "$other" "$state/$file" && chmod 666 "$state/$file"
    expect 1 own clowder engine start
    says "cannot write the log .*/$file"
    rm "$state/$file"
  done
  [ ! -e "$work/home$uid/victim" ] || fail "a link was followed"
}

# Another user of the desktop who reaches the sockets, for somebody opened them: dropped by uid, on each of them.
case_uid() {
  needs nngcat:nng-utils
  needs_root
  clowder up -n 1 >/dev/null
  chmod 755 "$work" "$XDG_RUNTIME_DIR" "$XDG_RUNTIME_DIR/clowder"
  chmod 666 "$XDG_RUNTIME_DIR"/clowder/*.sock
  cat >knock.py <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect(sys.argv[1])
try:
    s.sendall(b"x" * 8)
    while s.recv(1000):
        pass
except (ConnectionResetError, BrokenPipeError):
    pass
print("closed")
PY
  local socket
  for socket in "$XDG_RUNTIME_DIR"/clowder/*.sock; do
    as 65534 /usr/bin/python3 "$work/knock.py" "$socket" >knock.out || fail "$socket: $(cat knock.out)"
    grep -q closed knock.out || fail "$socket stays open to another user"
  done
  as 65534 timeout 5 nngcat --req --dial "ipc://$XDG_RUNTIME_DIR/clowder/engine.sock" --ascii --data '{"op":"status"}' >answer 2>&1 || true
  [ "$(grep -c 'dropped.*another user' "$engine_log")" -ge 2 ] || fail "the log does not tell of another user"
  ! grep -q ok answer || fail "another user got an answer: $(cat answer)"
  clowder map -- echo ::: still >out
  prints still
}

# crowd.py SOCKET|PORT: 1200 connections that say nothing, until its stdin ends.
write_crowd() { # which stays: who is shown out comes again
  cat >crowd.py <<'PY'
import resource, select, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
def come():
    if sys.argv[1].isdigit():
        return socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    return s
held = {}
waiting = select.poll()
waiting.register(0, select.POLLIN)
told = False
while True:
    while len(held) < 1200:
        try:
            s = come()
        except OSError:
            break
        held[s.fileno()] = s
        waiting.register(s, select.POLLIN)
    if not told and len(held) >= 1000:
        print("here", flush=True)
        told = True
    for fd, _ in waiting.poll(100):
        if fd == 0:
            sys.exit(0)
        waiting.unregister(fd)
        held.pop(fd).close()
PY
}

# The way home on a host is for its user, and so for anything that user runs: a crowd of silent connections keeps nobody else
# out for long.
case_crowd() {
  use_lab clwc 10.95
  set +e
  lab_up 2
  set -e
  cl host add h1 >/dev/null
  cl host add h2 >/dev/null
  expect 0 cl up far --on h1:1
  expect 0 cl up near --on h2:1
  write_crowd
  coproc CROWD { exec ip netns exec "$PREFIX-h1" python3 crowd.py "$(sed -n 's,.*host=h1 step=tunnel url=ipc://\([^ ]*\).*,\1,p' "$engine_log" | tail -1)"; }
  local word
  read -r word <&"${CROWD[0]}"
  [ "$word" = here ] || fail "the crowd did not come"
  # Another host's daemon comes home while they are there, at its first try.
  crowded() { [ "$(clowder status --json | jq .engine.connections)" -gt 900 ]; }
  launched() { grep -c 'daemon launched daemon=near-' "$engine_log"; }
  wait_until crowded
  expect 0 cl up near --on h2:2
  [ "$(launched)" = 2 ] || fail "another host's daemon was kept out: $(launched) were launched"
  seq 100 | cl map -p far -- echo >map.out
  seq 100 | cmp - map.out || fail "a crowd disturbed a map"
  wait_until grep -q 'more than 1000 connections without a hello' "$engine_log"
  eval "exec ${CROWD[1]}>&-"
  alone() { [ "$(clowder status --json | jq .engine.connections)" -lt 20 ]; }
  wait_until alone
  expect 0 cl up far --on h1:2
}

# At the direct port of one profile, too: those of others are open.
case_crowd_direct() {
  use_lab clwe 10.94
  set +e
  lab_up 1
  set -e
  [ "$lab_mode" = namespaces ] || { echo "SKIP: needs network namespaces"; exit 77; }
  cl host add h1 >/dev/null
  expect 0 cl host edit h1 --direct
  # shellcheck disable=SC2154
  $desktop nft insert rule inet fw in ip saddr "$(lab_address 1)" accept
  expect 0 cl up far --on h1:1
  expect 0 cl up near --on h1:1
  write_crowd
  local word
  # shellcheck disable=SC2086
  coproc CROWD { exec $desktop python3 crowd.py "$(sed -n 's,.*listens profile=far tls port=,,p' "$engine_log")"; }
  read -r word <&"${CROWD[0]}"
  [ "$word" = here ] || fail "the crowd did not come"
  crowded() { [ "$(clowder status --json | jq .engine.connections)" -gt 900 ]; }
  wait_until crowded
  wait_until grep -q 'more than 1000 connections without a hello' "$engine_log"
  launched() { grep -c 'daemon launched daemon=near-' "$engine_log"; }
  expect 0 cl up near --on h1:2
  [ "$(launched)" = 2 ] || fail "another profile's daemon was kept out: $(launched) were launched"
  eval "exec ${CROWD[1]}>&-"
}

# Whoever breaks off, lies or does not read on the control sockets disturbs nobody else there, and leaves nothing behind.
case_rude() {
  needs nngcat:nng-utils
  clowder up -n 1 >/dev/null
  local before pid job
  pid=$(engine_pid)
  open_files() { find "/proc/$pid/fd" -mindepth 1 ! -lname '*/clowder.db*' | wc -l; } # but for the store's, opened when needed
  job=$(clowder submit -- sh -c 'touch runs; until test -e never; do sleep 0.1; done' ::: 1)
  wait_until test -e runs # the engine has opened what the job needs
  before=$(open_files)
  python3 "$CLOWDER_SOURCE/tests/e2e/rude.py" "$XDG_RUNTIME_DIR/clowder" 180 "$job" >out || fail "rude ones disturb others"
  prints 'polite ones were served'
  expect 0 clowder down never # its waiters are gone, the profile is not
  as_before() { [ "$(open_files)" -le "$before" ]; }
  wait_until as_before
  timeout 20 nngcat --sub --dial "ipc://$XDG_RUNTIME_DIR/clowder/updates.sock" --ascii --count 2 >updates || fail "no updates: $?"
  [ "$(grep -o 'status {"engine"' updates | wc -l)" = 2 ] || fail "updates: $(head -c 500 updates)"
}

# What a task inherits, in shell: descriptors, umask, signals. The C library's spawn ignores its two internal signals (32, 33).
# shellcheck disable=SC2016
inherits='for f in /proc/$$/fd/*; do [ -e $f ] && printf "%s " ${f##*/}; done; umask
  sed -n "s/^SigBlk:.//p; s/^SigIgn:.//p; s/^NoNewPrivs:.//p" /proc/self/status'

# Three descriptors, no signals, the user's umask, the stated environment; however it was started, whatever its engine inherited.
case_tasks() {
  (umask 027 && trap '' HUP && exec 9<"$0" 250>leak && SECRET=1 clowder engine start)
  expect 0 clowder up plain -n 1
  expect 0 clowder up limited -n 1 --nice 1
  local profile
  for profile in plain limited; do
    expect 0 clowder map -p $profile -- sh -c "$inherits" ::: x
    inherits_little 0027
    printf 'x' | expect 0 clowder map -p $profile --stdin -- sh -c "cat >/dev/null; $inherits"
    inherits_little 0027
    echo x | expect 0 clowder map -p $profile -w -- sh -c "while read -r line; do { $inherits; } | tr '\n' ' '; echo; done"
    tr ' ' '\n' <out | sed '/^$/d' >lines
    paste -sd ' ' <(head -3 lines) >out
    [ "$(cat out)" = '0 1 2' ] || fail "$profile: a worker inherits $(cat lines)"
    SECRET=1 expect 0 clowder map -p $profile -- sh -c 'env; touch made; stat -c %a made; rm made' ::: x
    ! grep -q SECRET out || fail "$profile: the environment leaks: $(cat out)"
    grep -qx 640 out || fail "$profile: umask of tasks: $(cat out)"
  done
  echo data >shipped
  expect 0 clowder map -p plain --ship shipped -- sh -c 'stat -c %a . shipped' ::: x
  prints '700
600'
  # Nothing new for who wants it so.
  expect 0 clowder up bound -n 1 --no-new-privs
  expect 0 clowder run -p bound sh -c "$inherits"
  [ "$(tail -1 out)" = 1 ] || fail "no new privileges: $(cat out)"
  grep -q 'no new privileges' <<<"$(status_of bound '.daemon_list[0].limits')" || fail "limits: $(clowder status bound)"
}
inherits_little() { # UMASK: stdout of the last expect
  sed -i -E 's/^(0000000180000000|0000000080000000|0000000100000000)$/0000000000000000/' out
  prints "0 1 2 $1
0000000000000000
0000000000000000
0"
}

# On a host as well.
case_host() {
  use_lab clws 10.96
  set +e
  lab_up 2
  lab_stop 2
  lab_sshd 2 'AllowTcpForwarding no'
  set -e
  cl host add h1 >/dev/null
  cl host add h2 >/dev/null
  expect 0 cl up far --on h1:1 --on h2:1
  expect 0 cl run -p far sh -c "$inherits"
  inherits_little "$(umask)"
  expect 0 cl everywhere -p far -- sh -c "$inherits"
  [ "$(cut -f 2 out | sed -E 's/^0000000(18|08|10)0{7}$/0000000000000000/' | sort -u | paste -sd ,)" = "0,0 1 2 $(umask),0000000000000000" ] ||
    fail "tasks on hosts inherit: $(cat out)"
  local i
  for i in 1 2; do
    [ "$(find "$LAB/h$i/home/.cache/clowder" -perm /077 | wc -l)" = 0 ] || fail "open to others on h$i: $(find "$LAB/h$i/home/.cache/clowder" -ls)"
  done
  ends_there
  ends_without_anybody
}

# What daemons on hosts ran ends with them, also what left the group of its task: when they are told to go, when they are
# killed, and when what started them there was killed before them.
ends_there() {
  local map pids
  leaves 300.811 2
  expect 0 cl down far
  wait_until none_running '^sleep 300.811'
  expect 0 cl up far --on h1:1 --on h2:1
  leaves 300.812 2
  cl map -p far --retries 0 -- sh -c 'sleep 300.813; true' ::: 1 2 >/dev/null 2>&1 &
  map=$!
  wait_until run_so_many '^sleep 300.813' 2
  pids=$(status_of far '.daemon_list[].pid')
  # shellcheck disable=SC2086
  kill -9 $pids
  ! wait $map || fail "lost tasks are no success"
  wait_until none_running '^sleep 300.81[23]'
  wait_until daemons_are_up 2
  leaves 300.814 2
  pids=$(status_of far '.daemon_list[].pid' | xargs -n 1 ps -o ppid= -p)
  # shellcheck disable=SC2086
  kill -9 $pids
  expect 0 cl down far
  wait_until none_running '^sleep 300.814'
}

# Whoever would end a task is killed together with its daemon, there and here: the task ends nevertheless.
ends_without_anybody() {
  local map daemons starters
  expect 0 cl up far --on h1:1 --on h2:1 -n 1
  # shellcheck disable=SC2086,SC2154
  $desktop clowder map -p far -- sh -c 'exec sleep 300.815' ::: 1 2 3 >/dev/null 2>&1 & # not cl, so that $! is the map itself
  map=$!
  wait_until run_so_many '^sleep 300.815' 3
  daemons=$(status_of far '.daemon_list[].pid')
  starters=$(xargs -n 1 ps -o ppid= -p <<<"$daemons")
  # shellcheck disable=SC2086
  kill -STOP $map $starters # the map would start another engine, and give it its tasks
  # shellcheck disable=SC2086
  kill -9 $daemons $starters
  wait_until none_running '^sleep 300.815'
  kill -9 $map
  expect 0 cl down far
}

# A process on every daemon that leaves the group of its task, and stays when that is over.
leaves() { # SECONDS DAEMONS
  expect 0 cl everywhere -p far -- python3 -c 'import os, sys
pid = os.fork()
if not pid:
    os.setpgid(0, 0)
    os.execvp("sleep", ["sleep", sys.argv[1]])
while os.getpgid(pid) == os.getpgid(0):
    pass' "$1"
  wait_until run_so_many "^sleep $1" "$2"
}
run_so_many() { [ "$(running "$1")" = "$2" ]; } # PATTERN N
daemons_are_up() { [ "$(status_of far '[.daemon_list[] | select(.state == "idle")] | length')" = "$1" ]; }

# Bytes that a task or a host wrote never reach a terminal or a log as they are.
case_escape() {
  local nasty
  nasty=$(printf '\033]0;owned\007\033[2Jred\302\233')
  expect 0 clowder up -n 1
  printf '%s\n' '#!/bin/sh' "printf '%s\\n' '$nasty' >&2" 'exit 1' >nasty.sh
  chmod +x nasty.sh
  expect 0 clowder up bad -n 1
  clowder everywhere -p bad --setup -- "$work/nasty.sh" >/dev/null 2>&1 || true
  clowder map --name "$(printf 'a\033[31mb')" -- "$work/nasty.sh" ::: x >/dev/null 2>&1 || true
  clowder status bad >shown 2>&1 || true
  clowder status >>shown 2>&1
  clowder log >>shown 2>&1
  clowder job list >>shown 2>&1
  clowder job show 1 >>shown 2>&1 || true
  ! grep -qP '\x1b|\x07' shown || fail "control bytes on the screen: $(cat -v shown)"
  ! grep -qP '\x1b|\x07' "$engine_log" || fail "control bytes in the log: $(cat -v "$engine_log")"
}

# A daemon in the hands of somebody else, with a valid token.
case_rogue() {
  mkdir rogue && cd rogue # files that it sends land here, or not
  mkdir "$work/libexec"
  ln -s "$(command -v clowder)" "$work/libexec/clowder"
  cp "$CLOWDER_SOURCE/tests/e2e/rogue_daemon.py" "$work/libexec/clowder-daemon"
  export CLOWDER_LIBEXEC=$work/libexec
  echo files >"$work/libexec/errand"
  expect 0 clowder up -n 1
  mkdir sub
  expect 1 clowder map --fetch '*t-{}.txt' -- true ::: 1
  says "task 1 on local sent a file that was not asked for, 'Makefile': not saved"
  rmdir sub || fail "it wrote $(ls sub)"
  [ "$(ls -A)" = result-1.txt ] && [ ! -e ../up ] || fail "it wrote $(ls -A . ..)"
  expect 1 clowder map -- true ::: 1
  says 'not saved'
  echo whatever >"$work/libexec/errand"
  expect 0 clowder up two -n 1
  expect 1 clowder map -p two -- true ::: 1
  says '0;owned'
  ! grep -qP '\x1b|\x07' "$work/err" || fail "its reason reaches the terminal as it is: $(cat -v "$work/err")"
  clowder job list >"$work/shown"
  clowder job show 3 >>"$work/shown"
  ! grep -qP '\x1b|\x07' "$work/shown" "$engine_log" || fail "its reason reaches a screen: $(cat -v "$work/shown")"
  echo twice >"$work/libexec/errand"
  expect 0 clowder up three -n 1
  wait_until grep -q 'this token belongs to another daemon' "$work/libexec/noted"
  echo back >"$work/libexec/errand"
  expect 0 clowder up four -n 1
  clowder map -p four -- true ::: 1 >/dev/null 2>&1 &
  local map=$!
  wait_until grep -q 'it gives back tasks that it was not given, or without a pause' "$engine_log"
  # Nor round and round; and what is wrong with a job is said by those who have it.
  echo around >"$work/libexec/errand"
  expect 0 clowder up five -n 1
  clowder map -p five -- true ::: 1 >/dev/null 2>&1 &
  local round=$!
  wait_until grep -q 'it tells of its state without end' "$engine_log"
  echo fault >"$work/libexec/errand"
  clowder up six -n 1 >/dev/null 2>&1 || true
  wait_until grep -q 'it finds fault with a job that it does not have' "$engine_log"
  kill -9 $round 2>/dev/null || true
  kill -9 $map 2>/dev/null || true # it may be over: its daemons go wrong
  clowder engine stop --now
}

rogue_is() { # ERRAND: daemons are rogue_daemon.py from now on
  mkdir -p "$work/libexec"
  ln -sf "$(command -v clowder)" "$work/libexec/clowder"
  cp "$CLOWDER_SOURCE/tests/e2e/rogue_daemon.py" "$work/libexec/clowder-daemon"
  export CLOWDER_LIBEXEC=$work/libexec
  echo "$1" >"$work/libexec/errand"
  rm -f "$work/libexec/noted"
}
noted() { grep -q "$1" "$work/libexec/noted"; }
memory_of() { awk '/^VmHWM/ {print int($2 / 1024)}' "/proc/$1/status"; } # PID: MiB at most
lines() { cat "$engine_log".1 "$engine_log" 2>/dev/null | grep -c "$1" || true; }

# A daemon that says things without end, or does not read what it asked for, fills neither the engine's memory nor its log.
case_flood() {
  local before
  rogue_is ping
  export ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=8 # what is freed does not count
  clowder engine start
  before=$(memory_of "$(engine_pid)")
  clowder up one -n 1 --no-respawn >/dev/null
  wait_until noted 'sent all'
  [ $(($(memory_of "$(engine_pid)") - before)) -lt 64 ] || fail "the engine has grown from $before to $(memory_of "$(engine_pid)") MiB"
  rogue_is leave
  clowder up two -n 1 --no-respawn >/dev/null
  wait_until noted 'shut out'
  wait_until grep -q 'dropped peer=daemon daemon=two-1 why="it tells of its state without end"' "$engine_log"
  [ "$(lines 'leaves daemon=two-1')" -le 64 ] || fail "$(lines 'leaves daemon=two-1') lines about one daemon that leaves"
  rogue_is faults
  clowder up three -n 1 --no-respawn >/dev/null
  clowder map -p three -- true ::: 1 >/dev/null 2>&1 || true
  wait_until noted 'shut out'
  [ "$(lines 'fault daemon=three-1')" -le 64 ] || fail "$(lines 'fault daemon=three-1') lines about one job"
  [ "$(clowder log -n 10000 | wc -l)" -lt 1000 ] || fail "too many events: $(clowder log -n 10000 | wc -l)"
}

# --timeout ends a task also when its daemon does not: one that sits on it, and one that its task has stopped. Without a
# limit, silence tells. This takes as long as the engine's patience.
case_sits() {
  rogue_is sit
  clowder up one -n 1 --no-respawn >/dev/null
  expect 1 clowder map -p one --timeout 1s -- true ::: 1
  says 'no answer after 1 s, the limit set by --timeout; one-1 did not end it'
  noted sits || fail "it had no task"
  # A framed worker that has answered is not given the time that one needs to start.
  rogue_is tired
  clowder up tired -n 1 --no-respawn >/dev/null
  expect 1 timeout 60 clowder map -W -p tired --timeout 1s -- true ::: 1 2
  says 'task 2 .*no answer after 1 s, the limit set by --timeout; tired-1 did not end it'
  unset CLOWDER_LIBEXEC
  clowder engine stop --now
  clowder up two -n 1 >/dev/null
  # shellcheck disable=SC2016
  clowder map -p two --timeout 1s --json -- sh -c 'if [ $0 = 1 ] && mkdir stopped 2>/dev/null; then kill -STOP $PPID; fi; echo $0' ::: 1 2 >timed 2>timed.err || true
  [ "$(jq -r '[.index, .status] | join(" ")' timed)" = "1 timeout
2 done" ] || fail "$(cat timed)"
  # shellcheck disable=SC2016
  expect 0 clowder map -p two -- sh -c 'if [ $0 = 1 ] && mkdir silent 2>/dev/null; then kill -STOP $PPID; fi; echo $0' ::: 1 2
  prints "1
2"
  grep -q 'lost daemon=.*silent for' "$engine_log" || fail "nothing is said of the silence"
}

# A daemon that has nothing to do and does not go when it is told to is ended. One that has a task is waited for.
case_stays() {
  rogue_is stay
  clowder up one -n 1 --no-respawn >/dev/null
  expect 0 timeout 30 clowder down one
  noted stays || fail "it was not told to go"
  wait_until grep -q 'stays daemon=one-1 .*did not go when it was told to' "$engine_log"
  rogue_is 'stay 7'
  clowder up two -n 1 --no-respawn >/dev/null
  clowder map -p two -- true ::: 1 >/dev/null &
  local map=$!
  wait_until executing two
  expect 0 timeout 60 clowder down two
  wait $map || fail "a daemon with a task was ended"
  [ "$(lines 'stays daemon=two-1')" = 1 ] || fail "said $(lines 'stays daemon=two-1') times"
}
executing() { [ "$(status_of "$1" '.daemon_list[0].state')" = executing ]; }

# An SSH server that asks for answers without end and reads none is dropped, before it has filled the engine's memory.
case_sshd() {
  rogue_host floods ''
  local before
  export ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=8 # what is freed does not count
  clowder engine start
  before=$(memory_of "$(engine_pid)")
  expect 3 timeout 60 clowder up --on rogue:1
  says 'asks without end and does not read the answers'
  [ $(($(memory_of "$(engine_pid)") - before)) -lt 64 ] || fail "the engine has grown from $before to $(memory_of "$(engine_pid)") MiB"
}

# A file to import that means harm is refused whole.
case_import() {
  local doc
  clowder host add good 10.0.0.1 >/dev/null
  clowder export >before.json
  for doc in '{"clowder":1,"hosts":{"../../etc":{"address":"a"}}}' \
    '{"clowder":1,"hosts":{"x":{"address":"-oProxyCommand=touch pwned"}}}' \
    '{"clowder":1,"hosts":{"x":{"address":"a","user":"-l"}}}' \
    '{"clowder":1,"hosts":{"x":{"address":"a","jump":"-oProxyCommand=x"}}}' \
    '{"clowder":1,"hosts":{"x":{"address":"a\u001b[2J"}}}' \
    '{"clowder":1,"profiles":{"x":{"env":["LD_PRELOAD"]}}}' \
    '{"clowder":1,"profiles":{"x":{"hours":"$(touch pwned)"}}}' \
    '{"clowder":1,"profiles":{"x":{"nice":-20}}}' \
    '{"clowder":1,"profiles":{"x":{"maxtasks":1e400}}}' \
    '{"clowder":1,"profiles":{"x":{"runtime":"dask","base_url":"tcp://127.0.0.1:5555/$(touch pwned)"}}}' \
    '{"clowder":1,"hosts":{"ok":{"address":"a"}},"what":1}'; do
    printf '%s' "$doc" >bad.json
    expect 2 clowder import bad.json
    one_line
  done
  python3 -c 'print("{\"clowder\":1,\"hosts\":" * 100000)' >bad.json
  expect 2 clowder import bad.json
  head -c 80000000 /dev/zero >bad.json
  clowder import bad.json >/dev/null 2>err && fail "80 MB of nothing were imported"
  clowder export | cmp - before.json || fail "a refused file has changed something"
  [ ! -e pwned ] || fail "something ran"
}

rogue_host() { # MODE PASSPHRASE: a host 'rogue', which is rogue_sshd.py, and a key for it
  /usr/bin/python3 -c 'import paramiko' 2>/dev/null || { echo "SKIP: needs python3-paramiko"; exit 77; }
  local port
  mkdir rogue
  ssh-keygen -q -t ed25519 -N '' -f rogue/hostkey
  ssh-keygen -q -t ed25519 -N "$2" -f "$work/id"
  echo "$1" >rogue/mode
  echo "passphrase of $work/id" >rogue/question
  /usr/bin/python3 "$CLOWDER_SOURCE/tests/e2e/rogue_sshd.py" rogue >/dev/null 2>rogue/err &
  wait_until test -s rogue/port
  port=$(cat rogue/port)
  echo "[127.0.0.1]:$port $(cut -d ' ' -f 1,2 rogue/hostkey.pub)" >known
  printf 'Host rogue\n HostName 127.0.0.1\n Port %s\n IdentityFile %s\n IdentitiesOnly yes\n UserKnownHostsFile %s\n' \
    "$port" "$work/id" "$work/known" >ssh_config
  export CLOWDER_SSH_CONFIG=$work/ssh_config
  unset SSH_AUTH_SOCK
  clowder host add rogue >/dev/null
}

# A host in bad hands asks for secrets that were given for something else: it gets none, and who is asked sees who asks.
case_question() {
  rogue_host asks 'correct horse'
  # It takes the key, so that its owner unlocks it, and then asks for the passphrase in the very words of that question.
  expect 5 clowder up --on rogue:1
  says 'passphrase of'
  printf 'correct horse\n' | timeout 60 clowder host unlock rogue --kind passphrase >/dev/null 2>&1 || true
  wait_until test -s rogue/in
  asks() { clowder host show rogue | grep -q "asks: passphrase of $work/id"; }
  wait_until asks
  [ ! -e rogue/learnt ] || fail "it learnt $(cat rogue/learnt)"
  # Who answers blindly does not answer that; and not before anything was asked.
  printf 'correct horse\n' | expect 2 clowder host unlock rogue
  says 'asks for this \(interactive\)'
  one_line
  printf 'correct horse\n' | expect 5 clowder host unlock rogue --kind passphrase
  clowder engine stop --now
  printf 'correct horse\n' | expect 2 clowder host unlock rogue
  says 'asks for this \(interactive\)'
  clowder engine stop --now
  echo password >rogue/mode
  printf 'correct horse\n' | expect 2 clowder host unlock rogue
  says 'asks for this \(password\)'
  printf 'correct horse\n' | expect 5 clowder host unlock rogue --kind passphrase
  says 'another kind of secret \(password\)'
  [ ! -e rogue/learnt ] || fail "it learnt $(cat rogue/learnt)"
  clowder engine stop --now
  echo asks >rogue/mode
  printf 'for it\n' | timeout 60 clowder host unlock rogue --kind interactive >/dev/null 2>&1 || true
  wait_until test -s rogue/learnt
  grep -q horse rogue/learnt && fail "it learnt $(cat rogue/learnt)"
  grep -q 'for it' rogue/learnt || fail "it was answered $(cat rogue/learnt)"
}

# No text of a user's reaches a shell as anything but text: not by a base, and not by what else a script is made of.
case_quotes() {
  local url
  for url in 'tcp://127.0.0.1:5555/$(touch pwned)' "tcp://127.0.0.1:5555/'\$(touch pwned)'" 'tcp://127.0.0.1:5555/`touch${IFS}pwned`' \
    'tcp://127.0.0.1:5555/;touch${IFS}pwned' 'ipc:///tmp/$(touch pwned)'; do
    expect 2 clowder profile set x --runtime dask --base "$url" -n 1
    one_line
  done
  # A store that was written by somebody else's hands is no way around.
  python3 - <<'PY'
import os, socket, threading
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(5)
open("port", "w").write(str(s.getsockname()[1]))
if os.fork(): os._exit(0)
open("base.pid", "w").write(str(os.getpid()))
while True: s.accept()
PY
  wait_until test -s base.pid
  mkdir bin
  printf '#!/bin/sh\nprintf "%%s|" "$@" >>%s/ran\nsleep 100\n' "$work" >bin/dask
  chmod +x bin/dask
  expect 0 clowder profile set x --runtime dask --base "tcp://127.0.0.1:$(cat port)/a" -n 1 --env "PATH=$work/bin:/usr/bin:/bin" \
    --env 'E=$(touch pwned)' --option 'memory-limit=`touch pwned`;touch pwned' --option "name=it's \$(touch pwned)"
  expect 0 clowder engine stop
  python3 - "$XDG_DATA_HOME/clowder/clowder.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("UPDATE profile SET base_url = base_url || '/$(cd " + __import__("os").getcwd() + ";touch pwned)'")
db.commit()
PY
  expect 1 clowder profile show x
  says 'is not as Clowder would write it'
  clowder up x --timeout 5s >/dev/null 2>&1 && fail "a base that no check lets pass was used"
  python3 - "$XDG_DATA_HOME/clowder/clowder.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("UPDATE profile SET base_url = substr(base_url, 1, instr(base_url, '/$') - 1)")
db.commit()
PY
  clowder engine stop --now # it has no profiles: it could not read them
  clowder up x --timeout 2s >/dev/null 2>&1 || true
  wait_until test -s ran
  kill "$(cat base.pid)"
  [ ! -e pwned ] && [ ! -e bin/pwned ] && [ ! -e ~/pwned ] || fail "something ran"
  grep -qF 'memory-limit|`touch pwned`;touch pwned|' ran || fail "the daemon was told: $(cat ran)"
}

# An ssh configuration that somebody else may write is not believed: what stands in it is run.
case_config() {
  needs_root
  local uid=$((50000 + $$ % 10000)) other=$((40000 + $$ % 10000)) file
  mkdir -p "$work/home$uid/.ssh"
  printf 'Include more\nHost far\n HostName 127.0.0.1\n ProxyCommand touch %s/ran; cat\n' "$work/home$uid" >"$work/home$uid/.ssh/config"
  echo >"$work/home$uid/.ssh/more"
  chown -R "$uid" "$work/home$uid"
  chmod 644 "$work/home$uid/.ssh"/*
  run_far() { as $uid env -u CLOWDER_SSH_CONFIG XDG_RUNTIME_DIR="$work/home$uid/run" clowder host probe far --timeout 20s; }
  mkdir -m 700 "$work/home$uid/run" && chown "$uid" "$work/home$uid/run"
  as $uid env XDG_RUNTIME_DIR="$work/home$uid/run" clowder host add far >/dev/null
  for file in config more; do
    for how in "chmod 666" "chmod 664" "chown $other"; do
      $how "$work/home$uid/.ssh/$file"
      expect 5 run_far
      says "other users may write to .*/.ssh/$file"
      one_line
      chown "$uid" "$work/home$uid/.ssh/$file" && chmod 644 "$work/home$uid/.ssh/$file"
    done
  done
  [ ! -e "$work/home$uid/ran" ] || fail "the ProxyCommand of somebody else's file was run"
  run_far >/dev/null 2>&1 || true # it is no server; but it was run
  wait_until test -e "$work/home$uid/ran"
  as $uid env XDG_RUNTIME_DIR="$work/home$uid/run" clowder engine stop --now
}

# What daemons here print is kept, up to a size.
case_output() {
  expect 0 clowder up --output -n 1
  clowder map -- sh -c 'head -c 30000000 /dev/zero | tr "\0" "x" | fold -w 100 >&2; echo the end >&2' ::: 1 >/dev/null 2>&1
  wait_until grep -qs x "$XDG_STATE_HOME"/clowder/daemons.log "$XDG_STATE_HOME"/clowder/daemons.log.1 # a file that was full began anew
  clowder engine stop
  [ "$(cat "$XDG_STATE_HOME"/clowder/daemons.log* | wc -c)" -lt 9000000 ] || fail "it has grown: $(ls -l "$XDG_STATE_HOME"/clowder)"
  [ "$(mode "$XDG_STATE_HOME/clowder/daemons.log")" = 600 ] || fail "it is open to others"
}

# How the programs are built.
case_binaries() {
  if nm "$bin/clowder" | grep -E '__asan|__tsan|__ubsan' >/dev/null; then echo "SKIP: a sanitizer build"; exit 77; fi
  local file
  for file in "$bin/clowder" "$bin/clowder-daemon" "$(find "$CLOWDER_BUILD/lib" -name 'libclowder.so.*.*' | head -1)"; do
    readelf -hW "$file" >elf.head
    readelf -lW "$file" >segments
    readelf -dW "$file" >dynamic
    { nm "$file"; nm -D "$file"; } >symbols 2>/dev/null || true
    grep -q 'Type: *DYN' elf.head || fail "$file is not position independent"
    grep -q 'GNU_STACK.* RW ' segments || fail "$file has a stack that can be executed"
    grep -q GNU_RELRO segments || fail "$file has no RELRO"
    grep -qE 'BIND_NOW|Flags:.*NOW' dynamic || fail "$file is not bound at once"
    ! grep -qE 'LOAD.* RWE ' segments || fail "$file has a segment that is written and executed"
    ! grep -q TEXTREL dynamic || fail "$file is relocated in its code"
    grep -q __stack_chk_fail symbols || fail "$file has no stack protector"
    grep -qE '__[a-z]+_chk' symbols || fail "$file is not fortified"
  done
}

for name in "$@"; do
  echo "== $name"
  "case_$name"
done
