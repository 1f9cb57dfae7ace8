"""A real Dask scheduler, and real workers on two hosts and here."""
import json
import subprocess

import pytest

from programs import SOURCE
from waiting import wait_until

PYTHON = "/usr/bin/python3"


@pytest.fixture
def scheduler(engine, work, ready):
    """Its address."""
    if subprocess.run([PYTHON, "-c", "import distributed"], capture_output=True, check=False).returncode:
        pytest.skip("needs python3-distributed")
    ready(2)
    engine.start(*engine.desktop, PYTHON, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard",
                 "--scheduler-file", "scheduler.json")
    file = work / "scheduler.json"
    wait_until(lambda: file.exists() and file.read_text().endswith("}"))
    return json.loads(file.read_text())["address"]


def test_workers_do_work_reach_each_other_and_are_replaced(clowder, engine, traffic, scheduler):
    clowder("host edit h1 --tag fast")
    clowder(f"profile set d --runtime dask --base {scheduler} --on h1:2 --on h2:1 -n 1")
    assert clowder("up d --timeout 60s").out == "d: 4 daemons up\n"
    there = next(daemon for daemon in clowder.daemons("d") if daemon["host"] == "h1")
    work = engine.run(*engine.desktop, PYTHON, SOURCE / "tests/drive/runtimes/dask_work.py", there["pid"])
    assert work.lines == ["workers d-1 d-2 d-3 d-4", "right True", "shared True", "fast 2", "right again True", "four again True"]
    assert clowder.profile("d")["daemons"]["connected"] == 4
    seen = traffic("d")
    assert (seen["framing"], seen["framed"]) == ("dask", True) and seen["messages_up"] > 100
    clowder("down d")
    wait_until(lambda: not engine.running("dask worker.*--name d-"))
