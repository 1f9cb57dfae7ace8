"""Many connections, and large messages."""
from waiting import wait_until


def test_64_daemons(clowder, ready, base, daemon_command, traffic):
    ready(2)
    own = base(20000, 1000)
    clowder(f"profile set r --runtime command --base {own.url} --on h1:32 --on h2:32", *daemon_command)
    clowder("up r")
    done = own.finish()
    assert (done["right"], done["wrong"]) == (20000, 0)
    wait_until(lambda: traffic()["results"] == 20000)
    assert traffic()["connections"] == 64
    clowder("down r")
    own.end()


def test_messages_of_100_mb(clowder, ready, base, daemon_command, traffic):
    ready(2)
    own = base(4, 100000000)
    clowder(f"profile set r --runtime command --base {own.url} --on h1:1 --on h2:1", *daemon_command)
    clowder("up r")
    done = own.finish()
    assert (done["right"], done["wrong"]) == (4, 0)
    wait_until(lambda: traffic()["results"] == 4)
    assert traffic()["bytes_up"] > 400000000
    own.end()
