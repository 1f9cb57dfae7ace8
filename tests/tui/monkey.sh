#!/usr/bin/env bash
# Random input for the screens, beside an engine with hosts, profiles, failed tasks and a log that grows. In a network namespace
# of its own, and with nothing on its PATH but what is here: whatever the keys come to mean stays in the test's own folder.
if [ -z "${MONKEY_ALONE:-}" ]; then
  for how in -n -rn; do
    if unshare $how true 2>/dev/null; then MONKEY_ALONE=1 exec unshare $how bash "$0"; fi
  done
  echo "SKIP: needs a network namespace of its own (root, or user namespaces)"
  exit 77
fi
. "$(dirname "$0")/../e2e/lib.sh"
needs ip:iproute2
monkey=$(dirname "$0")/monkey.py
ip link set lo up

mkdir "$work/bin" "$work/home" "$work/here"
ln -s "$bin/clowder" "$bin/clowder-daemon" "$work/bin"
printf '#!/bin/sh\n/bin/sleep 0.02\necho "$1: red \033[31m" >&2\n[ "$(($1 %% 3))" -ne 0 ]\n' >"$work/bin/flaky"
printf '#!/bin/sh\necho "no shell here"\nexit 255\n' >"$work/bin/ssh"
chmod +x "$work/bin/flaky" "$work/bin/ssh"
export HOME=$work/home TERM=xterm-256color
printf 'Host alder birch cedar\n  HostName 127.0.0.1\n  Port 1\n' >"$work/home/ssh_config"
export CLOWDER_SSH_CONFIG=$work/home/ssh_config
cd "$work/here" || exit
seq 3000 >inputs
python=$(python3 -c 'import sys; print(sys.executable)')
everything=$PATH

# What the screens have started, and what that has started, ends with the test.
ends() {
  local status=$? pid
  set +e
  PATH=$everything
  timeout 20 clowder engine stop --now >/dev/null 2>&1
  for pid in $(grep -lzs "XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR" /proc/[0-9]*/environ | cut -d / -f 3); do
    case $(readlink "/proc/$pid/exe") in "$bin"/*) kill "$pid" ;; esac
  done
  (exit "$status")
  finish
}
trap ends EXIT

PATH=$work/bin
clowder up -n 2 >/dev/null
clowder host add alder
clowder host add birch --tag rack2
clowder host add cedar me@127.0.0.1:1
clowder profile set gpu --on birch:2
clowder map --name failing -- flaky ::: 1 2 3 4 5 6 7 8 9 >/dev/null 2>&1 || true
clowder submit --name long -a inputs -- flaky >/dev/null
clowder submit --name waits -p gpu -- flaky ::: 1 2 3 >/dev/null

"$python" "$monkey" --seconds "${CLOWDER_MONKEY_SECONDS:-10}" ${CLOWDER_MONKEY_SEED:+--seed "$CLOWDER_MONKEY_SEED"}
