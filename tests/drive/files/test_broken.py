"""Files on their way when something breaks: they go on where they were, or it is said what is missing; no wrong byte, none in silence."""
import os
import subprocess
import time

import pytest

from belongings import leavings
from cable import Cable
from waiting import needs_namespaces, wait_until

MIB = 1 << 20
BIG = 400 * MIB

HIDDEN = """mkdir -p $LAB/../desk $LAB/h1 $LAB/small
echo "mount -t tmpfs none $LAB/../desk" >$LAB/h1/mount"""


@pytest.fixture
def h1(clowder, lab, desk):
    made = lab(1, before=HIDDEN)
    needs_namespaces(made, "namespaces of mounts")
    clowder("host add h1")
    clowder("up far --on h1:1 --grace 60s")
    return made


@pytest.fixture
def far(clowder, h1, desk):
    """The command, typed at the desk; started, in the background."""
    def run(words, *rest, **how):
        return clowder(words, *rest, **{"cwd": desk} | how)
    run.start = lambda words, *rest: clowder.start(words, *rest, cwd=desk)
    return run


def cache(h1):
    return os.path.join(h1.lab, "h1/home/.cache/clowder/files")


def passed(h1):
    """Bytes that came over the cable to h1, and from it."""
    words = h1.shell("cat /sys/class/net/lo/statistics/rx_bytes >/dev/null; ip netns exec $PREFIX-h1 cat "
                     "/sys/class/net/eth0/statistics/rx_bytes /sys/class/net/eth0/statistics/tx_bytes").split()
    return [int(word) for word in words]


def part_of(folder):
    """The size of what has come of a file there."""
    try:
        parts = [name for name in os.listdir(folder) if name.endswith(".part")]
        return sum(os.stat(os.path.join(folder, name)).st_size for name in parts)
    except OSError:
        return 0


def make_big(path):
    with open(path, "wb") as f:
        for _ in range(BIG // (8 * MIB)):
            f.write(os.urandom(8 * MIB))


def same(one, other):
    return os.system(f"cmp -s {one} {other}") == 0


def test_a_cable_that_is_cut_on_the_way_there(far, h1, desk, clowder):
    cable = Cable(h1)
    make_big(desk / "in")
    before = passed(h1)[0]
    running = far.start("map -p far --in in --out out -- sh -c", "cksum <in >out; : {}", ":::", "1")
    wait_until(lambda: part_of(cache(h1)) > BIG // 4)
    cable.cut()
    time.sleep(2)
    h1.shell("lab_stop 1")  # what was on its way is gone for good
    came = part_of(cache(h1))
    cable.mend()
    h1.shell("lab_sshd 1")
    running.wait()
    assert (desk / "out").read_text() == os.popen(f"cksum <{desk / 'in'}").read()
    assert came > BIG // 4 and passed(h1)[0] - before < BIG + (BIG - came) // 2 + 64 * MIB, "it began from the start"


def test_a_cable_that_is_cut_on_the_way_home(far, h1, desk):
    cable = Cable(h1)
    running = far.start("map -p far --out out -- sh -c", f"head -c {BIG} /dev/urandom >out; cksum <out; : {{}}", ":::", "1")
    wait_until(lambda: part_of(desk) > BIG // 4)
    before = passed(h1)[1]
    cable.cut()
    time.sleep(2)
    h1.shell("lab_stop 1")
    came = part_of(desk)
    cable.mend()
    h1.shell("lab_sshd 1")
    said = running.wait()
    assert said.out == os.popen(f"cksum <{desk / 'out'}").read()
    assert passed(h1)[1] - before < BIG - came + 96 * MIB, "it began from the start"
    wait_until(lambda: not leavings(desk))


def test_an_engine_that_is_killed_on_the_way_there(far, h1, desk, engine, clowder):
    make_big(desk / "in")
    job = int(far("submit -p far --in in --out out -- sh -c", "cksum <in >out; : {}", ":::", "1").out)
    wait_until(lambda: part_of(cache(h1)) > BIG // 4)
    engine.kill()
    came = part_of(cache(h1))
    before = passed(h1)[0]
    far("status")
    far(f"job wait {job}")
    assert (desk / "out").read_text() == os.popen(f"cksum <{desk / 'in'}").read()
    assert passed(h1)[0] - before < BIG - came + 96 * MIB, "it began from the start"


@pytest.fixture
def small(mount_namespace, desk):
    """A disk of 20 MiB there, before there is an engine."""
    path = desk / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def test_a_disk_that_is_full_at_home(small, far):
    said = far("map -p far --out small/out -- sh -c", "mkdir small; head -c 40000000 /dev/urandom >small/out; : {}", ":::", "1", status=1)
    said.says("cannot save 'small/out' here: No space left on device; make room, and run the task again; its files stay on h1: /")
    assert not (small / "out").exists()


def test_a_disk_that_is_full_on_the_host(clowder, lab, work, desk):
    small = HIDDEN.replace('" >$LAB/h1', '; mkdir -p $LAB/h1/home; mount -t tmpfs -o size=30m none $LAB/h1/home" >$LAB/h1')
    needs_namespaces(lab(2, before=small), "namespaces of mounts")
    clowder("host add h1")
    clowder("host add h2")
    clowder("up far --on h1:1")
    (desk / "in").write_bytes(os.urandom(40 * MIB))
    words = ["map -p far --in in --out {} -- sh -c", "cksum in >{}", ":::", "1", "2"]
    clowder(*words, status=1, cwd=desk).says("cannot write 'in' on h1: No space left on device")
    clowder("up far --on h1:1 --on h2:1")
    said = clowder(*words, cwd=desk)  # another host has room
    said.says_one_line("^clowder: h1: cannot write 'in' on h1: .*; it gets no tasks of this job")


def test_a_file_that_is_changed_while_it_is_sent(far, h1, desk):
    make_big(desk / "in")
    running = far.start("map -p far --in in --retry-failed 0 -- sh -c", "true {}", ":::", "1")
    wait_until(lambda: part_of(cache(h1)) > BIG // 8)
    with open(desk / "in", "r+b") as f:
        f.seek(BIG - MIB)
        f.write(b"changed" * 1000)
    running.wait(1).says("'in' was changed while it was sent; run the task again when nobody writes to it")


def test_a_map_that_is_given_up_keeps_no_other_from_its_files(far, h1, desk):
    make_big(desk / "in")
    for i in range(4):
        (desk / f"s{i}").write_text(f"{i}\n")
    first = far.start("map -p far --in in -- sh -c", "true {}", ":::", "1")
    wait_until(lambda: part_of(cache(h1)) > BIG // 8)
    second = far.start("map -p far --in s{} --out s{}.out -- cp s{} s{}.out :::", *range(4))
    wait_until(lambda: far("status --json").json["profiles"][0]["tasks"]["executing"] >= 2)
    first.leave()
    second.wait(timeout=60)
    assert all((desk / f"s{i}.out").read_text() == f"{i}\n" for i in range(4))


def test_a_file_that_is_gone_when_its_turn_comes(far, h1, desk):
    (desk / "1").write_text("x")
    (desk / "2").write_text("x")
    said = far("map -p far --in {} -- sh -c", "cat {}; sleep 0.5", ":::", "1", "2", "3", status=1)
    said.says("task 3 \\(3\\): failed: --in: there is no file '3' here")
    assert said.out == "xx"


def test_a_daemon_that_is_killed_leaves_what_it_had(far, h1, desk, engine):
    (desk / "in").write_text("x")
    far("map -p far --retries 0 --in in --out out -- sh -c", "kill -9 $PPID; : {}", ":::", "1", status=1).says("lost")
    wait_until(lambda: far("map -p far --in in --out out -- sh -c", "cat in >out; : {}", ":::", "1", status=None).status == 0)
    assert (desk / "out").read_text() == "x"
