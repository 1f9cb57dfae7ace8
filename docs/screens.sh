#!/usr/bin/env bash
# screens.sh BIN: makes docs/screens.md: the screens as they are, captured from the program in a terminal of 80 by 24, over an
# engine and an inventory of their own.
set -euo pipefail
bin=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
export PATH=$bin:$PATH LC_ALL=C.UTF-8
work=$(mktemp -d /tmp/clowder-screens.XXXXXX)
export XDG_CONFIG_HOME=$work/config XDG_DATA_HOME=$work/data XDG_STATE_HOME=$work/state XDG_CACHE_HOME=$work/cache
export XDG_RUNTIME_DIR=$work/run
mkdir -m 700 "$work/run"
terminal="tmux -L clws$$ -f /dev/null"
trap '$terminal kill-server 2>/dev/null; clowder engine stop --now >/dev/null 2>&1; rm -rf "$work"' EXIT
cd "$work"

{
  clowder up -n 4
  clowder up nightly -n 2
  clowder host add alder me@alder.lab --tag rack2
  clowder host add birch ci@10.0.4.17:2222 --tag rack2 --mac 52:54:00:12:34:56
  clowder profile set gpu --on birch:2
} >/dev/null
(seq 100000 | clowder map --name sweep -- sh -c 'sleep 0.02; exit $(({} % 97 == 0))' >/dev/null 2>&1 &)
(seq 100000 | clowder map -p nightly --name ingest -- sleep 0.05 >/dev/null 2>&1 &)
sleep "${SECONDS_OF_WORK:-20}" # something to see

show() { # TITLE KEYS...
  local title=$1 tries=0
  shift
  [ $# -eq 0 ] || $terminal send-keys "$@"
  until $terminal capture-pane -p | grep -q "\\[.*$title\\]\\|── $title"; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || exit 1
    sleep 0.05
  done
  sleep 1
  printf '\n## %s\n\n```\n' "$title"
  $terminal capture-pane -p | sed 's/ *$//'
  printf '```\n'
}
$terminal new-session -d -x 80 -y 24 clowder
{
  printf '# The screens\n\nMade by `docs/screens.sh build/release/bin`. Keys: `?` on every screen; `q` quits; profiles and jobs keep running.\n'
  show Overview
  show Hosts 2
  show Profiles 3
  show Jobs 4
  show Log 5
  show help '?'
} >"$here/screens.md.new"
mv "$here/screens.md.new" "$here/screens.md"
