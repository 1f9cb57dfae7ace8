#!/usr/bin/env bash
# What stalls somewhere stalls nobody else: while the store is locked, the disk is slow, a base swallows what knocks, or a name
# takes its time, tasks run and commands are answered; and what had to be written is written when it can be.
. "$(dirname "$0")/lib.sh"

# Another process keeps the store to itself until the file `go` is there.
lock_store() {
  python3 - "$XDG_DATA_HOME/clowder/clowder.db" <<'PY' &
import os, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
open("locked", "w").close()
while not os.path.exists("go"):
    time.sleep(0.05)
db.execute("ROLLBACK")
PY
  locker=$!
  wait_until test -e locked
}

unlock_store() {
  kill -0 "$locker" || fail "the store was not locked any more: nothing was shown"
  touch go
  wait "$locker"
}

wanted_in_store() { # PROFILE: as the store has it, whoever runs
  python3 -c "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT wanted FROM profile WHERE name = ?', sys.argv[2:]).fetchone())" \
    "$XDG_DATA_HOME/clowder/clowder.db" "$1"
}
is_wanted() { [ "$(wanted_in_store "$1")" = "(1,)" ]; }

case_locked() {
  clowder up -n 2 >/dev/null
  clowder up gone -n 1 >/dev/null
  seq 200000 >inputs
  lock_store
  expect 0 clowder run -- echo here
  prints here
  expect 0 clowder map -w -a inputs -- cat
  same out inputs
  expect 0 clowder up new -n 1
  expect 0 clowder down gone
  expect 0 clowder status --json
  jq -e '.profiles | map(select(.name == "new" and .daemons.connected == 1)) | length == 1' out >/dev/null || fail "status: $(cat out)"
  ! is_wanted new || fail "the store was not locked"
  unlock_store
  wait_until is_wanted new
  wait_until eval '! is_wanted gone'
  kill -9 "$(engine_pid)"
  expect 0 clowder run -p new -- echo again # another engine has it from the store
  prints again
}

# The engine is told to stop while the store is locked: the wish is not lost.
case_stopped() {
  clowder up -n 1 >/dev/null
  lock_store
  clowder up late -n 1 >/dev/null
  clowder engine stop >/dev/null 2>&1 &
  stopping=$!
  wait_until grep -q 'engine stopping' "$engine_log"
  unlock_store
  wait "$stopping" || fail "engine stop: exit status $?"
  [ "$(wanted_in_store late)" = "(0,)" ] || fail "what the store has of it: $(wanted_in_store late)"
}

slow_engine() { # VARIABLE=MS
  nm "$bin/clowder" | grep -E '__(asan|tsan)' >/dev/null && { echo "SKIP: a sanitizer takes no other functions"; exit 77; }
  expect 0 env LD_PRELOAD="$CLOWDER_BUILD/bin/tests/libfaultslow.so" "$1" clowder engine start
}

case_disk() {
  slow_engine CLOWDER_SLOW_FSYNC_MS=2000
  clowder up -n 1 >/dev/null
  touch running
  (while [ -e running ]; do clowder up other -n 1; clowder down other; done >/dev/null) &
  for i in 1 2 3 4 5; do
    wait_until grep -q 'up profile=other' "$engine_log" # a write is under way
    expect 0 clowder run -- echo $i
    prints $i
  done
  rm running
  wait $!
}

# Until the end of the test the queue of this port is full: whoever knocks is not heard, and waits.
deaf_base() {
  python3 - <<'PY' &
import socket, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(0)
held = []
for _ in range(4):
    c = socket.socket()
    c.setblocking(False)
    c.connect_ex(s.getsockname())
    held.append(c)
with open("port", "w") as f:
    f.write(str(s.getsockname()[1]) + "\n")
time.sleep(600)
PY
  wait_until test -s port
  port=$(cat port)
}

case_base() {
  deaf_base
  clowder up -n 1 >/dev/null
  clowder profile set deaf --runtime mirai --base "tcp://127.0.0.1:$port" -n 1 >/dev/null
  clowder up deaf >/dev/null 2>up.err &
  knocking=$!
  clowder run -- echo meanwhile >out || fail "run: exit status $?"
  prints meanwhile
  kill -0 $knocking || fail "nobody knocked any more: nothing was shown"
  wait $knocking && fail "a base that nobody hears is up"
  grep -q "nobody listens at the base tcp://127.0.0.1:$port" up.err || fail "it says: $(cat up.err)"
}

case_name() {
  slow_engine CLOWDER_SLOW_NAMES_MS=5000
  clowder up -n 1 >/dev/null
  clowder profile set named --runtime mirai --base "tcp://$(hostname):9" -n 1 >/dev/null
  clowder up named >/dev/null 2>up.err &
  asking=$!
  clowder run -- echo meanwhile >out || fail "run: exit status $?"
  prints meanwhile
  kill -0 $asking || fail "nobody waited for the name any more: nothing was shown"
  wait $asking && fail "a base that does not listen is up"
  grep -q 'the base' up.err || fail "it says: $(cat up.err)"
}

for one in "$@"; do
  echo "== $one"
  "case_$one"
done
