"""The engine asks ssh, and waits for nothing while it does."""
import pytest

from waiting import needs, wait_until


@pytest.fixture
def configured(engine, clowder):
    """configured(text): the ssh configuration; the host far is in the inventory."""
    needs("ssh", "openssh-client")
    config = engine.work / "ssh_config"
    engine.env["CLOWDER_SSH_CONFIG"] = str(config)
    clowder("host add far")
    return config.write_text


def state(clowder):
    return clowder("host show far --json").json["state"]


def test_a_configuration_that_ssh_refuses_makes_a_host_rest(clowder, configured):
    configured("Host far\n NoSuchKeyword yes\n")
    clowder("up --on far:1 --timeout 30s", status=None).says("ssh refuses its configuration: .*nosuchkeyword")
    assert state(clowder) == "refused"
    configured("Host far\n HostName 127.0.0.1\n Port 1\n")
    clowder("host retry far")
    wait_until(lambda: state(clowder) == "backoff")


def test_doctor_says_what_ssh_says(clowder, configured):
    configured("NoSuchKeyword yes\n")
    clowder("doctor", status=None).prints("ssh refuses its configuration: .*nosuchkeyword")
    clowder("doctor far", status=None).prints("ssh refuses its configuration: .*nosuchkeyword")


def test_a_command_of_the_configuration_holds_nobody_up(engine, clowder, configured):
    configured('Host far near\nMatch exec "sleep 1000"\n')
    clowder.start("host import --json --yes")
    clowder.start("host probe far")
    wait_until(lambda: len(engine.running("^sleep 1000")) == 2)
    clowder("up -n 1")
    clowder("status")
    assert clowder("map -- echo ::: done").out == "done\n"
    assert engine.running("^sleep 1000"), "it was waited for"
    clowder("engine stop --now", timeout=6)  # ssh would have ten seconds
    wait_until(lambda: not engine.running("sleep 1000"))
