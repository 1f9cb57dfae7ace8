"""Somebody types on this machine: utmp is one of the test's own, in a mount namespace of the engine's own."""
import os
import re
import time

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


# ---- at a screen ----

LOGINCTL = """#!/bin/sh
cd "$(dirname "$0")"
case $* in
show-seat*) cat active ;;
*) cat "session-$2" ;;
esac
"""


class Screen:
    """What logind tells of the one seat: a tool of the test's own says it."""

    def __init__(self, engine):
        self.tools = engine.work / "tools"
        self.tools.mkdir()
        (self.tools / "loginctl").write_text(LOGINCTL)
        (self.tools / "loginctl").chmod(0o755)
        self.is_at(None)
        engine.env["PATH"] = f"{self.tools}:{engine.env['PATH']}"

    def is_at(self, name, type="wayland", kind="user", idle="no", since=0):
        (self.tools / "session-2").write_text(f"Name={name}\nType={type}\nClass={kind}\nIdleHint={idle}\nIdleSinceHint={since}\n")
        (self.tools / "active").write_text("2\n" if name else "\n")


@pytest.fixture
def screen(engine):
    needs_mount_namespace("seats of the test's own")
    own = Screen(engine)
    engine.run("unshare", "-m", "sh", "-c",
        "mount -t tmpfs none /run && mkdir -p /run/systemd/seats && touch /run/systemd/seats/seat0 && exec clowder engine start")
    return own


def test_daemons_pause_while_somebody_is_at_a_screen(clowder, screen):
    clowder("up user -n 2 --pause-user 10m")
    wait_until(lambda: is_up(clowder))
    assert clowder.daemons("user")[0]["limits"] == "", "nothing to say about users that are not seen"
    screen.is_at("owner")
    wait_until(lambda: is_paused(clowder))
    assert "owner is at the screen" in clowder.profile("user")["reason"]
    screen.is_at("owner", idle="yes", since=int((time.time() - 700) * 1e6))
    wait_until(lambda: is_up(clowder))
    screen.is_at("owner", idle="yes", since=int((time.time() - 300) * 1e6))
    wait_until(lambda: is_paused(clowder))


def test_whoever_is_there_already_is_named(clowder, screen):
    screen.is_at("owner")
    clowder("up user -n 1 --pause-user 10m")
    wait_until(lambda: "owner is at the screen" in clowder.profile("user")["reason"])


@pytest.mark.parametrize("who", [{"kind": "greeter"}, {"type": "tty"}], ids=["nobody logged in", "a text console, which utmp has"])
def test_others_are_not_at_a_screen(clowder, screen, who):
    screen.is_at("gdm", **who)
    clowder("up user -n 1 --pause-user 10m")
    assert clowder("map -p user -- echo ::: a").out == "a\n"
    assert is_up(clowder)
