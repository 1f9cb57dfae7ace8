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
