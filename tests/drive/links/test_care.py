"""Machines as they are looked after: what of ours lies and runs there, and waking them."""
import os
import subprocess

import pytest

from waiting import wait_until


@pytest.fixture
def host(clowder, lab):
    own = lab(1)
    clowder("host add h1")
    clowder("up --on h1:2")
    return own


def cache(host):
    return os.path.join(host.lab, "h1/home/.cache/clowder")


def programs(host):
    return sorted(name for name in os.listdir(cache(host)) if name.startswith("clowder-daemon-"))


def test_programs_of_other_versions_go(clowder, host):
    own = programs(host)
    with open(os.path.join(cache(host), "clowder-daemon-0123456789abcdef"), "wb") as f:
        f.write(b"x" * 5000)
    assert clowder("host probe h1 --json").json["hosts"][0]["facts"]["programs"] == 2
    done = clowder("host clean h1 --json").json["hosts"][0]
    assert (done["removed"], done["removed_bytes"], done["programs"], done["running"], done["ended"]) == (1, 5000, 1, 2, 0)
    assert programs(host) == own
    assert clowder("map -- echo ::: on").out == "on\n", "those that run go on"


def test_all_of_ours_goes_from_a_host_that_nobody_uses(clowder, host):
    clowder("host clean --all --yes h1", status=5).says_one_line("host 'h1' is in use")
    clowder("down")
    [program] = programs(host)
    stray = subprocess.Popen([os.path.join(cache(host), program)], stdin=subprocess.PIPE)
    done = clowder("host clean --all --yes h1")
    assert done.out.startswith("h1: 1 program removed (") and "1 daemon ended" in done.out
    assert stray.wait(20) != 0
    stray.stdin.close()
    assert programs(host) == []
    clowder("up --on h1:1")
    assert len(programs(host)) == 1, "it is uploaded again"


def test_what_failed_is_not_done_later(clowder, host):
    clowder("down")
    [program] = programs(host)
    stray = subprocess.Popen([os.path.join(cache(host), program)], stdin=subprocess.PIPE)
    host.shell("lab_stop 1")
    clowder("host clean --all --yes --timeout 3s h1", status=None).says("h1")
    host.shell("lab_sshd 1")
    clowder("up --on h1:1")
    assert stray.poll() is None, "nobody asked for that any more"
    stray.kill()
    stray.wait()
    stray.stdin.close()



def test_a_host_that_wakes_is_waited_for(clowder, host):
    clowder("down")
    clowder("host edit h1 --mac 02:00:00:00:00:01")
    assert clowder("host wake h1 --wait").out == "h1: awake\n"
    host.shell("lab_stop 1")
    clowder("host wake h1 --wait --timeout 3s", status=None)
    running = clowder.start("host wake h1 --wait --timeout 2m")
    wait_until(lambda: not running.is_over())
    host.shell("lab_sshd 1")
    assert running.wait().out == "h1: awake\n"
