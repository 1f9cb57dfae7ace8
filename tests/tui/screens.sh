#!/usr/bin/env bash
# Every screen at every size, in every kind of terminal; forms, filters, the command line, help; nothing that a host says
# can disturb the screen.
. "$(dirname "$0")/lib.sh"

test_connected() { [ "$(status_of default '.daemons.connected')" = "$1" ]; }

# Empty screens say how to begin.
tui 80 24 clowder
see 'Overview'
see 'clowder up|no profile|a new'
keys q
see 'ready>'

expect 0 clowder up -n 2
expect 0 clowder host add alder me@alder.lab --tag rack2 --note '你好 wide ünïcödé \\e[31m'
expect 0 clowder host add birch
expect 0 clowder profile set gpu --on birch:2
clowder map --name evil -- sh -c 'printf "\033[2J\033[31mred\ttab\377\344\275\240" >&2; exit $(({} % 3))' ::: 1 2 3 4 5 6 >/dev/null 2>&1 || true

for size in '80 24' '60 16' '200 60'; do
  # shellcheck disable=SC2086
  tui $size clowder
  cols=${size% *}
  see 'Overview'
  see '2/2'
  see 'throughput of all'
  see '^ +0( |$)' # the scale of its graph
  fits "$cols"
  keys 2
  see 'birch'
  fits "$cols"
  keys 3
  see 'gpu'
  fits "$cols"
  keys 4
  see 'evil'
  see 'failed'
  fits "$cols"
  keys 5
  see 'LEVEL'
  see 'job'
  fits "$cols"
  keys '?'
  see 'help'
  keys Escape
  keys q
  see 'ready>'
done

# Other terminals.
for how in 'LC_ALL=C' 'NO_COLOR=1' 'TERM=vt100' 'LC_ALL=C TERM=vt100 NO_COLOR=1'; do
  tui 80 24 "$how clowder"
  see 'Overview'
  keys 3
  see 'default'
  if [[ $how == *LC_ALL=C* ]] && screen | LC_ALL=C grep -q '[^ -~]'; then fail "$how is not ASCII: $(screen)"; fi
  if [[ $how == *NO_COLOR* ]] && $terminal capture-pane -p -e | grep -qE $'\e\\[[0-9;]*(3[0-7]|4[0-7])m'; then
    fail "NO_COLOR has colours"
  fi
  keys q
  see 'ready>'
done
tui 80 24 TERM=dumb clowder
see 'cannot show screens'
tui 40 8 clowder
see 'too small'
keys q
see 'ready>'

# Sizes that change while it runs.
tui 80 24 clowder
see 'Overview'
$terminal resize-window -x 120 -y 40
see 'DAEMONS +AWAIT +EXEC'
$terminal resize-window -x 60 -y 16
see 'Overview'
fits 60
keys q
see 'ready>'

# A form adds a host; what cannot be is said beside the field; esc leaves everything as it was.
tui 100 30 clowder --screen hosts
see 'alder'
keys a
see 'Add host'
type_text 'bad name!'
keys Tab
see 'is not a valid name'
keys BSpace BSpace BSpace BSpace BSpace BSpace BSpace BSpace BSpace
keys BTab
keys C-u
type_text 'cedar'
keys F10
gone 'Add host'
see 'cedar'
expect 0 clowder host show cedar
keys a
see 'Add host'
keys Escape
gone 'Add host'

# ^S is a key here: it saves a form, and never stops the terminal.
keys a
see 'Add host'
keys C-s
see 'Name .*is not a valid name'
keys Escape
gone 'Add host'
keys C-s
keys 1
see 'throughput of all'
keys 2
gone 'throughput of all'

# Search, filter, marks.
keys '\'
type_line 'tag:rack2'
gone 'birch'
see 'alder'
keys Escape
see 'birch'
keys '\'
type_line 'bird'
see 'no row passes'
keys Escape
see 'birch'
keys /
type_line 'birch'
see '> .*birch'

# The mouse: tabs, rows, a second click, the wheel, keys in the footer; off, and gone when the program is.
keys Escape
mouse_is 1 || fail "the mouse is not reported"
click '1 Overview'
see 'throughput of all'
click '2 Hosts'
gone 'throughput of all'
see 'cedar'
click 'alder '
see '> .*alder'
click 'cedar '
see '> .*cedar'
click 'birch '
see '> .*birch'
click 'cedar ' 2
see 'cedar: nothing runs there'
wheel up
see '> .*alder'
wheel down
see '> .*local'
click '? help'
see '── help'
see 'a F2 '
wheel down
wheel down
gone 'a F2 '
keys Escape
gone '── help'
keys m
see 'mouse: off'
mouse_is 0 || fail "the mouse is still reported"
keys m
see 'mouse: on'
keys /
type_line 'birch'
see '> .*birch'

# Removing asks.
keys d
see '[Rr]emove'
keys n
gone '[Rr]emove birch'
see 'birch'

# The command line runs any command, and completes.
keys :
type_line 'host list'
see 'clowder host list'
see 'cedar'
keys Escape
gone '── clowder host list'
keys :
type_text 'versi'
keys Tab
see 'version'
keys Enter
see 'clowder 0\.'
keys Escape

# Up and down from the screen.
keys 3
see 'default'
keys '+'
wait_until test_connected 3
keys '-'
wait_until test_connected 2

# What a task said is shown harmless.
keys 4
see 'evil'
see 'exit 1'
screen | LC_ALL=C grep -q $'\e' && fail "an escape reached the screen"
keys q
see 'ready>'

mouse_is 0 || fail "the mouse stayed on"

# Frames for scripts.
tui 80 24 'clowder --frames 2; echo left=$?'
see 'left=0'
tui 80 24 'clowder --screen nothing; echo left=$?'
see 'left=2'
tui 80 24 'clowder | cat; echo left=${PIPESTATUS[0]}'
see 'left=2'
