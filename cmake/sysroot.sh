#!/usr/bin/env bash
# Debian packages of another machine, unpacked into a folder of their own: this machine's packages and its list of architectures
# stay as they are. They come from the same sources, checked with the same keys, as apt has for this machine.
#   sysroot.sh MACHINE FOLDER PACKAGE...     MACHINE as `uname -m` says it
set -euo pipefail
machine=$1 folder=$2
shift 2
case $machine in
aarch64) architecture=arm64 ;;
x86_64) architecture=amd64 ;;
*)
  echo "Debian packages for $machine: build clowder-daemon on such a machine" >&2
  exit 1
  ;;
esac

# They are fetched again when this machine's own have another version: an update of a library is one for both.
made_for="$* $(dpkg-query -W -f '${Package} ${Version} ' "$@" 2>/dev/null || true)"
[ ! -f "$folder/made-for" ] || [ "$(cat "$folder/made-for")" != "$made_for" ] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work"/{state/lists/partial,cache/archives/partial,debs,root} "$(dirname "$folder")"
: >"$work/status"
[ "$(id -u)" -ne 0 ] || chown -R _apt "$work"/{state,debs} # who fetches for root
apt=(apt-get -qq -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture" -o "Dir::State=$work/state"
  -o "Dir::State::status=$work/status" -o "Dir::Cache=$work/cache" -o Acquire::Languages=none)
"${apt[@]}" update >&2
(cd "$work/debs" && "${apt[@]}" download "$@" >&2)
for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$work/root"; done
echo "$made_for" >"$work/root/made-for"
rm -rf "$folder"
mv "$work/root" "$folder"
