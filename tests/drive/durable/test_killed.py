"""The engine is killed, stopped, or its daemons are, in the middle of a detached job: what is in the store does not run again."""
import os
import signal

import pytest

from waiting import lines_of, numbers, same, wait_until

WORKER = """while read -r x; do
    case $x in 100000 | 250000) until test -e "gate-$x"; do sleep 0.02; done ;; esac
    echo y$x
done"""


@pytest.fixture(autouse=True)
def two(clowder):
    clowder("up -n 2")


def marked(count):
    return "".join(f"y{i}\n" for i in range(1, count + 1))


def test_no_task_runs_again_whose_result_was_in_the_store(clowder, engine, work):
    job = clowder.submit("-- sh -c", "echo {} >>ran; sleep 0.01; echo y{}", stdin=numbers(600))
    for part in (60, 180, 300):
        wait_until(lambda: len(clowder.recorded(job)) >= part)
        engine.kill()
        before = {line[1:] for line in clowder.recorded(job)}
        ran = len(lines_of(work / "ran"))
        clowder("engine start")
        wait_until(lambda: len(clowder.recorded(job)) >= part + 20)
        assert not before & set(lines_of(work / "ran")[ran:]), "ran again though their results were in the store"
    os.kill(clowder.daemons()[0]["pid"], signal.SIGKILL)
    same(clowder.collect(job).out, marked(600))
    assert len(lines_of(work / "ran")) < 1000


def test_who_collects_meanwhile_gets_every_line_of_a_worker_once(clowder, engine, work):
    job = clowder.submit("-w -- sh -c", WORKER, stdin=numbers(400000))
    follower = clowder.start(f"job collect {job}")
    for part, gate in ((20000, "gate-100000"), (100000, "gate-250000")):
        wait_until(lambda: follower.out.read_bytes().count(b"\n") >= part)
        engine.kill()
        (work / gate).touch()
    same(follower.wait().out, marked(400000))


def test_a_stop_keeps_what_daemons_have_finished(clowder, engine, work):
    job = clowder.submit(
        "-- sh -c", 'echo {} >>ran; until test -e "go-$((({} + 3) / 4))"; do sleep 0.02; done; echo {}', stdin=numbers(40))
    wait_until(lambda: lines_of(work / "ran"))
    for i in (1, 2):
        (work / f"go-{i}").touch()
    wait_until(lambda: len(clowder.recorded(job)) >= 8)
    stopper = clowder.start("engine stop")
    wait_until(lambda: engine.logged("stopping now=0"))
    for i in range(3, 11):
        (work / f"go-{i}").touch()
    stopper.wait()
    assert len(clowder.recorded(job)) == len(lines_of(work / "ran"))
    clowder("up -n 2")
    assert clowder.collect(job).out == numbers(40)
    assert len(lines_of(work / "ran")) == 40


def test_down_in_the_middle_makes_it_wait_and_go_on(clowder, work):
    job = clowder.submit("-- sh -c", "test {} -le 20 || until test -e rest; do sleep 0.02; done; echo {}", stdin=numbers(200))
    wait_until(lambda: len(clowder.recorded(job)) >= 10)
    clowder("down --now")
    wait_until(lambda: clowder.waits_for(job, "no daemons"))
    (work / "rest").touch()
    clowder("up -n 2")
    assert clowder.collect(job).out == numbers(200)
