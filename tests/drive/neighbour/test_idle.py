"""A worker that has nothing to do, and tasks that come one by one: some are on their way to it when its daemon pauses."""
import subprocess
import threading
import time

from day import close, reopen
from waiting import same, wait_until


class Trickle:
    """Lines for a program, one in a millisecond, until enough is said."""

    def __init__(self, stdin):
        self.stdin, self.given, self.going_on = stdin, [], True
        self.thread = threading.Thread(target=self.go, daemon=True)
        self.thread.start()

    def go(self):
        while self.going_on:
            self.given.append(f"{len(self.given) + 1}\n")
            self.stdin.write(self.given[-1].encode())
            self.stdin.flush()
            time.sleep(0.001)
        self.stdin.close()

    def enough(self):
        self.going_on = False
        self.thread.join()
        return "".join(self.given)


def test_no_line_is_lost_on_its_way_to_a_worker_that_pauses(clowder):
    clowder("up idle -n 2")
    running = clowder.start("map -p idle -w -- cat", stdin=subprocess.PIPE)
    lines = Trickle(running.stdin)
    wait_until(lambda: running.out.stat().st_size)
    for _ in range(20):
        close(clowder, "idle")
        reopen(clowder, "idle")
    given = lines.enough()
    same(running.wait().out, given)
