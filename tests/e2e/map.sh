#!/usr/bin/env bash
# Maps by commands: every input once, in order, whatever is in it; placeholders; failures; formats.
. "$(dirname "$0")/lib.sh"

seq 1000 >in
expect 0 sh -c 'clowder map -n 2 -- echo x{} <in'
sed s/^/x/ in >want
same out want
expect 0 sh -c 'clowder map -u -n 2 -- echo x{} <in'
sort out >sorted
sort want >want.sorted
same sorted want.sorted

clowder up -n 2 >/dev/null

# Failures: which tasks, which status.
expect 1 clowder map -n 2 -- sh -c 'exit $(({} % 3))' ::: 1 2 3 4 5 6
for i in 1 4; do says "task $i \($i\): exit 1"; done
for i in 2 5; do says "task $i \($i\): exit 2"; done
says "4 of 6 tasks failed"
expect 1 clowder map -- sh -c 'kill -SEGV $$' ::: a
says "killed by signal 11"
expect 1 clowder map -- /nonexistent/command ::: a b
says "task 1 \(a\): exit 127: .*command not found"
says "task 2 \(b\): exit 127"
touch not-executable
expect 1 clowder map -- ./not-executable ::: a
says "exit 126"

# Inputs of every kind.
expect 0 clowder map -- printf '<%s>' ::: 'a b' "it's" '"q"' '$HOME' '`id`' '*' ';reboot' 'ünï' '' -- -n '{}' '\'
prints "<a b><it's><\"q\"><\$HOME><\`id\`><*><;reboot><ünï><><--><-n><{}><\\>"
printf 'new\nline\0\0two\0' >nul
expect 0 sh -c "clowder map -0 -- printf '<%s>' <nul"
prints "<new
line><><two>"
printf 'a\n\nlast without newline' >lines
expect 0 sh -c "clowder map -- printf '<%s>' <lines"
prints '<a><><last without newline>'
expect 0 sh -c 'clowder map -- echo </dev/null'
prints ''
expect 0 sh -c 'clowder map -- echo :::'
prints ''
head -c 300 /dev/urandom | tr -d '\0\n' >binary
expect 0 sh -c 'clowder map -- printf %s <binary'
same out binary
expect 0 clowder map -a lines -- printf '<%s>'
prints '<a><><last without newline>'
# One line of 1 MB: too long for an argument, right on standard input.
head -c 1000000 /dev/zero | tr '\0' z >big
expect 1 sh -c 'clowder map -- echo <big'
says 'command line is too long'
expect 0 sh -c 'clowder map --stdin -- wc -c <big'
prints 1000000
expect 0 sh -c 'clowder map -0 --stdin -- md5sum <nul | cut -c1-8'
prints "$(printf 'new\nline' | md5sum | cut -c1-8)
$(printf '' | md5sum | cut -c1-8)
$(printf two | md5sum | cut -c1-8)"

# What a command writes, on both sides of what a pipe holds, fast and slowly.
for n in 1 65535 65536 65537 2000000; do
  expect 0 clowder map -- sh -c 'head -c "$1" /dev/zero | tr "\0" y; echo' _ ::: "$n" 3 "$n"
  [ "$(wc -c <out)" = $((2 * n + 6)) ] || fail "output of $n bytes: $(wc -c <out)"
  expect 1 clowder map -- sh -c 'head -c "$1" /dev/zero | tr "\0" y >&2; exit 3' _ ::: "$n" 3
  says '2 of 2 tasks failed'
done
expect 0 clowder map -- sh -c 'echo a; sleep 0.05; echo b; exec >&- 2>&-; sleep 0.05' ::: 1
prints "a
b"
# As in a shell, a script needs no first line.
echo 'echo "script $1"' >script
chmod +x script
expect 0 clowder map -- ./script ::: 1
prints 'script 1'

# Placeholders; none of them passes through a shell.
expect 0 clowder map -- echo '{}' '{.}' '{/}' '{//}' '{/.}' '{#}' ::: 'dir/a b.tar.gz' plain /x
prints 'dir/a b.tar.gz dir/a b.tar a b.tar.gz dir a b.tar 1
plain plain plain . plain 2
/x /x x / x 3'
expect 0 clowder map --dry-run -- convert '{}' '{.}.png' ::: 'a b.jpg' "it's.jpg"
prints "convert 'a b.jpg' 'a b.png'
convert 'it'\\''s.jpg' 'it'\\''s.png'"

# What a task sees: where it is, who it is, and nothing of our shell.
export SECRET_OF_MY_SHELL=1
expect 0 clowder map --seed 7 -- sh -c 'echo $CLOWDER_TASK $CLOWDER_PROFILE $CLOWDER_HOST $PWD ${SECRET_OF_MY_SHELL-unset}' ::: a b
prints "1 default local $work unset
2 default local $work unset"
clowder map -n 1 --seed 7 -- sh -c 'echo $CLOWDER_SEED' ::: a b c d >seed1
clowder map --seed 7 -- sh -c 'echo $CLOWDER_SEED' ::: a b c d >seed2
same seed1 seed2
[ "$(sort -u seed1 | wc -l)" -eq 4 ] || fail "seeds repeat"

# Output: apart, tagged, as JSON, cut when it is too much.
expect 0 clowder map -- sh -c 'echo out{}; echo err{} >&2' ::: 1 2
prints 'out1
out2'
says err1
expect 0 clowder map --tag -- printf 'one\ntwo' ::: a
prints 'a	one
a	two'
expect 1 clowder map --json -- sh -c 'printf "%sü\n" "$1"; echo e >&2; exit $1' sh '{}' ::: 0 3
jq -es '.[0].stdout == "0ü\n" and .[0].exit == 0 and .[0].status == "done" and .[1].exit == 3 and .[1].status == "failed"
  and .[1].stderr == "e\n" and .[1].index == 2 and .[1].input == "3" and .[0].attempts == 1 and .[0].run_ms > 0
  and .[0].host == "local" and (.[0].daemon | startswith("default-"))' out >/dev/null || fail "JSON: $(cat out)"
[ ! -s err ] || fail "--json carries notices: $(cat err)"
# Bytes that are no text come as they are, in base64, and nothing else does.
printf '\377\0ab' >bytes
expect 0 clowder map -0 --json -- sh -c 'cat bytes; printf "\300\257" >&2' ::: $'a\xffb' plain
jq -es '.[0].input_base64 == "Yf9i" and .[0].stdout_base64 == "/wBhYg==" and .[0].stderr_base64 == "wK8="
  and (.[0] | has("input") or has("stdout") or has("stderr") | not)
  and .[1].input == "plain" and .[1].stdout_base64 == "/wBhYg=="' out >/dev/null || fail "bytes in JSON: $(cat out)"
jq -r '.stdout_base64' out | head -1 | base64 -d | cmp - bytes || fail "the bytes are others"
expect 0 clowder run --json -- cat bytes
jq -e '.stdout_base64 == "/wBhYg==" and .input == "" and .stderr == ""' out >/dev/null || fail "run: $(cat out)"
expect 1 clowder map --max-output 1000 -- sh -c 'seq 10000' ::: a
says 'stdout cut at the limit of 1000 bytes; the task wrote 48894'
[ "$(wc -c <out)" -eq 1000 ] || fail "cut output has $(wc -c <out) bytes"

# Time limits: the task's whole process group ends, the daemon lives on.
expect 1 clowder map --timeout 1500ms -- sh -c 'sleep {}; echo {}' ::: 0 300.77123 0
prints '0
0'
says 'task 2 \(300.77123\): timed out: no result after 1.5 s'
wait_until none_running 'sleep 300.77123'
[ "$(status_of default .daemons.connected)" = 2 ] || fail "a daemon went away"

# What a task leaves running ends with it.
expect 0 clowder map -- sh -c 'sleep 301.77123 & echo started' ::: a
wait_until none_running 'sleep 301.77123'

# --stop, --retry-failed, --joblog and --resume.
expect 1 clowder map --stop -- sh -c 'test {} != 3 || exit 9; sleep 0.05' ::: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20
says 'task 3 \(3\): exit 9'
expect 0 clowder map --retry-failed 2 -- sh -c 'echo x >>tries; test $(wc -l <tries) -ge 3' ::: a
[ "$(wc -l <tries)" -eq 3 ] || fail "tried $(wc -l <tries) times"
expect 1 clowder map --joblog log -- sh -c 'echo {}; test {} != b' ::: a b c
[ "$(awk -F'\t' 'NR > 1 { print $1 ":" $7 }' log | sort | tr '\n' ' ')" = "1:0 2:1 3:0 " ] || fail "joblog: $(cat log)"
sed -i '/^2\t/d' log
expect 1 clowder map --joblog log --resume -- sh -c 'echo {} $CLOWDER_TASK; test {} != b' ::: a b c
prints 'b 2'

# Files that travel with the job, and come back (more in drive/files).
echo content >data.txt
expect 0 clowder map --ship data.txt --fetch 'result-{}.txt' -- sh -c 'cat data.txt >result-{}.txt; pwd' ::: 1 2
[ "$(cat result-1.txt result-2.txt)" = "content
content" ] || fail "fetched files are wrong"
grep -q "^$work\$" out && fail "a shipped job ran in the caller's folder"

# One task; its failure is 1.
expect 0 clowder run -- sh -c 'echo hello; echo problem >&2'
prints hello
expect 3 clowder run -- sh -c 'exit 3' # more in run.sh

# Running from within: CLOWDER_PROFILE by `with`.
clowder up other -n 1 >/dev/null
expect 0 clowder with other -- clowder map -- sh -c 'echo $CLOWDER_PROFILE' ::: a
prints other
expect 4 clowder with nowhere -- true

# The last task hangs where it runs first: an idle daemon runs it too, and its result is the one; the other run is ended.
clowder down other >/dev/null
expect 0 clowder map -n 2 --speculate -- sh -c 'if [ {} = 10 ] && mkdir hangs 2>/dev/null; then sleep 331.77; fi; echo r{}' ::: 1 2 3 4 5 6 7 8 9 10
[ "$(tr '\n' ' ' <out)" = 'r1 r2 r3 r4 r5 r6 r7 r8 r9 r10 ' ] || fail "a straggler's copy: $(cat out)"
[ -d hangs ] || fail "nothing hung"
wait_until none_running '^sleep 331.77'

# At the deadline all that is left ends, and says why.
expect 1 clowder map -n 2 --deadline 1s --json -- sh -c 'test {} = 1 || exec sleep 332.77' ::: 1 2 3 4 5
[ "$(jq -r .status out | tr '\n' ' ')" = 'done timeout timeout timeout timeout ' ] || fail "deadline: $(cat out)"
wait_until none_running '^sleep 332.77'
expect 2 clowder map --deadline soon -- true ::: a
