#!/usr/bin/env bash
# Hosts whose daemons a command line starts, as one that runs a container would: it hands on its stdin, and they come home over TLS.
. "$(dirname "$0")/lib.sh"

daemon=$bin/clowder-daemon
inside="HOME=/inside; export HOME; exec $daemon" # as in a container, where home is another

# What it wants to be told.
expect 2 clowder host add box --launcher command
says 'host box has no command to launch its daemons'
one_line
expect 2 clowder host add box --launch-command "$daemon"
says 'goes with --launcher command'
expect 2 clowder host add box --launcher command --directive '-p short'
says '--directive is for a scheduler'
expect 0 clowder host add box --launcher command --launch-command "$inside"
prints 'box added: box, command'
clowder host show box | grep -qF "command      $inside" || fail "show: $(clowder host show box)"
expect 2 clowder host shell box
says 'nowhere to log in'
expect 2 clowder host probe box
says "host 'box' is not reached by SSH; its daemons are started on this machine"
expect 0 clowder export inventory.json
jq -e --arg c "$inside" '.hosts.box | .launcher == "command" and .directives == $c' inventory.json >/dev/null || fail "export: $(cat inventory.json)"

# They work, and see what is around them there, not the shell that brought them up.
expect 0 clowder up --on box:2
prints 'default: 2 daemons up'
seq 5000 | expect 0 clowder map -w -- cat
seq 5000 | cmp - out || fail "a map over the box came back otherwise"
# shellcheck disable=SC2016
expect 0 clowder run -- sh -c 'echo $CLOWDER_HOST $HOME'
prints 'box /inside'
[ "$(umask)" = "$(clowder run -- sh -c umask)" ] || fail "the umask is $(clowder run -- sh -c umask)"
pids() { status_of default '[.daemon_list[].pid] | sort | @csv'; }
! grep -qsaE 'token [0-9a-f]{16}' /proc/[0-9]*/cmdline || fail "a token in a command line"

# One that is killed loses no task, and another comes.
before=$(pids)
seq 400 | clowder map -- sh -c 'sleep 0.01; echo {}' >mapped &
map=$!
wait_until test -s mapped
kill -9 "${before%%,*}"
wait $map || fail "the map: $?"
seq 400 | cmp - mapped || fail "tasks were lost"
both_up() { [ "$(status_of default .daemons.connected)" = 2 ] && [ "$(pids)" != "$before" ]; }
wait_until both_up

# What hangs is ended with all that it started, and nothing stays.
expect 0 clowder down
none_left() { ! pgrep -f "$daemon" >/dev/null; }
wait_until none_left
mark=7654.$$
expect 0 clowder host edit box --launch-command "sleep $mark; true"
expect 6 clowder up --on box:1 --timeout 1s
[ "$(running "sleep $mark")" -gt 0 ] || fail "it does not run"
expect 0 clowder down --now
wait_until none_running "sleep $mark"

# One that cannot be started says how it ended.
expect 0 clowder host edit box --launch-command 'exit 3'
expect 3 clowder up --on box:1
says 'ended with status 3 before it connected'
expect 0 clowder down

# Its command goes when it is another kind of host; a profile of another engine cannot use it.
expect 0 clowder profile set r --runtime command --on box:1 -- sleep 1
expect 2 clowder up r --on box:1
says "host 'box' is a command"
expect 2 clowder host edit box --launcher command --directive x
expect 0 clowder host edit box --launcher slurm
[ "$(clowder host show box --json | jq -r .directives)" = '' ] || fail "the command is a directive: $(clowder host show box)"
