"""A base that listens at a socket: on the host, too, the way to it is a socket that nobody else reaches."""
import os
import re

import procs
from programs import PEER


def mode(path):
    return os.stat(path).st_mode & 0o777


def test_the_way_to_a_socket_is_a_socket_of_the_user_alone(clowder, engine, work, ready, base, daemon_command):
    ready(1)
    own = base(2000, 64, url=f"ipc://{work}/base.sock")
    clowder(f"profile set r --runtime command --base {own.url} --on h1:2 -n 1", *daemon_command)
    clowder("up r")
    done = own.finish()
    assert (done["right"], done["wrong"]) == (2000, 0)
    dialled = [re.search(r"ipc://(\S+)", procs.command(pid)) for pid in engine.running(f"^{PEER} daemon ")]
    paths = {found[1] for found in dialled if found}
    assert paths, "no daemon dials a socket"
    for path in paths:
        assert (mode(path), mode(os.path.dirname(path))) == (0o600, 0o700), f"{path} is open to others"
    clowder("down r")
    own.end()
