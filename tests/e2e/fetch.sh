#!/usr/bin/env bash
# Files that tasks leave come home, or their task fails, says which and why, and they stay where they are.
. "$(dirname "$0")/lib.sh"
export TMPDIR=$work/tmp # of the daemons as well: what they keep lies there
mkdir "$TMPDIR" here
cd here || exit
clowder up -n 2 >/dev/null

empty() { [ -z "$(ls -A)" ] || fail "saved: $(ls -A)"; }

# What the last message names: a folder with exactly these files.
kept() { # FILE...
  local folder
  folder=$(sed -n 's/.*stay on local: //p' "$work/err")
  [ -d "$folder" ] || fail "no folder is named: $(cat "$work/err")"
  [ "$(ls -A "$folder")" = "$(printf '%s\n' "$@")" ] || fail "$folder has $(ls -A "$folder"), not $*"
  kept_in=$folder
}

# Too large, alone or together: file, size and limit are said.
expect 1 clowder map --joblog "$work/log" --fetch r.bin -- sh -c 'head -c 17000000 /dev/zero >r.bin' ::: 1
says "^clowder: task 1 \(1\): failed: --fetch: 'r.bin' has 16M, and the limit of --max-output is 16M; the files found stay on local: /"
kept r.bin
[ "$(wc -c <"$kept_in/r.bin")" -eq 17000000 ] || fail "it did not stay as it was"
[ "$(awk -F'\t' 'NR == 2 { print $7 }' "$work/log")" != 0 ] || fail "the job log calls it well: $(cat "$work/log")"
expect 1 clowder map --fetch '*' -- sh -c 'head -c 9000000 /dev/zero >a; cp a b' ::: 1
says "'b' has 8.6M besides others, and the limit of --max-output is 16M|'a' has 8.6M besides others"
kept a b
empty
expect 0 clowder map --max-output 20M --fetch r.bin -- sh -c 'head -c 17000000 /dev/zero >r.bin' ::: 1
[ "$(wc -c <r.bin)" -eq 17000000 ] || fail "$(ls -l)"
rm r.bin
expect 2 clowder map --max-output 1G -- true ::: 1
says "at most 128 MiB; let the task write a file,"
one_line

# Nothing there, and what is no file.
expect 1 clowder map --fetch 'x-*' -- true ::: 1
says "task 1 \(1\): failed: --fetch: there is no file 'x-\*'"
expect 1 clowder map --fetch x -- sh -c 'mkdir x' ::: 1
says "'x' is a folder: only regular files can be fetched"
kept x
expect 1 timeout 60 clowder map --fetch 'f*' -- sh -c 'mkfifo f1' ::: 1 # and nothing to wait for
says "'f1' is not a regular file: only regular files can be fetched"
expect 1 clowder map --fetch x -- sh -c 'ln -s /etc/passwd x' ::: 1
says "cannot read 'x': it is a link"
expect 1 clowder map --json --fetch x -- true ::: 1
jq -e '.error | test("there is no file")' "$work/out" >/dev/null || fail "JSON does not say why: $(cat "$work/out")"
empty

# A folder: what is asked for is refused at once; what a placeholder brings fails its task.
for pattern in r/out.txt /etc/passwd '*/{}' ../x '' . ..; do
  expect 2 clowder map --fetch "$pattern" -- true ::: 1
  says "only files in the job's own folder can be fetched, by their names"
  one_line
done
expect 1 clowder map --fetch '{}' -- sh -c 'echo x >"$(basename "$1")"' x ::: a/b c
says "task 1 \(a/b\): failed: --fetch: 'a/b' names a folder"
[ "$(ls -A)" = c ] || fail "saved: $(ls -A)"
rm c
echo 1 >tool.sh # the folder itself is nothing that could go away
expect 1 clowder map -n 1 --ship tool.sh --fetch '{}' -- sh -c 'cat tool.sh && { echo x >"$1" || true; }' x ::: .. . '' c
for one in .. . ''; do says "failed: --fetch: '$one' names a folder"; done
[ "$(cat c)" = x ] || fail "$(cat "$work/err")"
rm tool.sh c
expect 0 clowder map --fetch '.*' -- sh -c 'touch .a' ::: 1
rm .a
empty

# What a task that failed has left is not the next one's.
expect 1 clowder map -n 1 --timeout 1s --fetch '*.out' -- sh -c 'echo "$1" >"$1.out"; [ "$1" = 1 ] && sleep 60; [ "$1" != 2 ]' x ::: 1 2 3
[ "$(ls -A)" = 3.out ] || fail "saved: $(ls -A)"
rm 3.out
expect 1 clowder map -n 1 --fetch out -- sh -c '[ "$1" = 2 ] || echo "$1" >out; [ "$1" != 1 ]' x ::: 1 2
says "task 2 \\(2\\): failed: --fetch: there is no file 'out'"
empty

# What placeholders bring is no pattern; a pattern around it is one still.
names=('[ab]' 'a\b' 'a*' '?' '{}' ' x y' $'l\nm')
expect 0 clowder map --fetch '{}' -- sh -c 'printf "%s\n" "$1" >"$1"; touch a ab b' x ::: "${names[@]}"
[ "$(ls -A | wc -l)" -eq 8 ] || fail "saved: $(ls -A)" # a newline makes two lines of one
for name in "${names[@]}"; do
  [ "$(cat "./$name")" = "$name" ] || fail "$name has $(cat "./$name")"
done
rm ./*
expect 0 clowder map --fetch '{}.[xy]' -- sh -c 'touch "$1.x" "$1.y" "$1.z"' x ::: '[ab]'
[ "$(ls -A)" = $'[ab].x\n[ab].y' ] || fail "saved: $(ls -A)"
rm ./*

# One name from two tasks: neither writes over the other, and it is no success.
expect 1 clowder map --joblog "$work/log2" --fetch out -- sh -c 'echo "from $1" >out' x ::: 1 2 3
says "^clowder: task [123] fetched 'out', and so did task [123]; this one is saved as 'out\.[123]'$"
says '2 of 3 tasks failed'
[ "$(sort out out.?)" = $'from 1\nfrom 2\nfrom 3' ] || fail "saved: $(tail -n +1 out*)"
[ "$(awk -F'\t' 'NR > 1 && $7 == 0' "$work/log2" | wc -l)" -eq 1 ] || fail "job log: $(cat "$work/log2")"
rm ./*
echo mine >out.2 # nor over what is there by a name that nobody asked for
expect 1 clowder map -n 1 --json --fetch out -- sh -c 'echo "from $1" >out' x ::: 1 2
[ "$(cat out.2 out.2.1)" = $'mine\nfrom 2' ] || fail "saved: $(tail -n +1 out*)"
[ "$(jq -r '[.index, .status, .error != null] | join(" ")' "$work/out" | sort)" = $'1 done false\n2 failed true' ] || fail "JSON: $(cat "$work/out")"
rm ./*
for i in 1 2; do # but another map replaces what an earlier one brought
  expect 0 clowder map --fetch 'out-{}' -- sh -c "echo $i >out-{}" ::: a b
  [ "$(cat out-a out-b)" = "$i"$'\n'"$i" ] || fail "round $i: $(cat out-a out-b)"
done
rm ./*

# A file that is there stays whole until the new one is: not written over in part, nor through a link, nor in a folder's place.
echo old >f
(trap '' XFSZ; ulimit -f 1000; expect 1 clowder map --fetch f -- sh -c 'head -c 3000000 /dev/zero >f' ::: 1) || exit
says 'cannot save the fetched file f: File too large'
[ "$(cat f)" = old ] || fail "it has $(wc -c <f) bytes now"
ln -sf /nonexistent/x f
expect 1 clowder map --fetch f -- sh -c 'echo x >f' ::: 1
says 'cannot save the fetched file f: Too many levels of symbolic links'
[ "$(ls -A)" = f ] || fail "left: $(ls -A)"
rm f
(umask 027; expect 0 clowder map --fetch f -- sh -c 'echo x >f' ::: 1) || exit
[ "$(stat -c %a f)" = 640 ] || fail "its mode is $(stat -c %a f)"
rm f

# One pattern: a second one would be the only one.
expect 2 clowder map --fetch 'o*' --fetch 's*' -- true ::: 1
says 'fetch is given twice'

# Shipped files stay for the next task: a wildcard does not mean them, their name does.
echo 1 >tool.sh
expect 0 clowder map -n 1 --ship tool.sh --fetch '*' -- sh -c 'cat tool.sh >new-{}' ::: 1 2 3
[ "$(ls -A)" = $'new-1\nnew-2\nnew-3\ntool.sh' ] || fail "saved: $(ls -A)"
expect 1 clowder map -n 1 --ship tool.sh --fetch '*' -- sh -c 'cat tool.sh' ::: 1
says "there is no file '\*' except those that were shipped"
expect 0 clowder map -n 1 --ship tool.sh --fetch tool.sh -- sh -c 'echo 2 >>tool.sh' ::: 1
[ "$(cat tool.sh)" = $'1\n2' ] || fail "shipped and fetched: $(cat tool.sh)"
rm ./*

# A detached job: its task failed, and wait and collect say so.
job=$(clowder submit --fetch 'r-{}' -- sh -c '[ $1 = 2 ] || echo x >r-$1' x ::: 1 2 3)
expect 1 timeout 60 clowder job wait "$job"
expect 1 clowder job collect "$job"
says "task 2 \(2\): failed: --fetch: there is no file 'r-2'"
[ "$(ls -A)" = $'r-1\nr-3' ] || fail "collected: $(ls -A)"
clowder engine stop >/dev/null

# Where they can be moved nowhere, the folder of the job stays.
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
  expect 0 unshare -m sh -c 'mount -t tmpfs -o nr_inodes=20 tmpfs "$TMPDIR" && exec clowder engine start'
  clowder up -n 1 >/dev/null
  expect 1 clowder map --fetch x -- sh -c 'mkfifo x; i=0; while (: >$i) 2>/dev/null; do i=$((i + 1)); done' ::: 1
  says "'x' is not a regular file: .* the files found stay on local: $TMPDIR/clowder-kept-"
  folder=$(sed -n 's/.*stay on local: //p' "$work/err")
  expect 1 clowder map --fetch y -- true ::: 1 # and another job is told why it cannot
  says "cannot make the job's folder .*: No space left on device"
  nsenter -m -t "$(engine_pid)" test -p "$folder/x" || fail "$folder does not have it"
else
  echo "SKIPPED: no mounts here, so no folder without room"
fi
clowder down --now >/dev/null
