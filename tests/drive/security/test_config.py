"""An ssh configuration that somebody else may write is not believed: what stands in it is run."""
import os

import pytest

from waiting import wait_until


@pytest.fixture
def user(user, account):
    """ssh serves nobody whom the machine does not know."""
    account("-M", "-d", str(user.home), "-u", str(user.uid))
    return user


@pytest.fixture
def probe(user):
    """Asks for a host that a file of the user's, and one that it includes, tell how to reach."""
    ssh = user.home / ".ssh"
    ssh.mkdir()
    (ssh / "config").write_text(f"Include more\nHost far\n HostName 127.0.0.1\n ProxyCommand touch {user.home}/ran; cat\n")
    (ssh / "more").write_text("\n")
    for path in (ssh, ssh / "config", ssh / "more"):
        user.own(path)
    for name in ("config", "more"):
        (ssh / name).chmod(0o644)
    run = user.home / "run"
    run.mkdir(0o700)
    user.own(run)
    env = {"XDG_RUNTIME_DIR": run, "CLOWDER_SSH_CONFIG": None}
    user.clowder("host add far", env=env)
    yield lambda status: user.clowder("host probe far --timeout 20s", env=env, status=status)
    user.clowder("engine stop --now", env=env)


@pytest.mark.parametrize("name", ["config", "more"])
@pytest.mark.parametrize("owner, mode", [("user", 0o666), ("user", 0o664), ("other", 0o644)])
def test_a_file_that_others_may_write_is_refused(people, user, probe, name, owner, mode):
    file = user.home / ".ssh" / name
    os.chown(file, people[owner == "other"].uid, -1)
    file.chmod(mode)
    probe(5).says_one_line(f"ssh refuses its configuration: Bad owner or permissions on .*/.ssh/{name}")
    assert not (user.home / "ran").exists(), "the ProxyCommand of somebody else's file was run"


def test_ones_own_is_believed(user, probe):
    probe(None)  # it is no server; but it was run
    wait_until((user.home / "ran").exists)
