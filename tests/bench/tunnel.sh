#!/usr/bin/env bash
# tunnel.sh BIN [MB]: the same bytes there and back through a tunnel of Clowder's and through ssh -R, alternating; then tiny
# worker tasks (TASKS, 1000000) through a tunnel and through TLS, and the time from a fresh host to its first result. Root, for a
# host in a network namespace.
set -euo pipefail
bin=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
mb=${2:-200} rounds=${ROUNDS:-3}
export PATH=$bin:$bin/tests:$PATH
work=$(mktemp -d /tmp/clowder-bench.XXXXXX)
export XDG_CONFIG_HOME=$work/config XDG_DATA_HOME=$work/data XDG_STATE_HOME=$work/state XDG_CACHE_HOME=$work/cache
export XDG_RUNTIME_DIR=$work/run LAB=$work/lab PREFIX=clwb$$ NET=10.95
mkdir -m 700 "$work/run"
unset SSH_AUTH_SOCK CLOWDER_PROFILE
set +eu
. "$here/../hosts/lab.sh"
export CLOWDER_SSH_CONFIG=$LAB/config
started=()
end() {
  clowder engine stop --now >/dev/null 2>&1
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null; done
  lab_down
  rm -rf "$work"
}
trap end EXIT
lab_up 1 || exit 1
[ "$lab_mode" = namespaces ] || { echo "needs network namespaces"; exit 77; }
on_host="ip netns exec $PREFIX-h1"
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

$desktop ceiling serve >"$work/port" &
started+=($!)
until [ -s "$work/port" ]; do sleep 0.02; done
port=$(cat "$work/port")
$desktop ssh -F "$LAB/config" -N -R 127.0.0.1:15001:127.0.0.1:"$port" h1 &
started+=($!)
$desktop "$bin/tests/hosts_drive" --config "$LAB/config" --program "$bin/clowder-daemon" --target "tcp:127.0.0.1:$port" \
  --exits 99 --limit 600 h1 >"$work/drive" 2>/dev/null &
started+=($!)
until url=$(grep -oE 'url=ipc://[^ ]+' "$work/drive" | tail -1) && [ -n "$url" ]; do sleep 0.05; done
until $on_host ceiling pump tcp:127.0.0.1:15001 1 >/dev/null 2>&1; do sleep 0.05; done
for _ in $(seq "$rounds"); do
  $on_host ceiling pump tcp:127.0.0.1:15001 "$mb" >>"$work/ssh"
  $on_host ceiling pump "unix:${url#url=ipc://}" "$mb" >>"$work/ours"
done
awk -v o="$(median <"$work/ours")" -v s="$(median <"$work/ssh")" \
  'BEGIN { printf "bytes there and back, MB/s          %8.0f  %.2f x ssh -R (%.0f)\n", o, o / s, s }'

$desktop clowder host add h1 >/dev/null
rm -rf "$LAB/h1/home/.cache"
began=$(date +%s%N)
$desktop clowder up --on h1:2 >/dev/null && $desktop clowder run hostname >/dev/null
echo "a fresh host, to its first result, ms  $((($(date +%s%N) - began) / 1000000))"
line=$(head -c 63 /dev/zero | tr '\0' x)
count=${TASKS:-1000000}
tasks() { # WAY: rounds of worker tasks, through the daemons that are up
  for _ in $(seq "$rounds"); do
    began=$(date +%s%N)
    yes "$line" | head -"$count" | $desktop clowder map -w -- cat | tail -1 >/dev/null
    echo $((count * 1000000000 / ($(date +%s%N) - began))) >>"$work/tasks.$1"
  done
}
tasks tunnel
echo "64-byte worker tasks/s through a tunnel $(median <"$work/tasks.tunnel")"
$desktop clowder down >/dev/null
$desktop clowder host edit h1 --direct >/dev/null
$desktop nft add rule inet fw in ip saddr "$(lab_address 1)" accept
$desktop clowder up --on h1:2 >/dev/null
tasks tls
echo "64-byte worker tasks/s through TLS      $(median <"$work/tasks.tls")"
$desktop clowder down >/dev/null
$desktop clowder host edit h1 --no-direct >/dev/null

# A daemon of another engine: a task there and its result back, on a way that is counted, and through ssh -R.
relay() { # WAY
  local base port
  : >"$work/base"
  $desktop sp_peer base tcp://127.0.0.1:0 20000 64 60 </dev/null >"$work/base" &
  base=$!
  until grep -q port "$work/base"; do sleep 0.02; done
  port=$(sed -n 's/port //p' "$work/base")
  if [ "$1" = ssh ]; then
    $desktop ssh -F "$LAB/config" -R 127.0.0.1:15002:127.0.0.1:"$port" h1 "$(command -v sp_peer)" daemon tcp://127.0.0.1:15002 2>/dev/null
  else
    $desktop clowder profile set r --runtime mirai --base "tcp://127.0.0.1:$port" --env "PATH=$work/r:/usr/bin:/bin" --on h1:1 >/dev/null
    $desktop clowder up r >/dev/null
  fi
  wait "$base"
  [ "$1" = ssh ] || $desktop clowder down r >/dev/null
  grep -oE '"p50_us":[0-9]+' "$work/base" | cut -d : -f 2 >>"$work/relay.$1"
}
mkdir "$work/r"
printf '#!/bin/sh\nurl=$(printf %%s "$2" | sed "s/.*daemon(.\\([^,]*\\)\\",.*/\\1/")\nexec %s daemon "$url"\n' "$(command -v sp_peer)" >"$work/r/Rscript"
chmod +x "$work/r/Rscript"
for _ in $(seq "$rounds"); do relay ssh; relay ours; done
awk -v o="$(median <"$work/relay.ours")" -v s="$(median <"$work/relay.ssh")" \
  'BEGIN { printf "a task of another engine and back, p50, us %5.0f  %+.0f against ssh -R (%.0f)\n", o, o - s, s }'
