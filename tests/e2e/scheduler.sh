#!/usr/bin/env bash
# Daemons through a real Slurm and a real Grid Engine on this machine, as one job array, from here and through a login node.
#   scheduler.sh CASE...
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts_lib.sh"
. "$(dirname "$0")/scheduler_lab.sh"
needs_all() { # WHAT COMMAND...
  local what=$1 one
  shift
  for one in "$@"; do
    if ! command -v "$one" >/dev/null || [ "$(id -u)" != 0 ]; then
      echo "SKIP: needs $what, and root to start it"
      exit 77
    fi
  done
}

scheduler_end() {
  local status=$?
  set +e
  timeout 20 clowder engine stop --now >/dev/null 2>&1
  [ -z "${LAB:-}" ] || lab_down
  [ ! -d "$work/slurm" ] || slurm_down "$work/slurm"
  [ ! -d "$work/sge" ] || sge_down "$work/sge"
  (exit "$status")
  finish
}
export HOME=$work/home
mkdir -p "$HOME"
trap scheduler_end EXIT

jobs_there() { squeue -h -r -o %T | wc -l; }
no_jobs() { [ "$(jobs_there)" = 0 ]; }
running() { [ "$(squeue -h -r -t RUNNING | wc -l)" = "$1" ]; }
connected() { [ "$(status_of default '.daemons.connected')" = "$1" ]; }
reasons() { status_of default '[.daemon_list[].reason] | join("|")'; }

case_slurm() {
  needs_all "slurm-wlm and munge" slurmctld munged sbatch
  slurm_up "$work/slurm"
  expect 0 clowder host add cluster --launcher slurm --directive '--comment=ours' --directive '#SBATCH --time=10'
  # A directive that is refused shows the scheduler's own words.
  expect 0 clowder host add wrong --launcher slurm --directive '--partition=nowhere'
  expect 5 clowder up --on wrong:2
  says 'sbatch: error: .*Invalid partition name'
  expect 0 clowder down
  expect 0 clowder up --on wrong:0 --on cluster:4 --timeout 60s
  prints 'default: 4 daemons up'
  running 4 || fail "jobs: $(squeue)"
  [ "$(squeue -h -o '%A %F' | awk '{print $2}' | sort -u | wc -l)" = 1 ] || fail "not one array: $(squeue)"
  [ "$(squeue -h -o %k | sort -u)" = ours ] || fail "directives: $(squeue -o '%k %l')"
  [ "$(squeue -h -o %l | sort -u)" = 10:00 ] || fail "time: $(squeue -o '%k %l')"
  seq 20000 | expect 0 clowder map -w -- cat
  seq 20000 | cmp - out || fail "a map over the cluster came back otherwise"
  expect 0 clowder map -- sh -c 'echo x{} $CLOWDER_HOST' ::: 1 2 3
  prints $'x1 cluster\nx2 cluster\nx3 cluster'
  # No token where others may read it, and none left on the disk.
  ! grep -rqs 'token' "$HOME/.cache/clowder" || fail "settings left: $(ls -R "$HOME/.cache/clowder")"
  ! grep -rqsE 'token [0-9a-f]{16}' "$work/slurm/state" "$work/slurm/spool" || fail "a token in the scheduler's files"
  # One is cancelled by somebody, in the middle of a map.
  (seq 300 | clowder map -- sh -c 'sleep 0.02; echo {}' >map.out) &
  local map=$! id
  id=$(squeue -h -r -o %i | head -1)
  scancel "$id"
  gone() { ! squeue -h -r -o %i -t RUNNING,PENDING | grep -qx "$id"; }
  wait_until gone
  wait $map || fail "the map"
  seq 300 | cmp - map.out || fail "a cancelled job lost something"
  wait_until connected 4
  running 4 || fail "jobs: $(squeue)"
  expect 0 clowder down
  wait_until no_jobs # those that ended by themselves may be completing
  [ -z "$(ls "$HOME/.cache/clowder" 2>/dev/null)" ] || fail "left behind: $(ls -R "$HOME/.cache/clowder")"

  # An engine that is killed leaves nothing: the next one cancels what it finds, and starts its own.
  expect 0 clowder up --on cluster:2 --timeout 60s
  local before
  before=$(squeue -h -o %F | sort -u)
  kill -9 "$(engine_pid)"
  expect 0 clowder up --timeout 60s
  connected 2 || fail "$(clowder status default)"
  only_new() { ! squeue -h -o '%F' -t RUNNING,PENDING | grep -qx "$before"; }
  wait_until only_new
  expect 0 clowder down
  wait_until no_jobs

  # What waits says for what, and is taken back.
  expect 0 clowder host edit cluster --directive '--hold'
  expect 0 clowder up --on cluster:3 --no-wait
  held() { reasons | grep -q 'pending: JobHeldUser'; }
  wait_until held
  [ "$(status_of default '.daemons.launching')" = 3 ] || fail "$(clowder status default)"
  expect 0 clowder scale --on cluster:1 --no-wait
  two_gone() { [ "$(jobs_there)" = 1 ]; }
  wait_until two_gone
  expect 0 clowder down
  no_jobs || fail "down left jobs: $(squeue)"
  [ -z "$(ls "$HOME/.cache/clowder" 2>/dev/null)" ] || fail "left behind: $(ls -R "$HOME/.cache/clowder")"
  # A scheduler that is not there.
  expect 0 clowder host add nobody --launcher lsf
  expect 3 clowder up other --on nobody:1
  says 'bsub.*not found'
}

# Through a login node: its commands over SSH, its daemons through its tunnel.
case_login() {
  needs_all "slurm-wlm and munge" slurmctld munged sbatch
  slurm_up "$work/slurm"
  use_lab clws 10.94
  trap scheduler_end EXIT
  set +e
  LAB_LOOPBACK=1 lab_up 1 "SetEnv SLURM_CONF=$SLURM_CONF"
  set -e
  export CLOWDER_SSH_CONFIG=$LAB/config
  desktop=
  expect 0 clowder host add h1 --launcher slurm # as ssh knows it
  expect 0 clowder up --on h1:3 --timeout 60s
  prints 'default: 3 daemons up'
  running 3 || fail "jobs: $(squeue)"
  seq 5000 | expect 0 clowder map -w -- cat
  seq 5000 | cmp - out || fail "a map over the cluster came back otherwise"
  [ "$(status_of default '.hosts[0].direct')" = true ] || fail "$(clowder status default --json)"
  # The login node goes away and comes back: its jobs have gone on, and their daemons come home by the same port.
  lab_stop 1
  wait_until connected 0
  lab_sshd 1
  wait_until connected 3
  grep -q 'resumed daemon' "$engine_log" || fail "they were started anew"
  seq 5000 | expect 0 clowder map -w -- cat
  seq 5000 | cmp - out || fail "after the login node came back"
  expect 0 clowder down
  wait_until no_jobs
}

case_sge() {
  needs_all "gridengine-master, -exec and -client" sge_qmaster sge_execd qsub
  sge_up "$work/sge"
  sge_running() { [ "$(qstat -u root -s r | grep -c clowder)" = "$1" ]; }
  sge_none() { ! qstat -u root | grep -q clowder; }
  expect 0 clowder host add wrong --launcher sge --directive '-q nowhere.q'
  expect 5 clowder up --on wrong:2
  says 'nowhere.q'
  expect 0 clowder down
  expect 0 clowder host add cluster --launcher sge --directive '-p -5'
  expect 0 clowder up --on wrong:0 --on cluster:3 --timeout 60s
  prints 'default: 3 daemons up'
  wait_until sge_running 3
  seq 5000 | expect 0 clowder map -w -- cat
  seq 5000 | cmp - out || fail "a map over the cluster came back otherwise"
  (seq 300 | clowder map -- sh -c 'sleep 0.02; echo {}' >map.out) &
  local map=$! job
  job=$(qstat -u root | awk '$3 ~ /clowder/ { print $1; exit }')
  qdel "$job" -t 2 >/dev/null
  wait $map || fail "the map"
  seq 300 | cmp - map.out || fail "a deleted job lost something"
  wait_until connected 3
  expect 0 clowder scale --on cluster:6 --no-wait # more than it has slots
  queued() { reasons | grep -q 'pending: queued'; }
  wait_until queued
  expect 0 clowder down
  wait_until sge_none
  [ -z "$(ls "$HOME/.cache/clowder" 2>/dev/null)" ] || fail "left behind: $(ls -R "$HOME/.cache/clowder")"
}

for one in "$@"; do "case_$one"; done
