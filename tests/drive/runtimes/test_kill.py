"""Daemons on a host are killed, or the way to it is."""
import os
import signal

import pytest

import procs
from waiting import wait_until


@pytest.fixture
def h1(clowder, ready, base, daemon_command):
    """With two daemons of a base that has work for ever."""
    own = ready(1)
    clowder(f"profile set r --runtime command --base {base(1000000000, 64, 600).url} --on h1:2", *daemon_command)
    clowder("up r")
    return own


def connected(clowder):
    return clowder.profile("r")["daemons"]["connected"]


@pytest.mark.usefixtures("h1")
def test_one_that_is_killed_is_replaced_and_the_log_says_why(clowder, engine):
    one = clowder.daemons("r")[0]
    os.kill(one["pid"], signal.SIGKILL)
    wait_until(lambda: one["name"] not in [daemon["name"] for daemon in clowder.daemons("r")] and connected(clowder) == 2)
    assert engine.logged(f'lost daemon={one["name"]} host=h1 why="was killed by signal 9')


def test_when_the_link_is_lost_they_end_and_start_again_when_the_host_is_back(clowder, h1, no_daemons):
    before = [daemon["pid"] for daemon in clowder.daemons("r")]
    h1.shell("lab_stop 1")
    wait_until(lambda: not any(map(procs.alive, before)))
    h1.shell("lab_sshd 1")
    wait_until(lambda: connected(clowder) == 2)
    clowder("down r")
    wait_until(no_daemons)
