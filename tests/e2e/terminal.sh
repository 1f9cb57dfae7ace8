#!/usr/bin/env bash
# In a real terminal: the progress line, ^C at the keyboard, colours nowhere that they do not belong.
. "$(dirname "$0")/lib.sh"
tmux() { command tmux -L "clowder-$$" -f /dev/null "$@"; }
trap 's=$?; tmux kill-server 2>/dev/null; (exit $s); finish' EXIT
screen() { tmux capture-pane -p; }
shows() { screen | grep -qE -- "$1"; }

tmux new-session -d -x 80 -y 24 "PS1='> ' bash --norc"
wait_until shows '>'
tmux send-keys "clowder map -n 2 -- sh -c 'until test -e go; do sleep 0.02; done' ::: \$(seq 20)" Enter
wait_until shows '^\[\.+\] +0%  0 of 20'
touch go
wait_until shows '^> ?$'
shows '%' && fail "the progress line stays behind: $(screen)"

rm go
tmux send-keys "clear; clowder map -n 2 -- sh -c 'until test -e go; do sleep 0.02; done; echo {}' ::: a b; echo status \$?" Enter
wait_until shows '0 of 2'
tmux send-keys C-c
wait_until shows 'interrupted: no more inputs are taken'
touch go
wait_until shows 'status 130'
shows '^a$' || fail "results after ^C: $(screen)"

tmux send-keys "clear; clowder status --watch" Enter
wait_until shows 'no profiles are up'
clowder up -n 1 >/dev/null
wait_until shows '^default +up +1/1'
tmux send-keys C-c
wait_until shows '^> ?$'

tmux send-keys 'clear; clowder --help' Enter
wait_until shows 'More: clowder help COMMAND'
screen | awk 'length > 80 { exit 1 }' || fail "help is wider than 80 columns"
for command in up down status map run everywhere with engine bench simulate log completion help version; do
  expect 0 clowder help "$command"
  grep -q "^Usage: clowder $command" out || fail "help $command"
  expect 0 clowder "$command" --help
done
