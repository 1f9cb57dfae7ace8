"""up that runs out of time says which host is not there, and what it waits for."""
import socket

import pytest


@pytest.fixture
def mute():
    """The port of a server that says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_who_is_missing_is_named(engine, clowder, mute):
    config = engine.work / "ssh_config"
    config.write_text(f"Host far\n HostName 127.0.0.1\n Port {mute}\n")
    engine.env["CLOWDER_SSH_CONFIG"] = str(config)
    clowder("host add far")
    clowder("up -n 1 --on far:2 --timeout 2s", status=6).says_one_line(r"'default' is not up yet: far has 0 of 2 daemons \((connect|hostkey)\); see")
