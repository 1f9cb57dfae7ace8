"""A profile that was changed while it was up comes back with what it has now: it rests with its reason, and nobody dies of it."""
import pytest

from waiting import wait_until


@pytest.mark.parametrize("runtime, reason", [("mirai", "no base URL for its daemons"), ("command", "no command for its daemons")])
def test_a_profile_that_cannot_come_back_rests(clowder, engine, runtime, reason):
    clowder("up p -n 1")
    clowder(f"profile set p --runtime {runtime}")
    engine.kill()
    clowder("engine start")
    wait_until(lambda: clowder.state("p") == "failed" and reason in clowder.profile("p")["reason"])


def test_it_comes_up_when_it_is_mended(clowder, engine):
    clowder("up p -n 1")
    clowder("profile set p --runtime command")
    engine.kill()
    clowder("up p", status=2).says("no command for its daemons")
    clowder("profile set p --runtime clowder")
    clowder("down p")
    clowder("up p")
    assert clowder("map -p p -- echo ::: fine").out == "fine\n"
