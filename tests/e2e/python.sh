#!/usr/bin/env bash
# The Python executor and the R worker, as their users call them: real engine, daemons and workers.
. "$(dirname "$0")/lib.sh"

export PYTHONPATH=$CLOWDER_SOURCE/engine/client CLOWDER_LIBRARY=$CLOWDER_BUILD/lib/libclowder.so.0 PYTHONDONTWRITEBYTECODE=1
preload=
if ldd "$CLOWDER_LIBRARY" | grep libasan >ldd.out; then # a python that is not built with it has to load it first
  preload=$(cc -print-file-name=libasan.so)
  export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
fi

interpreters=/usr/bin/python3
other=$(python3 -c 'import sys; print(sys.executable)')
[ "$(readlink -f "$other")" = "$(readlink -f /usr/bin/python3)" ] || interpreters="$interpreters $other"
for python in $interpreters; do
  echo "== $python"
  timeout 250 env ${preload:+LD_PRELOAD=$preload} "$python" "$CLOWDER_SOURCE/tests/e2e/python_test.py" >"$work/out" 2>&1 || {
    tail -80 "$work/out" >&2
    fail "$python"
  }
  grep -E '^Ran |SKIPPED|system calls' "$work/out"
done

if command -v Rscript >/dev/null; then
  cat >worker.R <<R
source("$CLOWDER_SOURCE/engine/client/clowder_worker.R")
clowder_worker(function(input) {
  text <- rawToChar(input)
  print("printed")
  if (text == "bad") stop("this one is bad")
  if (text == "bytes") return(as.raw(c(0x62, 0x0a, 0x63)))
  toupper(text)
})
R
  expect 0 clowder map -W -n 1 -- Rscript worker.R ::: ab cd
  prints $'AB\nCD'
  expect 0 clowder map -W -n 1 -- Rscript worker.R ::: bytes
  prints $'b\nc'
  expect 1 clowder map -W -n 1 -- Rscript worker.R ::: ok bad fine
  prints $'OK\nFINE'
  says 'this one is bad'
else
  echo "SKIPPED: Rscript is not installed here, so the R worker did not run"
fi
