"""The kernel's groups of daemons with limits: each goes with its daemon, and nobody else's is touched."""
import json
import os
import signal
import subprocess

import pytest

from waiting import needs_root, wait_until

OWN = r'echo /sys/fs/cgroup$(sed -n "s/^0:://p" /proc/self/cgroup)'


@pytest.fixture
def group(clowder):
    """Asks the daemon of profile one for the folder of its group."""
    clowder("up one -n 1 --mem 100M")
    if "in total (cgroup)" not in clowder.limits("one"):
        pytest.skip("needs a cgroup2 that we may write to")
    return lambda: clowder("map -p one -- sh -c", OWN, ":::", "x").out.strip()


def test_the_group_of_a_killed_daemon_goes_when_the_next_one_comes(clowder, group):
    killed = group()
    os.kill(clowder.daemons("one")[0]["pid"], signal.SIGKILL)
    wait_until(lambda: group() != killed)
    assert not os.path.exists(killed)


def test_a_group_goes_with_its_daemon_whoever_is_in_it(clowder, engine, group):
    folder = group()
    clowder("map -p one -- sh -c", 'setsid sleep 300.517 >/dev/null 2>&1 & while ! pgrep -f "^sleep 300.517"; do :; done', ":::", "x")
    clowder("up one --mem 0")
    clowder("map -p one -- true ::: x")
    clowder("down one")
    wait_until(lambda: not os.path.exists(folder))
    assert not engine.running("^sleep 300.517")


INSIDE = """set -e
mount --bind cg "$1"
clowder up group -n 1 --cpus 1 >/dev/null
clowder map -p group -- echo ::: x
clowder status group --json >group.json
clowder down group >/dev/null
clowder engine stop
"""


@pytest.fixture
def groups(work):
    """Groups that look like a daemon's, of many process numbers: files of our own, for whoever mounts them where the kernel's are."""
    folder = work / "cg"
    for i in range(1, 301):
        own = folder / f"clowder-{i}"
        own.mkdir(parents=True)
        for name, text in (("memory.max", "0"), ("memory.swap.max", "0"), ("cgroup.procs", "0"), ("cpu.max", "")):
            (own / name).write_text(text)
    for name in ("clowder-4194001", "clowder-4194002/in", "clowder-4194003.scope"):
        (folder / name).mkdir(parents=True)
    (folder / "cgroup.procs").write_text("")
    (folder / "cgroup.subtree_control").write_text("cpu memory\n")
    return folder


def where_groups_are():
    needs_root("a cgroup2, and namespaces of mounts and processes")
    with open("/proc/self/mountinfo") as f:
        mounted = [line.split()[4] for line in f if " - cgroup2 " in line]
    if not mounted or subprocess.run(["unshare", "-mpf", "--mount-proc", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs root, a cgroup2, and namespaces of mounts and processes")
    return mounted[0]


def test_a_group_that_is_there_already_is_made_anew_and_those_of_others_stay(engine, work, groups):
    (work / "inside.sh").write_text(INSIDE)
    assert engine.run("unshare", "-mpf", "--mount-proc", "bash", "inside.sh", where_groups_are()).out.startswith("x\n")
    daemon = json.loads((work / "group.json").read_text())["profiles"][0]["daemon_list"][0]
    own = groups / f"clowder-{daemon['pid']}"
    assert "1 CPUs (cgroup)" in daemon["limits"]
    assert (own / "cpu.max").read_text() == "100000 100000"
    assert [(own / name).read_text() for name in ("memory.max", "memory.swap.max")] == ["max", "max"], "an older limit is in force"
    assert not (groups / "clowder-4194001").exists(), "the group of a daemon that is gone"
    assert all((groups / name).exists() for name in ("clowder-4194002", "clowder-4194003.scope", "clowder-1"))
