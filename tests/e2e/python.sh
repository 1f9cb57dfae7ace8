#!/usr/bin/env bash
# The Python executor and the R worker, as their users call them: real engine, daemons and workers.
. "$(dirname "$0")/lib.sh"

export PYTHONPATH=$CLOWDER_SOURCE/engine/client/python CLOWDER_LIBRARY=$CLOWDER_BUILD/lib/libclowder.so.0 PYTHONDONTWRITEBYTECODE=1
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
source("clowder_worker.R")
print("loading")
system("echo loading")
clowder_worker(function(input) {
  text <- rawToChar(input)
  print("printed")
  if (text == "drain") system("cat; echo drained")
  if (text == "fork" && inherits(parallel:::mcfork(), "masterProcess")) return("the child's")
  if (text == "bad") stop("this one is bad")
  if (text == "bytes") return(as.raw(c(0x62, 0x0a, 0x63)))
  toupper(text)
})
R
  r_worker() { # INPUT...
    timeout 60 clowder map -W -n 1 --ship "$CLOWDER_SOURCE/engine/client/r/clowder_worker.R" --ship worker.R -- \
      Rscript worker.R ::: "$@"
  }
  expect 0 r_worker ab fork drain cd fork
  prints $'AB\nFORK\nDRAIN\nCD\nFORK'
  [ ! -s err ] || fail "an R worker says $(cat err)"
  expect 0 r_worker bytes
  prints $'b\nc'
  expect 1 r_worker ok bad fine
  prints $'OK\nFINE'
  says 'this one is bad'
  # What comes before source() is no frame, whether R or its script says it. R prints in pieces: the first may be all that
  # had come when the daemon spoke.
  for first in 'print("loading")' 'cat("x\n")' 'system("echo loading")'; do
    sed -i "1s/.*/$first; source(\"clowder_worker.R\")/" worker.R
    expect 1 r_worker a b
    says "task 1 \(a\): exit 126: the worker wrote '(\[1\]|.*(loading|x).*)', which is not a frame"
  done
  expect 1 timeout 60 clowder map -W -n 1 -- Rscript /nonexistent.R ::: a
  says "the worker wrote 'Fatal error: cannot open file '/nonexistent.R'.*', which is not a frame"
  expect 1 timeout 60 clowder map -W -n 1 -- Rscript -e 'library(nothingofthatname)' ::: a
  says 'stderr: .*there is no package called .nothingofthatname'
  if grep -q "using 'raw" err; then fail "R warns of a fifo"; fi
else
  echo "SKIPPED: Rscript is not installed here, so the R worker did not run"
fi
