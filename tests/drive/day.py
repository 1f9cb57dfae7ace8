"""Hours of daemons: windows of the day around now, and what they do to a profile."""
import time

from waiting import wait_until


def at(hours):
    return time.strftime("%H:%M", time.localtime(time.time() + hours * 3600))


CLOSED = f"{at(-2)}-{at(-1)}"  # it ended an hour ago
OPEN = f"{at(-1)}-{at(1)}"


def close(clowder, name, *options):
    """Sets hours that are over, and waits until all of its daemons are paused."""
    clowder(f"up {name} --hours {CLOSED}", *options)
    wait_until(lambda: clowder.state(name) == "paused")


def reopen(clowder, name):
    clowder(f"up {name} --hours {OPEN}")
    wait_until(lambda: clowder.state(name) == "up")
