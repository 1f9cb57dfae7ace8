# Sourced after lib.sh by tests that need hosts: use_lab makes the laboratory's words known (../hosts/lab.sh), cl is clowder
# as typed on its firewalled desktop, and the end of the test takes all of it away.
# shellcheck shell=bash

use_lab() { # PREFIX NET
  if [ ! -x /usr/sbin/sshd ] || [ "$(id -u)" != 0 ]; then echo "SKIP: needs sshd, and root to start it"; exit 77; fi
  LAB=$work/lab PREFIX=$1$$ NET=$2
  set +e
  . "$(dirname "${BASH_SOURCE[0]}")/../hosts/lab.sh"
  set -e
  unset SSH_AUTH_SOCK SSH_AGENT_PID
  export CLOWDER_SSH_CONFIG=$LAB/config
  trap lab_end EXIT
}

lab_end() {
  local status=$?
  set +e
  timeout 20 clowder engine stop --now >/dev/null 2>&1
  lab_down
  (exit "$status")
  finish
}

# shellcheck disable=SC2154,SC2086
cl() { $desktop clowder "$@"; }
