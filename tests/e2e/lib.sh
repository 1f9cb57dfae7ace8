# Shared by the end-to-end tests: an engine of the test's own in a folder of its own, checks that say what they saw, waiting for
# conditions and never for time, and an end that proves that nothing is left behind.
# shellcheck shell=bash
set -euo pipefail

# needs PROGRAM[:PACKAGE]...: where one of them is not there the test is left out, and says why.
needs() {
  local program
  for program in "$@"; do
    command -v "${program%:*}" >/dev/null && continue
    echo "SKIP: needs ${program%:*} (package ${program#*:})"
    exit 77
  done
}
needs jq pgrep:procps python3

bin=${CLOWDER_BIN:?the folder of the programs under test}
export PATH=$bin:$PATH LC_ALL=C.UTF-8
work=$(mktemp -d /tmp/clowder-test.XXXXXX)
export XDG_CONFIG_HOME=$work/config XDG_DATA_HOME=$work/data XDG_STATE_HOME=$work/state XDG_CACHE_HOME=$work/cache
export XDG_RUNTIME_DIR=$work/run
mkdir -m 700 "$XDG_RUNTIME_DIR"
unset CLOWDER_PROFILE CLOWDER_DATA CLOWDER_DAEMON CLOWDER_HOST # as a task of somebody's engine has them
engine_log=$XDG_STATE_HOME/clowder/engine.log
cd "$work"

fail() {
  echo "FAILED: $*" >&2
  echo "--- engine log" >&2
  tail -30 "$engine_log" >&2 2>/dev/null || true
  exit 1
}

# Every process that belongs to this test has the test's folder in its environment or is a child of the engine; daemons and
# tasks have an environment of their own, so they are found by session and by the mark that tests put into their commands.
engine_pid() { cat "$XDG_RUNTIME_DIR/clowder/engine.lock" 2>/dev/null || true; }

outside=() # what a test has made outside of its folder: removed at the end

finish() {
  local status=$? job
  trap - EXIT
  for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
  timeout 20 clowder engine stop --now >/dev/null 2>&1 || true
  local pid
  pid=$(engine_pid)
  if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && grep -q "$work" "/proc/$pid/environ" 2>/dev/null; then
    echo "the engine did not stop" >&2
    kill -9 "$pid"
    status=1
  fi
  if grep -lE 'Sanitizer|runtime error:' "$work"/state/clowder/*.log "$work"/sanitizer.* >/dev/null 2>&1; then
    cat "$work"/state/clowder/*.log "$work"/sanitizer.* >&2 2>/dev/null || true
    echo "a sanitizer found something" >&2
    status=1
  fi
  cd /
  [ -n "${KEEP:-}" ] || rm -rf "$work" "${outside[@]}"
  [ "$status" -eq 0 ] && echo "ok"
  exit "$status"
}
trap finish EXIT
export ASAN_OPTIONS=log_path=$work/sanitizer.asan:detect_leaks=${LEAKS:-1} UBSAN_OPTIONS=print_stacktrace=1:log_path=$work/sanitizer.ubsan
export TSAN_OPTIONS=log_path=$work/sanitizer.tsan:suppressions=${TSAN_SUPPRESSIONS:-/dev/null}

# The programs under test may lie where only we can read, as in /root: here other users can run them too.
programs_for_others() { # [FILE]...
  mkdir "$work/programs"
  cp "$bin/clowder" "$bin/clowder-daemon" "$@" "$work/programs"
  chmod 711 "$work"
  PATH=$work/programs:$PATH
}

# wait_until COMMAND...: until it succeeds, at most 90 s. For states that others reach in their own time.
wait_until() {
  local end=$((SECONDS + 90))
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || fail "still not so after 90 s: $*"
    sleep 0.02
  done
}

# A port of the loopback that nobody has now.
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# expect STATUS COMMAND...: its exit status; stdout and stderr land in files out and err.
expect() {
  local want=$1 got=0
  shift
  "$@" >"$work/out" 2>"$work/err" || got=$?
  [ "$got" -eq "$want" ] || fail "exit status $got instead of $want from: $*
stderr: $(head -c 2000 "$work/err")"
}

same() { # FILE FILE
  cmp "$1" "$2" || fail "$1 and $2 differ: $(diff "$1" "$2" | head -5)"
}

says() { # PATTERN: in stderr of the last expect
  grep -qE -- "$1" "$work/err" || fail "stderr does not say '$1': $(head -c 2000 "$work/err")"
}

prints() { # TEXT: stdout of the last expect is exactly this
  [ "$(cat "$work/out")" = "$1" ] || fail "stdout is '$(head -c 2000 "$work/out")', not '$1'"
}

one_line() { # stderr of the last expect is one line
  [ "$(wc -l <"$work/err")" -eq 1 ] || fail "stderr has $(wc -l <"$work/err") lines: $(cat "$work/err")"
}

status_of() { # PROFILE JQ-FILTER
  clowder status "$1" --json | jq -r ".profiles[0] | $2"
}

# How many processes run with exactly this text somewhere in their command line (and no shell of ours).
running() { pgrep -f -c -- "$1" || true; }
none_running() { [ "$(running "$1")" -eq 0 ]; }
