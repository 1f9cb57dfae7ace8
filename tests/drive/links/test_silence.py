"""A host that does not answer any more: it is shown at once, believed soon, whatever waits for it, and nothing is launched there."""
import re

import pytest

from cable import Cable
from waiting import wait_until

BELIEVED_S = 45


@pytest.fixture
def cable(clowder, lab):
    """Of h1, where a daemon is up."""
    own = Cable(lab(1))
    clowder("host add h1")
    clowder("up far --on h1:1")
    return own


def state(clowder):
    return clowder("host show h1 --json").json["state"]


def test_silence_is_shown_and_believed_while_a_probe_waits(clowder, engine, cable):
    cable.cut()
    probe = clowder.start("host probe h1")
    wait_until(lambda: state(clowder) == "silent")
    clowder("host list").prints("^~ silent +h1", "no answer for [0-9]+ s; its tasks keep running")
    assert clowder.profile("far")["hosts"][0]["state"] == "silent"
    clowder("scale far --on h1:3 --no-wait")
    assert clowder.profile("far")["daemons"]["launching"] == 0
    wait_until(lambda: engine.logged("has not answered for"))
    for seconds in re.findall("has not answered for ([0-9]+) s", engine.log):
        assert int(seconds) <= BELIEVED_S
    cable.mend()
    wait_until(lambda: clowder.profile("far")["daemons"]["connected"] == 3)
    assert state(clowder) == "up"
    probe.wait(None)


def test_a_host_that_speaks_again_in_time_stays(clowder, engine, cable):
    before = clowder.daemons("far")[0]["pid"]
    cable.cut()
    wait_until(lambda: state(clowder) == "silent")
    cable.mend()
    wait_until(lambda: state(clowder) == "up")
    assert engine.logged("heard again") and not engine.logged("has not answered for")
    wait_until(lambda: [d["pid"] for d in clowder.daemons("far") if d["state"] == "idle"] == [before])
