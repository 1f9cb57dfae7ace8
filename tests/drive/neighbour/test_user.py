"""Somebody types on this machine: utmp is one of the test's own, in a mount namespace of the engine's own."""
import os
import re

import pytest

from owner import Session
from waiting import needs_mount_namespace, wait_until


@pytest.fixture
def session(engine, work):
    needs_mount_namespace("a utmp of the test's own")
    own = Session(work / "utmp")
    engine.run("unshare", "-m", "sh", "-c", f"mount -t tmpfs none /run && ln -s '{own.utmp}' /run/utmp && exec clowder engine start")
    yield own
    own.close()


def is_up(clowder):
    return clowder.state("user") == "up"


def is_paused(clowder):
    return clowder.state("user") == "paused"


def test_daemons_pause_while_the_owner_is_there(clowder, session):
    clowder("up user -n 1 --pause-user 10m")
    wait_until(lambda: is_paused(clowder))
    assert re.search(rf"owner is active on {session.line} \([0-9]+ s ago\)", clowder.profile("user")["reason"])
    session.log_out()
    wait_until(lambda: is_up(clowder))
    session.log_in()
    wait_until(lambda: is_paused(clowder))


@pytest.mark.usefixtures("session")
def test_a_key_that_was_typed_longer_ago_does_not_pause(clowder):
    clowder("up user -n 1 --pause-user 10m")
    wait_until(lambda: is_paused(clowder))
    clowder("up user --pause-user 1ms")
    wait_until(lambda: is_up(clowder))


@pytest.mark.skipif(os.path.exists("/var/run/utmp"), reason="this machine has a utmp")
def test_a_machine_that_does_not_see_users_says_so(clowder):
    clowder("up blind -n 1 --pause-user 10m")
    assert "users are not seen" in clowder.limits("blind")
