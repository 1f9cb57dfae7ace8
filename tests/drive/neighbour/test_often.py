"""Pauses over and over: every task ends once, and none is done twice."""
import pytest

from day import close, reopen
from waiting import lines_of, numbers, same, wait_until

WORKER = """import sys, time
for line in sys.stdin:
    open("ran", "a").write(line); time.sleep(0.001); print(line, end="", flush=True)"""
COMMANDS = ("-- sh -c", "echo {} >>ran; sleep 0.02; echo {}"), 400
LINES = ("-w -- python3 -uc", WORKER), 6000


@pytest.mark.parametrize("command, count", [COMMANDS, LINES], ids=["commands", "lines"])
def test_tasks_run_once_however_often_daemons_pause(clowder, work, command, count):
    clowder("up often -n 2 --idletime 1h")
    running = clowder.start("map -p often " + command[0], command[1], stdin=numbers(count))
    wait_until(lambda: lines_of(work / "ran"))
    for _ in range(4):
        close(clowder, "often")
        wait_until(lambda: clowder.profile("often")["tasks"]["executing"] == 0)
        reopen(clowder, "often")
    assert not running.is_over(), "over before the last pause"
    same(running.wait().out, numbers(count))
    same("\n".join(sorted(lines_of(work / "ran"), key=int)) + "\n", numbers(count))
    assert clowder.profile("often")["tasks"]["retried"] == 0, "pauses count as retries"
