#!/usr/bin/env bash
# Keys that come together in one read act on what the screen has now, never on rows of before; a question is answered after it
# was shown, and its answer is for what it named; what was just added is under the cursor.
. "$(dirname "$0")/lib.sh"

export CLOWDER_SSH_CONFIG=$work/ssh_config
printf 'Host imp1 imp2\n  HostName 127.0.0.1\n  Port 1\n' >"$CLOWDER_SSH_CONFIG"
expect 0 clowder up aaa -n 1
expect 0 clowder profile set bbb
expect 0 clowder host add alder 127.0.0.1:1
expect 0 clowder host add birch 127.0.0.1:1

# away: from any screen to the Overview, and from there the inventory changes under the rows of all other screens.
round=0
away() {
  keys Escape
  keys Escape
  keys Escape
  keys 1
  see 'throughput of all'
  round=$((round + 1))
  expect 0 clowder host add "z$round" 127.0.0.1:1
  see "z$round "
  expect 0 clowder host remove --yes "z$round"
  gone "z$round "
}

tui 110 40 clowder --screen hosts
see 'alder'
keys g
see '> .*alder'
for screen in 3 4 5 1; do keys "$screen"; done # each has rows now
away
expect 0 clowder host remove --yes alder
gone 'alder'
type_text 2d
see 'Remove birch from the inventory'
away
type_text 2e
see 'Edit host birch'
for ahead in '2 ' 2y 2k 2G $'2\r' '3 ' 3y $'3\t\r' 4y 5y $'5\r' 5h 5f '5>' '2*' 3II '2\' $'1\r'; do
  away
  type_text "$ahead"
done
away

# A question that nobody has seen is not answered by the keys behind it.
keys 2
see 'birch'
keys g
see '> .*birch'
type_text dy
see 'Remove birch from the inventory'
expect 0 clowder host show birch
keys n
gone 'Remove birch'

# The cursor goes to what was just added, and keys behind it are not for the row of before.
type_text $'acedar\e[21~d'
see '> .*cedar'
see_none() { ! shows "Remove $1"; }
see_none birch || fail "d was for another host: $(screen)"
keys Escape
keys Escape
keys '\'
type_line alder
see 'no row passes'
keys a
see 'Add host'
type_text dogwood
keys F10
see '> .*dogwood' # though the filter would hide it
keys i
see 'Hosts in ~/.ssh/config'
see 'imp2'
keys '*'
keys Enter
see '> .*imp1'
keys 3
see '> .*aaa'
keys a
see 'New profile'
type_text ccc
keys F10
see '> .*ccc'
keys 1
see '> .*ccc'
keys a
see 'New profile'
type_text ddd
keys F10
see '> .*ddd'

# The pane below belongs to the row under the cursor, also when nothing was drawn in between.
keys 3
keys g
see 'aaa-1'
type_text $'j\t\r'
see 'daemons of bbb'
expect 0 clowder map -p aaa --name good -- true ::: a
expect 1 clowder map -p aaa --name bad -- false ::: a
keys 4
see '2 +bad'
keys g
see '> .*bad'
see 'exit 1'
type_text $'j\t\r'
see '1 good ──'
see 'failed tasks \(0\)'
gone 'under way' # nothing is being read
shows 'job 2, task 1' && fail "the failed task of another job: $(screen)"
keys Escape

# What is marked is what is asked about, and what is cancelled.
keys Z # what the engine tells is not taken: the job is known from the store alone
see 'paused'
(clowder map -p aaa --name long -- sh -c 'sleep 300' ::: a >/dev/null 2>&1) &
see '3 +long .*running'
keys g
see '> .*long'
keys c
see 'Cancel job 3 long'
keys n
gone 'Cancel job 3'
keys Z
(clowder map -p aaa --name longer -- sh -c 'sleep 300' ::: a >/dev/null 2>&1) &
see '4 +longer .*running'
keys g
see '> .*longer'
keys j
see '> .*long '
keys Space
keys g
see '> .*longer'
keys c
see 'Cancel job 3 long'
keys y
see 'long .*cancelled'
see 'longer .*running'
keys U
keys c
see 'Cancel job 4 longer'
keys y
see 'longer .*cancelled'

# A prompt is for the job that it was opened for, also when that is gone.
expect 1 clowder map -p aaa --name one -- false ::: a
expect 1 clowder map -p aaa --name two -- false ::: a
see '6 +two'
keys g
see '> .*two'
see '6 +two .*failed'
keys S
see 'save failed tasks to: job-6-failed.jsonl'
expect 0 clowder job remove --yes 6
gone '6 +two'
keys Enter
see 'failed tasks of job 6: ended with status 4'
[ ! -e job-6-failed.jsonl ] || fail "the failed tasks of another job: $(cat job-6-failed.jsonl)"
keys q
see 'ready>'
