"""Load that others make pauses; load that tasks make does not. What runs needs no CPU (waiting.c)."""
import math
import re
import time

import pytest

import procs
from programs import TESTS_BIN
from waiting import needs_mount_namespace, numbers, wait_until

WAITING = TESTS_BIN / "waiting"


def test_the_kernels_own_word_counts(clowder, engine):
    """Our load is above next to nothing, whatever others do."""
    clowder("up real -n 1 --pause-load 0.01")
    others = engine.start(WAITING, 12)
    wait_until(lambda: clowder.state("real") == "paused")
    assert re.search("load [0-9.]+ of others, above 0.01", clowder.profile("real")["reason"])
    others.kill()
    clowder("up real --pause-load 1000")
    wait_until(lambda: clowder.state("real") == "up")


class Load:
    """What the kernel would say, laid over its own word for the engine alone: what else this machine does counts for nothing."""

    def __init__(self, engine):
        self.file = engine.work / "loadavg"
        self.say(0.20)
        engine.run("unshare", "-m", "sh", "-c", f"mount --bind '{self.file}' /proc/loadavg && exec clowder engine start")

    def say(self, load):
        with open(self.file, "r+" if self.file.exists() else "w") as f:  # in its place: it is mounted
            f.write(f"{load:.2f} 0.00 0.00 1/100 1\n")


@pytest.fixture
def load(clowder, engine):
    needs_mount_namespace("a /proc/loadavg of the test's own")
    own = Load(engine)
    clowder("up load -n 12 --pause-load 3.5")
    return own


def test_a_load_below_the_mark_does_not_pause(clowder, load):
    load.say(0.30)
    assert clowder.state("load") == "up"


def all_wait(engine, count):
    table = procs.table()
    return sum(table[pid]["state"] == "D" for pid in engine.running(f"^{WAITING}") if pid in table) == count


def test_load_of_tasks_does_not_pause_and_load_of_others_does(clowder, engine, load):
    running = clowder.start("map -p load --", WAITING, 4, stdin=numbers(12))
    wait_until(lambda: all_wait(engine, 48))
    began, average = time.monotonic(), 0
    while average < 8:  # from the mark to well above it: longer than daemons take to look again
        average = 0.2 + 48 * (1 - math.exp((began - time.monotonic()) / 60))  # as the kernel has it, over a minute
        load.say(average)
        time.sleep(0.1)
    assert not engine.logged("paused daemon=load"), f"paused for its own load, {average}"
    load.say(40)
    wait_until(lambda: clowder.profile("load")["daemons"]["paused"] == 12)
    assert re.search("load [0-9.]+ of others, above 3.5", clowder.profile("load")["reason"])
    running.leave()


def test_tasks_wait_until_the_load_of_others_is_over(clowder, load):
    load.say(40)
    wait_until(lambda: clowder.profile("load")["daemons"]["paused"] == 12)
    running = clowder.start("map -p load -- echo", stdin=numbers(20))
    wait_until(lambda: clowder.profile("load")["tasks"]["awaiting"] == 20)
    load.say(0.20)
    assert running.wait().out == numbers(20)
