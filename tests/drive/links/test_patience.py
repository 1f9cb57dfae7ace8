"""up --timeout D: what may pass is waited out, and said meanwhile; what cannot pass is said at once, by host."""
import time

from waiting import wait_until


def test_a_host_that_is_not_there_yet_is_waited_for(clowder, lab):
    own = lab(1)
    clowder("host add h1")
    own.shell("lab_stop 1")
    began = time.monotonic()
    assert clowder("up --on h1:2", status=3).err
    assert time.monotonic() - began < 10, "without --timeout the first try counts"
    running = clowder.start("up --on h1:2 --timeout 2m")
    wait_until(lambda: "up: waiting for h1 (" in running.err.read_text())
    own.shell("lab_sshd 1")
    assert running.wait().out == "default: 2 daemons up\n"


def test_the_time_is_the_time(clowder, lab):
    own = lab(1)
    clowder("host add h1")
    own.shell("lab_stop 1")
    began = time.monotonic()
    done = clowder("up --on h1:2 --timeout 6s", status=6)
    assert 5.5 < time.monotonic() - began < 12
    assert "h1 has 0 of 2 daemons" in done.err


def test_a_server_that_takes_few_at_once_gets_them_all(clowder, lab):
    own = lab(1, "MaxStartups 2:100:2")
    address = own.shell("lab_address 1").strip()
    names = [f"n{i}" for i in range(10)]
    for name in names:
        clowder(f"host add {name} {address}")
    clowder("up", *[word for name in names for word in ("--on", f"{name}:1")])
    assert clowder.profile("default")["daemons"]["connected"] == 10
    assert clowder("map -- sh -c", "echo {}", ":::", *"0123456789").lines == list("0123456789")


def test_what_cannot_pass_is_said_at_once_by_host(clowder, lab):
    own = lab(3)
    for i in (1, 2, 3):
        clowder(f"host add h{i}")
    own.shell("lab_stop 3")
    with open(f"{own.lab}/known_hosts") as f:
        known = f.readlines()
    with open(f"{own.lab}/known_hosts", "w") as f:
        f.writelines(line for line in known if own.shell("lab_address 2").strip() not in line)
    running = clowder.start("up --on h1:1 --on h2:1 --on h3:1 --timeout 1m")
    wait_until(lambda: "the host key of" in running.err.read_text() and "clowder host trust h2" in running.err.read_text())
    assert not running.is_over(), "h3 may still come"
    own.shell("lab_sshd 3")
    done = running.wait(status=None)
    assert done.status == 5 and "clowder host trust h2" in done.err.splitlines()[-1]
    assert clowder.profile("default")["daemons"]["connected"] == 2
