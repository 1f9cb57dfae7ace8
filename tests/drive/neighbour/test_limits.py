"""Limits of daemons: in force for their tasks, said by status, kept with the profile."""
import os
import re

import pytest

from day import CLOSED
from waiting import wait_until

HOG = "import sys; x = bytearray(400 << 20); print(len(x))"
GROUP = r'/sys/fs/cgroup$(sed -n "s/^0:://p" /proc/self/cgroup)'


@pytest.fixture
def kind(clowder):
    """A daemon with limits; what is said of them."""
    clowder("up kind -n 1 --nice 12 --cpus 1 --mem 200M")
    return clowder.limits("kind")


def test_tasks_are_nice_and_their_daemon_is_not(clowder, kind):
    nice = clowder("map -p kind -- sh -c", 'cut -d " " -f 19 /proc/$$/stat; (nice)', ":::", "x")
    assert nice.lines == ["12", "12"] and "nice 12" in kind
    with open(f"/proc/{clowder.daemons('kind')[0]['pid']}/stat") as stat:
        assert int(stat.read().split()[18]) == os.nice(0)


def test_status_tells_the_limits(clowder, kind):
    assert f"limits: {kind}" in clowder("status kind").out


def test_the_limit_of_memory_that_is_said_is_the_one_that_tasks_see(clowder, kind):
    if "in total (cgroup)" in kind:
        assert clowder("map -p kind -- sh -c", f"cat {GROUP}/memory.max", ":::", "x").out == "209715200\n"
    else:
        assert "per process (rlimit" in kind
        assert clowder("map -p kind -- sh -c", "ulimit -v", ":::", "x").out == "204800\n"


def test_the_limit_of_cpus_that_is_said_is_the_one_that_tasks_see(clowder, kind):
    if "whole CPU" in kind:
        assert f"{clowder('map -p kind -- sh -c nproc ::: x').out.strip()} whole CPU" in kind
    elif "CPUs not limited" in kind:
        assert os.cpu_count() <= 1
    else:
        assert "CPUs (cgroup)" in kind


@pytest.mark.usefixtures("kind")
def test_a_task_that_wants_too_much_memory_fails_and_hears_of_the_limit(clowder):
    clowder("map -p kind -- python3 -c", HOG, ":::", "x", status=1).says("200M of memory.*set by --mem")
    clowder("map -p kind -w -- python3 -c", HOG, stdin="1\n2\n", status=1).says("ended with|200M of memory")
    clowder("map -p kind -- python3 -c", "x = bytearray(40 << 20); print(len(x))", ":::", "x")
    clowder("map -p kind -- no-such-program ::: x", status=1).says("command not found")


@pytest.mark.usefixtures("kind")
def test_another_profile_knows_nothing_of_limits(clowder):
    clowder("up plain -n 1")
    assert clowder("map -p plain -- sh -c", "nice; ulimit -v", ":::", "x").lines == [str(os.nice(0)), "unlimited"]


@pytest.mark.usefixtures("kind")
def test_new_limits_reach_daemons_that_are_up(clowder):
    clowder("profile set kind --nice 15 --cpus 0 --mem 0")
    clowder("up kind")
    wait_until(lambda: clowder("map -p kind -- sh -c nice ::: x").out == "15\n")
    assert clowder("map -p kind -- sh -c", "ulimit -v", ":::", "x").out == "unlimited\n"


SETTINGS = {"nice": 15, "cpus": 0, "mem_bytes": 1 << 30, "pause_load": 99.5, "pause_user_ms": 900000, "pause_now": True, "hours": CLOSED}


@pytest.fixture
def restrained(clowder):
    """A profile with every setting."""
    clowder(f"profile set kind --nice 15 --cpus 0 --hours {CLOSED} --pause-load 99.5 --pause-user 15m --pause-now --mem 1G")


def settings(clowder):
    shown = clowder("profile show kind --json").json
    return {name: shown[name] for name in SETTINGS}


@pytest.mark.usefixtures("restrained")
def test_settings_are_shown(clowder):
    assert settings(clowder) == SETTINGS
    assert re.search(f"pause  *outside {CLOSED}", clowder("profile show kind").out)


@pytest.mark.usefixtures("restrained")
def test_settings_are_exported_and_imported(clowder, work):
    (work / "exported").write_text(clowder("export").out)
    clowder("profile remove kind --yes")
    clowder("import exported")
    assert settings(clowder) == SETTINGS


@pytest.mark.parametrize("options", [
    "--nice 20", "--nice -1", "--cpus x", "--cpus 0.001", "--mem 10K", "--pause-load -1", "--pause-user soon", "--hours 8-12",
    "--hours 08:00-08:00", "--pause-now --no-pause-now"])
def test_a_bad_value_is_one_line(clowder, options):
    clowder(f"profile set kind {options}", status=2).says_one_line()


def test_bad_hours_do_not_bring_up(clowder):
    clowder("up kind -n 1 --hours 22-6", status=2).says_one_line()
