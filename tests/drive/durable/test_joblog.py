"""The job log of a map: what is in it was printed, --resume runs what is missing, --resume-failed what failed."""
import re

import pytest

from waiting import lines_of, numbers, wait_until

HEADER = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand"
FAILS_AT_50 = "test $(({} % 50)) != 0 || test -e fixed || exit 3; echo {}"


@pytest.fixture(autouse=True)
def two(clowder, work):
    (work / "in").write_text(numbers(200))
    (work / "five").write_text(numbers(5))
    clowder("up -n 2")


def rows(path):
    return [line.split("\t") for line in lines_of(path)[1:]]


class Killed:
    """A map that was killed when a part of its tasks was done."""

    def __init__(self, clowder, work):
        self.log = work / "log"
        running = clowder.start("map -a in --joblog log -- sh -c", "echo {} >>ran; sleep 0.01; echo y{}")
        wait_until(lambda: len(lines_of(self.log)) >= 40)
        assert not running.is_over(), "the map was over"
        running.kill()
        self.printed = lines_of(running.out)
        self.logged = [row[0] for row in rows(self.log)]
        wait_until(lambda: clowder.profile()["tasks"]["executing"] == 0)
        (work / "ran").unlink()


@pytest.fixture
def killed(clowder, work):
    return Killed(clowder, work)


def test_what_is_in_the_log_of_a_killed_map_was_printed(killed):
    assert lines_of(killed.log)[0] == HEADER
    for row in rows(killed.log):
        assert len(row) == 9 and row[1] == ":" and re.fullmatch(r"[0-9]+\.[0-9]+", row[2]) and row[6:8] == ["0", "0"]
    assert killed.printed[:len(killed.logged)] == [f"y{i}" for i in killed.logged]


def test_resume_runs_what_is_missing_also_after_a_torn_line(clowder, work, killed):
    with open(killed.log, "a") as log:
        log.write("199\t:\t17")
    rest = clowder("map -a in --joblog log --resume -- sh -c", "echo {} >>ran; echo y{}").lines
    assert sorted([*killed.logged, *(line[1:] for line in rest)], key=int) == numbers(200).split()
    assert len(lines_of(work / "ran")) == 200 - len(killed.logged)
    assert len({row[0] for row in rows(killed.log)}) == 200


@pytest.fixture
def four_failed(clowder):
    clowder("map -a in --joblog log -- sh -c", FAILS_AT_50, status=1)


@pytest.mark.usefixtures("four_failed")
def test_resume_runs_nothing_that_failed(clowder):
    assert clowder("map -a in --joblog log --resume -- echo {}").out == ""


@pytest.mark.usefixtures("four_failed")
def test_resume_failed_runs_what_failed_once(clowder, work):
    (work / "fixed").touch()
    assert clowder("map -a in --joblog log --resume-failed -- sh -c", FAILS_AT_50).out == "50\n100\n150\n200\n"
    assert clowder("map -a in --joblog log --resume-failed -- echo").out == ""


def test_resume_failed_wants_a_log(clowder):
    clowder("map -a in --resume-failed -- echo", status=2)


def test_what_could_not_be_printed_is_not_in_the_log(clowder, engine):
    engine.run("sh", "-c", "clowder map -a five --joblog log -- echo >/dev/full", status=1).says_one_line(
        "cannot write to stdout: No space left on device")
    assert clowder("map -a five --joblog log --resume -- echo").out == numbers(5)


def test_a_map_that_nobody_can_read_ends_early(engine, work):
    (work / "many").write_text(numbers(2000))
    engine.run("sh", "-c", 'clowder map -a many -- sh -c "echo {} >>began; head -c 5000 /dev/zero" >/dev/full', status=1)
    assert len(lines_of(work / "began")) < 1000, "all tasks ran though nobody could see it"


def test_tasks_whose_worker_went_away_are_no_success(clowder, work):
    clowder("map -a five --joblog log -w -- true", status=1).says("tasks failed")
    failed = sum(row[6] != "0" for row in rows(work / "log"))
    assert failed
    assert len(clowder("map -a five --joblog log --resume-failed -- echo").lines) == failed


def test_a_task_whose_file_could_not_be_saved_is_no_success(clowder, work):
    blocked = work / "result-2"
    blocked.mkdir()
    clowder("map -a five --joblog log --fetch result-{} -- sh -c", "echo x >result-{}", status=1).says(
        "cannot save 'result-2' here: Is a directory; its files stay on local: /")
    blocked.rmdir()
    again = clowder("map -a five --joblog log --resume-failed --fetch result-{} -- sh -c", "echo {}; echo x >result-{}")
    assert again.out == "2\n" and blocked.is_file()


ECHO = "--joblog log -o results -- sh -c", "echo {}"


def cut_as_said(engine, refused):
    """Runs the command that a refusal proposes."""
    engine.run("sh", "-c", re.search("cut it too: (.*)", refused.err)[1])


def test_results_that_the_log_does_not_account_for_are_refused_until_they_are_cut(clowder, engine, work):
    clowder("map -a five " + ECHO[0], ECHO[1])
    whole = (work / "results").read_text()
    (work / "log").write_text("\n".join(lines_of(work / "log")[:-1]) + "\n")  # as if it had died between the two
    refused = clowder("map -a five --resume " + ECHO[0], ECHO[1], status=2)
    cut_as_said(engine, refused.says_one_line("results has 2 bytes more than the job log accounts for"))
    with open(work / "results", "a") as results:
        results.write("torn")
    cut_as_said(engine, clowder("map -a five --resume " + ECHO[0], ECHO[1], status=2))
    clowder("map -a five --resume " + ECHO[0], ECHO[1])
    assert (work / "results").read_text() == whole


def test_the_log_counts_bytes_as_they_were_written(clowder, work):
    clowder("map -a five --tag --joblog log -o tagged -- sh -c", "echo {}; test {} != 3", status=1)
    clowder("map -a five --tag --joblog log --resume-failed -o tagged -- sh -c", "echo {}")
    assert sum(int(row[5]) for row in rows(work / "log")) == (work / "tagged").stat().st_size


def test_results_do_not_replace_their_inputs(clowder, work):
    clowder("map -a five -o ./five --force -- echo", status=2).says("the results would replace their own inputs")
    assert (work / "five").read_text() == numbers(5)


def test_results_and_log_are_two_files(clowder, work):
    clowder("map -a five --joblog same -o same --force -- echo", status=2).says("are the same file")
    assert not (work / "same").exists(), "a refused map made its log"


def test_another_file_than_a_log_stays_what_it_is(clowder, work):
    notes = "no tab in it, and no newline at its end " * 100
    (work / "notes").write_text(notes)
    clowder("map -a five --joblog notes --resume -- echo", status=2).says_one_line()
    assert (work / "notes").read_text() == notes


def test_a_log_that_cannot_be_written_is_one_line(clowder):
    clowder("map -a five --joblog /dev/full -- echo", status=1).says_one_line()
