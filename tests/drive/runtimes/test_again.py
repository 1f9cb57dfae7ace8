"""Up at once after down, while the link is still on its way to rest."""
from waiting import wait_until


def test_up_and_down_by_turns_measure_nothing_that_nobody_asked_for(clowder, base, daemon_command, no_daemons):
    clowder(f"profile set r --runtime command --base {base(1000000000, 64, 600).url} -n 2", *daemon_command)
    for _ in range(40):
        clowder("up r")
        clowder("down r")
    wait_until(no_daemons)
    assert "step=probe" not in clowder("log").out
