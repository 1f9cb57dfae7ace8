"""The way home on a host is for its user, and so for anything that user runs: a crowd of silent connections keeps nobody else out for
long."""
import re
import subprocess

import pytest

from programs import SOURCE
from waiting import lines_of, numbers, wait_until

TUNNEL = re.compile(r"host=h1 step=tunnel url=ipc://(\S+)")


def connections(clowder):
    return clowder.status()["engine"]["connections"]


@pytest.fixture
def crowd(clowder, engine, lab):
    """On h1, where profile far is; near is on another host."""
    lab(2)
    for name, host in (("far", "h1"), ("near", "h2")):
        clowder(f"host add {host}")
        clowder(f"up {name} --on {host}:1")
    way = TUNNEL.findall(engine.log)[-1]
    own = engine.start("python3", SOURCE / "tests/drive/security/crowd.py", way, stdin=subprocess.PIPE)
    wait_until(lambda: lines_of(own.out) == ["here"])
    wait_until(lambda: connections(clowder) > 900)
    return own


def test_another_hosts_daemon_comes_home_at_its_first_try(clowder, engine, crowd):
    clowder("up near --on h2:2")
    assert engine.logged("daemon launched daemon=near-") == 2
    assert not crowd.is_over()


@pytest.mark.usefixtures("crowd")
def test_it_disturbs_no_map_on_the_same_host(clowder, engine):
    assert clowder("map -p far -- echo", stdin=numbers(100)).out == numbers(100)
    wait_until(lambda: engine.logged("more than 1000 connections without a hello"))


def test_when_it_leaves_its_places_are_free(clowder, crowd):
    crowd.stdin.close()
    wait_until(lambda: connections(clowder) < 20)
    clowder("up far --on h1:2")
