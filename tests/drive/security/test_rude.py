"""Whoever breaks off, lies or does not read on the control sockets disturbs nobody else there, and leaves nothing behind."""
import os

import pytest

from programs import SOURCE
from waiting import needs, wait_until


@pytest.fixture
def job(clowder, work):
    """One that does not end, so that the engine has opened what jobs need."""
    clowder("up -n 1")
    number = clowder.submit("-- sh -c", "touch runs; until test -e never; do sleep 0.1; done", ":::", "1")
    wait_until((work / "runs").exists)
    return number


def descriptors(pid):
    """Without the store's, which are opened when they are needed."""
    count = 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += "/clowder.db" not in os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            pass
    return count


def test_after_rude_ones_polite_ones_are_served_and_nothing_is_left(clowder, engine, job):
    before = descriptors(engine.pid)
    rude = engine.run("python3", SOURCE / "tests/e2e/rude.py", engine.sockets, 180, job)
    assert rude.out == "polite ones were served\n"
    clowder("down never")  # its waiters are gone, the profile is not
    wait_until(lambda: descriptors(engine.pid) <= before)
    needs("nngcat", "nng-utils")
    updates = engine.run("timeout", "20", "nngcat", "--sub", "--dial", f"ipc://{engine.sockets}/updates.sock", "--ascii", "--count", 2)
    assert updates.out.count('status {"engine"') == 2
