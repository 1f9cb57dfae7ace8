#!/usr/bin/env bash
# Spare hosts, whole: real OpenSSH servers as hosts of their own behind a firewall, and the commands that a user types.
#   hosts.sh CASE...
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts_lib.sh"
use_lab clwe 10.97

connected() { # PROFILE N
  [ "$(status_of "$1" '.daemons.connected')" = "$2" ]
}

executing() { [ "$(status_of "$1" '.tasks.executing')" -gt 0 ]; } # PROFILE

ready() { # N [LINES]: hosts in the inventory, their keys on record
  set +e
  lab_up "$@"
  set -e
  local i
  for i in $(seq "$1"); do cl host add "h$i" >/dev/null; done
}

case_day() {
  ready 3
  : >"$LAB/known_hosts" # nothing is known yet: the first contact asks
  expect 5 cl up -p default --on h1:2
  says 'host trust'
  for i in 1 2 3; do
    expect 5 cl host trust "h$i" </dev/null
    expect 0 cl host trust "h$i" --yes
  done
  # A key on record is compared, too, with the link up and without.
  local shown op
  shown=$(ssh-keygen -lf "$LAB/h1/hostkey.pub" | cut -d ' ' -f 2)
  for op in 'host retry h1' 'up -p default --on h1:1'; do
    expect 5 cl host trust h1 --fingerprint SHA256:aaaa
    grep -qF "known already, and it is $shown, not SHA256:aaaa" err || fail "trust: $(cat err)"
    one_line
    expect 0 cl host trust h1 --fingerprint "$shown"
    prints 'h1: its key is known already'
    # shellcheck disable=SC2086
    expect 0 cl $op
  done
  expect 5 cl host trust h1 --fingerprint SHA256:aaaa
  expect 0 cl up -p default --on h1:2 --on h2:2 --on h3:2
  prints 'default: 6 daemons up'
  seq 10000 | expect 0 cl map -w -- cat
  seq 10000 | cmp - out || fail "10,000 tasks over six remote daemons came back otherwise"
  seq 2000 | expect 0 cl map -- echo x{}
  seq 2000 | sed 's/^/x/' | cmp - out || fail "commands on hosts came back otherwise"
  expect 0 cl everywhere -- sh -c 'echo $CLOWDER_HOST:$HOME'
  [ "$(cut -f 2 out | sort -u | sed "s,$LAB/,,")" = "h1:h1/home
h2:h2/home
h3:h3/home" ] || fail "everywhere: $(cat out)"
  [ "$(status_of default '[.hosts[].daemons] | add')" = 6 ] || fail "status has other hosts"
  [ "$(status_of default '[.hosts[] | select(.rate_mean_60s >= 0 and .done > 0)] | length')" = 3 ] || fail "rates by host"
  expect 0 cl host list --json
  jq -e '[.hosts[] | select(.state == "up" and .facts.cores > 0)] | length == 3' out >/dev/null || fail "list: $(cat out)"

  # A host dies in the middle of a map: nothing is lost, and it comes back without a word.
  seq 4000 | cl map -- sh -c 'sleep 0.005; echo {}' >map.out 2>map.err &
  local map=$!
  wait_until executing default
  lab_stop 2
  wait_until connected default 4
  lab_sshd 2
  wait_until connected default 6
  wait $map || fail "the map: $(cat map.err)"
  seq 4000 | cmp - map.out || fail "a host that died lost something"

  # The engine dies: the next one has the hosts again.
  kill -9 "$(engine_pid)"
  expect 0 cl up
  connected default 6 || fail "after the engine died: $(clowder status)"
  seq 100 | expect 0 cl map -- echo {}
  expect 0 cl down
  expect 0 cl status --json
  [ "$(jq '.profiles[0].daemons.connected' out)" = 0 ] || fail "down: $(cat out)"
}

case_profiles() {
  ready 2
  expect 0 cl up -n 1
  expect 0 cl up --on h1:1 # extend: local and remote in one profile
  [ "$(status_of default '[.hosts[] | "\(.host)=\(.daemons)"] | sort | join(" ")')" = "h1=1 local=1" ] ||
    fail "extend: $(clowder status)"
  expect 0 cl profile set gpu --on h2:2 --env MODEL=big --setup 'echo ready >$HOME/set-up'
  expect 0 cl up gpu
  expect 0 cl with gpu -- sh -c 'seq 4 | clowder map -- sh -c "echo \$CLOWDER_HOST \$MODEL \$(cat \$HOME/set-up)"'
  [ "$(sort -u out)" = "h2 big ready" ] || fail "with gpu: $(cat out)"
  expect 0 cl scale gpu --on h2:3
  connected gpu 3 || fail "scale: $(clowder status)"
  expect 0 cl map -p gpu -- sh -c 'cat $HOME/set-up' ::: a b c d
  # What is in use keeps its name; the advice works.
  expect 5 cl host edit h2 --name other --note new
  says "'h2' is in use, in profile 'gpu', .*; take it down there first: clowder down gpu --on h2"
  one_line
  expect 0 cl host edit h2 --name h2 --note 'in use'
  expect 0 cl down gpu --on h2
  expect 0 cl host edit h2 --name other h2
  expect 0 cl up gpu --on other:1
  [ "$(status_of gpu '[.hosts[] | "\(.host)=\(.daemons)"] | join(" ")')" = other=1 ] || fail "renamed: $(clowder status)"
  expect 0 cl down --on h1
  [ "$(status_of default '[.hosts[].host] | join(" ")')" = local ] || fail "down --on: $(clowder status)"
  expect 4 cl up --on nobody:1
  expect 0 cl down --all
}

case_ways() { # without forwarding, and directly
  ready 2
  lab_stop 1
  lab_sshd 1 'AllowTcpForwarding no'
  expect 0 cl host edit h2 --direct
  # shellcheck disable=SC2154
  [ "$lab_mode" != namespaces ] || $desktop nft add rule inet fw in ip saddr "$(lab_address 2)" accept
  expect 0 cl up --on h1:2 --on h2:2
  [ "$(status_of default '[.hosts[] | "\(.host) \(.url[0:6]) \(.direct)"] | join(", ")')" = \
    "h1 ipc:// false, h2  true" ] || fail "ways: $(clowder status --json)"
  seq 20000 | expect 0 cl map -w -- cat
  seq 20000 | cmp - out || fail "over the launch and TLS it came back otherwise"
  head -c 3000000 /dev/urandom | base64 -w 0 >big
  expect 0 cl map -w -a big -- cat
  [ "$(cat out)" = "$(cat big)" ] || fail "3 MB in one line came back otherwise"
  expect 0 cl down
}

# A host that dials home directly, and whose clock is years from ours: the certificate is pinned, and is good at any time. One
# that cannot come home says why.
case_clock() {
  local clock=$CLOWDER_BUILD/bin/tests/libfaultclock.so years
  ready 1
  [ "$lab_mode" = namespaces ] || { echo "SKIP: needs network namespaces"; exit 77; }
  nm "$bin/clowder" | grep __asan >/dev/null && { echo "SKIP: a sanitizer takes no other clock"; exit 77; }
  expect 0 cl host edit h1 --direct
  # shellcheck disable=SC2154
  $desktop nft insert rule inet fw in ip saddr "$(lab_address 1)" accept
  for years in 20 -20; do
    python3 -c "import struct, sys; sys.stdout.buffer.write(struct.pack('<q', $years * 365 * 86400))" >clock
    expect 0 cl engine stop
    # shellcheck disable=SC2086
    expect 0 $desktop env LD_PRELOAD="$clock" CLOWDER_FAULT_CLOCK="$work/clock" clowder engine start
    grep -q "^$(date -u -d "$years years" +%Y)-" "$engine_log" || [ "$years" -lt 0 ] || fail "the clock did not jump: $(tail -1 "$engine_log")"
    expect 0 cl up --on h1:1
    [ "$(cl map -- echo {} ::: home)" = home ] || fail "nothing came home over TLS"
  done
  $desktop nft flush chain inet fw in
  $desktop nft add rule inet fw in iif lo accept
  $desktop nft add rule inet fw in ct state established,related accept
  $desktop nft add rule inet fw in ip saddr "$(lab_address 1)" reject with tcp reset
  expect 0 cl down
  cl up --on h1:1 --timeout 1s >/dev/null 2>&1 && fail "it came home through a closed door"
  wait_until grep -qE 'did not connect within 20 s: clowder-daemon: cannot reach tls\+tcp://.*: Connection (refused|reset)' "$engine_log"
}

case_refusals() {
  ready 3
  lab_stop 1
  expect 3 cl up --on h1:1
  says 'refused'
  one_line
  expect 0 cl down
  lab_sshd 1
  ssh-keygen -q -t ed25519 -N '' -f "$LAB/other"
  sed -i "2s/.*/$(lab_known_name 2) $(cut -d ' ' -f 1,2 "$LAB/other.pub" | sed 's,/,\\/,g')/" "$LAB/known_hosts"
  expect 5 cl up --on h2:1
  says "known_hosts.*2"
  one_line
  expect 0 cl down
  # A key of another type than the one on record: a blind yes does not do.
  ssh-keygen -q -t ecdsa -N '' -f "$LAB/other2"
  cp "$LAB/known_hosts" known.before
  sed -i "2s/.*/$(lab_known_name 2) $(cut -d ' ' -f 1,2 "$LAB/other2.pub" | sed 's,/,\\/,g')/" "$LAB/known_hosts"
  expect 5 cl host trust h2 --yes
  says 'has one of another type: someone may be intercepting'
  one_line
  grep -c . "$LAB/known_hosts" >lines.now
  [ "$(cat lines.now)" = "$(grep -c . known.before)" ] || fail "a key was written down"
  expect 5 cl host trust h2 --fingerprint SHA256:0000000000000000000000000000000000000000000
  expect 0 cl host trust h2 --fingerprint "$(ssh-keygen -lf "$LAB/h2/hostkey.pub" | cut -d ' ' -f 2)"
  cp known.before "$LAB/known_hosts"
  expect 0 cl host edit h3 --identity "$LAB/other"
  expect 0 cl host probe h3 # the configuration's key still does
  expect 3 cl doctor h2
  grep -q 'hostkey' out || fail "doctor: $(cat out)"
  expect 0 cl doctor h1
  ip -n "$PREFIX-sw" link set p-h1 down 2>/dev/null || return 0
  expect 6 cl host probe h1
  ip -n "$PREFIX-sw" link set p-h1 up
}
lab_known_name() {
  local name
  name=$(lab_address "$1")
  [ "$(lab_port "$1")" = 22 ] || name="\\[$name\\]:$(lab_port "$1")"
  echo "$name"
}

case_link_cut() {
  ready 2
  expect 0 cl up --on h1:2 --on h2:2
  # shellcheck disable=SC2154
  if [ "$lab_mode" != namespaces ]; then echo "no namespaces: the link is not cut"; return 0; fi
  seq 8000 | cl map -- sh -c 'sleep 0.01; echo {}' >map.out 2>map.err &
  local map=$!
  wait_until executing default
  ip -n "$PREFIX-sw" link set p-h1 down
  wait_until connected default 2
  ip -n "$PREFIX-sw" link set p-h1 up
  wait_until connected default 4
  wait $map || fail "the map: $(cat map.err)"
  seq 8000 | cmp - map.out || fail "a link that was cut lost something"
}

# A daemon whose link broke goes by itself when its grace is over, and is missed no longer; the next one has the new grace.
case_grace() {
  ready 1
  expect 0 cl profile set far --on h1:1 --grace 1h
  expect 0 cl up far
  local first
  first=$(status_of far '.daemon_list[0].pid')
  expect 0 cl up far --grace 2s # the daemon that is there is told, and stays
  [ "$(status_of far '.daemon_list[0].pid')" = "$first" ] || fail "another daemon: $(clowder status far)"
  [ "$(cl profile show far --json | jq .grace_ms)" = 2000 ] || fail "$(cl profile show far)"
  local cut=$SECONDS
  lab_stop 1
  wait_until connected far 0
  wait_until is_gone "$first"
  wait_until nobody_away far
  [ $((SECONDS - cut)) -lt 45 ] || fail "the daemon was waited for $((SECONDS - cut)) s"
  lab_sshd 1
  wait_until connected far 1
  [ "$(status_of far '.daemon_list[0].pid')" != "$first" ] || fail "the daemon came back: $(clowder status far)"
}

is_gone() { ! kill -0 "$1"; }
nobody_away() { [ "$(status_of "$1" '.daemon_list | map(select(.state == "away")) | length')" = 0 ]; }

case_secrets() {
  ready 1
  ssh-keygen -q -t ed25519 -N 'open sesame 42' -f "$LAB/locked"
  cat "$LAB/locked.pub" >>"$LAB/authorized_keys"
  sed -i "s,IdentityFile .*,IdentityFile $LAB/locked," "$LAB/config"
  expect 5 cl up --on h1:1
  says 'unlock'
  # Again, while its session waits for the answer; and in the words of a command that needs daemons.
  expect 5 cl up --on h1:1 --timeout 20s
  says "host 'h1': needs an answer: passphrase of .*; clowder host unlock h1"
  one_line
  expect 5 cl host probe h1 --timeout 120s # it says so at once: nothing would be measured before the answer
  says "host 'h1': needs an answer: passphrase of .*; clowder host unlock h1"
  expect 3 cl run -- true
  says 'no daemons up: needs an answer: passphrase of .*; clowder host unlock h1$'
  one_line
  kill -9 "$(engine_pid)" # the next one asks anew
  expect 3 cl run -- true
  says 'needs an answer: passphrase of .*; clowder host unlock h1$'
  printf 'open sesame 42\n' | expect 2 cl host unlock h1
  says '[-]-kind passphrase, password or interactive; host .h1. asks for this \(passphrase\): passphrase of'
  one_line
  printf 'wrong\n' | expect 5 cl host unlock h1 --kind passphrase
  says 'did not take the answer: passphrase of'
  one_line
  printf 'open sesame 42\n' | expect 5 cl host unlock h1 --kind password
  says 'another kind of secret \(passphrase\)'
  printf 'open sesame 42\n' | expect 0 cl host unlock h1 --kind passphrase
  expect 0 cl up --on h1:1
  seq 10 | expect 0 cl map -- echo {}
  expect 0 cl down
  expect 0 cl up --on h1:1 # it is remembered, in memory
  local engine daemon pid url port
  engine=$(engine_pid)
  daemon=$(status_of default '.daemon_list[0].pid')
  # The token is in the daemon's memory and nowhere else: not in an argument, an environment, a file or a log.
  for pid in $engine $daemon; do
    grep -qa 'open sesame' "/proc/$pid/environ" "/proc/$pid/cmdline" && fail "the passphrase is in process $pid"
    tr '\0' '\n' <"/proc/$pid/environ" | grep -E '[0-9a-f]{64}' >/dev/null && fail "a token is in the environment of $pid"
    tr '\0' '\n' <"/proc/$pid/cmdline" | grep -E '[0-9a-f]{64}' >/dev/null && fail "a token is in the arguments of $pid"
  done
  grep -rqa 'open sesame' "$XDG_DATA_HOME" "$XDG_STATE_HOME" "$XDG_RUNTIME_DIR" "$LAB/h1/home" && fail "the passphrase is on disk"
  grep -rqaE '(token|instance)[= ][0-9a-f]{64}' "$XDG_DATA_HOME" "$XDG_STATE_HOME" "$LAB/h1/home" && fail "a token is on disk"
  grep -qa 'open sesame' "$LAB/h1/log" && fail "the passphrase is in the host's log"
  [ "$(stat -c %u:%a "/proc/$engine/environ")" = 0:400 ] || fail "the engine's memory is open to others"
  # Another user of the host does not reach the daemons' way home.
  url=$(status_of default '.hosts[0].url')
  programs_for_others "$CLOWDER_TEST_ROGUE"
  expect 1 setpriv --reuid=65534 --regid=65534 --clear-groups sh -c "cd / && exec $work/programs/rogue ${url#ipc://}"
  says 'connect: Permission denied'
  connected default 1 || fail "a stranger disturbed the daemons"
}

# A logout on the host, or who tidies /tmp there, takes the way home away: daemons that are started after that find it.
case_logout() {
  ready 1
  expect 0 cl up -p default --on h1:1
  local way
  way=$(sed -n 's,.*step=tunnel url=ipc://\([^ ]*\).*,\1,p' "$engine_log" | tail -1)
  [ -S "$way" ] || fail "no socket at '$way'"
  rm -rf "$(dirname "$way")"
  expect 0 cl up -p default --on h1:2
  kill -9 "$(status_of default '.daemon_list[0].pid')"
  wait_until connected default 2
  expect 0 cl map -- echo ::: a b c
  [ "$(stat -c %a "$(dirname "$way")")" = 700 ] || fail "the folder is open: $(ls -ld "$(dirname "$way")")"
  expect 0 cl down
}

# A host that reboots comes back with its daemons; one that cannot start them is refused, with the reason.
case_reboot() {
  ready 2
  expect 0 cl up --on h1:2 --on h2:1
  lab_stop 1
  if [ "$lab_mode" = namespaces ]; then
    for pid in $(ip netns pids "$PREFIX-h1"); do kill -9 "$pid" 2>/dev/null || true; done
    wait_until connected default 1
  fi
  lab_sshd 1
  wait_until connected default 3
  expect 0 cl down
  [ "$lab_mode" = namespaces ] || return 0
  echo "mount -t tmpfs -o size=30m,noexec none $LAB/h2/home" >"$LAB/h2/mount"
  lab_stop 2
  lab_sshd 2
  expect 5 cl up --on h2:1
  says 'noexec'
  one_line
  [ "$(status_of default '.hosts[0].state')" = refused ] || fail "$(clowder status)"
}

# No GPU here: a host whose nvidia-smi tells of two.
case_gpu() {
  ready 1
  mkdir -p "$LAB/h1/bin"
  cat >"$LAB/h1/bin/nvidia-smi" <<'SMI'
#!/bin/sh
case $* in
*'-i '*) echo 4 ;; # who uses it now
*compute-apps*) echo "GPU-a, 1, 30001" ;;
*)
  echo "0, NVIDIA A100-SXM4-40GB, 40960, 535.104.05, 87, 30211, 71, 388.20, GPU-a"
  echo "1, NVIDIA A100-SXM4-40GB, 40960, 535.104.05, 0, 4, 31, 61.07, GPU-b"
  ;;
esac
SMI
  chmod +x "$LAB/h1/bin/nvidia-smi"
  sed -i "s,^SetEnv HOME=.*,& PATH=$LAB/h1/bin:/usr/sbin:/usr/bin:/sbin:/bin," "$LAB/h1/base"
  lab_stop 1
  lab_sshd 1
  expect 0 cl host probe h1
  expect 0 cl host list --json
  jq -e '.hosts[0].facts.gpus | length == 2' out >/dev/null || fail "GPUs: $(cat out)"
  # It can be woken once it was measured: nobody has to type the address of its network card.
  if [ "$lab_mode" = namespaces ]; then
    jq -e '.hosts[0].facts.mac | test("^([0-9a-f]{2}:){5}[0-9a-f]{2}$")' out >/dev/null || fail "no MAC: $(cat out)"
    expect 0 cl host wake h1
  fi
  expect 0 cl host list 'gpu_free>39G'
  grep -q ' h1 ' out || fail "the GPU that is free: $(cat out)"
  expect 0 cl host list 'gpu_free>40G'
  ! grep -q ' h1 ' out || fail "no GPU has 40 GiB free: $(cat out)"
  expect 0 cl host show h1
  grep -q '^gpu  *0: .* used, 87 % busy, 71 C, 388 W, driver 535.104.05$' out || fail "what the GPU does: $(cat out)"
  grep -qE "^ +process 1 of (root|nobody): " out || fail "who computes on it: $(cat out)"
  local twice
  for twice in before after; do # a host that was measured is there, whether an engine runs or not
    expect 0 cl host list
    grep -qE '^\. ready +h1 ' out || fail "$twice: $(cat out)"
    expect 0 cl engine stop --now
  done
  expect 0 cl profile set gpu --on h1 --per-gpu --env "CLOWDER_GPU_LOCKS=$work"
  expect 0 cl up gpu
  [ "$(status_of gpu '.hosts[0].gpus | map("\(.busy) \(.mem_used_bytes / 1048576)") | join(",")')" = '87 30211,0 4' ] ||
    fail "what the GPUs do: $(clowder status --json)"
  connected gpu 2 || fail "one daemon for each GPU: $(clowder status)"
  expect 0 cl everywhere -p gpu -- sh -c 'echo $CUDA_VISIBLE_DEVICES $HIP_VISIBLE_DEVICES'
  [ "$(cut -f 2 out | sort)" = "0 0
1 1" ] || fail "GPUs of the daemons: $(cat out)"
  expect 0 cl host edit h1 --gpus 1
  expect 0 cl down gpu
  expect 0 cl up gpu
  expect 0 cl everywhere -p gpu -- sh -c 'echo $CUDA_VISIBLE_DEVICES'
  [ "$(cut -f 2 out)" = 1 ] || fail "the one GPU that the host gives: $(cat out)"
  expect 0 cl down gpu
}

# A machine on which tasks fail: it is said, and what failed there is done elsewhere when the job asks for that.
# What is removed stops: after its tasks, or now; and then nothing of it is left, here or there.
case_remove() {
  ready 2
  expect 0 cl up -p default --on h1:2 --on h2:1
  cl map -- sh -c 'touch '"$work"'/began.$CLOWDER_HOST; until test -e '"$work"'/go; do sleep 0.05; done; echo {}' ::: 1 2 3 4 5 6 >got &
  local map=$! remove
  wait_until test -e began.h1
  wait_until test -e began.h2
  cl host remove h1 --yes 2>told &
  remove=$!
  wait_until grep -q "waiting until the tasks on 'h1' have ended" told
  expect 0 cl host show h1 # it is there until then
  # Whoever wants something of it meanwhile does not keep it.
  local op
  for op in "host probe h1" "host trust h1" "host unlock h1" "host retry h1" "host forget h1" "up -p default --on h1:1"; do
    # shellcheck disable=SC2086
    expect 5 cl $op
    says "host 'h1' is being removed"
    one_line
  done
  touch go
  wait $remove || fail "host remove: $(cat told)"
  wait $map || fail "the map lost something: $(cat got)"
  [ "$(sort -n got | tr -d '\n')" = 123456 ] || fail "results: $(cat got)"
  expect 4 cl host show h1
  [ "$(status_of default '[.hosts[].host] | join(" ")')" = h2 ] || fail "status: $(clowder status)"
  expect 0 cl map -- sh -c 'echo $CLOWDER_HOST' ::: 1 2 3 4
  [ "$(sort -u out)" = h2 ] || fail "it still works: $(cat out)"
  ip netns pids "$PREFIX-h1" | xargs -r ps -o comm= -p >left || true
  ! grep clowder left || fail "left on h1: $(cat left)"
  # Several: all are known before one leaves, and all leave at once; who breaks it off hears what has left.
  expect 0 cl host add h1
  expect 0 cl up -p default --on h1:1
  expect 4 cl host remove h1 h3 --yes
  expect 2 cl host remove h1 h1 --yes
  connected default 2 || fail "one left: $(clowder status)"
  expect 0 cl down -p default --on h1
  rm -f go began.*
  cl map -- sh -c 'touch '"$work"'/began.$CLOWDER_HOST; until test -e '"$work"'/go; do sleep 0.05; done; echo {}' ::: 1 >got &
  map=$!
  wait_until test -e began.h2
  $desktop clowder host remove h1 h2 --yes 2>told &
  remove=$!
  wait_until grep -q "waiting until the tasks on 'h2' have ended" told
  kill -TERM $remove
  ! wait $remove || fail "it was broken off"
  grep -q 'nothing was taken out of the inventory; already out of use: h1; still finishing their tasks: h2;' told || fail "broken off: $(cat told)"
  expect 0 cl host show h1
  expect 5 cl host probe h2
  touch go
  wait $map || fail "the map lost something: $(cat got)"
  expect 0 cl host probe h1
  came_back() { cl host probe h2; }
  wait_until came_back
  expect 0 cl host remove h1 --yes
  expect 0 cl up -p default --on h2:1
  # At once, in the middle of a task, which is done elsewhere.
  expect 0 cl host add h1
  expect 0 cl up -p default --on h1:1
  rm -f go began.*
  cl map -- sh -c 'touch '"$work"'/began.$CLOWDER_HOST; until test -e '"$work"'/go; do sleep 0.05; done; echo {}' ::: 1 2 >got &
  map=$!
  wait_until test -e began.h1
  wait_until test -e began.h2
  expect 0 cl host remove h1 h2 --yes --now
  expect 4 cl host show h2
  [ "$(clowder status --json | jq '[.profiles[].daemons.connected] | add')" = 0 ] || fail "daemons are left: $(clowder status)"
  ! wait $map || fail "a map without daemons is no success"
  for i in 1 2; do
    [ "$(ip netns pids "$PREFIX-h$i" | xargs -r ps -o comm= -p | grep -c clowder)" = 0 ] || fail "left on h$i"
  done
  # Without an engine there is nobody to tell.
  expect 0 cl host add h1
  expect 0 cl engine stop
  expect 0 cl host remove h1 --yes
  expect 3 cl engine status
}

case_suspect() {
  ready 2
  expect 0 cl up --on h1:1 --on h2:1
  connected default 2 || fail "not all are up: $(clowder status)"
  seq 200 >in
  # shellcheck disable=SC2016
  cl map -- sh -c 'sleep 0.01; test $CLOWDER_HOST != h1' <in >/dev/null 2>&1 && fail "no task failed"
  suspects() { [ "$(status_of default '.hosts[] | select(.suspect) | .host')" = "$1" ]; }
  suspects h1 || fail "not suspected: $(clowder status --json)"
  clowder status | grep -q 'suspect: .*% of its tasks failed lately, 0 %' || fail "status: $(clowder status)"
  expect 0 clowder log
  grep -q 'suspect host=h1' out || fail "log: $(cat out)"
  # shellcheck disable=SC2016
  expect 0 cl map --retry-failed 1 -- sh -c 'test $CLOWDER_HOST != h1 && echo {}' <in
  cmp -s out in || fail "retried elsewhere: $(head -3 out err)"
  calm() { seq 400 | cl map -- true && suspects ''; } # once it has done enough of them
  wait_until calm
  expect 0 cl down
}

case_many() {
  ready 20
  local args=() i began took
  for i in $(seq 20); do args+=(--on "h$i:1"); done
  began=$(date +%s%N)
  expect 0 cl up "${args[@]}"
  took=$((($(date +%s%N) - began) / 1000000))
  echo "20 hosts up in $took ms, upload included"
  connected default 20 || fail "not all are up: $(clowder status)"
  seq 2000 | expect 0 cl map -- sh -c 'echo $CLOWDER_HOST'
  [ "$(sort -u out | wc -l)" = 20 ] || fail "some host did nothing: $(sort out | uniq -c)"
  expect 0 cl down
}

for name in "$@"; do
  echo "== $name"
  "case_$name"
done
