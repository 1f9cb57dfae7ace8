"""An sshd that forbids to forward: the port on the host is not its own, but the supervisor's."""
from waiting import wait_until


def test_tasks_pass_where_forwarding_is_forbidden(clowder, ready, base, daemon_command, traffic):
    ready(1, "AllowTcpForwarding no")
    own = base(5000, 64)
    clowder(f"profile set r --runtime command --base {own.url} --on h1:3", *daemon_command)
    clowder("up r")
    done = own.finish()
    assert (done["right"], done["wrong"]) == (5000, 0)
    wait_until(lambda: traffic()["results"] == 5000)
    clowder("down r")
    own.end()
