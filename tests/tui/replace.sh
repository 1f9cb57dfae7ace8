#!/usr/bin/env bash
# The screens never write over a file without a yes to its name: results of a submit, of a detached job, of a retry, and failed
# tasks. A map that is refused leaves the file as it was.
. "$(dirname "$0")/lib.sh"

expect 0 clowder up default -n 1
expect 0 clowder profile set none
printf 'a\nb\nc\n' >in.txt
echo 'precious results of last week' >results.txt
cp results.txt precious

# fill: the form, up to where its results go.
fill() {
  keys a
  see 'Submit a map'
  see '< default >'
  keys "$@" Tab Tab
  type_text 'echo r{}'
  keys Tab
  type_text in.txt
  see 'echo ra'
}
tui 110 40 clowder --screen jobs
see 'No jobs yet'
fill
keys F10
see 'Replace this file|Replace it'
see 'results.txt'
same results.txt precious
keys Enter # the answer that destroys nothing
gone 'Replace it'
see 'Submit a map'
same results.txt precious
keys F10
see 'Replace it'
keys y
gone 'Submit a map'
see 'results are in results.txt'
[ "$(cat results.txt)" = "$(printf 'ra\nrb\nrc')" ] || fail "results: $(cat results.txt)"

# Refused: as it was. A new one is not even made.
cp precious results.txt
fill Right
see '< none >'
keys F10
see 'Replace it'
keys y
see "ended with status 3: .*none"
same results.txt precious
fill Right
keys Tab C-u
type_text new.txt
keys F10
gone 'Submit a map'
see "ended with status 3: .*none"
[ ! -e new.txt ] || fail "a refused map made its file"

# Results of a detached job, and failed tasks.
job=$(clowder submit --name detached -- sh -c 'test $1 != b && echo d$1' - ::: a b c)
expect 1 clowder job wait "$job"
cp precious "job-$job.txt"
cp precious "job-$job-failed.jsonl"
see "$job +detached .*failed"
keys g
see '> .*detached'
for how in o S; do
  keys "$how"
  see 'save .* to: job-'
  keys Enter
  see 'Replace it'
  keys n
  gone 'Replace it'
  see 'save .* to: job-'
  keys Escape
  gone 'save .* to: job-'
done
same "job-$job.txt" precious
same "job-$job-failed.jsonl" precious
keys o
see 'save results to: job-'
keys Enter
see 'Replace it'
keys y
gone 'save results to'
see "results of job $job: ended with status 1: .*1 of 3 tasks failed"
[ "$(cat "job-$job.txt")" = "$(printf 'da\ndc')" ] || fail "collected: $(cat "job-$job.txt")"
keys S
see 'save failed tasks to: job-'
keys Enter
see 'Replace it'
keys y
see "failed tasks of job $job: all are in job-"
[ "$(jq -r .input "job-$job-failed.jsonl")" = b ] || fail "failed tasks: $(cat "job-$job-failed.jsonl")"

# What runs again has a file for its results.
expect 1 clowder map --name flaky -- sh -c 'test -e flag || exit 1; echo result-$0' ::: a b c
touch flag
see 'flaky .*failed'
keys g
see '> .*flaky'
keys r
see 'save results to: job-.*-retry.txt'
keys Enter
see 'finished, all tasks done; their results are in job-'
[ "$(cat job-*-retry.txt)" = "$(printf 'result-a\nresult-b\nresult-c')" ] || fail "run again: $(head job-*-retry.txt)"
keys q
see 'ready>'
