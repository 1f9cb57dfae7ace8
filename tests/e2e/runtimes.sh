#!/usr/bin/env bash
# Daemons of other engines: a base in the user's session, daemons on hosts and here that dial it through Clowder, and the counts
# of what passed. The base and its daemons are sp_peer.c, which speaks as mirai's do, and a real Dask where it is installed.
#   runtimes.sh CASE...
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts_lib.sh"
peer=${CLOWDER_TEST_PEER:?}

base() { base_at tcp://127.0.0.1:0 "$@"; } # TASKS SIZE [SECONDS [DAEMONS]]: starts one on the desktop; $port, $base_pid
base_at() {                               # URL …
  local url=$1
  shift
  rm -f base.in base.out
  mkfifo base.in
  # shellcheck disable=SC2154,SC2086
  $desktop "$peer" base "$url" "$1" "$2" "${3:-60}" "${4:-0}" <base.in >base.out 2>base.err &
  base_pid=$!
  exec 9>base.in
  wait_until grep -q '^port' base.out
  port=$(sed -n 's/^port //p' base.out)
}
base_done() { [ "$(wc -l <base.out)" = 2 ]; }
base_says() { sed -n 2p base.out | jq -r "$1"; }
base_end() { # STATUS
  local got=0
  exec 9>&-
  wait "$base_pid" || got=$?
  [ "$got" = "$1" ] || fail "the base ended with $got, not $1: $(cat base.out base.err)"
}
traffic() { status_of "$1" ".traffic | ${2:-.}"; } # PROFILE JQ
is_traffic() { [ "$(traffic "$1" "$2")" = "$3" ]; } # PROFILE JQ VALUE
connected() { [ "$(status_of "$1" '.daemons.connected')" = "$2" ]; } # PROFILE N
state_is() { [ "$(status_of "$1" '.state')" = "$2" ]; }

ready() { # N [LINES]
  use_lab clwr 10.96
  set +e
  lab_up "$@"
  set -e
  local i
  for i in $(seq "$1"); do cl host add "h$i" >/dev/null; done
}

# R's place: shows what it was told, and does it.
r_stand_in() {
  mkdir -p bin
  cat >bin/Rscript <<SH
#!/bin/sh
[ "\$1" = -e ] || exit 2
printf '%s\n' "\$2" >>$work/expressions
url=\$(printf '%s' "\$2" | sed -n 's/.*mirai::daemon("\([^"]*\)".*/\1/p')
max=\$(printf '%s' "\$2" | sed -n 's/.*maxtasks = \([0-9]*\).*/\1/p')
exec $peer daemon "\$url" "\${max:-0}" $work
SH
  chmod +x bin/Rscript
}

case_here() {
  desktop=
  base 20000 64
  expect 2 clowder profile set r --runtime mirrai
  says 'mirai'
  expect 0 clowder profile set r --runtime command -n 2
  expect 2 clowder up r
  says 'no command'
  expect 0 clowder profile set r -- "$peer" daemon '{url}' 0 "$work"
  expect 0 clowder profile set r --base http://elsewhere.example:80
  expect 2 clowder up r
  says 'not on this machine'
  expect 0 clowder profile set r --base tcp://127.0.0.1:1
  expect 3 clowder up r
  says 'nobody listens at the base'
  expect 0 clowder profile set r --base "tcp://127.0.0.1:$port"
  expect 0 clowder up r
  prints 'r: 2 daemons up'
  expect 2 clowder map -p r -- echo {} ::: a
  says 'take their tasks from a base of their own'
  expect 2 clowder submit -p r -- echo {} ::: a
  says 'take their tasks from a base of their own'
  wait_until base_done
  [ "$(base_says .right)" = 20000 ] || fail "base: $(cat base.out)"
  # SP alone: the two init frames count as tasks.
  wait_until is_traffic r .results 20000
  is_traffic r .tasks 20002 || fail "tasks: $(traffic r)"
  [ "$(status_of r '.tasks.completed')" = 20000 ] || fail "completed"
  [ "$(status_of r '[.daemon_list[].done] | add')" = 20000 ] || fail "by daemon"
  [ "$(traffic r '.framing, .framed' | tr '\n' ' ')" = 'sp true ' ] || fail "framing"
  base_end 0

  # The base is over: daemons end, and are not hammered into a port where nobody is.
  wait_until state_is r launching
  wait_until eval 'status_of r .reason | grep -q "nobody listens at the base"'
  base 5 64
  expect 0 clowder profile set r --base "tcp://127.0.0.1:$port"
  expect 0 clowder down r
  expect 0 clowder up r
  wait_until base_done
  base_end 0

  # The engine dies: nothing of it stays.
  base 1000000000 64 600
  expect 0 clowder profile set r --base "tcp://127.0.0.1:$port" # port 0 gives another each time
  expect 0 clowder down r
  expect 0 clowder up r -n 2
  kill -9 "$(engine_pid)"
  wait_until none_running "$peer daemon .*$work"
  expect 0 clowder up r
  wait_until connected r 2
  expect 0 clowder down r
  wait_until none_running "$peer daemon .*$work"
  kill "$base_pid"
  expect 0 clowder status --json
}

# Up at once after down, while the link is still on its way to rest: it comes up, and nothing is measured that nobody asked for.
case_again() {
  desktop=
  base 1000000000 64 600
  expect 0 clowder profile set r --runtime command --base "tcp://127.0.0.1:$port" -n 2 -- "$peer" daemon '{url}' 0 "$work"
  for _ in $(seq 40); do
    expect 0 clowder up r
    expect 0 clowder down r
  done
  wait_until none_running "$peer daemon .*$work"
  expect 0 clowder log
  [ "$(grep -c 'step=probe' out)" = 0 ] || fail "measured $(grep -c 'step=probe.*ok' out) times"
  kill "$base_pid"
}

# What starts, or connects, and ends at once: pauses that grow, and then quarantine with the reason, whatever the runtime is. The
# same of our own daemons when nothing is given to them.
case_flaps() {
  launches() { grep -c "launched daemon=$1-" "$engine_log"; }
  gave_up() { grep -q "gave up profile=$1 .*last=.*$2" "$engine_log"; }
  expect 0 clowder profile set plain --runtime command -n 2 -- sh -c 'echo broken today >&2; exit 7'
  clowder up plain --no-wait >/dev/null
  wait_until gave_up plain 'ended with status 7'
  # It connects to its base, says nothing, and ends well; or badly.
  cat >bin_flap <<'SH'
#!/bin/sh
exec python3 -c '
import socket, sys
host, port = sys.argv[1].split("/")[2].split(":")
socket.create_connection((host, int(port)))
sys.exit(int(sys.argv[2]))' "$@"
SH
  chmod +x bin_flap
  python3 - <<'PY' &
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(50)
open("port", "w").write(str(s.getsockname()[1]))
while True:
    s.accept()
PY
  local listener=$! status
  wait_until test -s port
  for status in 0 3; do
    expect 0 clowder profile set flap$status --runtime command --base "tcp://127.0.0.1:$(cat port)" -n 2 -- "$work/bin_flap" '{url}' $status
    clowder up flap$status --no-wait >/dev/null
    wait_until gave_up flap$status 'ended'
    wait_until state_is flap$status failed
    [ "$(launches flap$status)" -le 12 ] || fail "$(launches flap$status) launches of flap$status"
  done
  # Those that end by themselves, and are not to be replaced, are done, however short that was: nothing has failed.
  mkdir brief
  printf '#!/bin/sh\nexit 13\n' >brief/Rscript # what R ends with after maxtasks
  chmod +x brief/Rscript
  expect 0 clowder profile set brief --runtime mirai --no-respawn --base "tcp://127.0.0.1:$(cat port)" --env "PATH=$work/brief:/usr/bin:/bin" -n 3
  clowder up brief --no-wait >/dev/null
  brief_ended() { [ "$(grep -c 'leaves daemon=brief-.*maxtasks' "$engine_log")" = 3 ] && state_is brief stopped; }
  wait_until brief_ended
  [ "$(status_of brief .reason)" = '' ] || fail "taken for a failure: $(clowder status brief)"
  [ "$(launches brief)" = 3 ] || fail "$(launches brief) launches of brief"
  kill $listener
  [ "$(launches plain)" -le 12 ] || fail "$(launches plain) launches"
  # Somebody kills our own as soon as they are there.
  expect 0 clowder up own -n 1
  own() { pid=$(status_of own 'select(.daemons.connected > 0) | .daemon_list[0].pid') && [ -n "$pid" ] && [ "$pid" != "$old" ]; }
  local old='' pid=''
  while ! gave_up own own-; do
    wait_until eval 'own || gave_up own own-'
    [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || true
    old=$pid
  done
  [ "$(launches own)" -le 8 ] || fail "$(launches own) launches of our own"
  # One that works is replaced at once, however often its tasks end it; and only those bear it.
  expect 0 clowder up good -n 1
  seq 40 | clowder map -p good --retries 0 -- sh -c 'echo {} && [ $(({} % 2)) = 0 ] || kill -9 $PPID' >got 2>err || true
  seq 2 2 40 | cmp - got || fail "tasks between others that end their daemon: $(cat got err)"
  ! gave_up good . || fail "it gave up on daemons that work: $(grep 'gave up' "$engine_log")"
  for name in plain flap0 flap3 brief own good; do expect 0 clowder down $name --now; done
}

# A profile that was changed while it was up comes back with what it has now: it rests with its reason, and nobody dies of it.
case_restored() {
  expect 0 clowder up p -n 1
  expect 0 clowder profile set p --runtime mirai
  kill -9 "$(engine_pid)"
  expect 0 clowder engine start
  rests() { [ "$(status_of "$1" .state)" = failed ] && status_of "$1" .reason | grep -q "$2"; }
  wait_until rests p 'no base that its daemons could dial'
  expect 0 clowder profile set p --runtime command
  kill -9 "$(engine_pid)"
  expect 0 clowder engine start
  wait_until rests p 'no command for its daemons'
  expect 2 clowder up p
  says 'no command for its daemons'
  expect 0 clowder profile set p --runtime clowder
  expect 0 clowder down p
  expect 0 clowder up p
  expect 0 clowder map -p p -- echo ::: fine
  prints fine
  expect 0 clowder down p
}
# A tunnel on a host may have the number of the base's port by chance: it is another machine's.
is_tunnel() { grep -qF "step=tunnel url=$1 target=tcp:127.0.0.1:$port" "$engine_log"; } # URL

case_mirai() {
  ready 2
  r_stand_in
  export HOME=$work/home # where R's libraries would be, there and here
  local lib version
  if command -v Rscript >/dev/null; then
    version=$(Rscript --version 2>&1 | grep -oE '[0-9]+[.][0-9]+' | head -1)
    for lib in "$LAB/h1/home=2.5.0" "$HOME=2.7.1"; do
      mkdir -p "${lib%=*}/R/any-library/$version/mirai"
      echo "Version: ${lib#*=}" >"${lib%=*}/R/any-library/$version/mirai/DESCRIPTION"
    done
  fi
  base 3000 64 60 4
  expect 0 cl profile set r --runtime mirai --base "tcp://127.0.0.1:$port" --on h1:2 --on h2:2 --env "PATH=$work/bin:/usr/bin:/bin" \
    --option autoexit=TRUE --option tls=quote\"d
  expect 0 cl up r
  prints 'r: 4 daemons up'
  wait_until base_done
  [ "$(base_says '[.right, .wrong, .inits, .most] | @csv')" = 3000,0,4,4 ] || fail "base: $(cat base.out)"
  wait_until is_traffic r .results 3000
  [ "$(traffic r '[.tasks, .cancels, .messages_down, .messages_up] | @csv')" = 3000,0,3004,3000 ] || fail "$(traffic r)"
  [ "$(traffic r '.framing, .framed, .connections' | tr '\n' ' ')" = 'mirai true 4 ' ] || fail "$(traffic r)"
  [ "$(status_of r '[.hosts[] | select(.done > 0)] | length')" = 2 ] || fail "by host: $(clowder status r)"
  grep -qx 'q(status = 10L + mirai::daemon("tcp://127.0.0.1:[0-9]*", dispatcher = TRUE, output = TRUE, autoexit = TRUE, tls = "quote\\"d"))' \
    expressions || fail "R was told: $(cat expressions)"
  if command -v Rscript >/dev/null; then
    Rscript -e 'for (l in readLines("expressions")) parse(text = l)' >/dev/null || fail "R cannot read it: $(cat expressions)"
  fi
  note_is() { [ "$(status_of r ".hosts[] | select(.host == \"$1\") | .note")" = "$2" ]; }
  if command -v Rscript >/dev/null; then
    wait_until note_is h1 'it has mirai 2.5.0, this machine 2.7.1'
    clowder status r | grep -q '! it has mirai 2.5.0' || fail "not in the table: $(clowder status r)"
  else
    wait_until note_is h1 'there is no Rscript on it'
  fi
  for told in $(grep -oE 'tcp://127.0.0.1:[0-9]+' expressions); do
    is_tunnel "$told" || fail "a daemon was told another port than the tunnel's: $told"
  done
  base_end 0

  # One retires after its tasks, by its own word, and another takes its place.
  expect 0 cl down r
  base 60 64
  expect 0 cl profile set r --base "tcp://127.0.0.1:$port" --maxtasks 10 --on h2:0 --on h1:1
  expect 0 cl up r
  wait_until base_done
  [ "$(base_says '[.right, .retired] | @csv')" = 60,6 ] || fail "base: $(cat base.out)"
  wait_until is_traffic r .results 3060 # with those before: a profile's counts go on
  is_traffic r .cancels 0 || fail "an acknowledgement counts as a cancellation: $(traffic r)"
  grep -q 'leaves daemon=r-.* why="maxtasks' "$engine_log" || fail "why it left"
  base_end 0
}

case_kill() {
  ready 1
  base 1000000000 64 600
  expect 0 cl profile set r --runtime command --base "tcp://127.0.0.1:$port" --on h1:2 -- "$peer" daemon '{url}' 0 "$work"
  expect 0 cl up r
  local one
  one=$(status_of r '.daemon_list[0] | "\(.name) \(.pid)"')
  kill -9 "${one#* }"
  gone() { status_of r '.daemon_list[].name' | grep -qx "$1" && return 1; connected r 2; }
  wait_until gone "${one% *}"
  grep -q "lost daemon=${one% *} host=h1 why=\"was killed by signal 9" "$engine_log" || fail "why: $(tail -3 "$engine_log")"
  # The link is lost: what runs there ends, and starts again when the host is back.
  local before
  before=$(status_of r '[.daemon_list[].pid] | sort | @csv')
  lab_stop 1
  none_alive() { local p; for p in ${before//,/ }; do ! kill -0 "$p" 2>/dev/null || return 1; done; }
  wait_until none_alive
  lab_sshd 1
  wait_until connected r 2
  expect 0 cl down r
  wait_until none_running "$peer daemon .*$work"
  kill "$base_pid"
}

# Another user's command, given whole: it arrives as it is but for the port.
case_launch() {
  ready 2
  base 4000 64 60 4
  cat >show.sh <<SH
#!/bin/sh
for word; do printf '%s\n--\n' "\$word"; done >>$work/words.\$CLOWDER_DAEMON
exec $peer daemon "\$1" 0 $work
SH
  chmod +x show.sh
  local pem nasty
  pem=$(printf -- '-----BEGIN CERTIFICATE-----\nMIIB+z/CC=\n%s\n-----END CERTIFICATE-----\n' "$(head -c 3000 /dev/zero | tr '\0' A)")
  nasty="a'b\"c \$HOME \`id\` @PORT@ @URL@ \\n {url} tcp://127.0.0.1:1"
  expect 4 cl launch -p nothere true
  expect 0 cl profile set gpu --on h1:1 --on h2:1
  q() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }
  for _ in 1 2 3 4; do
    expect 0 cl launch -p gpu "$work/show.sh 'tcp://127.0.0.1:$port' $(q "$pem") $(q "$nasty")"
  done
  wait_until connected gpu 4
  [ "$(status_of gpu '[.hosts[] | "\(.host)=\(.daemons)"] | sort | join(" ")')" = 'h1=2 h2=2' ] || fail "$(clowder status gpu)"
  for one in words.*; do
    sed -n 1p "$one" | grep -qE '^tcp://127.0.0.1:[0-9]+$' || fail "the url: $(head -1 "$one")"
    is_tunnel "$(sed -n 1p "$one")" || fail "it was told another port than the tunnel's: $(head -1 "$one")"
    { printf '%s\n--\n' "$pem"; printf '%s\n--\n' "$nasty"; } | cmp - <(tail -n +3 "$one") || fail "it came as $(cat "$one")"
  done
  wait_until base_done
  [ "$(base_says '[.right, .most] | @csv')" = 4000,4 ] || fail "base: $(cat base.out)"
  base_end 0
  # The session that gave the commands is over, and so are they.
  no_daemons() { [ "$(status_of gpu '.daemon_list | length')" = 0 ]; }
  wait_until no_daemons
  expect 0 cl launch -p gpu -- echo one 'two words' "three'"
  wait_until grep -q "text=\"one two words three'\"" "$engine_log"
  expect 0 cl up -n 1
  expect 5 cl launch -p default true
}

case_many() { # 64 connections, and messages of 100 MB
  ready 2
  base 20000 1000
  expect 0 cl profile set r --runtime command --base "tcp://127.0.0.1:$port" --on h1:32 --on h2:32 -- "$peer" daemon '{url}' 0 "$work"
  expect 0 cl up r
  wait_until base_done
  [ "$(base_says '[.right, .wrong] | @csv')" = 20000,0 ] || fail "base: $(cat base.out)"
  wait_until is_traffic r .results 20000
  is_traffic r .connections 64 || fail "$(traffic r)"
  expect 0 cl down r
  base_end 0
  base 4 100000000 120
  expect 0 cl profile set r --base "tcp://127.0.0.1:$port" --on h1:1 --on h2:1
  expect 0 cl up r
  big_done() { sleep 0.2; base_done; }
  wait_until big_done
  [ "$(base_says '[.right, .wrong] | @csv')" = 4,0 ] || fail "base: $(cat base.out)"
  wait_until is_traffic r .results 20004
  [ "$(traffic r .bytes_up)" -gt 400000000 ] || fail "$(traffic r)"
  base_end 0
}

# An sshd that forbids to forward: the port on the host is not its own, but the supervisor's.
case_stdio() {
  ready 1 'AllowTcpForwarding no'
  base 5000 64
  expect 0 cl profile set r --runtime command --base "tcp://127.0.0.1:$port" --on h1:3 -- "$peer" daemon '{url}' 0 "$work"
  expect 0 cl up r
  wait_until base_done
  [ "$(base_says '[.right, .wrong] | @csv')" = 5000,0 ] || fail "base: $(cat base.out)"
  wait_until is_traffic r .results 5000
  expect 0 cl down r
  base_end 0
}

# A base that listens at a socket: on the host, too, the way to it is a socket that nobody else reaches.
case_socket() {
  ready 1
  base_at "ipc://$work/base.sock" 2000 64
  expect 0 cl profile set r --runtime command --base "ipc://$work/base.sock" --on h1:2 -n 1 -- "$peer" daemon '{url}' 0 "$work"
  expect 0 cl up r
  wait_until base_done
  [ "$(base_says '[.right, .wrong] | @csv')" = 2000,0 ] || fail "base: $(cat base.out)"
  pgrep -af "$peer daemon" | grep -oE 'ipc://[^ ]+' | sort -u >urls
  [ -s urls ] || fail "no daemon dials a socket"
  while read -r url; do
    [ "$(stat -c %a "${url#ipc://}")" = 600 ] && [ "$(stat -c %a "$(dirname "${url#ipc://}")")" = 700 ] || fail "$url is open to others"
  done <urls
  expect 0 cl down r
  base_end 0
}

# Bytes that are no SP pass as they are, and are counted as bytes.
case_bytes() {
  desktop=
  cat >echo.py <<'PY'
import socket, sys, threading
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True)
def serve(c):
    while (b := c.recv(65536)): c.sendall(b)
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
PY
  cat >client.py <<'PY'
import os, socket, sys, hashlib
host, port = sys.argv[1].split("/")[2].split(":")
c = socket.create_connection((host, int(port)))
data = os.urandom(300000); got = b""
import threading
threading.Thread(target=c.sendall, args=(data,)).start()
while len(got) < len(data): got += c.recv(65536)
print("same" if got == data else "other", flush=True)
c.recv(1)
PY
  python3 echo.py >echo.port &
  wait_until test -s echo.port
  expect 0 clowder profile set b --runtime command --base "tcp://127.0.0.1:$(cat echo.port)" -n 1 -- python3 "$work/client.py" '{url}'
  expect 0 clowder up b
  wait_until grep -q 'text="same"' "$engine_log"
  wait_until is_traffic b .bytes_up 300000
  [ "$(traffic b '.bytes_down, .framed, .results' | tr '\n' ' ')" = '300000 false 0 ' ] || fail "$(traffic b)"
}

# A real scheduler and real workers on two hosts.
case_dask() {
  local python=/usr/bin/python3
  if ! $python -c 'import distributed' 2>/dev/null; then echo "SKIP: needs python3-distributed"; exit 77; fi
  ready 2
  # shellcheck disable=SC2086
  $desktop $python -m distributed.cli.dask_scheduler --host 127.0.0.1 --port 0 --no-dashboard --scheduler-file scheduler.json \
    >scheduler.log 2>&1 &
  local scheduler=$!
  wait_until jq -e .address scheduler.json
  expect 0 cl host edit h1 --tag fast
  expect 0 cl profile set d --runtime dask --base "$(jq -r .address scheduler.json)" --on h1:2 --on h2:1 -n 1
  expect 0 cl up d --timeout 60s
  prints 'd: 4 daemons up'
  cat >work.py <<'PY'
import os, signal, sys, time
from distributed import Client, wait
def square(x):
    return x * x
def total(xs):
    return sum(xs)
if __name__ == "__main__":
    c = Client(scheduler_file="scheduler.json", timeout=30)
    c.wait_for_workers(4, timeout=60)
    names = sorted(w["name"] for w in c.scheduler_info()["workers"].values())
    print("workers", *names)
    assert c.gather(c.map(square, range(1000), pure=False)) == [i * i for i in range(1000)]
    print("right")
    # Something that one worker has and another needs: they reach each other.
    parts = [c.submit(range, i, i + 10, pure=False, workers=[w], allow_other_workers=False)
             for i, w in enumerate(c.scheduler_info()["workers"])]
    assert c.submit(total, c.submit(lambda *p: [sum(x) for x in p], *parts)).result() == sum(sum(range(i, i + 10)) for i in range(4))
    print("shared")
    print("fast", sum("fast" in w["resources"] for w in c.scheduler_info()["workers"].values()))
    os.kill(int(sys.argv[1]), signal.SIGKILL)
    # The work goes on with those that are left, and with the one that comes instead.
    assert c.gather(c.map(square, range(2000, 3000), pure=False)) == [i * i for i in range(2000, 3000)]
    print("right again")
    deadline = time.time() + 60
    while time.time() < deadline:
        now = sorted(w["name"] for w in c.scheduler_info()["workers"].values())
        if len(now) == 4 and now != names: break
        time.sleep(0.1)
    else: sys.exit("no worker came instead: %s" % now)
    print("four again")
    c.close()
PY
  # shellcheck disable=SC2086
  expect 0 timeout 100 $desktop $python work.py "$(status_of d '[.daemon_list[] | select(.host == "h1")][0].pid')"
  grep -q '^workers d-1 d-2 d-3 d-4$' out || fail "names: $(cat out err)"
  grep -qx 'fast 2' out || fail "tags: $(cat out)"
  [ "$(grep -c -x -e right -e shared -e 'right again' -e 'four again' out)" = 4 ] || fail "dask: $(cat out err)"
  connected d 4 || fail "after the kill: $(clowder status d)"
  [ "$(traffic d '.framing, .framed' | tr '\n' ' ')" = 'dask true ' ] || fail "$(traffic d)"
  [ "$(traffic d .messages_up)" -gt 100 ] || fail "$(traffic d)"
  expect 0 cl down d
  wait_until none_running "dask worker.*--name d-"
  kill "$scheduler"
}

for one in "$@"; do "case_$one"; done
