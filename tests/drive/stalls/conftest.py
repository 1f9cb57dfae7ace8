"""What stalls: a store, a disk, a base, a name. Nobody else waits for it."""
import os
import socket
import sqlite3

import pytest

from programs import is_sanitized

SLOW = os.path.join(os.environ["CLOWDER_BUILD"], "bin/tests/libfaultslow.so")


@pytest.fixture
def wanted(engine):
    """wanted(NAME): is the profile wanted up, as the store has it, whoever runs?"""
    def look(name):
        store = sqlite3.connect(f"file:{engine.store}?mode=ro", uri=True)
        try:
            row = store.execute("SELECT wanted FROM profile WHERE name = ?", [name]).fetchone()
        finally:
            store.close()
        return row and bool(row[0])
    return look


@pytest.fixture
def slow(clowder):
    """slow("FSYNC", 2000): an engine that runs where each of these takes so many ms (../../faults/slow.c)."""
    if is_sanitized():
        pytest.skip("a sanitizer takes no other functions")

    def start(what, ms):
        clowder("engine start", env={"LD_PRELOAD": SLOW, f"CLOWDER_SLOW_{what}_MS": ms})
    return start


@pytest.fixture
def deaf_port():
    """A port whose queue is full: whoever knocks is not heard, and waits."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    held = [listener]
    for _ in range(4):
        held.append(socket.socket())
        held[-1].setblocking(False)
        held[-1].connect_ex(listener.getsockname())
    yield listener.getsockname()[1]
    for each in held:
        each.close()
