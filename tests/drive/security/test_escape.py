"""Bytes that a task or a host wrote never reach a terminal or a log as they are."""
import pytest

from plain import is_plain
from waiting import wait_until

NASTY = "\x1b]0;owned\x07\x1b[2Jred\udcc2\udc9b"


@pytest.fixture
def nasty(clowder, engine):
    """A profile whose set-up fails with these bytes, and a job of that name and with that output."""
    script = engine.work / "nasty.sh"
    script.write_text(f"#!/bin/sh\nprintf '%s\\n' '{NASTY}' >&2\nexit 1\n", errors="surrogateescape")
    script.chmod(0o755)
    clowder("up -n 1")
    clowder("up bad -n 1")
    clowder("everywhere -p bad --setup --", str(script), status=None)
    clowder("map --name", "a\x1b[31mb", "--", str(script), ":::", "x", status=None)
    wait_until(lambda: clowder("job show 1", status=None).status == 0)  # it is in the store


@pytest.mark.usefixtures("nasty")
@pytest.mark.parametrize("command", ["status bad", "status", "log", "job list", "job show 1"])
def test_no_command_shows_them(clowder, command):
    shown = clowder(command, status=None)
    assert is_plain(shown.out, shown.err) and shown.out


@pytest.mark.usefixtures("nasty")
def test_the_log_has_none_of_them(engine):
    assert is_plain(engine.log)
