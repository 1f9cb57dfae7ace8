#!/usr/bin/env bash
# The main job, seen once: daemons on this machine, a real map over real files, progress, a summary, and a check of every
# result against the ordinary tools. Everything it keeps lies in a folder of its own and is gone afterwards.
set -euo pipefail
bin=$(cd "$1" && pwd)
files=${DEMO_FILES:-600}
daemons=${DEMO_DAEMONS:-2}

work=$(mktemp -d /tmp/clowder-demo.XXXXXX)
export XDG_CONFIG_HOME=$work XDG_DATA_HOME=$work XDG_STATE_HOME=$work XDG_CACHE_HOME=$work XDG_RUNTIME_DIR=$work/run
mkdir -m 700 "$work/run"
export PATH=$bin:$PATH LC_ALL=C.UTF-8
cleanup() {
  clowder engine stop --now || true
  rm -rf "$work"
}
trap cleanup EXIT
step() { printf '\n\033[1m%s\033[0m\n' "\$ $1"; }
[ -t 1 ] || step() { printf '\n%s\n' "\$ $1"; }

find /usr/include /usr/share/doc -type f -readable -size -2048k 2>/dev/null | LC_ALL=C sort >"$work/all"
awk -v want="$files" '{ line[NR] = $0 } END { step = NR > want ? NR / want : 1; for (i = 1; i <= NR; i += step) print line[int(i)] }' \
  "$work/all" >"$work/inputs"
count=$(wc -l <"$work/inputs")
echo "The task: SHA-256 and word count of each of $count files under /usr/include and /usr/share/doc."

step "clowder up -n $daemons"
clowder up -n "$daemons"

# One command a file. The name reaches sh as an argument, never as text of its script.
script='sha256sum <"$1" | cut -c1-64; wc -w <"$1"'
step "clowder map -- sh -c '$script' sh {}  <inputs >results"
began=$(date +%s%N)
clowder map -- sh -c "$script" sh {} <"$work/inputs" >"$work/results"
ms=$((($(date +%s%N) - began) / 1000000))

step "clowder status default"
clowder status default

step "wc -l results; head -4 results"
wc -l <"$work/results"
head -4 "$work/results"

echo
awk -v n="$count" -v ms="$ms" 'BEGIN { printf "Summary: %d tasks in %.1f s, %.0f tasks/s.\n", n, ms / 1000, n * 1000 / ms }'

echo "Checking against sha256sum and wc, one file after the other ..."
began=$(date +%s%N)
while IFS= read -r file; do
  sha256sum <"$file" | cut -c1-64
  wc -w <"$file"
done <"$work/inputs" >"$work/expected"
plain_ms=$((($(date +%s%N) - began) / 1000000))
if cmp -s "$work/results" "$work/expected"; then
  awk -v a="$plain_ms" -v b="$ms" -v n="$count" \
    'BEGIN { printf "All %d results are the same, in the same order. In sequence it took %.1f s: %.1f times as long.\n", n, a / 1000, a / b }'
else
  echo "The results differ from the ordinary tools'." >&2
  exit 1
fi

step "seq 1000000 | clowder map -w -- cat | tail -1       (a worker: a million lines through two pipes)"
began=$(date +%s%N)
last=$(seq 1000000 | clowder map -w -- cat | tee >(md5sum >"$work/sum") | tail -1)
ms=$((($(date +%s%N) - began) / 1000000))
echo "$last"
while [ ! -s "$work/sum" ]; do sleep 0.05; done
[ "$(cat "$work/sum")" = "$(seq 1000000 | md5sum)" ] || { echo "the lines came back wrong" >&2; exit 1; }
awk -v ms="$ms" 'BEGIN { printf "1,000,000 tasks in %.2f s: %.1f million tasks/s, every line in its place.\n", ms / 1000, 1000 / ms }'
