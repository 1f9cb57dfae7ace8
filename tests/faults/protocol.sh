#!/usr/bin/env bash
# Frames that are nearly right, from a seed, against an engine and daemons that live: ROUNDS as a client and as nobody, as
# many as the engine of real daemons, and daemons with a valid token that answer wrongly. Others notice nothing.
. "$(dirname "$0")/../e2e/lib.sh"
rounds=${ROUNDS:-300} seed=${SEED:-1}
stranger=$bin/tests/stranger
export TMPDIR=$work/tmp
mkdir "$TMPDIR"

# What ships with the programs is a folder; in ours a daemon may be exchanged.
mkdir libexec
cp "$bin/clowder-daemon" libexec/
export CLOWDER_LIBEXEC=$work/libexec
clowder engine start --idle 0
clowder up -n 2 >/dev/null
clowder up victim -n 2 >/dev/null
pid=$(engine_pid)

lives() { # WHAT
  if [ "$(engine_pid)" != "$pid" ] || ! kill -0 "$pid"; then fail "the engine ended: $1"; fi
  clowder status --json >/dev/null || fail "no status: $1"
  [ "$(seq 100 | clowder map -w -- sed -u s/^/y/ | md5sum)" = "$(seq 100 | sed s/^/y/ | md5sum)" ] || fail "another's map: $1"
  [ "$(clowder map -- echo x{} ::: 1 2 3)" = "x1
x2
x3" ] || fail "another's commands: $1"
}

# Another's job runs all the while.
mkfifo inputs
clowder map --retries 100 -- echo y{} <inputs >got &
map=$!
(i=0; while [ ! -e over ]; do i=$((i + 1)); echo $i; echo $i >last; sleep 0.02; done) >inputs &
feeder=$!

"$stranger" client "$XDG_RUNTIME_DIR/clowder/data.sock" "$seed" "$rounds" || fail "as a client"
lives "after a client's mistakes"

# Daemons of the profile are replaced by strangers, one after the other, while somebody uses it.
clowder down victim --now >/dev/null
ln -sf "$stranger" libexec/clowder-daemon.new
mv libexec/clowder-daemon.new libexec/clowder-daemon
clowder up victim -n 4 --no-wait >/dev/null
end=$((SECONDS + ${STRANGE_SECONDS:-10}))
while [ $SECONDS -lt $end ]; do
  seq 40 | timeout 5 clowder map -p victim --retries 2 -- echo >/dev/null 2>&1 || true
  seq 400 | timeout 5 clowder map -p victim --retries 2 -w -- cat >/dev/null 2>&1 || true
done
cp "$bin/clowder-daemon" libexec/clowder-daemon.new
mv libexec/clowder-daemon.new libexec/clowder-daemon
clowder down victim --now >/dev/null
lives "after wrong daemons"
grep -q 'dropped peer=daemon' "$engine_log" || fail "no wrong daemon was dropped"

touch over
wait "$feeder"
wait "$map" || fail "another's job ended with $?"
seq "$(cat last)" | sed s/^/y/ | cmp - got || fail "another's results"
clowder down --all >/dev/null
expect 0 clowder engine stop

"$stranger" engine "$bin/clowder-daemon" "$seed" "$rounds" 2>daemons.err || fail "as an engine"
[ -z "$(ls "$TMPDIR")" ] || fail "left in the folder for temporary files: $(ls "$TMPDIR")"
