# Shared by the tests of the screens: the real program in a real terminal (tmux on a socket of its own), keys sent as typed,
# screens read back, waiting for what they show and never for time.
# shellcheck shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"
needs tmux

terminal="tmux -L clwt$$ -f /dev/null"
tui_end() {
  local status=$?
  set +e
  $terminal kill-server 2>/dev/null
  (exit "$status")
  finish
}
trap tui_end EXIT

# tui COLUMNS ROWS [WORD]...: a shell in a terminal of that size, in which the words (VAR=value, then the command) run.
tui() {
  local cols=$1 rows=$2
  shift 2
  $terminal kill-server 2>/dev/null || true
  wait_until tui_gone
  # shellcheck disable=SC2086
  wait_until $terminal new-session -d -x "$cols" -y "$rows" "PS1='ready> ' PATH=$PATH exec bash --norc"
  wait_until shows 'ready>'
  if [ $# -gt 0 ]; then type_line "clear; $*"; fi
}
tui_gone() { ! $terminal list-sessions 2>/dev/null; }

screen() { $terminal capture-pane -p; }
keys() { $terminal send-keys "$@"; }
type_text() { $terminal send-keys -l -- "$1"; }
type_line() {
  type_text "$1"
  keys Enter
}
shows() { screen | grep -qE -- "$1"; }
shows_not() { ! shows "$1"; }
# see PATTERN: waits until the screen shows it.
see() {
  local tries=0
  until shows "$1"; do
    tries=$((tries + 1))
    [ "$tries" -lt 1500 ] || fail "the screen does not show '$1':
$(screen)"
    sleep 0.02
  done
}
gone() {
  local tries=0
  while shows "$1"; do
    tries=$((tries + 1))
    [ "$tries" -lt 1500 ] || fail "the screen still shows '$1':
$(screen)"
    sleep 0.02
  done
}
# click TEXT [TIMES]: the first button, down and up, of the mouse on the first place that shows the text, so many times in one write (the program
# tells two clicks from a second one by the time between them); wheel up|down: over the middle. In the words of X10's mouse reports, as the terminal
# here sends them.
click() {
  local at
  at=$(screen | awk -v text="$1" '(x = index($0, text)) { print x - 1, NR - 1; exit }')
  [ -n "$at" ] || fail "nothing to click: '$1' is not on the screen:
$(screen)"
  mouse 0 "${at% *}" "${at#* }" "${2:-1}"
}
wheel() { mouse "$([ "$1" = up ] && echo 64 || echo 65)" 10 10; }
mouse() { # BUTTON X Y [TIMES]
  local hex all='' i
  hex=$(printf '1b 5b 4d %02x %02x %02x 1b 5b 4d 23 %02x %02x' $(($1 + 32)) $(($2 + 33)) $(($3 + 33)) $(($2 + 33)) $(($3 + 33)))
  for ((i = 0; i < ${4:-1}; i++)); do all+=" $hex"; done
  # shellcheck disable=SC2086
  $terminal send-keys -H $all
}
mouse_is() { [ "$($terminal display-message -p '#{mouse_any_flag}')" = "$1" ]; }
# No line is longer than the screen is wide, in characters.
fits() {
  local longest
  longest=$(screen | wc -L)
  [ "$longest" -le "$1" ] || fail "a line has $longest columns:
$(screen)"
}
