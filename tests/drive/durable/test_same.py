"""What a detached job's collect prints is what map prints, byte for byte, and it ends as map does."""
import json
import re

import pytest

from programs import TESTS_BIN
from waiting import numbers, same, wait_until


@pytest.fixture(autouse=True)
def two(clowder):
    clowder("up -n 2")


@pytest.fixture
def pair(clowder):
    """The same inputs by map, and by submit and collect. What collect printed, and the job."""
    def both(stdin, words, *rest):
        wanted = clowder("map " + words, *rest, stdin=stdin, status=None)
        job = clowder.submit(words, *rest, stdin=stdin)
        got = clowder.collect(job, status=wanted.status)
        same(got.out, wanted.out)
        same(got.err, wanted.err)
        return got, job
    return both


@pytest.mark.parametrize("count, command", [
    (300, 'echo "{}: $CLOWDER_TASK"'),
    (300, r'head -c {} /dev/urandom >/dev/null; printf "\\000\\377\\n\\001{}"'),
    (300, "true"),
    (5, r'head -c 1048576 /dev/zero | tr "\\000" "x"; echo {}'),
], ids=["lines", "binary without a last newline", "nothing", "large"])
def test_output_of_commands(pair, count, command):
    pair(numbers(count), "-- sh -c", command)


def test_tasks_that_read(pair):
    assert pair(numbers(5), "--stdin -- cat")[0].out == "12345"


def test_output_of_failed_tasks_is_there_too(clowder, pair):
    got, job = pair(numbers(5), "-- sh -c", "echo out {}; echo err {} >&2; test $(({} % 2)) = 0 || exit {}")
    assert len(got.lines) == 5
    clowder(f"job wait {job}", status=1)
    shown = clowder.job(job)
    assert (shown["state"], shown["done"], shown["failed"], shown["detached"]) == ("failed", 2, 3, True)
    assert [failure["index"] for failure in shown["failures"]] == [1, 3, 5]
    second = shown["failures"][1]
    assert (second["status"], second["input"], second["stderr"]) == ("exit 3", "3", "err 3\n")


@pytest.mark.parametrize("stdin, words, rest", [
    (numbers(5), "--timeout 1s -- sh -c", ["test {} != 3 || sleep 20.77; echo {}"]),
    ("a b\0c\nd\0\0e", "-0 -- sh -c", ['printf "%s|" "$1"', "x"]),
    ("", "-- echo", []),
    (numbers(200000), "-w -- cat", []),
    (numbers(200000), "--seed 7 -w -- sh -c", ['while read -r x; do echo "$x"; done']),
], ids=["a limit", "zeros", "no inputs", "a worker", "a seed"])
def test_other_ways_to_give_tasks(pair, stdin, words, rest):
    pair(stdin, words, *rest)


WORDS = "".join(f"{i} word & word/\n" for i in range(1, 30001))


def test_a_worker_that_changes_lines(pair):
    assert pair(WORDS, "-w -- sed -u s/word/WORD/")[0].lines[0] == "1 WORD & word/"


def test_a_framed_worker(pair, work):
    pair("".join(WORDS.splitlines(keepends=True)[:2000]), "-W --", str(TESTS_BIN / "worker_program"), str(work / "starts"))


def test_json_is_as_map_makes_it(clowder):
    job = clowder("submit --json --name pair -- sh -c", "echo {}; test {} = x", stdin="x\ny\n").json["job"]
    results = [json.loads(line) for line in clowder.collect(job, "--json", status=1).lines]
    assert [[r[k] for k in ("index", "input", "status", "exit", "stdout", "host")] for r in results] == [
        [1, "x", "done", 0, "x\n", "local"], [2, "y", "failed", 1, "y\n", "local"]]


def test_tags_and_a_job_log_are_as_map_makes_them(clowder, work):
    job = clowder.submit("-- sh -c", "echo {}; test {} = x", stdin="x\ny\n")
    assert clowder.collect(job, "--tag", "--joblog", "log", status=1).out == "x\tx\ny\ty\n"
    rows = [line.split("\t") for line in (work / "log").read_text().splitlines()[-2:]]
    assert [[row[i] for i in (0, 1, 4, 5, 6, 7)] for row in rows] == [["1", ":", "1", "2", "0", "0"], ["2", ":", "1", "2", "1", "0"]]


def test_files_come_home_without_a_client_and_shipped_ones_are_kept(clowder, work):
    (work / "tool.sh").write_text("echo $1 >result-$1\n")
    job = clowder.submit("--ship tool.sh --out result-{} -- sh tool.sh {}", stdin=numbers(3))
    (work / "tool.sh").unlink()
    clowder(f"job wait {job}")
    assert (work / "result-2").read_text() == "2\n"


def test_a_worker_that_breaks_its_contract_leaves_what_was_right(clowder):
    job = clowder.submit("-w -- sh -c", "while read -r x; do echo $x; done; echo more", stdin=numbers(10))
    clowder(f"job wait {job}", status=1).says("failed: .*answered more lines than it was given")
    collected = clowder.collect(job, status=1).says("answered more lines than it was given")
    assert collected.out == numbers(10)


def test_stop_ends_the_job_at_the_first_failure(clowder):
    job = clowder.submit("--stop -- sh -c", "sleep 0.01; test {} != 3", stdin=numbers(500))
    clowder(f"job wait {job}", status=1)
    shown = clowder.job(job)
    assert shown["state"] == "failed" and shown["failed"] >= 1 and shown["cancelled"] > 0
    assert re.search("first failure", shown["reason"])


def test_a_map_is_no_detached_job(clowder):
    clowder("map -- echo", stdin=numbers(2))
    wait_until(lambda: clowder("job show 1", status=None).status == 0)
    clowder.collect(1, status=5).says("was not detached")
    clowder("job wait 1")


@pytest.mark.parametrize("status, words, said", [
    (4, "job collect 4711", ""), (4, "job wait 4711", ""), (2, "job collect", ""),
    (4, "submit -p nothere -- echo ::: 1", "^[^\n]+\n$"), (2, "submit -0 -w -a in -- cat", "newline"),
    (4, "submit -a nothere -- echo", "")])
def test_what_cannot_be_is_refused(clowder, work, status, words, said):
    (work / "in").write_text("a\nb\0")
    assert re.search(said, clowder(words, status=status).err)


def test_a_dry_run_prints_the_commands(clowder):
    assert clowder("submit --dry-run -- echo {} :::", "a b").out == "echo 'a b'\n"
