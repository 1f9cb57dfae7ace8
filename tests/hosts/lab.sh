# shellcheck shell=bash
# A lab of hosts for tests, to be sourced: `lab_up N [LINES]` starts N OpenSSH servers as hosts of
# their own, in network namespaces with a firewall before the "desktop", or, where namespaces cannot be had, on
# 127.0.0.2, 127.0.0.3, … It says which. LINES go into every sshd_config. `lab_down` ends exactly what was started.
#
#   $LAB          the folder        $LAB/hN/home   home of host N      $LAB/hN/log   its sshd's log
#   $LAB/config   ssh configuration for h1 … hN     $LAB/id  key       $LAB/known_hosts
#   $desktop      put before a command to run it on the desktop
set -u
LAB=${LAB:-$(mktemp -d /tmp/clw-lab-XXXXXX)}
PREFIX=${PREFIX:-clw$$}
NET=${NET:-10.98}
SSHD=$(command -v sshd || echo /usr/sbin/sshd)
desktop=""
lab_mode=""

lab_has_namespaces() {
    [ "${LAB_LOOPBACK:-}" = "" ] && [ "$(id -u)" = 0 ] && command -v ip >/dev/null && command -v nft >/dev/null &&
        ip netns add "$PREFIX-try" 2>/dev/null || return 1
    ip netns exec "$PREFIX-try" unshare --uts --mount --propagation private true 2>/dev/null
    local works=$?
    ip netns del "$PREFIX-try"
    return $works
}

lab_address() { if [ "$lab_mode" = namespaces ]; then echo "$NET.0.$((10 + $1))"; else echo "127.0.0.$((1 + $1))"; fi; }
lab_port() { if [ "$lab_mode" = namespaces ]; then echo 22; else echo "$((22000 + $$ % 8000 + $1))"; fi; }

lab_join() { # NAME ADDRESS
    ip netns add "$PREFIX-$1"
    ip -n "$PREFIX-sw" link add "p-$1" type veth peer name eth0 netns "$PREFIX-$1"
    ip -n "$PREFIX-sw" link set "p-$1" master br0 up
    ip -n "$PREFIX-$1" addr add "$2/16" dev eth0
    ip -n "$PREFIX-$1" link set eth0 up
    ip -n "$PREFIX-$1" link set lo up
}

lab_network() {
    ip netns add "$PREFIX-sw"
    ip -n "$PREFIX-sw" link add br0 type bridge
    ip -n "$PREFIX-sw" link set br0 up
    lab_join desktop "$NET.0.1"
    ip netns exec "$PREFIX-desktop" nft -f - <<NFT
table inet fw {
  chain in { type filter hook input priority 0; policy drop;
    iif lo accept
    ct state established,related accept
    icmp type echo-request accept
  }
}
NFT
    desktop="ip netns exec $PREFIX-desktop"
}

# lab_sshd I [LINES]: (re)starts the server of host I with its configuration and LINES.
lab_sshd() {
    local i=$1 dir=$LAB/h$1
    # What stands first counts in sshd_config: LINES go before the rest.
    { printf '%s\n' "${2:-}" "${lab_lines:-}"; cat "$dir/base"; } >"$dir/sshd_config"
    if [ "$lab_mode" = namespaces ]; then
        ip netns exec "$PREFIX-h$i" unshare --uts --mount --propagation private bash -c \
            "hostname h$i; [ -e $dir/mount ] && . $dir/mount; exec $SSHD -f $dir/sshd_config -E $dir/log"
    else
        $SSHD -f "$dir/sshd_config" -E "$dir/log"
    fi
    for _ in $(seq 100); do [ -s "$dir/sshd.pid" ] && return 0; sleep 0.05; done
    echo "lab: sshd of h$i did not start" >&2; tail -n 3 "$dir/log" >&2; return 1
}

# lab_stop I: ends the server and its sessions. The listener stands still first, so that nobody comes back in between.
lab_stop() {
    local dir=$LAB/h$1 pid child children
    pid=$(cat "$dir/sshd.pid" 2>/dev/null) || return 0
    rm -f "$dir/sshd.pid"
    kill -STOP "$pid" 2>/dev/null || return 0
    children=$(ps -o pid= --ppid "$pid" || true)
    kill -KILL "$pid" || true
    for child in $children; do kill "$child" 2>/dev/null || true; done
    for _ in $(seq 50); do lab_runs "$pid" || break; sleep 0.02; done
    return 0
}

lab_runs() { # PID: whoever has to look at its end may do so later
    local state
    { read -r _ _ state _ <"/proc/$1/stat"; } 2>/dev/null && [ "$state" != Z ]
}

lab_host() { # I: makes its files and its place in the network
    local i=$1 dir=$LAB/h$1
    mkdir -p "$dir/home"
    [ -f "$dir/hostkey" ] || ssh-keygen -q -t ed25519 -N '' -f "$dir/hostkey"
    [ "$lab_mode" = namespaces ] && lab_join "h$i" "$(lab_address "$i")"
    cat >"$dir/base" <<CONF
Port $(lab_port "$i")
ListenAddress $(lab_address "$i")
HostKey $dir/hostkey
PidFile $dir/sshd.pid
AuthorizedKeysFile $LAB/authorized_keys
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
MaxStartups 100:30:200
PrintMotd no
Subsystem sftp internal-sftp
SetEnv HOME=$dir/home SHLVL=5
CONF
    cat >>"$LAB/config" <<CONF
Host h$i
  HostName $(lab_address "$i")
  Port $(lab_port "$i")
CONF
}

lab_up() { # N [LINES]
    local n=$1 i
    lab_lines=${2:-}
    mkdir -p "$LAB" /run/sshd
    if lab_has_namespaces; then lab_mode=namespaces; lab_network; else lab_mode=loopback; fi
    echo "lab: $n hosts, $lab_mode, in $LAB"
    [ -f "$LAB/id" ] || ssh-keygen -q -t ed25519 -N '' -C clowder-test -f "$LAB/id"
    cp "$LAB/id.pub" "$LAB/authorized_keys"
    : >"$LAB/config"; : >"$LAB/known_hosts"
    lab_hosts=$n
    for i in $(seq "$n"); do lab_host "$i"; done
    cat >>"$LAB/config" <<CONF
Host *
  User root
  IdentityFile $LAB/id
  IdentitiesOnly yes
  UserKnownHostsFile $LAB/known_hosts
  GlobalKnownHostsFile /dev/null
CONF
    for i in $(seq "$n"); do lab_sshd "$i" || return 1; done
    lab_know
}

# Puts all host keys on record.
lab_know() {
    local i name
    : >"$LAB/known_hosts"
    for i in $(seq "$lab_hosts"); do
        name=$(lab_address "$i")
        [ "$(lab_port "$i")" = 22 ] || name="[$name]:$(lab_port "$i")"
        echo "$name $(cut -d ' ' -f 1,2 "$LAB/h$i/hostkey.pub")" >>"$LAB/known_hosts"
    done
}

lab_down() {
    local i name pid
    for i in $(seq "${lab_hosts:-0}"); do lab_stop "$i"; done
    if [ "$lab_mode" = namespaces ]; then
        for name in $(ip netns list | awk -v p="$PREFIX-" 'index($1, p) == 1 {print $1}'); do
            for pid in $(ip netns pids "$name"); do kill -9 "$pid" 2>/dev/null; done
            ip netns del "$name"
        done
    fi
    rm -rf "$LAB"
}
