"""The desktop sleeps, or a cable is out for a while: what runs on a host goes on, and nothing is run again."""
import os
import signal
import time

import pytest

from cable import Cable
from waiting import needs_namespaces, wait_until

TASK = "echo {} >>$HOME/began; while ! [ -e $HOME/go ]; do sleep 0.1; done; echo done {}"


@pytest.fixture
def host(clowder, lab):
    own = lab(1)
    needs_namespaces(own)
    clowder("host add h1")
    clowder("up far --on h1:2")
    return own


@pytest.fixture
def home(host):
    return os.path.join(host.lab, "h1/home")


def ends_well(clowder, running, home):
    open(os.path.join(home, "go"), "w").close()
    assert running.wait().lines == ["done 1", "done 2"]
    assert sorted(open(os.path.join(home, "began")).read().split()) == ["1", "2"], "a task was run again"
    assert clowder.profile("far")["tasks"]["retried"] == 0


def begins(clowder, home):
    running = clowder.start("map -p far -- sh -c", TASK, ":::", "1", "2")
    wait_until(lambda: os.path.exists(os.path.join(home, "began")) and len(open(os.path.join(home, "began")).read().split()) == 2)
    return running


def test_an_engine_that_stands_still_finds_its_tasks_running(clowder, engine, home):
    running = begins(clowder, home)
    pid = clowder("engine status --json").json["pid"]
    for _ in range(2):
        os.kill(pid, signal.SIGSTOP)
        time.sleep(20)  # longer than silence is borne of others
        os.kill(pid, signal.SIGCONT)
        time.sleep(1)
    ends_well(clowder, running, home)


def test_a_cable_that_is_in_again_before_the_host_is_given_up_costs_nothing(clowder, engine, host, home):
    running = begins(clowder, home)
    cable = Cable(host)
    cable.cut()
    wait_until(lambda: clowder("host show h1 --json").json["state"] == "silent")
    time.sleep(15)
    cable.mend()
    wait_until(lambda: clowder("host show h1 --json").json["state"] == "up")
    assert not engine.logged("away daemon")
    ends_well(clowder, running, home)
