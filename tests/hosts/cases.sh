#!/bin/bash
# Tests of hosts/ against real OpenSSH servers (lab.sh).
#   cases.sh BUILD [CASE]...      BUILD holds the programs hosts_drive and hosts_fake_daemon
# Exit status 0: all passed; 77: there is no sshd here.
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd); shift
DRIVE=$build/hosts_drive
PROGRAM=$build/hosts_fake_daemon
for program in "$DRIVE" "$PROGRAM"; do [ -x "$program" ] || { echo "no $program"; exit 1; }; done
[ -x /usr/sbin/sshd ] || command -v sshd >/dev/null || { echo "SKIP: no sshd"; exit 77; }
[ "$(id -u)" = 0 ] || { echo "SKIP: these tests start sshd as root"; exit 77; }
. "$here/lab.sh"
unset SSH_AUTH_SOCK SSH_AGENT_PID
passed=0 failed=0 made_user=
cleanup() {
    [ -n "$made_user" ] && userdel -f "$made_user" 2>/dev/null
    [ -n "${agent_pid:-}" ] && kill "$agent_pid" 2>/dev/null
    lab_down
}
trap cleanup EXIT
trap 'exit 130' INT TERM

out=
# drive ARGS...: runs the driver on the desktop; its lines are in $out, its log in $LAB/log
drive() {
    out=$LAB/out
    $desktop timeout 120 "$DRIVE" --config "$LAB/config" --program "$PROGRAM" "$@" >"$out" 2>"$LAB/log"
    status=$?
    sane
}
# What a sanitizer says counts as a failure, whatever the case looks at.
sane() { grep -E -m 3 'Sanitizer|runtime error' "$LAB/log" && problem "a sanitizer spoke: see above"; return 0; }
# the same in the background; wait_for PATTERN then waits for a line
drive_bg() {
    out=$LAB/out-bg
    : >"$out"
    $desktop timeout 120 "$DRIVE" --config "$LAB/config" --program "$PROGRAM" "$@" >"$out" 2>"$LAB/log" &
    drive_pid=$!
}
wait_for() { # PATTERN [COUNT] [SECONDS]
    local n=${2:-1} i
    for i in $(seq $((${3:-30} * 20))); do [ "$(grep -cE "$1" "$out")" -ge "$n" ] && return 0; sleep 0.05; done
    return 1
}
problem() { problems="$problems
      $*"; }
has() { grep -qE -- "$1" "$out" || problem "no line like: $1"; }
has_text() { grep -qF -- "$1" "$out" || problem "no line with: $1"; }
hasnt() { grep -qE -- "$1" "$out" && problem "there is a line like: $1"; }
ok() { [ "$status" = 0 ] || problem "exit status $status"; }
last_state() { grep -oE "state=[a-z-]+" "$out" | tail -n 1 | cut -d = -f 2; }
state_is() { [ "$(grep -E '^t=.* state=' "$out" | tail -n 1 | grep -oE ' state=[a-z-]+' | cut -d = -f 2)" = "$1" ] || problem "the last state is not $1"; }

echo_daemon='url=@URL@\nmode=echo\nid=one'

case_key() {
    drive --launch "$echo_daemon" --hellos 1 h1; ok
    has 'state=up .*url=ipc:///'; has 'hello="echo one 0"'; has 'daemon=1 started pid=[0-9]+'
    has 'stderr .*text="daemon one: mode echo"'
    drive --launch "$echo_daemon" --hellos 1 h1; ok
    grep -q 'was there' "$LAB/log" || problem "the program was uploaded twice"
    [ "$(ls "$LAB/h1/home/.cache/clowder" | wc -l)" = 1 ] || problem "something was left beside the program"
    [ "$(find "$LAB/h1/home/.cache/clowder" -name 'clowder-daemon-*' -perm 700 | wc -l)" = 1 ] || problem "not mode 700"
}

case_facts() {
    drive --goal facts --facts h1; ok
    has '"system":"Linux"'; has '"cores":[0-9]+'; has '"mem_total_bytes":[0-9]+'; has '"cache_writable":true'
    has '"clock_offset_ms":-?[0-9]{1,3},'; has '"rtt_us":[0-9]+'; state_is down
    hasnt 'unparsed'
}

case_agent() {
    eval "$(ssh-agent -s)" >/dev/null; agent_pid=$SSH_AGENT_PID
    for i in 1 2 3 4 5 6 7; do
        ssh-keygen -q -t ed25519 -N '' -f "$LAB/other$i"
        ssh-add -q "$LAB/other$i" 2>/dev/null
    done
    ssh-add -q "$LAB/id" 2>/dev/null
    mv "$LAB/id" "$LAB/id.away"
    # Only the public half is here; the agent holds eight keys, seven of them wrong, and the server allows three tries.
    lab_stop 1; lab_sshd 1 "MaxAuthTries 3"
    drive --goal login h1; ok; state_is down
    grep -q 'with="the agent"' "$LAB/log" || problem "not by the agent"
    # Without IdentitiesOnly the named key still goes first.
    sed -i 's/IdentitiesOnly yes/IdentitiesOnly no/' "$LAB/config"
    drive --goal login h1; ok
    # With no key named, the server ends it: the reason says so.
    sed -i "s|IdentityFile $LAB/id|IdentityFile none|" "$LAB/config"
    drive --goal login h1
    has 'code=5 .*too many keys'
    sed -i "s|IdentityFile none|IdentityFile $LAB/id|; s/IdentitiesOnly no/IdentitiesOnly yes/" "$LAB/config"
    mv "$LAB/id.away" "$LAB/id"
    # An agent that does not answer must not hold the link up.
    kill -STOP "$agent_pid"
    drive --goal login --close-after 700 h1
    [ "$(grep -oE 'closed ms=[0-9]+' "$out" | cut -d = -f 2)" -lt 2000 ] || problem "closing took long while the agent was silent"
    kill -CONT "$agent_pid"; kill "$agent_pid"; agent_pid=
    unset SSH_AUTH_SOCK SSH_AGENT_PID
    lab_stop 1; lab_sshd 1
}

case_passphrase() {
    for kind in "-t ed25519" "-t rsa -b 2048 -m PEM"; do
        rm -f "$LAB/locked" "$LAB/locked.pub"
        # shellcheck disable=SC2086
        ssh-keygen -q $kind -N 'open sesame' -f "$LAB/locked"
        cat "$LAB/locked.pub" >>"$LAB/authorized_keys"
        sed "s|$LAB/id\$|$LAB/locked|" "$LAB/config" >"$LAB/config2"
        drive --config "$LAB/config2" --goal login --secret 'open sesame' h1; ok
        has "prompt kind=passphrase text=\"passphrase of $LAB/locked\""
        drive --config "$LAB/config2" --goal login --answer 'open sesame' h1; ok
        has 'state=needs-secret'; state_is down
        # Nobody answers while the session lasts: the link waits without one, and takes the answer then.
        drive --config "$LAB/config2" --goal login --secret-ms 200 --until needs-secret --after 300 h1
        has 'state=needs-secret .*code=18'
        drive --config "$LAB/config2" --goal login --secret 'wrong' h1
        has 'again=1'; has 'code=5 .*wrong passphrase'
    done
    grep -rq 'open sesame' "$LAB/log" && problem "the passphrase is in the log"
}

make_user() {
    made_user=clwtest$$
    useradd -M -d "$LAB/h1/userhome" -s /bin/bash "$made_user" || return 1
    echo "$made_user:right horse" | chpasswd || return 1
    mkdir -p "$LAB/h1/userhome"; chown "$made_user" "$LAB/h1/userhome"; chmod 755 "$LAB"
}

case_password() {
    make_user || { problem "cannot make a user"; return; }
    sed "s|IdentityFile .*|IdentityFile none|" "$LAB/config" >"$LAB/config2"
    keyless=(--config "$LAB/config2" --user "$made_user")
    lab_stop 1; lab_sshd 1 "PasswordAuthentication yes
SetEnv HOME=$LAB/h1/userhome SHLVL=5"
    drive --goal up "${keyless[@]}" --secret 'right horse' --launch "$echo_daemon" --hellos 1 h1; ok
    has "prompt kind=password text=\"password for $made_user@"
    # Wrong first, right then.
    drive --goal login "${keyless[@]}" --secret 'wrong horse' h1
    has 'again=1'; has 'code=5 .*tried: .*password'
    drive --goal login "${keyless[@]}" --answer 'right horse' h1; ok; has 'state=needs-secret'; state_is down
    if [ -f /etc/pam.d/sshd ]; then
        lab_stop 1; lab_sshd 1 "UsePAM yes
KbdInteractiveAuthentication yes
AuthenticationMethods keyboard-interactive
SetEnv HOME=$LAB/h1/userhome SHLVL=5"
        drive --goal login "${keyless[@]}" --secret 'right horse' h1; ok
        has 'prompt kind=interactive text="clwtest[^ ]* asks: (\(.*\) )?Password:'
    fi
    # Two factors: a key, then the password.
    mkdir -p "$LAB/h1/userhome/.ssh"
    lab_stop 1; lab_sshd 1 "PasswordAuthentication yes
AuthenticationMethods publickey,password
SetEnv HOME=$LAB/h1/userhome SHLVL=5"
    drive --goal login --user "$made_user" --secret 'right horse' h1; ok
    userdel -f "$made_user"; made_user=
    grep -rq 'horse' "$LAB/log" && problem "the password is in the log"
    lab_stop 1; lab_sshd 1
}

case_jump() {
    drive --jump h1 --launch "$echo_daemon" --hellos 1 h2; ok
    grep -q "Accepted publickey.*from $(lab_address 1)" "$LAB/h2/log" || [ "$lab_mode" = loopback ] || problem "h2 was not reached from h1"
    drive --jump h1,h2 --launch 'url=@URL@\nmode=blast\nbytes=20000000\nid=x' --bytes 20000000 --after 300 h3; ok
    has 'blast=20000000 intact'
    # The configuration's own ProxyJump, two deep.
    { printf 'Host h3\n  ProxyJump h2\nHost h2\n  ProxyJump h1\n'; cat "$LAB/config"; } >"$LAB/config2"
    drive --config "$LAB/config2" --goal login h3; ok; state_is down
    # A jump host that cannot reach the host says which, and why.
    drive --jump h1 --address "$(lab_address 1)" --port 9 --goal login nowhere
    has 'code=3 .*reason="the jump host .* cannot connect to'
}

case_jump_keys() {
    # An unknown jump host is refused and can be trusted; then the host behind it.
    : >"$LAB/known_hosts"
    drive --jump h1 --goal login --retry --trust --until down h2; ok
    has 'state=refused .*reason="jump host h1: the host key of'
    [ "$(grep -c 'code=0 message' "$out")" = 2 ] || problem "not both keys were asked for"
    # A changed key of the jump host is refused.
    ssh-keygen -q -t ed25519 -N '' -f "$LAB/evil"
    name=$(cut -d ' ' -f 1 "$LAB/known_hosts" | head -n 1)
    echo "$name $(cut -d ' ' -f 1,2 "$LAB/evil.pub")" >"$LAB/known_hosts"
    drive --jump h1 --goal login --trust --until down h2
    has 'jump host h1: THE HOST KEY OF .* HAS CHANGED'; has 'changed=1 line=1'; hasnt 'trust=.*code=0'
    rm -f "$LAB/evil" "$LAB/evil.pub"
    lab_know
}

case_proxy_command() {
    { printf 'Host h2\n  ProxyCommand ssh -F %s -o StrictHostKeyChecking=yes -W %%h:%%p h1\n' "$LAB/config"; cat "$LAB/config"; } >"$LAB/config2"
    drive --config "$LAB/config2" --launch "$echo_daemon" --hellos 1 h2; ok
    { printf 'Host h2\n  ProxyCommand exit 3\n'; cat "$LAB/config"; } >"$LAB/config2"
    drive --config "$LAB/config2" --goal login h2
    has 'code=3 .*hint="run the ProxyCommand by hand'
}

case_unknown_key() {
    : >"$LAB/known_hosts"
    drive --goal login h1
    has 'code=5 .*reason="the host key of .* is not known: ssh-ed25519 SHA256:'
    fingerprint=$(ssh-keygen -lf "$LAB/h1/hostkey.pub" | cut -d ' ' -f 2)
    has_text "key=ssh-ed25519/$fingerprint"
    drive --goal login --trust-as SHA256:0000000000000000000000000000000000000000000 h1
    has 'trust=.*code=5'
    [ -s "$LAB/known_hosts" ] && problem "a wrong fingerprint was written down"
    drive --goal login --retry --trust --until down h1; ok
    # ssh itself agrees with what was written.
    $desktop ssh -F "$LAB/config" -o StrictHostKeyChecking=yes -o BatchMode=yes h1 true 2>/dev/null || problem "ssh does not know the host now"
    # Hashed names.
    : >"$LAB/known_hosts"
    { printf 'HashKnownHosts yes\n'; cat "$LAB/config"; } >"$LAB/config2"
    drive --config "$LAB/config2" --goal login --retry --trust --until down h1; ok
    grep -q '^|1|' "$LAB/known_hosts" || problem "the name is not hashed"
    drive --goal login h1; ok
    lab_know
}

case_changed_key() {
    ssh-keygen -q -t ed25519 -N '' -f "$LAB/evil"
    name=$(cut -d ' ' -f 1 "$LAB/known_hosts" | head -n 1)
    { echo "# a comment"; echo "other $(cut -d ' ' -f 1,2 "$LAB/id.pub")"; echo "$name $(cut -d ' ' -f 1,2 "$LAB/evil.pub")"; } >"$LAB/known_hosts"
    drive --goal login --trust --until down h1
    has "HAS CHANGED.*$LAB/known_hosts line 3"; has 'changed=1 line=3'; has 'trust=.*code=5'
    echo "@revoked * $(cut -d ' ' -f 1,2 "$LAB/h1/hostkey.pub")" >>"$LAB/known_hosts"
    drive --goal login h1; has 'is revoked in .* line 4'
    # Keys of another type are on record.
    ssh-keygen -q -t ecdsa -N '' -f "$LAB/evil2"
    echo "$name $(cut -d ' ' -f 1,2 "$LAB/evil2.pub")" >"$LAB/known_hosts"
    drive --goal login h1; has 'shows a key of another type'
    rm -f "$LAB"/evil*
    lab_know
}

case_wrong_user() {
    drive --goal login --user nobodyatall h1
    has 'code=5 .*nobodyatall@.* does not let us in: it accepts publickey; tried: '; state_is down
    drive --goal login --user nobodyatall --retry --until refused h1; state_is refused
}

case_refused() {
    drive --goal login --port 9 h1
    has 'code=3 .*reason="cannot connect to .*:9: Connection refused"'
    drive --goal login --port 9 --retry --backoff 50 --quarantine 3 --until quarantined h1; ok
    has 'state=backoff'; has 'failures=3'
    drive --goal login --address no-such-host.invalid nowhere; has 'cannot find the address of no-such-host.invalid'
}

case_black_hole() {
    if [ "$lab_mode" = namespaces ]; then
        ip netns exec "$PREFIX-h2" nft add table inet hole
        ip netns exec "$PREFIX-h2" nft 'add chain inet hole in { type filter hook input priority 0; policy drop; }'
        drive --goal login --connect 1500 h2
        has 'code=6 .*no answer from .* within 2 s'
        drive --goal login --close-after 300 h2
        [ "$(grep -oE 'closed ms=[0-9]+' "$out" | cut -d = -f 2)" -lt 2000 ] || problem "closing took long"
        ip netns exec "$PREFIX-h2" nft delete table inet hole
    fi
    # It takes the connection and says nothing.
    kill -STOP "$(cat "$LAB/h2/sshd.pid")"
    drive --goal login --close-after 500 h2
    [ "$(grep -oE 'closed ms=[0-9]+' "$out" | cut -d = -f 2)" -lt 2000 ] || problem "closing took long"
    kill -CONT "$(cat "$LAB/h2/sshd.pid")"
}

# Whatever sshd forbids, daemons come home over the launch's own channel, and nothing is left of it.
case_no_forwarding() {
    lab_stop 1; lab_sshd 1 "AllowTcpForwarding no
AllowStreamLocalForwarding no"
    drive --launch "$echo_daemon" --launch 'url=@URL@\nmode=echo\nid=two' --tasks 50000 --hellos 2 h1; ok
    has 'url=ipc:///'; has 'hello="echo two 0"'
    drive --launch 'url=@URL@\nmode=blast\nbytes=100000000\nid=x' --launch "$echo_daemon" --bytes 100000000 --tasks 20000 --after 500 h1; ok
    has 'blast=100000000 intact'
    sockets=$(grep -oE 'url=ipc:///[^ ]+' "$out" | sed 's/^url=ipc:..//' | sort -u)
    [ -n "$sockets" ] || problem "no socket was told"
    for i in $(seq 100); do # shellcheck disable=SC2086
        ls $sockets >/dev/null 2>&1 || break
        sleep 0.05
    done
    [ "$i" -lt 100 ] || problem "a socket was left behind: $sockets"
    # The session is lost and comes back: the socket is at the same place, the daemon resumes.
    drive_bg --retry --backoff 200 --launch 'url=@URL@\nmode=echo\nid=one\ntries=200' \
        --launch2 'url=@URL@\nmode=echo\nid=two\ntries=200' --limit 20 --hellos 99 h1
    wait_for 'hello="echo (one|two)' 2 || problem "no hello"
    lab_stop 1; wait_for 'state=backoff' || problem "the loss was not noticed"
    lab_sshd 1 "AllowTcpForwarding no"
    wait_for 'state=up' 2 || problem "not up again"
    wait_for 'hello="echo one' 2 || problem "the daemon did not come back"
    wait_for 'hello="echo two' 2 || problem "the daemon of the second tunnel did not come back"
    kill "$drive_pid"; wait "$drive_pid" 2>/dev/null
    has 'same_url=1'
    lab_stop 1; lab_sshd 1
}

case_login_files() {
    # bash under sshd reads ~/.bashrc for commands too, when it thinks that it is the first shell.
    printf 'echo "Welcome to this noisy machine"\nprintf "pid 7\\n\\001clowder-mux-0\\002"\nsleep 1\n' >"$LAB/h1/home/.bashrc"
    lab_stop 1; lab_sshd 1 "SetEnv HOME=$LAB/h1/home"
    drive --launch "$echo_daemon" --hellos 1 h1; ok; has 'started pid=[0-9]{2,}'
    lab_stop 1; lab_sshd 1 "SetEnv HOME=$LAB/h1/home
AllowTcpForwarding no"
    drive --launch "$echo_daemon" --hellos 1 h1; ok
    rm -f "$LAB/h1/home/.bashrc"
    # An account that runs nothing says what it says.
    lab_stop 1; lab_sshd 1 "ForceCommand echo this account is closed"
    drive h1; has 'code=5 .*it said: this account is closed'
    lab_stop 1; lab_sshd 1
}

case_read_only() {
    [ "$lab_mode" = namespaces ] || return 0
    rm -rf "$LAB/h2/home/.cache"
    echo "mount --bind $LAB/h2/home $LAB/h2/home && mount -o remount,bind,ro $LAB/h2/home" >"$LAB/h2/mount"
    lab_stop 2; lab_sshd 2
    drive h2; has 'code=5 .*cannot write to .*Read-only file system'
    echo "mount -t tmpfs -o size=200k none $LAB/h2/home" >"$LAB/h2/mount"
    lab_stop 2; lab_sshd 2
    drive h2; has 'code=5 .*is full: .* are free'
    echo "mount -t tmpfs -o size=64k none $LAB/h2/home; mkdir -p $LAB/h2/home/.cache/clowder; head -c 100000 /dev/zero >$LAB/h2/home/fill 2>/dev/null" >"$LAB/h2/mount"
    lab_stop 2; lab_sshd 2
    drive h2; has 'code=5 .*(No space left on device|is full)'
    # Nothing may be run from there.
    echo "mount -t tmpfs -o size=20m,noexec none $LAB/h2/home" >"$LAB/h2/mount"
    lab_stop 2; lab_sshd 2
    drive --launch "$echo_daemon" h2
    has 'state=down step=tunnel code=5 .*does not start on the host \(exit status 126\): .*Permission denied.*hint="is ~/.cache on a file system mounted noexec'
    has 'daemon=1 failed'
    rm -f "$LAB/h2/mount"; lab_stop 2; lab_sshd 2
}

# Others of the host may not put a program of theirs in the place of ours, whatever the login's umask is.
case_open_cache() {
    home=$LAB/h1/home
    rm -rf "$home/.cache"
    echo 'umask 000' >"$home/.bashrc"
    lab_stop 1; lab_sshd 1 "SetEnv HOME=$home"
    drive --launch "$echo_daemon" --hellos 1 h1; ok
    rm -f "$home/.bashrc"
    lab_stop 1; lab_sshd 1
    [ "$(find "$home/.cache" -perm /077 | wc -l)" = 0 ] || problem "open to others: $(find "$home/.cache" -perm /077)"
    for mode in 777 775; do
        chmod $mode "$home/.cache"; chgrp 65533 "$home/.cache"
        drive h1; has "code=5 .*could replace what is in $home/.cache/clowder: $home/.cache is not yours.*hint=\"on the host: chmod go-w $home/.cache"
    done
    chown 65533 "$home/.cache"; chmod 755 "$home/.cache"
    drive h1; has "code=5 .*could replace what is in"
    chown 0 "$home/.cache"
    for mode in 1777 755 700; do
        chmod $mode "$home/.cache"
        drive h1; ok; state_is up
    done
    # The folder was open once, and another user's program lies there.
    program=$(ls "$home/.cache/clowder/"clowder-daemon-*)
    chown 65533 "$program"
    drive h1; ok
    [ "$(stat -c %u:%a "$program")" = 0:700 ] || problem "another user's program was taken: $(ls -l "$program")"
    chmod 775 "$home"; chgrp 65533 "$home"
    drive h1; has "code=5 .*$home is not yours"
    chmod 755 "$home"; chgrp 0 "$home"
    # A group of the user's own may write there, while it is nobody's first group but theirs. (Some systems have more in root's.)
    chmod 775 "$home/.cache"
    if [ -z "$(getent group 0 | cut -d : -f 4)" ] && [ "$(getent passwd | awk -F : '$4 == 0 && $3' | wc -l)" = 0 ]; then
        drive h1; ok
    fi
    made_user=clwtest$$
    useradd -M -N -g 0 "$made_user"
    drive h1; has "code=5 .*$home/.cache is not yours, or they may write to it"
    userdel -f "$made_user" 2>/dev/null; made_user=
    chmod 755 "$home/.cache"
    swapped_cache
}

# Between the look at the folder and the use of the program another user has put a folder there.
swapped_cache() {
    mkdir "$home/evil"
    printf '#!/bin/sh\necho >%s/ran\n' "$LAB" >"$home/evil/$(basename "$program")"
    chmod 755 "$home/evil"/*
    chown -R 65533 "$home/evil"
    # shellcheck disable=SC2016
    echo 'case $BASH_EXECUTION_STRING in *--mux*) cd ~ && mv .cache/clowder was && mv evil .cache/clowder;; esac' >"$home/.bashrc"
    lab_stop 1; lab_sshd 1 "SetEnv HOME=$home"
    drive h1
    [ -d "$home/was" ] || problem "nothing was swapped"
    has "code=5 .*could replace what is in ~/.cache/clowder: $home/.cache/clowder is not yours"
    [ ! -e "$LAB/ran" ] || problem "another user's program was run"
    rm -rf "$home/.bashrc" "$home/.cache/clowder"
    mv "$home/was" "$home/.cache/clowder"
    lab_stop 1; lab_sshd 1
    drive h1; ok
}

case_wrong_machine() {
    cp "$PROGRAM" "$LAB/for-arm"
    printf '\xb7\x00' | dd of="$LAB/for-arm" bs=1 seek=18 conv=notrunc 2>/dev/null
    drive --program "$LAB/for-arm" h1
    has "code=5 .*the host is a x86_64 machine, the daemon program here is for aarch64.*hint=\"build clowder-daemon on such a machine and put it here as $LAB/for-arm-x86_64"
    cp "$PROGRAM" "$LAB/for-arm-x86_64"
    drive --program "$LAB/for-arm" --launch "$echo_daemon" --hellos 1 h1; ok
}

# sshd allows one session at a time: probe, upload and launch take turns, at the first try.
case_one_session() {
    lab_stop 1; lab_sshd 1 "MaxSessions 1"
    for i in 1 2 3 4 5 6; do
        rm -rf "$LAB/h1/home/.cache"
        drive --launch "$echo_daemon" --launch 'url=@URL@\nmode=echo\nid=two' --hellos 2 h1; ok
        hasnt 'state=backoff'
    done
    lab_stop 1; lab_sshd 1
}

case_rekey() {
    lab_stop 1; lab_sshd 1 "RekeyLimit 8M"
    drive --launch 'url=@URL@\nmode=blast\nbytes=500000000\nid=x' --launch "$echo_daemon" --bytes 500000000 --tasks 300000 --after 1000 --limit 100 h1; ok
    has 'blast=500000000 intact'
    lab_stop 1; lab_sshd 1
}

case_sshd_killed() {
    # Two tunnels of one session: both are at their old places when it is back.
    drive_bg --retry --backoff 200 --launch 'url=@URL@\nmode=echo\nid=one\ntries=300' \
        --launch2 'url=@URL@\nmode=echo\nid=two\ntries=300' --limit 30 --hellos 99 h1
    wait_for 'hello="echo (one|two)' 2 || problem "no hello"
    lab_stop 1
    wait_for 'state=backoff' || problem "the loss was not noticed"
    sleep 0.5; lab_sshd 1
    wait_for 'state=up' 2 || problem "not up again"
    wait_for 'hello="echo one' 2 || problem "the daemon did not come back"
    wait_for 'hello="echo two' 2 || problem "the daemon of the second tunnel did not come back"
    kill "$drive_pid"; wait "$drive_pid" 2>/dev/null
    has 'same_url=1'; has 'the connection to .* was lost'
}

case_link_cut() {
    [ "$lab_mode" = namespaces ] || return 0
    # A short cut: the session outlives it, and so do the bytes on their way.
    drive_bg --launch 'url=@URL@\nmode=blast\nbytes=1000000000\nid=x' --bytes 1000000000 --after 500 --limit 100 h1
    wait_for 'hello="blast' || problem "no hello"
    sleep 1; ip -n "$PREFIX-sw" link set p-h1 down; sleep 4; ip -n "$PREFIX-sw" link set p-h1 up
    wait "$drive_pid" || problem "the blast did not arrive"
    has 'blast=1000000000 intact'; hasnt 'state=backoff'
    # A long one: given up, tried again; sshd there still holds the old session, and is told to let go.
    drive_bg --retry --backoff 200 --keepalive 400 --connect 1000 --launch 'url=@URL@\nmode=echo\nid=one\ntries=400' --limit 60 --hellos 99 h1
    wait_for 'hello="echo one' || problem "no hello"
    ip -n "$PREFIX-sw" link set p-h1 down
    wait_for 'has not answered for' || problem "the cut was not noticed"
    sleep 1; ip -n "$PREFIX-sw" link set p-h1 up
    wait_for 'state=up' 2 || problem "not up again"
    wait_for 'hello="echo one' 2 30 || problem "the daemon did not come back"
    kill "$drive_pid"; wait "$drive_pid" 2>/dev/null
    has 'same_url=1'
}

case_launches() {
    drive --launch 'mode=exit\nstatus=7\nid=a' --launch 'mode=sleep\nseconds=0\nid=b' --script 'echo to stdout; echo "to stderr \033[31m" >&2; kill -9 $$' --exits 3 h1; ok
    has 'daemon=1 exited .*status=7 signal=0'; has 'daemon=2 exited .*status=1'; has 'daemon=3 exited .*status=-1 signal=9'
    has 'daemon=3 stderr .*text="to stdout"'
    # What one that was killed had started goes with it, in whichever group it is.
    drive --script 'bash -c "set -m; sleep 300.821 & kill -9 $$"' --exits 1 h1; ok
    has 'daemon=1 exited .*status=-1 signal=9'
    pgrep -f '^sleep 300.821' >/dev/null && problem "what a killed script had started is there still"
    drive --run 'echo hello $((6*7)); echo oops >&2; exit 3' h1; ok
    has 'run=1 code=0 status=3 out="hello 42'; has 'errors="oops'
    drive --run 'sleep 60' h1; ok; has 'run=1 code=6'
    # What a script leaves behind in the background does not hold it up.
    drive --run 'sleep 60 & echo left; exit 4' h1; ok; has 'run=1 code=0 status=4 out="left'
    # Forty daemons over one session.
    args=(); for i in $(seq 40); do args+=(--launch "url=@URL@\nmode=echo\nid=d$i"); done
    lab_stop 1; lab_sshd 1 "MaxSessions 2"
    drive "${args[@]}" --hellos 40 h1; ok
    [ "$(grep -c 'started pid' "$out")" = 40 ] || problem "not all were started"
    lab_stop 1; lab_sshd 1
    # Somebody emptied the cache folder while the link was up.
    rm -rf "$LAB/h1/home/.cache"
    drive_bg --until up --after 3000 --limit 30 h1
    wait "$drive_pid"
}

case_secrets() {
    drive_bg --launch 'url=@URL@\nmode=echo\nid=one\ntoken=s3cr3tt0k3n' --hellos 1 --after 1500 h1
    wait_for 'hello=' || problem "no hello"
    seen=$(grep -la 's3cr3tt0k3[n]' /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | grep -v "/$drive_pid/" |
        while read -r f; do
            p=${f#/proc/}; p=${p%%/*}
            # The driver and its wrapper were given it on their command line by this test; grep was not.
            [ -e "/proc/$p" ] && ! tr '\0' ' ' <"/proc/$p/cmdline" | grep -qE 'hosts_drive|cases.sh' && echo "$f"
        done)
    [ -z "$seen" ] || problem "the token is in $seen"
    wait "$drive_pid"
    grep -q s3cr3tt0k3n "$LAB/log" "$LAB/h1/log" && problem "the token is in a log"
    grep -rq s3cr3tt0k3n "$LAB/h1/home" && problem "the token is in a file on the host"
}

case_two_at_once() {
    rm -rf "$LAB/h1/home/.cache"
    a=$(lab_address 1)
    drive --address "$a" --port "$(lab_port 1)" --launch "$echo_daemon" --hellos 8 one two three four five six seven eight; ok
    [ "$(ls -A "$LAB/h1/home/.cache/clowder" | wc -l)" = 1 ] || problem "something was left beside the program"
    cmp "$LAB/h1/home/.cache/clowder/"clowder-daemon-* "$PROGRAM" || problem "the program is damaged"
    # A damaged program is replaced.
    program=$(ls "$LAB/h1/home/.cache/clowder/"clowder-daemon-*)
    rm "$program" && echo junk >"$program" # beside one that may run still
    drive --launch "$echo_daemon" --hellos 1 h1; ok
    cmp "$LAB/h1/home/.cache/clowder/"clowder-daemon-* "$PROGRAM" || problem "the damaged program was not replaced"
}

case_doctor() {
    drive --doctor h1; ok; has '^ok  launch'; has '^ok  tunnel .*daemons come home over this session: ipc:///'; hasnt '^BAD'
    drive --doctor --port 9 h1; has '^BAD connect .*Connection refused'; has 'fix: is sshd running'
    : >"$LAB/known_hosts"
    drive --doctor h1; has '^BAD hostkey .*is not known'; has 'fix: compare it with the host'
    lab_know
    drive --doctor --user nobodyatall h1; has '^BAD auth'
}

case_many() {
    names=(); for i in $(seq "$lab_hosts"); do names+=("h$i"); rm -rf "$LAB/h$i/home/.cache"; done
    drive --launch "$echo_daemon" --hellos "$lab_hosts" --limit 60 "${names[@]}"; ok
    grep -E 'done$' "$out"
    [ "$(grep -oE '^t=[0-9]+ done' "$out" | grep -oE '[0-9]+')" -lt 10000 ] || problem "more than 10 s"
}

# Our own daemons need no port on the host: none is opened, while they work and after their session was lost.
case_ports() {
    listening() { ip netns exec "$PREFIX-h1" cat /proc/net/tcp /proc/net/tcp6 | awk '$4 == "0A" {print $2}' | sort; }
    [ "$lab_mode" = namespaces ] || return 0
    lab_stop 1; lab_sshd 1 "GatewayPorts clientspecified"
    before=$(listening)
    drive_bg --retry --backoff 200 --launch 'url=@URL@\nmode=echo\nid=one\ntries=300' --limit 30 --hellos 99 h1
    wait_for 'hello="echo one' || problem "no hello"
    [ "$(listening)" = "$before" ] || problem "something listens on the host: $(listening)"
    lab_stop 1; wait_for 'state=backoff' || problem "the loss was not noticed"
    [ -z "$(listening)" ] || problem "something listens on the host without a session: $(listening)"
    lab_sshd 1
    wait_for 'hello="echo one' 2 || problem "the daemon did not come back"
    kill "$drive_pid"; wait "$drive_pid" 2>/dev/null
    lab_stop 1; lab_sshd 1
}

all="key facts agent passphrase password jump jump_keys proxy_command unknown_key changed_key wrong_user refused black_hole
no_forwarding login_files read_only open_cache wrong_machine one_session rekey sshd_killed link_cut launches secrets two_at_once doctor ports"
hosts=3
[ "${1:-}" = many ] && hosts=20
lab_up "$hosts" || exit 1
for case in ${*:-$all}; do
    problems=
    began=$(date +%s%N)
    "case_$case"
    sane
    took=$((($(date +%s%N) - began) / 1000000))
    if [ -z "$problems" ]; then
        passed=$((passed + 1)); echo "ok   $case ($took ms)"
    else
        failed=$((failed + 1)); echo "FAIL $case ($took ms)$problems"
        [ -n "${VERBOSE:-}" ] && { sed 's/^/      | /' "$out"; sed 's/^/      log| /' "$LAB/log"; }
    fi
done
echo "$passed passed, $failed failed, $lab_mode"
[ "$failed" = 0 ]
