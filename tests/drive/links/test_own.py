"""What is a host's own: the manners that its owner asks of all profiles, the folder of our programs, how long a connection may take."""
import os
import socket
import time

import pytest

from waiting import wait_until


def nice_of(clowder, profile):
    return clowder(f"map -p {profile} -- sh -c nice ::: x").out.strip()


@pytest.fixture
def host(clowder, lab):
    own = lab(1)
    clowder("host add h1 --nice 7 --mem 300M")
    return own


@pytest.mark.usefixtures("host")
def test_manners_of_a_host_hold_for_every_profile(clowder):
    clowder("up one --on h1:1")
    clowder("up two --on h1:1 --nice 12")
    assert nice_of(clowder, "one") == "7"
    assert nice_of(clowder, "two") == "12", "the profile says something else"
    assert "memory 300M" in clowder.limits("one") and "memory 300M" in clowder.limits("two")
    clowder("host edit h1 --nice 3")
    clowder("up one")
    wait_until(lambda: nice_of(clowder, "one") == "3")
    assert clowder("host show h1 --json").json["manners"] == {"nice": 3, "mem_bytes": 300 << 20}


@pytest.mark.usefixtures("host")
def test_manners_travel_with_the_inventory(clowder):
    exported = clowder("export").out
    clowder("host remove h1 -y")
    clowder("import -", stdin=exported)
    assert clowder("host show h1 --json").json["manners"] == {"nice": 7, "mem_bytes": 300 << 20}
    clowder("host edit h1 --nice 0 --mem 0")
    assert clowder("host show h1 --json").json["manners"] == {}


def test_the_folder_of_our_programs_can_be_another(clowder, host):
    clowder("host edit h1 --cache", "~/some where's/else")
    clowder("up --on h1:1")
    home = os.path.join(host.lab, "h1/home")
    assert [name[:15] for name in os.listdir(os.path.join(home, "some where's/else/clowder")) if "daemon" in name] == ["clowder-daemon-"]
    assert not os.path.exists(os.path.join(home, ".cache/clowder"))
    assert os.stat(os.path.join(home, "some where's/else/clowder")).st_mode & 0o777 == 0o700
    clowder("host edit h1 --cache nowhere", status=2).says_one_line("not a path from / or ~/")
    clowder("down")
    clowder("host edit h1 --no-cache")
    clowder("up --on h1:1")
    assert os.path.exists(os.path.join(home, ".cache/clowder"))


def test_a_connection_has_the_time_of_its_host(clowder, engine):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        clowder(f"host add slow 127.0.0.1:{mute.getsockname()[1]} --connect-timeout 17s")
        began = time.monotonic()
        done = clowder("host probe slow --timeout 1m", status=6)
        assert 16 < time.monotonic() - began < 25 and "within 17 s" in done.err
        clowder("host edit slow --connect-timeout 2h", status=2)
