#!/usr/bin/env bash
# tests/gpu/real.sh: what this machine's real GPUs do under clowder; two minutes, nothing left behind (needs jq). Paste what it
# prints into an issue. It ends with 0 if all was right, 1 if not, 77 if there is no GPU.
# CLOWDER_BIN: the folder of the programs; without it `clowder` is the one on PATH.
set -u

[ -z "${CLOWDER_BIN:-}" ] || PATH=$CLOWDER_BIN:$PATH
work=$(mktemp -d) || exit 1
export XDG_DATA_HOME=$work/data XDG_CONFIG_HOME=$work/config XDG_RUNTIME_DIR=$work/run XDG_CACHE_HOME=$work/cache
mkdir -m 700 "$work/run"
wrong=0
stranger=
end() {
  [ -z "$stranger" ] || kill "$stranger" 2>/dev/null
  clowder engine stop --now >/dev/null 2>&1
  rm -rf "$work"
}
trap end EXIT

# check "WHAT" COMMAND...: ok or WRONG
check() {
  local what=$1
  shift
  if "$@" >"$work/out" 2>&1; then
    echo "ok     $what"
  else
    echo "WRONG  $what"
    sed 's/^/       /' "$work/out"
    wrong=$((wrong + 1))
  fi
}

# within SECONDS COMMAND...
within() {
  local left=$1
  shift
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    sleep 1
  done
}

gpus() { clowder status "$1" --json | jq -r '.profiles[0].hosts[0].gpus[]'"$2"; }
devices_of() { clowder everywhere -p "$1" -- sh -c 'echo $CUDA_VISIBLE_DEVICES' | cut -f 2 | sort; }
all_differ() { [ "$(devices_of one | sort -u | grep -c .)" = "$n" ]; }
waits() { clowder status "$1" --json | jq -e '[.profiles[0].daemon_list[] | select(.state == "paused")] | length == '"$2"; }
a_daemon() { clowder status one --json | jq -r '.profiles[0].daemon_list[0].pid'; }
knows() { gpus one ".$1" | grep -q '^[0-9]'; }

echo '```'
clowder version
uname -srm
for tool in nvidia-smi rocm-smi; do
  command -v "$tool" >/dev/null || continue
  case $tool in
  nvidia-smi) nvidia-smi --query-gpu=index,name,memory.total,driver_version,utilization.gpu,memory.used,temperature.gpu,power.draw,uuid --format=csv ;;
  *) rocm-smi --showproductname --showmeminfo vram --showuse --showtemp --showpower --showdriverversion --json ;;
  esac
done

if ! clowder up one --per-gpu --timeout 30s; then
  echo "no GPU, or none that clowder can give out"
  echo '```'
  exit 77
fi
n=$(gpus one .index | grep -c .)
gpus one '| tojson'
check "as many daemons as GPUs ($n)" test "$(clowder status one --json | jq '.profiles[0].daemons.connected')" = "$n"
check "each has a GPU of its own" all_differ
check "their memory is known" knows mem_bytes
check "their use is known" knows busy
check "their temperature is known" knows temp_c
check "their power is known" knows power_w
check "tasks run on them" test "$(clowder map -p one -- sh -c 'echo $CUDA_VISIBLE_DEVICES' ::: $(seq 100) | grep -c .)" = 100

clowder up two --per-gpu -n 1 --timeout 5s >/dev/null 2>&1
check "a second profile waits: all are taken" within 20 waits two 1
kill -9 "$(a_daemon)"
check "what a killed daemon had is free in 20 s, and used again" within 20 sh -c "
  [ \$(clowder status --json | jq '[.profiles[].daemon_list[] | select(.state == \"idle\")] | length') = $n ]"
clowder down one >/dev/null
clowder down two >/dev/null

if python3 -c 'import torch; torch.zeros(1).cuda()' 2>/dev/null; then
  python3 -c 'import time, torch; x = torch.zeros(1 << 30, dtype=torch.uint8).cuda(); time.sleep(60)' &
  stranger=$!
  check "a program of ours has 1 GiB of a GPU" within 30 sh -c 'nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits | awk "\$1 > 1000 { any = 1 } END { exit !any }"'
  clowder up three --per-gpu --timeout 5s >/dev/null 2>&1
  check "the GPU that it uses is not given out" within 20 waits three 1
  kill "$stranger"
  stranger=
  check "and is, once it is free" within 30 waits three 0
else
  echo "left out: a GPU in use by a stranger (no PyTorch here)"
fi
echo "$wrong wrong"
echo '```'
[ "$wrong" = 0 ]
