#!/usr/bin/env bash
# Another user of a host wants to be the home of the daemons there, ours and those of another engine: squatter.py watches
# which ports and paths they use, talks to each, and takes what is given up when the engine is killed, when sshd ends the
# session, and when the link is cut. He learns nothing, nobody dials him, and he does not reach the base.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts_lib.sh"
use_lab clwq 10.90
victim=clwv$$ mallory=clwm$$ squatter='' base=''

squat_end() {
  local status=$? name pid
  set +e
  for pid in $squatter $base; do kill "$pid" 2>/dev/null; done
  timeout 20 clowder engine stop --now >/dev/null 2>&1
  for name in $victim $mallory; do
    for pid in $(pgrep -u "$name"); do kill -9 "$pid"; done
    userdel "$name" 2>/dev/null
  done
  (exit "$status")
  lab_end
}
trap squat_end EXIT
useradd -M -d / -s /bin/bash -p '*' "$victim"
useradd -M -d / -s /bin/sh -p '*' "$mallory"

set +e
lab_up 1 'ClientAliveInterval 1
ClientAliveCountMax 2' || exit 1
set -e
[ "$lab_mode" = namespaces ] || { echo "SKIP: needs network namespaces"; exit 77; }
chmod 711 "$work" "$LAB" "$LAB/h1"
chmod 644 "$LAB/authorized_keys"
chown "$victim" "$LAB/h1/home"
sed -i "s/User root/User $victim/" "$LAB/config"

# The base of another engine, and a daemon of it: it dials its port again and again, and tells it a secret.
cat >base.py <<'PY'
import socket, threading
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(64); print(s.getsockname()[1], flush=True)
def serve(c):
    try:
        while (b := c.recv(4096)):
            print("came", b, flush=True)
            c.sendall(b"from home\n")
    except OSError:
        pass
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
PY
cat >"$LAB/h1/home/daemon.py" <<'PY'
import socket, sys, time
while True:
    try:
        with socket.create_connection(("127.0.0.1", int(sys.argv[1].rsplit(":", 1)[1])), timeout=1) as c:
            c.sendall(b"secret of the base\n")
            c.recv(100)
    except OSError:
        pass
    time.sleep(0.02)
PY
# shellcheck disable=SC2154,SC2086
$desktop python3 base.py >base.out 2>&1 &
base=$!
wait_until test -s base.out
cl host add h1 >/dev/null
cl profile set other --runtime command --base "tcp://127.0.0.1:$(head -1 base.out)" --on h1:1 -- \
  /usr/bin/python3 "$LAB/h1/home/daemon.py" '{url}' >/dev/null

: >log
chmod 666 log
cp "$(dirname "$0")/squatter.py" . # what he can read
ip netns exec "$PREFIX-h1" setpriv --reuid="$mallory" --regid="$mallory" --clear-groups \
  /usr/bin/python3 "$work/squatter.py" "$(id -u "$victim")" "$work/log" 2>squatter.err &
squatter=$!
wait_until grep -q here log

connected() { [ "$(status_of "$1" '.daemons.connected')" = "$2" ]; } # PROFILE N
came() { [ "$(grep -c 'secret of the base' base.out)" -gt "$1" ]; }  # N
no_session() { ! ip netns exec "$PREFIX-h1" cat /proc/net/tcp | awk '$4 == "01" && $2 ~ /:0016$/' | grep -q .; }

for round in $(seq "${ROUNDS:-9}"); do
  case $((round % 3)) in 0) how='cut' ;; 1) how=engine ;; 2) how=session ;; esac
  heard=$(grep -c 'secret of the base' base.out || true)
  cl up --on h1:2 --env SECRET=of-the-profile >/dev/null
  cl up other >/dev/null
  wait_until connected default 2
  wait_until came "$heard"
  case $how in
  engine) kill -9 "$(engine_pid)" ;;
  session) lab_stop 1 ;;
  cut) ip -n "$PREFIX-sw" link set p-h1 down && wait_until no_session ;;
  esac
  sleep 1 # daemons that were left dial home five times a second
  grep -E '^(LEARNT|ANSWERED)' log && fail "round $round, $how: another user of the host was talked to"
  grep -m 1 mallory base.out && fail "round $round, $how: another user of the host reached the base"
  case $how in
  session) lab_sshd 1 ;;
  cut) ip -n "$PREFIX-sw" link set p-h1 up ;;
  esac
done
kill -0 "$squatter" || fail "the other user gave up: $(cat squatter.err)"
grep -q '^tried' log || fail "he tried nothing"
echo "$round rounds: $(grep -c '^took' log || true) places taken, $(grep -c '^tried' log) tried"
