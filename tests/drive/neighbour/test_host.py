"""Two daemons on a host and one here: what is paused there is done here."""
import pytest

from day import CLOSED, OPEN
from owner import Session
from waiting import needs_namespaces, numbers, same, wait_until

# Where namespaces can be had, the host has a utmp of its own.
OWN_UTMP = """mkdir -p $LAB/h1 && echo "mount -t tmpfs none /run && mkdir -p /run/sshd && ln -s $LAB/h1/utmp /run/utmp" >$LAB/h1/mount"""


@pytest.fixture
def h1(clowder, lab):
    host = lab(1, before=OWN_UTMP)
    clowder("host add h1")
    clowder("up far --on h1:2 --nice 11 --mem 300M")
    return host


def hosts(clowder):
    return {host["host"]: host for host in clowder.profile("far")["hosts"]}


@pytest.mark.usefixtures("h1")
def test_limits_are_in_force_on_a_host(clowder):
    assert clowder("map -p far -- sh -c nice ::: x").out == "11\n"
    assert "memory 300M" in clowder.limits("far")


def busy_map(clowder, count, seconds):
    """On all three; each result has the host before it."""
    clowder("up far -n 1")
    running = clowder.start("map -p far -- sh -c", f"echo $CLOWDER_HOST {{}}; sleep {seconds}", stdin=numbers(count))
    wait_until(lambda: clowder.profile("far")["daemons"]["busy"] == 3)
    return running


def results(running):
    return "".join(f"{line.split()[1]}\n" for line in running.wait().lines)


@pytest.mark.usefixtures("h1")
def test_all_pause_and_go_on(clowder):
    running = busy_map(clowder, 200, 0.02)
    clowder(f"up far --hours {CLOSED}")
    wait_until(lambda: {host["state"] for host in hosts(clowder).values()} == {"paused"})
    wait_until(lambda: clowder.profile("far")["tasks"]["executing"] == 0)
    assert "outside its hours" in hosts(clowder)["h1"]["reason"]
    clowder(f"up far --hours {OPEN}")
    same(results(running), numbers(200))


@pytest.fixture
def session(h1, engine):
    needs_namespaces(h1)
    own = Session(engine.work / "lab/h1/utmp")
    own.log_out()
    yield own
    own.close()


def test_what_is_on_a_host_goes_elsewhere_when_its_owner_comes(clowder, session):
    clowder("up far --pause-user 1h")
    running = busy_map(clowder, 600, 0.05)
    session.log_in()
    wait_until(lambda: hosts(clowder)["h1"]["state"] == "paused")
    assert clowder.state("far") in ("up", "partial")
    same(results(running), numbers(600))
    assert {line.split()[0] for line in running.wait().lines[-50:]} == {"local"}, "its owner came, and it worked on"
    assert clowder.profile("far")["tasks"]["retried"] == 0
    session.log_out()
    wait_until(lambda: clowder.profile("far")["daemons"]["paused"] == 0)
