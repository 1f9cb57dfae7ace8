#!/usr/bin/env bash
# Profiles on this machine: up, down, status, the daemons' settings, everywhere and set-up, what outlives the engine.
. "$(dirname "$0")/lib.sh"

# Ten commands at once start one engine.
for i in 1 2 3 4 5 6 7 8 9 10; do clowder map -n 1 -- true ::: a >/dev/null 2>"start.$i" & done
for job in $(jobs -p); do wait "$job" || fail "concurrent first use: $(cat start.*)"; done
wait_until grep -q 'engine started' "$engine_log"
[ "$(grep -c 'engine started' "$engine_log")" -eq 1 ] || fail "more than one engine started"

expect 0 clowder up -n 2
prints 'default: 2 daemons up'
expect 0 clowder up -n 2 # already
expect 0 clowder up small -n 1
expect 0 clowder status
grep -qE '^default +up +2/2' out || fail "status: $(cat out)"
grep -qE '^small +up +1/1' out || fail "status: $(cat out)"
clowder map -- true ::: a b c
expect 0 clowder --json status
jq -e '.engine.pid > 0 and .engine.version != "" and .engine.uptime_s >= 0 and (.profiles | length) == 2
  and (.profiles[0] | .name == "default" and .runtime == "clowder" and (.url | startswith("ipc://"))
  and .daemons == {wanted: 2, connected: 2, busy: 0, paused: 0, launching: 0, away: 0, lost: 0}
  and .tasks == {awaiting: 0, executing: 0, completed: 3, failed: 0, cancelled: 0, retried: 0, speculated: 0}
  and .rate.now >= 0 and .rate.mean_60s >= 0 and .memory.budget == 67108864 and .memory.used == 0
  and .hosts[0].host == "local" and .hosts[0].daemons == 2 and .hosts[0].load >= 0 and .hosts[0].gpus == [])' out >/dev/null ||
  fail "status --json: $(cat out)"

# Profiles never share daemons.
expect 0 clowder map -p small -- sh -c 'echo $CLOWDER_DAEMON' ::: a b c
[ "$(sort -u out)" = small-1 ] || fail "small ran elsewhere: $(sort -u out)"

# The environment that tasks see is stated.
expect 0 clowder up stated -n 1 --env A=1 --env PATH=/usr/bin:/bin
expect 0 clowder map -p stated -- sh -c 'echo $A $PATH $HOME' ::: x
prints "1 /usr/bin:/bin $HOME"

# Everywhere: once on each; with --setup also on those that join later, before anything else.
expect 0 clowder everywhere -- sh -c 'echo $CLOWDER_DAEMON-here'
[ "$(sort out)" = "default-1	default-1-here
default-2	default-2-here" ] || fail "everywhere: $(cat out)"
expect 0 clowder everywhere --setup -- sh -c "touch $work/set-\$CLOWDER_DAEMON"
clowder up -n 3 >/dev/null
[ -e set-default-1 ] && [ -e set-default-2 ] && [ -e set-default-3 ] || fail "set-up did not reach every daemon: $(ls)"
expect 1 clowder everywhere -- sh -c 'test $CLOWDER_DAEMON != default-2'
says 'default-2: exit 1'
expect 0 clowder up bad -n 1
expect 1 clowder everywhere -p bad --setup -- sh -c "echo not today >&2; exit 1"
expect 3 clowder up bad -n 2
says "setup 'sh' failed: not today"
clowder down bad

# A daemon's life: maxtasks, walltime (replaced), idletime (not replaced).
expect 0 clowder up short -n 1 --maxtasks 3
expect 0 clowder map -p short -- sh -c 'echo $CLOWDER_DAEMON' ::: 1 2 3 4 5 6 7
[ "$(sort out | uniq -c | awk '{ print $1 }' | tr '\n' ' ')" = "3 3 1 " ] || fail "maxtasks: $(sort out | uniq -c)"
expect 0 clowder up brief -n 1 --walltime 200ms
replaced() { [ "$(status_of brief '.daemon_list[0].name')" != brief-1 ] && [ "$(status_of brief .daemons.connected)" -ge 1 ]; }
wait_until replaced
clowder down brief
expect 0 clowder up idle -n 1 --idletime 200ms
idle_gone() { [ "$(status_of idle .daemons.connected)" = 0 ] && [ "$(status_of idle .daemons.wanted)" = 0 ]; }
wait_until idle_gone
# --no-respawn: a lost daemon stays lost. --no-cleanup: what a task leaves running lives on.
expect 0 clowder up once -n 1 --no-respawn
kill -9 "$(status_of once '.daemon_list[0].pid')"
once_gone() { [ "$(status_of once .daemons.wanted)" = 0 ]; }
wait_until once_gone
expect 3 clowder map -p once -- true ::: a
expect 0 clowder up lax -n 1 --no-cleanup
expect 0 clowder map -p lax -- sh -c 'sleep 308.77123 >/dev/null 2>&1 & echo $!' ::: a
left=$(cat out)
kill -0 "$left" || fail "--no-cleanup did not leave it alone"
clowder down lax
wait_until none_running '^sleep 308.77123' # but it does not outlive its daemon

# Down waits for running tasks; --now does not.
clowder map -p small -- sh -c 'touch busy; until test -e free; do sleep 0.02; done; echo ok' ::: a >got &
map=$!
wait_until test -e busy
clowder down small &
down=$!
leaving() { [ "$(status_of small '.daemon_list[0].state')" = leaving ]; }
wait_until leaving
touch free
wait "$down" || fail "down: $?"
wait "$map" || fail "a task that ran when down was said: $?"
[ "$(cat got)" = ok ] || fail "its result is lost"
expect 3 clowder map -p small -- true ::: a

# What was up comes back when the engine died; what was taken down, or stopped by the user, does not.
kill -9 "$(engine_pid)"
expect 0 clowder status # it starts none, and says what would come
says_out() { grep -qE "$1" out || fail "no such line: $1 in: $(cat out)"; }
says_out '^no engine runs'
says_out '^default +stopped +0 of 3 up'
expect 0 clowder status --json
[ "$(jq -c '[.engine, (.profiles[] | select(.name == "default") | .state, .daemons.wanted)]' out)" = '[null,"stopped",3]' ] ||
  fail "without an engine: $(cat out)"
# One that is dying holds its lock for a moment still, and answers nobody.
python3 -c 'import fcntl, struct, sys, time
lock = open(sys.argv[1], "w")
fcntl.fcntl(lock, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)) # F_OFD_SETLK
print("held", flush=True)
time.sleep(0.3)' "$XDG_DATA_HOME/clowder/engine.lock" >held &
wait_until grep -q held held
expect 0 clowder status
says_out '^no engine runs'
expect 4 clowder status nobody
expect 3 clowder status --watch
expect 0 clowder engine start
three_up() { [ "$(status_of default .daemons.connected)" = 3 ]; }
wait_until three_up
expect 0 clowder map -p stated -- sh -c 'echo $A' ::: x
prints 1
expect 3 clowder map -p small -- true ::: a # known, and down
clowder engine stop
expect 0 clowder status --json
[ "$(jq '.profiles | length' out)" -eq 0 ] || fail "profiles came back after engine stop: $(cat out)"
expect 0 clowder up # as many as it had
prints 'default: 3 daemons up'

# Watching: updates come by themselves.
timeout 60 clowder status --watch --json >watched &
watch=$!
clowder map -n 1 -- sh -c 'until test -e seen; do sleep 0.02; done' ::: a &
map=$!
saw_map() { grep -q '"map-' watched; }
wait_until saw_map
touch seen
wait "$map" || fail "map: $?"
kill "$watch"
expect 0 clowder log
grep -q 'profile up profile=default daemons=3' out || fail "log: $(tail -3 out)"
expect 0 clowder log -n 2
[ "$(wc -l <out)" -eq 2 ] || fail "log -n 2 gave $(wc -l <out) lines"
clowder log --follow -n 1 >followed &
follow=$!
wait_until test -s followed
clowder down
wait_until grep -q 'down profile=default' followed
kill "$follow"

# An engine without work stops by itself.
clowder engine stop
clowder engine start --idle 300ms
pid=$(engine_pid)
gone() { ! kill -0 "$1" 2>/dev/null; }
wait_until gone "$pid"

# Completions are scripts that their shells accept.
clowder completion bash >completion.bash && bash -n completion.bash || fail "bash completion"
grep -q -- --unordered completion.bash || fail "completion lacks options"

# 0 takes a limit back; a profile that is removed is gone, in the engine too.
clowder up limits -n 1 --nice 5 --cpus 1 --mem 100M --pause-load 40 --pause-user 1m --idletime 10m --walltime 10m --maxtasks 9 --memory 1M --env MINE=1
expect 0 clowder profile show limits --json
jq -e '.nice == 5 and .cpus == 1 and .maxtasks == 9 and .idletime_ms == 600000' out >/dev/null || fail "not set: $(cat out)"
clowder up limits --nice 0 --cpus 0 --mem 0 --pause-load 0 --pause-user 0 --idletime 0 --walltime 0 --maxtasks 0 --memory 0
expect 0 clowder profile show limits --json
jq -e '[.nice, .cpus, .mem_bytes, .pause_load, .pause_user_ms, .idletime_ms, .walltime_ms, .maxtasks] | all(. == 0)' out >/dev/null ||
  fail "not taken back: $(cat out)"
expect 5 clowder profile remove --yes limits
clowder down limits
expect 0 clowder profile remove --yes limits
[ "$(clowder status --json | jq '[.profiles[] | select(.name == "limits")] | length')" = 0 ] || fail "the engine knows it still"
clowder up limits -n 1
expect 0 clowder map -p limits -- sh -c 'echo "$MINE$(nice)"' ::: 1
prints 0
clowder down limits
expect 0 clowder profile remove --yes limits
clowder up away -n 1
clowder profile set later -n 2
clowder profile set empty --env A=1
expect 0 clowder status later
grep -qx 'later is down; bring it up: clowder up later' out || fail "status of one that is down: $(cat out)"
expect 0 clowder status empty
grep -qx 'empty is down; bring it up: clowder up empty -n 2' out || fail "status of one without daemons: $(cat out)"
expect 0 clowder up later
expect 0 clowder up empty -n 2
clowder down --all
expect 0 clowder profile remove --yes later empty away

# Work that waits for a profile whose daemons do not come is told why.
clowder host add dead root@127.0.0.1:1 >/dev/null
expect 3 clowder up waiting --on dead:1
expect 124 timeout 13 clowder map -p waiting -- echo ::: 1
says "no result for 10 s: no daemon of 'waiting' is up: cannot connect to 127.0.0.1:1: Connection refused"
clowder down waiting --now >/dev/null

# An edit of a profile that is up is there when it is brought up again: daemons that run are replaced, after their tasks.
clowder up -n 1 --env FOO=one edited >/dev/null
expect 0 clowder profile set edited --env FOO=two -n 3 --maxtasks 7 --nice 3
clowder scale edited -n 2 >/dev/null # neither this nor down forgets it
expect 0 clowder profile show edited --json
[ "$(jq -c '[.env, .maxtasks, .nice]' out)" = '[["FOO=two"],7,3]' ] || fail "scale forgot an edit: $(cat out)"
expect 0 clowder map -p edited -- sh -c 'echo $FOO' ::: 1 2 3 4
[ "$(sort -u out)" = two ] || fail "tasks see $(cat out)"
expect 0 clowder profile set edited -n 3
expect 0 clowder up edited
prints 'edited: 3 daemons up'
expect 0 clowder up --env FOO=three edited
expect 0 clowder map -p edited -- sh -c 'echo $FOO' ::: 1 2 3 4
[ "$(sort -u out)" = three ] || fail "tasks see $(cat out)"
launched() { grep -c 'daemon launched daemon=edited' "$engine_log"; }
before=$(launched)
expect 0 clowder up edited # the same again replaces nobody
[ "$(launched)" -eq "$before" ] || fail "replaced for nothing"
clowder down edited >/dev/null
expect 0 clowder profile show edited --json
[ "$(jq -c '[.env, .maxtasks, .nice, .local_daemons]' out)" = '[["FOO=three"],7,3,3]' ] || fail "down forgot an edit: $(cat out)"
expect 0 clowder up edited
prints 'edited: 3 daemons up'
expect 0 clowder profile set edited --runtime command -- sleep 100
expect 5 clowder up edited
says "profile 'edited' was changed to another runtime while it is up; take it down first: clowder down"
clowder down edited --now >/dev/null

clowder engine stop
expect 4 clowder profile show limits
