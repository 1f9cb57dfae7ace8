"""Daemons of another engine on this machine: what is refused, what is counted, and how they end."""
import pytest

from waiting import wait_until


@pytest.fixture
def profile(clowder, daemon_command):
    """With a command and no base yet."""
    clowder("profile set r --runtime command -n 2", *daemon_command)


def test_an_unknown_runtime_is_answered_with_those_there_are(clowder):
    clowder("profile set r --runtime mirrai", status=2).says("mirai")


def test_without_a_command_nothing_comes_up(clowder):
    clowder("profile set r --runtime command -n 2")
    clowder("up r", status=2).says("no command")


@pytest.mark.usefixtures("profile")
@pytest.mark.parametrize("url, status, said", [
    ("http://elsewhere.example:80", 2, "not on this machine"), ("tcp://127.0.0.1:1", 3, "nothing listens at the base")])
def test_a_base_that_cannot_be_dialled_is_refused(clowder, url, status, said):
    clowder(f"profile set r --base {url}")
    clowder("up r", status=status).says(said)


@pytest.mark.usefixtures("profile")
@pytest.mark.parametrize("command", ["map", "submit"])
def test_our_own_tasks_are_not_for_them(clowder, base, command):
    clowder(f"profile set r --base {base(20000, 64).url}")
    clowder("up r")
    clowder(f"{command} -p r -- echo {{}} ::: a", status=2).says("take their tasks from another program")


@pytest.mark.usefixtures("profile")
def test_tasks_are_done_and_counted(clowder, base, traffic):
    own = base(20000, 64)
    clowder(f"profile set r --base {own.url}")
    assert clowder("up r").out == "r: 2 daemons up\n"
    assert own.finish()["right"] == 20000
    wait_until(lambda: traffic()["results"] == 20000)
    seen = traffic()
    assert (seen["tasks"], seen["framing"], seen["framed"]) == (20002, "sp", True)  # SP alone: the two init frames count as tasks
    assert clowder.profile("r")["tasks"]["completed"] == 20000
    assert sum(daemon["done"] for daemon in clowder.daemons("r")) == 20000
    own.end()


@pytest.mark.usefixtures("profile")
def test_when_the_base_is_over_daemons_wait_for_the_next_one(clowder, base):
    first = base(5, 64)
    clowder(f"profile set r --base {first.url}")
    clowder("up r")
    first.finish()
    first.end()
    wait_until(lambda: clowder.state("r") == "launching")
    wait_until(lambda: "nothing listens at the base" in clowder.profile("r")["reason"])
    second = base(5, 64)
    clowder(f"profile set r --base {second.url}")  # port 0 gives another each time
    clowder("down r")
    clowder("up r")
    second.finish()
    second.end()


@pytest.mark.usefixtures("profile")
def test_when_the_engine_dies_nothing_of_it_stays(clowder, engine, base, no_daemons):
    clowder(f"profile set r --base {base(1000000000, 64, 600).url}")
    clowder("up r")
    engine.kill()
    wait_until(no_daemons)
    clowder("up r")
    wait_until(lambda: clowder.profile("r")["daemons"]["connected"] == 2)
    clowder("down r")
    wait_until(no_daemons)
    clowder("status --json")
