"""A base in the user's session that gives out tasks, and hosts where its daemons run. Both are ../../e2e/sp_peer.c, which speaks as
mirai's do."""
import json
import subprocess

import pytest

from programs import PEER
from waiting import lines_of, wait_until

ENDS_S = 170  # a base that is not done by then has lost something; it is no measure of speed


class Base:
    """One on the desktop, for so many tasks of a size; it goes when it is told to."""

    def __init__(self, engine, tasks, size, seconds=ENDS_S, daemons=0, url="tcp://127.0.0.1:0"):
        self.running = engine.start(*engine.desktop, PEER, "base", url, tasks, size, seconds, daemons, stdin=subprocess.PIPE)
        self.port = wait_until(lambda: [line for line in lines_of(self.running.out) if line.startswith("port ")])[0][5:]
        self.url = f"tcp://127.0.0.1:{self.port}" if url.startswith("tcp:") else url

    def finish(self):
        """What it says when all of its tasks are done."""
        wait_until(lambda: len(lines_of(self.running.out)) == 2, seconds=ENDS_S + 10)
        return json.loads(lines_of(self.running.out)[1])

    def end(self):
        """As one that is content."""
        self.running.stdin.close()
        self.running.wait()


@pytest.fixture
def base(engine):
    return lambda *how, **more: Base(engine, *how, **more)


@pytest.fixture
def daemon_command(work):
    """Of a daemon that dials a base and does its tasks."""
    return ["--", str(PEER), "daemon", "{url}", "0", str(work)]


@pytest.fixture
def no_daemons(engine):
    """True when none of those runs any more."""
    return lambda: not engine.running(f"^{PEER} daemon ")


@pytest.fixture
def traffic(clowder):
    """What passed between a base and its daemons."""
    return lambda name="r": clowder.profile(name)["traffic"]


@pytest.fixture
def ready(clowder, lab):
    """ready(2): hosts that Clowder knows."""
    def make(count, lines=""):
        own = lab(count, lines)
        for i in range(1, count + 1):
            clowder(f"host add h{i}")
        return own
    return make
