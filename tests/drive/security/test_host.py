"""On hosts as well: what tasks inherit, what lies there, and that all ends with its daemon, whoever is killed."""
import os
import signal

import pytest

import procs
from inheritance import NONE, TELL, little, plain, told
from waiting import wait_until

LEAVER = """import os, sys
pid = os.fork()
if not pid:
    os.setpgid(0, 0)
    os.execvp("sleep", ["sleep", sys.argv[1]])
while os.getpgid(pid) == os.getpgid(0):
    pass"""


@pytest.fixture
def far(clowder, lab):
    """A daemon on each of two hosts; h2 forbids to forward."""
    own = lab(2)
    own.shell("lab_stop 2")
    own.shell("lab_sshd 2 'AllowTcpForwarding no'")
    for host in ("h1", "h2"):
        clowder(f"host add {host}")
    clowder("up far --on h1:1 --on h2:1")
    return own


def umask():
    now = os.umask(0)
    os.umask(now)
    return f"{now:04o}"


@pytest.mark.usefixtures("far")
def test_tasks_inherit_little(clowder):
    assert told(clowder("run -p far sh -c", TELL).lines) == little(umask())
    lines = {plain(line.split("\t")[1]) for line in clowder("everywhere -p far -- sh -c", TELL).lines}
    assert lines == {"0", f"0 1 2 {umask()}", NONE}


def test_nothing_there_is_open_to_others(clowder, work, far):
    clowder("map -p far -- true ::: 1 2")
    for i in range(1, far.count + 1):
        found = list((work / f"lab/h{i}/home/.cache/clowder").rglob("*"))
        assert found and not [path for path in found if path.lstat().st_mode & 0o077 and not path.is_symlink()]


def leave(clowder, engine, seconds):
    """A process on every daemon that leaves the group of its task, and stays when that is over."""
    clowder("everywhere -p far -- python3 -c", LEAVER, seconds)
    wait_until(lambda: len(engine.running(f"^sleep {seconds}")) == 2)


def daemons(clowder):
    return [daemon["pid"] for daemon in clowder.daemons("far")]


def starters(pids):
    """Who started these."""
    table = procs.table()
    return [table[pid]["ppid"] for pid in pids]


def kill(*pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.usefixtures("far")
def test_what_left_its_group_ends_when_daemons_are_told_to_go(clowder, engine):
    leave(clowder, engine, "300.811")
    clowder("down far")
    wait_until(lambda: not engine.running("^sleep 300.811"))


@pytest.mark.usefixtures("far")
def test_all_that_daemons_ran_ends_when_they_are_killed(clowder, engine):
    leave(clowder, engine, "300.812")
    running = clowder.start("map -p far --retries 0 -- sh -c", "sleep 300.813; true", ":::", "1", "2")
    wait_until(lambda: len(engine.running("^sleep 300.813")) == 2)
    kill(*daemons(clowder))
    assert running.wait(None).status != 0
    wait_until(lambda: not engine.running("^sleep 300.81[23]"))
    wait_until(lambda: [daemon["state"] for daemon in clowder.daemons("far")] == ["idle", "idle"])


@pytest.mark.usefixtures("far")
def test_it_ends_when_what_started_the_daemons_was_killed_before_them(clowder, engine):
    leave(clowder, engine, "300.814")
    kill(*starters(daemons(clowder)))
    clowder("down far")
    wait_until(lambda: not engine.running("^sleep 300.814"))


@pytest.mark.usefixtures("far")
def test_tasks_end_when_whoever_would_end_them_is_killed_too(clowder, engine):
    clowder("up far -n 1")
    running = clowder.start("map -p far -- sh -c", "exec sleep 300.815", ":::", "1", "2", "3")
    wait_until(lambda: len(engine.running("^sleep 300.815")) == 3)
    there = daemons(clowder)
    above = starters(there)
    for pid in (running.pid, *above):  # the map would start another engine, and give it its tasks
        os.kill(pid, signal.SIGSTOP)
    kill(*there, *above)
    wait_until(lambda: not engine.running("^sleep 300.815"))
    running.kill()
    clowder("down far")
