"""Cancelling, deadlines, and running again what was not done: what had ended stays."""
import time

import pytest

from waiting import lines_of, numbers, same, wait_until


@pytest.fixture(autouse=True)
def two(clowder):
    clowder("up -n 2")


def test_what_had_ended_when_a_job_was_cancelled_stays(clowder, work):
    job = clowder.submit("-- sh -c", "echo {}; touch ended-{}; test {} = 1 || until test -e never; do sleep 0.02; done", ":::", "1", "2", "3")
    wait_until((work / "ended-3").exists)  # on two daemons: after the first has ended
    wait_until(lambda: clowder.job(job)["done"] == 1)
    clowder(f"job cancel {job}")
    shown = clowder.job(job)
    assert (shown["state"], shown["done"], shown["cancelled"]) == ("cancelled", 1, 2)
    assert clowder.collect(job, status=1).out == "1\n"


class Cancelled:
    """Of six tasks two were done and two ran when the job was cancelled."""

    def __init__(self, clowder, engine):
        self.job = clowder.submit(
            "-- sh -c", "test {} -le 2 && echo {} && exit; touch began-{}; test -e go && echo {} || sleep 318.77123", stdin=numbers(6))
        wait_until(lambda: len(clowder.recorded(self.job)) >= 2)
        wait_until(lambda: engine.running("^sleep 318.77123"))
        clowder(f"job cancel {self.job}")


@pytest.fixture
def cancelled(clowder, engine):
    return Cancelled(clowder, engine).job


def test_cancelling_ends_what_runs_and_keeps_what_is_recorded(clowder, engine, cancelled):
    wait_until(lambda: not engine.running("^sleep 318.77123"))
    clowder(f"job wait {cancelled}", status=1).says("cancelled")
    assert clowder.collect(cancelled, status=1).says("4 of 6 tasks failed").out == numbers(2)
    clowder(f"job cancel {cancelled}", status=5)


def test_retry_runs_what_was_cancelled(clowder, work, cancelled):
    (work / "go").touch()
    assert clowder(f"job retry {cancelled}").out == f"job {cancelled}: 4 tasks will run again\n"
    assert clowder.collect(cancelled).out == numbers(6)
    clowder(f"job retry {cancelled}").says("nothing to do")


def test_a_job_is_cancelled_without_an_engine(clowder):
    clowder("down --all")
    job = clowder.submit("-- echo ::: 1")
    wait_until(lambda: clowder.waits_for(job, "no daemons up"))
    clowder("engine stop")
    clowder(f"job cancel {job}")
    assert clowder.job_is(job, "cancelled")


def test_failed_tasks_run_again_and_others_do_not(clowder, work):
    job = clowder.submit("-- sh -c", "echo {} >>ran; test $(({} % 7)) != 0 || test -e go || exit 9; echo {}", stdin=numbers(50))
    assert len(clowder.collect(job, status=1).lines) == 43
    (work / "go").touch()
    clowder(f"job retry {job}")
    same(clowder.collect(job).out, numbers(50))
    assert len(lines_of(work / "ran")) == 57


def test_a_deadline_counts_anew_when_the_job_is_put_back(clowder, work):
    job = clowder.submit("--deadline 2 -- sh -c", "test -e in-time || sleep 100; echo {}", ":::", "1", "2")
    clowder(f"job wait {job}", status=1)
    (work / "in-time").touch()
    clowder(f"job retry {job}")
    assert clowder.collect(job).out == "1\n2\n"


def test_a_deadline_counts_from_when_the_job_begins_to_run(clowder):
    clowder("down --all")
    job = clowder.submit("--deadline 2 -- echo ::: 1 2")
    time.sleep(2.5)  # it would be over
    clowder("up -n 2")
    clowder.collect(job)
