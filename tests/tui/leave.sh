#!/usr/bin/env bash
# However it ends, the terminal is as it was; suspended, it comes back; without an engine it shows what it knew.
. "$(dirname "$0")/lib.sh"
expect 0 clowder up -n 1

settings() { $terminal display-message -p '#{alternate_on} #{cursor_flag} #{mouse_any_flag} #{keypad_cursor_flag}'; }

# ends HOW STATUS: begins, ends it like that, and looks at what is left.
ends() {
  local before
  tui 80 24
  type_line 'stty -a >stty.before'
  wait_until test -s stty.before
  before=$(settings)
  type_line "clear; clowder; echo left=\$?; stty -a >stty.after; echo told"
  see 'Overview'
  "$1"
  see "left=$2"
  see 'told'
  cmp stty.before stty.after || fail "$1: the terminal's settings are others"
  wait_until settings_are "$before"
  rm -f stty.before stty.after
}
settings_are() { [ "$(settings)" = "$1" ]; }
shell_child() { pgrep -P "$($terminal display-message -p '#{pane_pid}')" -x clowder; }
by_q() { keys q; }
by_f10() { keys F10; }
by_ctrl_c() { keys C-c; }
by_term() { kill -TERM "$(shell_child)"; }
by_hup() { kill -HUP "$(shell_child)"; }
by_abort() { kill -ABRT "$(shell_child)"; }
by_suspend() {
  keys C-z
  see 'Stopped'
  type_line 'clear; fg'
  see 'Overview'
  keys q
}
ends by_q 0
ends by_f10 0
ends by_ctrl_c 0
ends by_term 143
ends by_hup 129
ulimit -c 0
ends by_abort 134

tui 80 24 clowder
see 'Overview'
by_suspend
see 'ready>'

# A shell on a host: ^C and ^Z are for it. ^Z stops both, as one job, and fg continues both.
expect 0 clowder host add alder
mkdir bin
printf '#!/bin/sh\necho a shell on "$2"\nexec sleep 300\n' >bin/ssh
chmod +x bin/ssh
tui 80 24 "PATH=$work/bin:$PATH clowder --screen hosts"
see 'alder'
keys g
see '> .*alder'
keys s
see 'a shell on alder'
keys C-c
see 'shell on alder: ended with status 130'
keys s
see 'a shell on alder'
keys C-z
see 'Stopped'
pid=$(shell_child)
goes_on() { ps -o stat= -p "$pid" | grep -q '^S.*+'; } # in the foreground
type_line 'clear; fg'
wait_until goes_on
keys C-c
see 'shell on alder: ended with status 130'
keys q
see 'ready>'

# ^Z in the moment in which a command is started: between its birth and its exec, which takes a while here. It stops neither
# the command nor, for ever, us.
tui 80 24 "ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 clowder" # leaks are not looked for under strace
see 'Overview'
pid=$(shell_child)
strace -f -p "$pid" -o trace -e trace=setsid,setpgid -e inject=setsid,setpgid:delay_enter=1500000 2>strace.err &
strace=$!
end_traced() { # also when it failed: then both wait for what does not come
  local status=$?
  set +e
  kill -9 "$strace" "$pid" 2>/dev/null
  (exit "$status")
  tui_end
}
trap end_traced EXIT
is_traced() { ! kill -0 "$strace" || grep -q '^TracerPid:.*[1-9]' "/proc/$pid/status"; }
wait_until is_traced
if kill -0 "$strace" 2>/dev/null; then
  type_text ':version'
  keys Enter
  wait_until pgrep -P "$pid"
  keys C-z
  see 'clowder 0\.|Stopped'
  if shows 'Stopped'; then type_line 'clear; fg'; fi
  see 'clowder 0\.'
  keys Escape
  kill "$strace"
  wait "$strace" || true
else
  echo "SKIP: ^Z in the moment of a start ($(cat strace.err))"
fi
keys q
see 'ready>'
trap tui_end EXIT

# The engine goes away: the screen says so, keeps what it knew, and comes back with the next engine.
tui 80 24 clowder --screen profiles
see 'default'
kill -9 "$(engine_pid)"
see 'engine (gone|down|away|off|stopped)|no engine|gone'
see 'default'
keys 2
see 'HOST'
expect 0 clowder up
keys 3
see '1/1'
keys q
see 'ready>'
