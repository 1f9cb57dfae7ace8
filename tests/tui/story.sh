#!/usr/bin/env bash
# A day in the screens, with real hosts: add three, trust them, make a profile over them, bring it up, run a map, watch a host
# die and come back, run what failed again, take it down.
. "$(dirname "$0")/lib.sh"
if [ ! -x /usr/sbin/sshd ] || [ "$(id -u)" != 0 ]; then echo "SKIP: needs sshd, and root to start it"; exit 77; fi
LAB=$work/lab PREFIX=clwt$$ NET=10.96
set +e
. "$(dirname "$0")/../hosts/lab.sh"
lab_end() {
  local status=$?
  set +e
  timeout 20 clowder engine stop --now >/dev/null 2>&1
  lab_down
  (exit "$status")
  tui_end
}
trap lab_end EXIT
unset SSH_AUTH_SOCK SSH_AGENT_PID
export CLOWDER_SSH_CONFIG=$LAB/config
lab_up 3 || exit 1
set -e
: >"$LAB/known_hosts"
# shellcheck disable=SC2154
$desktop clowder engine start # on the firewalled desktop; the screens talk to it from anywhere

tui 110 40 clowder --screen hosts
see 'HOST'
for i in 1 2 3; do
  keys a
  see 'Add host'
  type_text "h$i"
  keys F10
  gone 'Add host'
  see "h$i"
done
for i in 1 2 3; do
  keys g
  [ "$i" = 1 ] || keys j
  [ "$i" != 3 ] || keys j
  see "> .*h$i"
  keys t
  see 'SHA256:'
  keys y
  gone 'SHA256:'
  wait_until grep -q "$(cut -d ' ' -f 2 "$LAB/h$i/hostkey.pub")" "$LAB/known_hosts"
done

# A profile in the form: the number on each host is the user's.
keys 3
see 'Profiles'
keys a
see 'New profile'
type_text 'gpu'
while ! shows 'what is measured|not probed yet|cores'; do sleep 0.02; done
for _ in $(seq 9); do keys Tab; done
type_text 5m # as Grace says
for _ in $(seq 16); do keys Tab; done # past the settings, and past this machine
for i in 1 2 3; do
  type_text 2
  keys Tab
done
keys F10
gone 'New profile'
see 'gpu'
expect 0 clowder profile show gpu
grep -qx 'grace      5m00s after its link broke' out || fail "the form's grace: $(cat out)"
keys u
up() { [ "$(clowder status gpu --json | jq '.profiles[0].daemons.connected')" = "$1" ]; }
wait_until up 6
see '6/6'

# A map from a shell, watched from the screen; one host dies in the middle and comes back by itself.
(seq 3000 | clowder map -p gpu --name nightly -- sh -c 'sleep 0.005; [ $(({} % 1000)) -ne 0 ] || [ -e '"$work"'/mended ] || exit 1; echo {}' >map.out 2>/dev/null) &
map=$!
keys 4
see 'nightly'
see 'running'
lab_stop 2
keys 1
see '4/6'
lab_sshd 2
see '6/6'
wait $map || true
[ "$(wc -l <map.out)" -eq 2997 ] || fail "$(wc -l <map.out) of 2997 results"
keys 4
see 'nightly.*failed'
see 'exit 1'

# What failed runs again.
touch mended
keys r
see 'save results to: job-.*-retry.txt'
keys Enter
see 'all tasks done; their results are in job-'
[ "$(cat job-*-retry.txt)" = "$(printf '%d\n' 1000 2000 3000)" ] || fail "run again: $(cat job-*-retry.txt)"

# A job that needs nobody: it says what it waits for, and its results come when they are asked for.
seq 5 >inputs
expect 0 clowder profile set none
keys 3
see '  none'
keys 4
see 'nightly'
keys a
see 'Submit a map'
keys Left # from the first profile to the last
see '< none >'
keys Tab
type_text later
keys Tab
type_text 'echo r{}'
keys Tab
type_text inputs
keys Tab C-u
see 'r1' # what the first task would run
keys F10
gone 'Submit a map'
see 'o collects its results'
see 'later.*queued'
keys Home
see "Waits +profile 'none' has no daemons"
keys '!'
see "waits: profile 'none'"
keys Escape
expect 0 clowder up none -n 1
see 'later.*done'
keys o
see 'save results to'
keys Enter
see 'all are in job-'
[ "$(cat job-*[0-9].txt)" = "$(printf 'r%d\n' 1 2 3 4 5)" ] || fail "results: $(head job-*[0-9].txt)"
expect 0 clowder down none

# And down.
keys 3
see '> .*gpu'
keys x
see 'Stop the 6 daemons'
keys y
wait_until up 0

# A key with a passphrase: u shows what is asked, before anything is typed, and a refused answer asks again.
ssh-keygen -q -t ed25519 -N 'open sesame' -f "$LAB/locked"
cat "$LAB/locked.pub" >>"$LAB/authorized_keys"
sed -i "s,IdentityFile .*,IdentityFile $LAB/locked," "$LAB/config"
expect 0 clowder host add vault h1
keys 2
see 'vault'
keys End
see '> .*vault'
keys u
see 'Unlock vault'
see 'passphrase of .*/locked'
type_text 'wrong'
keys F10
see 'The last one was refused'
type_text 'open sesame'
keys F10
see 'vault: logged in; the engine keeps the secret'
keys q
see 'ready>'
