#!/usr/bin/env bash
# Commands that write a file refuse one that is there, with one line and the status of bad usage, and leave it as it was; --force
# replaces it, when the new one is whole. A job log is begun anew, as with GNU parallel, but nothing else is taken for one.
. "$(dirname "$0")/lib.sh"

refused() { # FILE COMMAND...
  local file=$1
  shift
  cp precious "$file"
  expect 2 "$@"
  says "$file exists already; --force replaces it"
  one_line
  same "$file" precious
}
echo 'what took a week' >precious

# export
clowder host add alder 10.0.0.7 >/dev/null
refused inventory.json clowder export inventory.json
chmod 640 inventory.json
ln -s inventory.json link
expect 0 clowder export --force link
jq -e .hosts.alder inventory.json >/dev/null || fail "exported: $(cat inventory.json)"
[ -L link ] || fail "the link is a file now"
[ "$(stat -c %a inventory.json)" = 640 ] || fail "its mode is $(stat -c %a inventory.json)"
rm inventory.json
for how in '' --force; do # a link to nothing
  # shellcheck disable=SC2086
  expect 2 clowder export link $how
  says 'link is a link to inventory.json, which does not exist'
  one_line
done
[ -L link ] && [ ! -e inventory.json ] || fail "something was written: $(ls -l)"
rm link
expect 0 clowder export inventory.json
cp precious inventory.json.part
expect 0 clowder export inventory.json --force
same inventory.json.part precious
expect 0 clowder export /dev/null
[ -c /dev/null ] || fail "/dev/null is a file now"
mkdir folder
expect 1 clowder export folder
says 'cannot write folder: Is a directory'
one_line
[ "$(find . -name 'inventory.json.*' | wc -l)" -eq 1 ] || fail "left behind: $(ls)"

# map -o
clowder up -n 1 >/dev/null
clowder profile set none >/dev/null
refused results clowder map -o results -- echo ::: a
clowder job list --json | jq -e '.jobs == []' >/dev/null || fail "it was submitted: $(clowder job list)"
expect 0 clowder map -o results --force -- echo ::: a b
prints ''
[ "$(cat results)" = "$(printf 'a\nb')" ] || fail "results: $(cat results)"
cp precious results
expect 3 clowder map -p none -o results --force -- echo ::: a
same results precious
expect 3 clowder map -p none -o new -- echo ::: a
[ ! -e new ] || fail "a refused map made its file"
expect 0 clowder map -o results --dry-run -- echo ::: a
prints 'echo a'
same results precious
expect 1 clowder map -o /dev/full -- echo ::: a
says 'cannot write to /dev/full: No space left on device'
one_line
expect 1 clowder map -o folder/none/x -- echo ::: a
says 'cannot write folder/none/x'
expect 2 clowder map --force -- echo ::: a
says '[-]-force needs -o FILE'

# --resume adds to the results as it does to the log.
rm results
expect 1 clowder map -o results --joblog log -- sh -c 'test -e ok || test {} != b || exit 1; echo r{}' ::: a b c
touch ok
expect 0 clowder map -o results --joblog log --resume-failed -- sh -c 'test -e ok || test {} != b || exit 1; echo r{}' ::: a b c
[ "$(cat results)" = "$(printf 'ra\nrc\nrb')" ] || fail "results: $(cat results)"

# A job log: of another map, anew; of a map that is refused, as it was; another file never.
cp log before
expect 3 clowder map -p none --joblog log -- echo ::: a
same log before
expect 0 clowder map --joblog log -- echo ::: a
[ "$(wc -l <log)" -eq 2 ] || fail "the log: $(cat log)"
for how in '' --resume --resume-failed; do
  cp precious log
  # shellcheck disable=SC2086
  expect 2 clowder map --joblog log $how -- echo ::: a
  says 'log is not a job log: its first line is different; it was not changed'
  one_line
  same log precious
done

# Jobs: failed tasks, results of a detached one, what runs again.
failed() { [ "$(clowder job show "$1" --json 2>/dev/null | jq -r .state)" = failed ]; }
expect 1 clowder map --name flaky -- sh -c 'test -e flag || exit 1; echo r{}' ::: a b
flaky=$(clowder job list --json | jq '[.jobs[] | select(.name == "flaky") | .id][0]')
wait_until failed "$flaky"
refused saved clowder job save "$flaky" saved
expect 0 clowder job save "$flaky" saved --inputs --force
[ "$(cat saved)" = "$(printf 'a\nb')" ] || fail "saved: $(cat saved)"
expect 1 clowder map --name lines -- false ::: $'a\nb'
lines=$(clowder job list --json | jq '[.jobs[] | select(.name == "lines") | .id][0]')
wait_until failed "$lines"
cp precious saved
expect 5 clowder job save "$lines" saved --inputs --force
same saved precious
touch flag
refused results clowder job retry "$flaky" -o results
expect 0 clowder job retry "$flaky" -o again
[ "$(cat again)" = "$(printf 'ra\nrb')" ] || fail "again: $(cat again)"

job=$(clowder submit -- echo ::: x y)
expect 0 clowder job wait "$job"
refused results clowder job collect "$job" -o results
expect 4 clowder job collect 4711 -o results --force
same results precious
expect 0 clowder job collect "$job" -o results --force
[ "$(cat results)" = "$(printf 'x\ny')" ] || fail "results: $(cat results)"
expect 2 clowder job retry "$job" -o new
says 'is detached'
