#!/usr/bin/env bash
# The first commands of README.md, typed on a Debian machine that has apt and nothing else. It is a root of debootstrap's in
# namespaces of its own (mounts, processes, host name), so whatever is mounted or started there ends with this test, also when
# it is killed. The network is this machine's, for apt.
#   bare.sh FOLDER [WORD]...     FOLDER keeps the root between runs; the words are added to README's last command
# Exit status 77: it cannot be done here, and the last line says why.
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
kept=$folder/root      # as debootstrap made it
machine=$folder/machine # a copy, to be used up
keep_days=7
here=

skip() {
  echo "SKIP: $*"
  exit 77
}
fail() {
  echo "FAILED: $*" >&2
  exit 1
}

[ -z "${CLOWDER_BARE:-}" ] || skip "a bare machine: this is one"
[ "$(id -u)" -eq 0 ] || skip "a bare machine: needs root, for debootstrap and mounts"
command -v debootstrap >/dev/null || skip "a bare machine: needs debootstrap"
unshare --mount --pid --fork --uts --ipc true 2>/dev/null || skip "a bare machine: needs namespaces of its own"
exec 9>"$folder/lock"
flock 9

finish() {
  local status=$?
  trap - EXIT INT TERM HUP
  [ -z "$here" ] || { kill -9 "$here" && wait "$here"; } 2>/dev/null || true
  rm -rf "$machine" "$kept.new"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# alone COMMAND...: in namespaces that end with it, and with us. bash waits in a way that a signal interrupts.
alone() {
  setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child --uts --ipc "$@" 9>&- &
  here=$!
  local status=0
  wait "$here" || status=$?
  here=
  return "$status"
}

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' 'Label: Debian' 2>/dev/null | head -1 || true)
mirror=${mirror:-http://deb.debian.org/debian}
wget -q -O /dev/null --tries=2 --timeout=20 "${mirror%/}/dists/bookworm/Release" ||
  skip "a bare machine: $mirror is not reached, and apt needs it"

is_new() { [ -n "$(find "$folder/made" -mtime -$keep_days 2>/dev/null)" ]; }
is_whole() { found=$(chroot "$kept" dpkg --audit 2>&1) && [ -z "$found" ]; }
if ! is_new || ! is_whole; then
  echo "debootstrap bookworm, from $mirror"
  rm -rf "$kept" "$kept.new" "$folder/made"
  alone debootstrap --variant=minbase bookworm "$kept.new" "$mirror" >"$folder/debootstrap.log" 2>&1 || {
    tail -5 "$folder/debootstrap.log"
    fail "debootstrap"
  }
  mv "$kept.new" "$kept"
  touch "$folder/made"
fi

# What a clone would have, and what is not committed yet.
rm -rf "$machine"
cp -a "$kept" "$machine"
mkdir "$machine/root/clowder"
(cd "$source" && { git ls-files -z --cached --others --exclude-standard 2>/dev/null || find . -path ./build -prune -o -type f -print0; } |
  while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done | tar --null -T - -c) | tar -x -C "$machine/root/clowder"

# README's commands, without what it says about them.
mapfile -t commands < <(awk '/^```/ { if (inside) exit; inside = 1; next } inside { sub(/ *#.*/, ""); print }' "$source/README.md")
[ "${#commands[@]}" -eq 2 ] && [[ ${commands[1]} == './run test' ]] || fail "README does not begin with two commands: ${commands[*]}"
commands[1]="${commands[1]}${*:+ $*}"

# What the machine does, as its first process; it has a file system and mounts of its own, as unshare --mount in it wants them.
cat >"$machine/root/first.sh" <<'FIRST'
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs sys sys
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts dev/pts
for folder in dev/shm run tmp; do mount -t tmpfs -o mode=1777 none "$folder"; done
chmod 755 run
hostname bare
echo '127.0.0.1 localhost bare' >etc/hosts
chroot . /bin/bash /root/types.sh "${@:2}"
FIRST
cat >"$machine/root/types.sh" <<'TYPES'
set -e
cd /root/clowder
for tool in cc cmake python3 jq tmux; do
  ! command -v $tool >/dev/null || { echo "this machine is not bare: it has $tool" >&2; exit 1; }
done
echo "\$ $1"
bash -c "$1"
# That was without anything that only tests want, and so are installing and configuring by hand.
for tool in python3 jq tmux sshd; do
  ! command -v $tool >/dev/null || { echo "'$1' installed $tool" >&2; exit 1; }
done
! pkg-config --exists cmocka || { echo "'$1' installed cmocka" >&2; exit 1; }
cmake --install build/release --prefix /tmp/installed >/dev/null
export PATH=/tmp/installed/bin:$PATH
clowder map -n 1 -- echo ::: installed
clowder engine stop
PATH=${PATH#*:}
cmake -G Ninja -S . -B /tmp/hand >/dev/null
cmake -G Ninja -S . -B /tmp/tests -DBUILD_TESTING=ON >/tmp/configured
grep 'unit/test_text is left out: needs cmocka (package libcmocka-dev)' /tmp/configured
ctest --test-dir /tmp/tests -R unit/test_text | grep 'Skipped'
grep 'e2e/neighbour_limits is left out: needs pytest (package python3-pytest)' /tmp/configured
ctest --test-dir /tmp/tests -R e2e/neighbour_limits | grep 'Skipped'
rm -r /tmp/installed /tmp/hand /tmp/tests ~/.local
echo "\$ $2"
bash -c "$2"
TYPES
network=()
for name in http_proxy https_proxy no_proxy; do [ -z "${!name:-}" ] || network+=("$name=${!name}"); done
alone env -i "${network[@]}" CLOWDER_BARE=1 HOME=/root TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  bash "$machine/root/first.sh" "$machine" "${commands[@]}" </dev/null || fail "${commands[0]} or ${commands[1]} on a bare machine"
