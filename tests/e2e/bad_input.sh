#!/usr/bin/env bash
# Bad input: one clear line, the right exit status, and an engine that lives on.
. "$(dirname "$0")/lib.sh"
needs nngcat:nng-utils

bad() { # STATUS PATTERN COMMAND...
  local want=$1 pattern=$2
  shift 2
  expect "$want" "$@"
  says "$pattern"
  one_line
  [ ! -s out ] || fail "something on stdout: $(cat out)"
}

bad 2 "unknown command 'mpa'; did you mean 'clowder map'\?" clowder mpa
bad 2 "unknown command 'xyzzy'" clowder xyzzy
bad 2 'unknown option --unorderd; did you mean --unordered\?' clowder map --unorderd -- cat
bad 2 'unknown option -z' clowder map -z -- cat
bad 2 'unknown option --nope' clowder --nope
bad 2 'needs a value' clowder map --timeout
bad 2 "'soon' is not a duration" clowder map --timeout soon -- cat ::: a
bad 2 "'many' is not a whole number" clowder up -n many
bad 2 '0 is not between' clowder up -n 0
bad 2 'takes no value' clowder map --tag=yes -- cat
bad 2 'give a command' clowder map
bad 2 'give a command' clowder map ::: a
bad 2 'not both' clowder map -w -W -- cat ::: a
bad 2 'leave out -n or -p' clowder map -n 1 -p default -- cat ::: a
bad 2 'needs --joblog' clowder map --resume -- cat ::: a
bad 2 'not both' clowder map -a /dev/null -- cat ::: a
bad 4 'cannot read /nonexistent' clowder map -a /nonexistent -- cat
bad 2 'not a valid name' clowder up 'bad/name' -n 1
bad 2 'not of the form K=V' clowder up -n 1 --env novalue
bad 2 'name a shell' clowder completion tcsh
bad 2 "no command 'nope'" clowder help nope
bad 2 'use start, stop' clowder engine dance
bad 4 "no profile 'nowhere'" clowder map -p nowhere -- cat ::: a
bad 4 "no profile 'nowhere'" clowder up nowhere
bad 4 "no profile 'nowhere'" clowder status nowhere
bad 4 "no profile 'nowhere'" clowder down nowhere
bad 3 "no daemons up; start some: clowder up -n 2" clowder map -- cat ::: a
bad 3 "no daemons up; start some: clowder up -n 2" clowder run -- true
bad 2 'the number of daemons is missing; give it with -n N' clowder up
clowder engine stop
bad 3 'no engine runs' clowder engine status
expect 0 clowder down # nothing is up: nothing to do

# Daemons that cannot start: said at once, with the reason.
mkdir broken
ln -s "$(command -v clowder)" broken/clowder
printf '#!/bin/sh\necho cannot work today >&2\nexit 9\n' >broken/clowder-daemon
chmod +x broken/clowder-daemon
CLOWDER_LIBEXEC=$work/broken expect 3 clowder up -n 1
says "daemons of 'default' do not start: default-[0-9]+ ended with status 9 before it connected"
clowder engine stop

# A run time folder that is not ours, or a path too long for a socket.
ln -s /tmp elsewhere
mkdir -m 700 runtime
ln -s "$work/elsewhere" runtime/clowder
XDG_RUNTIME_DIR=$work/runtime expect 5 clowder up
says 'is not a folder that belongs to you'
long=$work/$(head -c 120 /dev/zero | tr '\0' l)
mkdir -m 700 "$long"
XDG_RUNTIME_DIR=$long expect 2 clowder up
says 'too long'

# Strangers on the sockets: dropped with one line each, and a map that runs meanwhile does not notice.
clowder up -n 2 >/dev/null
seq 3000 | clowder map -w -- sh -c 'while read -r x; do echo $x; done' >got &
map=$!
lines_before=$(wc -l <"$engine_log")
"$CLOWDER_TEST_ROGUE" "$XDG_RUNTIME_DIR/clowder/data.sock" >rogue.out || fail "rogue: $(cat rogue.out)"
wait "$map" || fail "a map beside strangers: exit status $?"
seq 3000 | cmp - got || fail "a map beside strangers lost something"
tail -n +"$((lines_before + 1))" "$engine_log" | grep -cE 'dropped|refused' >dropped
[ "$(cat dropped)" -eq "$(wc -l <rogue.out)" ] || fail "$(cat dropped) log lines for $(wc -l <rogue.out) strangers"
for why in 'unknown frame type' 'more than the 4096 allowed' 'not a hello' 'protocol version 99' 'unknown token'; do
  grep -q "$why" "$engine_log" || fail "the log does not say '$why'"
done
expect 0 nngcat --req --dial "ipc://$XDG_RUNTIME_DIR/clowder/engine.sock" --data 'garbage' --ascii
grep -q '"ok":false' out || fail "control answers $(cat out)"
expect 0 nngcat --req --dial "ipc://$XDG_RUNTIME_DIR/clowder/engine.sock" --data '{"op":"status"}' --ascii
jq -e '.ok and (.profiles[0].name == "default")' out >/dev/null || fail "control answers $(cat out)"
for request in '{"op":"up","n":-1}' '{"op":"up","n":"x"}' '{"op":"up","profile":"../x","n":1}' '{"op":5}' '[]' '{"op":"up","n":1,"env":"x"}' '{"op":"up","n":1,"ephemeral":true,"profile":"e"}'; do
  expect 0 nngcat --req --dial "ipc://$XDG_RUNTIME_DIR/clowder/engine.sock" --data "$request" --ascii
  grep -q '"ok":false' out || fail "$request was taken: $(cat out)"
done
expect 0 clowder map -w -- cat ::: alive
prints alive
[ "$(stat -c %a "$XDG_RUNTIME_DIR/clowder")" = 700 ] || fail "the run time folder is open to others"
for socket in data engine updates; do
  [ "$(stat -c %a "$XDG_RUNTIME_DIR/clowder/$socket.sock")" = 600 ] || fail "$socket.sock is open to others"
done
