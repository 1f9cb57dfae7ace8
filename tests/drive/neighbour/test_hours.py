"""Outside its hours a daemon takes nothing, says why, and goes on by itself; its tasks go to others."""
import re

import pytest

from day import CLOSED, close, reopen
from waiting import lines_of, numbers, wait_until

WHY = f"outside its hours {CLOSED}"


class Mixed:
    """A map of 300 tasks on two daemons, which paused in the middle of it."""

    def __init__(self, clowder, work):
        self.clowder, self.ran = clowder, work / "ran"
        clowder("up mixed -n 2")
        self.map = clowder.start("map -p mixed -- sh -c", "echo $CLOWDER_DAEMON >>ran; sleep 0.01; echo {}", stdin=numbers(300))
        wait_until(lambda: lines_of(self.ran))
        close(clowder, "mixed")
        wait_until(lambda: clowder.profile("mixed")["tasks"]["executing"] == 0)  # what ran has ended, the rest waits here
        self.before = len(lines_of(self.ran))


@pytest.fixture
def mixed(clowder, work):
    return Mixed(clowder, work)


def test_all_daemons_pause_and_none_works(clowder, mixed):
    assert clowder.profile("mixed")["daemons"]["paused"] == 2
    assert mixed.before < 300, "the map was over before the pause"
    assert len(lines_of(mixed.ran)) == mixed.before, "a paused daemon worked"


def test_status_job_list_and_log_say_why(clowder, engine, mixed):
    shown = clowder("status mixed").out
    assert f"paused: {WHY}" in shown and re.search("^mixed +paused +2/2", shown, re.M)
    assert engine.logged('daemon paused daemon=mixed-1 host=local why="outside its hours')
    wait_until(lambda: f"! its daemons are paused: {WHY}" in clowder("job list").out)
    assert clowder.daemons("mixed")[0]["reason"] == clowder.profile("mixed")["reason"]


@pytest.mark.usefixtures("mixed")
def test_a_detached_job_says_why_it_waits_and_runs_later(clowder):
    job = clowder("submit -p mixed -- echo ::: 1").out.strip()
    wait_until(lambda: (clowder.job(job)["reason"] or "").startswith("its daemons are paused: outside its hours"))
    reopen(clowder, "mixed")
    assert clowder("job collect", job).out == "1\n"


def test_the_map_goes_on_and_no_task_runs_twice(clowder, mixed):
    reopen(clowder, "mixed")
    assert mixed.map.wait().out == numbers(300)
    assert len(lines_of(mixed.ran)) == 300
    assert clowder.profile("mixed")["tasks"]["retried"] == 0, "pauses count as retries"


def test_up_does_not_wait_for_one_that_comes_outside_its_hours_and_everywhere_does(clowder):
    clowder(f"up late -n 1 --hours {CLOSED}")
    wait_until(lambda: clowder.state("late") == "paused")
    everywhere = clowder.start("everywhere -p late -- echo here")
    wait_until(lambda: clowder.profile("late")["tasks"]["awaiting"] == 1)
    reopen(clowder, "late")
    assert "here" in everywhere.wait().out


def test_one_that_joins_outside_its_hours_is_set_up_in_order(clowder, work):
    clowder("up sets -n 1")
    for step in "abc":
        clowder("everywhere -p sets --setup -- sh -c", f"echo {step} >>order.$CLOWDER_DAEMON")
    clowder(f"up sets -n 2 --hours {CLOSED}")
    wait_until(lambda: clowder.profile("sets")["daemons"]["paused"] == 2)
    reopen(clowder, "sets")
    wait_until(lambda: len(lines_of(work / "order.sets-2")) == 3)
    assert lines_of(work / "order.sets-2") == ["a", "b", "c"]
