"""What starts, or connects, and ends at once: pauses that grow, and then quarantine with the reason, whatever the runtime is."""
import pytest

import procs
from servers import serving
from waiting import numbers, wait_until

# It connects to its base, says nothing, and ends with a status.
FLAP = """#!/bin/sh
exec python3 -c '
import socket, sys
host, port = sys.argv[1].split("/")[2].split(":")
socket.create_connection((host, int(port)))
sys.exit(int(sys.argv[2]))' "$@"
"""


@pytest.fixture
def listener():
    """The url of somebody who lets all in, and out again."""
    with serving(lambda peer: peer.close()) as url:
        yield url


def script(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def launches(engine, name):
    return engine.logged(f"launched daemon={name}-")


def gave_up(engine, name, why=""):
    return engine.logged(f"gave up profile={name} .*last=.*{why}")


def test_a_command_that_ends_at_once_is_given_up(clowder, engine):
    clowder("profile set plain --runtime command -n 2 -- sh -c", "echo broken today >&2; exit 7")
    clowder("up plain --no-wait")
    wait_until(lambda: gave_up(engine, "plain", "ended with status 7"))
    assert launches(engine, "plain") <= 12


@pytest.mark.parametrize("status", [0, 3])
def test_a_daemon_that_connects_and_ends_is_given_up(clowder, engine, work, listener, status):
    flap = script(work / "flap", FLAP)
    clowder(f"profile set flap --runtime command --base {listener} -n 2 --", flap, "{url}", str(status))
    clowder("up flap --no-wait")
    wait_until(lambda: gave_up(engine, "flap", "ended"))
    wait_until(lambda: clowder.state("flap") == "failed")
    assert launches(engine, "flap") <= 12


def test_those_that_are_not_to_be_replaced_are_done_however_short_that_was(clowder, engine, work, listener):
    script(work / "brief/Rscript", "#!/bin/sh\nexit 13\n")  # what R ends with after maxtasks
    clowder(f"profile set brief --runtime mirai --no-respawn --base {listener} --env PATH={work}/brief:/usr/bin:/bin -n 3")
    clowder("up brief --no-wait")
    wait_until(lambda: engine.logged("leaves daemon=brief-.*maxtasks") == 3 and clowder.state("brief") == "stopped")
    assert clowder.profile("brief")["reason"] == "", "taken for a failure"
    assert launches(engine, "brief") == 3


def test_our_own_are_given_up_when_somebody_kills_them_as_soon_as_they_are_there(clowder, engine):
    clowder("up own -n 1")
    killed = 0

    def another():
        profile = clowder.profile("own")
        pid = profile["daemon_list"][0]["pid"] if profile["daemons"]["connected"] else 0
        return pid and pid != killed and pid
    while not gave_up(engine, "own", "own-"):
        pid = wait_until(lambda: gave_up(engine, "own", "own-") and -1 or another())
        if pid > 0:
            killed = pid
            procs.kill(pid)
    assert launches(engine, "own") <= 8


def test_one_that_works_is_replaced_at_once_however_often_its_tasks_end_it(clowder, engine):
    clowder("up good -n 1")
    got = clowder("map -p good --retries 0 -- sh -c", "echo {} && [ $(({} % 2)) = 0 ] || kill -9 $PPID", stdin=numbers(40), status=None)
    assert got.out == numbers(2, 40, 2), "tasks between others that end their daemon"
    assert not gave_up(engine, "good")
