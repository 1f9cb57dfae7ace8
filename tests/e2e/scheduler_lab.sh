# Real schedulers of one node on this machine's loopback; to be sourced after lib.sh.
# slurm_up DIR, slurm_down DIR: Slurm, without cgroups and systemd.
# shellcheck shell=bash

slurm_up() {
  local dir=$1 host
  host=$(hostname -s)
  mkdir -p "$dir/state" "$dir/spool" "$dir/log"
  chmod 755 "$dir"
  (umask 077; dd if=/dev/urandom of="$dir/munge.key" bs=128 count=1 2>/dev/null)
  munged --force --key-file="$dir/munge.key" --socket="$dir/munge.sock" --pid-file="$dir/munged.pid" \
    --log-file="$dir/log/munged.log" --seed-file="$dir/munge.seed" --num-threads=2
  cat >"$dir/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.sock
CredType=cred/munge
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.log
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
MpiDefault=none
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SwitchType=switch/none
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MailProg=/bin/true
SlurmdParameters=config_overrides
KillWait=2
InactiveLimit=0
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 Sockets=1 CoresPerSocket=4 ThreadsPerCore=1 State=UNKNOWN
PartitionName=debug Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
  export SLURM_CONF=$dir/slurm.conf
  slurmctld -c -f "$SLURM_CONF"
  slurmd -c -f "$SLURM_CONF" -N "$host" 2>/dev/null || slurmd -c -f "$SLURM_CONF"
  wait_until slurm_is_idle
}

slurm_is_idle() { [ "$(timeout 10 sinfo -h -o %t 2>/dev/null)" = idle ]; }

slurm_down() {
  local dir=$1 one pid
  for one in slurmd slurmctld munged; do
    pid=$(cat "$dir/$one.pid" 2>/dev/null) || continue
    kill "$pid" 2>/dev/null
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
  done
}

# sge_up DIR, sge_down DIR: a real Grid Engine, its master and one node, on ports and in a folder of its own.
sge_up() {
  local dir=$1 one
  export SGE_ROOT=$dir SGE_CELL=default SGE_QMASTER_PORT SGE_EXECD_PORT SGE_ARCH
  SGE_QMASTER_PORT=$(free_port) SGE_EXECD_PORT=$(free_port)
  SGE_ARCH=$(/usr/share/gridengine/util/arch)
  mkdir -p "$dir/default/common" "$dir/qmaster" "$dir/execd" "$dir/spooldb"
  for one in bin lib util utilbin; do ln -sfn "/var/lib/gridengine/$one" "$dir/$one"; done
  echo localhost >"$dir/default/common/act_qmaster"
  echo "localhost $(hostname -s)" >"$dir/default/common/host_aliases"
  cat >"$dir/default/common/bootstrap" <<CONF
admin_user              none
default_domain          none
ignore_fqdn             true
spooling_method         berkeleydb
spooling_lib            libspoolb
spooling_params         $dir/spooldb
binary_path             /usr/sbin
qmaster_spool_dir       $dir/qmaster
security_mode           none
listener_threads        2
worker_threads          2
scheduler_threads       1
CONF
  sed "s#^execd_spool_dir.*#execd_spool_dir $dir/execd#; s#^min_uid.*#min_uid 0#; s#^min_gid.*#min_gid 0#" \
    /usr/share/gridengine/default-configuration >"$dir/conf"
  (
    /usr/lib/gridengine/spoolinit berkeleydb libspoolb "$dir/spooldb" init
    /usr/lib/gridengine/spooldefaults configuration "$dir/conf"
    /usr/lib/gridengine/spooldefaults complexes /usr/share/gridengine/util/resources/centry
    /usr/lib/gridengine/spooldefaults usersets /usr/share/gridengine/util/resources/usersets
    /usr/lib/gridengine/spooldefaults managers root
    sge_qmaster
  ) >"$dir/log" 2>&1 </dev/null
  wait_until qconf -sh
  {
    qconf -as localhost
    qconf -ssconf | sed 's/^schedule_interval.*/schedule_interval 0:0:1/; s/^flush_submit_sec.*/flush_submit_sec 1/' >"$dir/sconf"
    qconf -Msconf "$dir/sconf"
    sge_execd
    sge_queue >"$dir/queue"
    qconf -Aq "$dir/queue"
  } >>"$dir/log" 2>&1 </dev/null
  wait_until qconf -sq all.q
}

sge_queue() {
  local key
  printf '%s\n' 'qname all.q' 'hostlist localhost' 'qtype BATCH' 'slots 4' 'tmpdir /tmp' 'shell /bin/sh' 'seq_no 0' 'priority 0' \
    'shell_start_mode posix_compliant' 'rerun FALSE' 'nsuspend 1' 'suspend_interval 00:05:00' 'min_cpu_interval 00:05:00' \
    'processors UNDEFINED' 'notify 00:00:60' 'initial_state default'
  for key in load_thresholds suspend_thresholds ckpt_list pe_list prolog epilog starter_method suspend_method resume_method \
    terminate_method owner_list user_lists xuser_lists subordinate_list complex_values projects xprojects calendar; do
    echo "$key NONE"
  done
  for key in rt cpu fsize data stack core rss vmem; do echo "s_$key INFINITY"; echo "h_$key INFINITY"; done
}

sge_down() {
  local dir=$1 pid
  qconf -ke localhost >/dev/null 2>&1
  qconf -km >/dev/null 2>&1
  for pid in $(cat "$dir/qmaster/qmaster.pid" "$dir"/execd/*/execd.pid 2>/dev/null); do
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
    kill -9 "$pid" 2>/dev/null
  done
}
