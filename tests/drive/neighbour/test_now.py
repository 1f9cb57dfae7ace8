"""--pause-now stops what runs; its time limit waits too, and it goes on where it was."""
import os
import signal

import pytest

import procs
from day import close, reopen
from waiting import lines_of, numbers, wait_until

COUNTS = "i=0; while [ $i -lt 40 ]; do i=$((i + 1)); echo $i >at; sleep 0.05; done; echo done"


@pytest.fixture(autouse=True)
def now(clowder):
    clowder("up now -n 1 --pause-now")


def daemon(clowder):
    return clowder.daemons("now")[0]["pid"]


def state_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()[0]


def test_a_task_stops_and_goes_on_within_its_limit(clowder, work):
    running = clowder.start("map -p now --timeout 6s -- sh -c", COUNTS, ":::", "x")
    wait_until(lambda: lines_of(work / "at"))
    task = procs.children(daemon(clowder))[0]["pid"]
    close(clowder, "now")
    wait_until(lambda: state_of(task) == "T")
    assert clowder.profile("now")["tasks"]["executing"] == 1
    at = lines_of(work / "at")
    others = clowder.start("map -p now -- echo", stdin=numbers(3))
    wait_until(lambda: clowder.profile("now")["tasks"]["awaiting"] == 3)
    assert lines_of(work / "at") == at, "the task is not stopped"
    reopen(clowder, "now")
    assert running.wait().out == "done\n"
    others.wait()


def test_a_stopped_task_that_is_cancelled_ends(clowder, engine):
    running = clowder.start("map -p now -- sh -c", "exec sleep 300.515", ":::", "x")
    wait_until(lambda: clowder.profile("now")["tasks"]["executing"] == 1)
    close(clowder, "now")
    running.leave()
    wait_until(lambda: not engine.running("^sleep 300.515"))


def test_a_stopped_worker_that_is_too_late_ends(clowder, engine, work):
    running = clowder.start("map -p now -w --deadline 3 -- sh -c", "echo >late; exec sleep 300.517", stdin="x\n")
    wait_until((work / "late").exists)
    close(clowder, "now")
    assert running.wait(None).status != 0
    wait_until(lambda: not engine.running("^sleep 300.517"))


def test_a_daemon_that_dies_leaves_no_stopped_task(clowder, engine):
    running = clowder.start("map -p now --retries 0 -- sh -c", "exec sleep 300.516", ":::", "x")
    wait_until(lambda: engine.running("^sleep 300.516"))
    close(clowder, "now")
    os.kill(daemon(clowder), signal.SIGKILL)
    assert running.wait(None).status != 0
    wait_until(lambda: not engine.running("^sleep 300.516"))
