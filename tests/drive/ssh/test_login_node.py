"""A scheduler's host is the machine that ssh knows by its name, a host of the inventory, or this machine."""
import pytest


@pytest.fixture
def knows_hpc(engine, work):
    (work / "ssh").write_text("Host hpc other\n  HostName 192.0.2.7\n  User me\n")
    engine.env["CLOWDER_SSH_CONFIG"] = str(work / "ssh")


def shown(clowder, name):
    host = clowder(f"host show {name} --json").json
    ssh = host["ssh"]
    return host["address"], ssh and f"{ssh['user']}@{ssh['hostname']}:{ssh['port']}"


@pytest.mark.usefixtures("knows_hpc")
@pytest.mark.parametrize("words, address, leads_to", [
    ("hpc --launcher slurm", "hpc", "me@192.0.2.7:22"),
    ("hpc --launcher sge", "hpc", "me@192.0.2.7:22"),
    ("hpc local --launcher slurm", "local", None),
    ("cluster --launcher lsf", "local", None),
    ("cluster hpc --launcher pbs", "hpc", "me@192.0.2.7:22"),
    ("cluster spare --launcher pbs", "192.0.2.9", "you@192.0.2.9:2200"),
    ("cluster other@spare --launcher pbs", "spare", "other@spare:22"),
])
def test_where_its_scheduler_is(clowder, words, address, leads_to):
    clowder("host add spare you@192.0.2.9:2200")
    said = clowder(f"host add {words}").out
    assert shown(clowder, words.split()[0]) == (address, leads_to)
    assert address in said, "it is said when it is added"


@pytest.mark.usefixtures("knows_hpc")
def test_a_host_that_becomes_a_schedulers_stays_where_it_is(clowder):
    clowder("host add hpc")
    clowder("host edit hpc --launcher slurm")
    assert shown(clowder, "hpc") == ("hpc", "me@192.0.2.7:22")
    clowder("host edit hpc --no-address")
    assert shown(clowder, "hpc") == ("local", None)
