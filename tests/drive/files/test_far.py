"""On hosts: the work takes its files along. Each host has a home of its own; what is in the folder of the job is hidden there."""
import os
import re

import pytest

from belongings import Files, leavings
from waiting import needs_namespaces, wait_until

MIB = 1 << 20


# The folder of the jobs, which hosts do not see.
HIDDEN = """mkdir -p $LAB/../desk $LAB/h1 $LAB/h2
for i in 1 2; do echo "mount -t tmpfs none $LAB/../desk" >$LAB/h$i/mount; done"""


@pytest.fixture
def hosts(clowder, lab, desk):
    """Two, with two daemons each."""
    made = lab(2, before=HIDDEN)
    needs_namespaces(made, "namespaces of mounts")
    clowder("host add h1")
    clowder("host add h2")
    clowder("up far --on h1:2 --on h2:2")
    clowder("up one --on h1:1")
    return made


@pytest.fixture
def files(desk):
    return Files(desk / "files")


@pytest.fixture
def far(clowder, hosts, desk):
    """The command, typed at the desk."""
    return lambda words, *rest, **how: clowder(words, *rest, **{"cwd": desk} | how)


def cache(hosts, i):
    """The contents that host h<i> has."""
    folder = os.path.join(hosts.lab, f"h{i}/home/.cache/clowder/files")
    return sorted(os.path.join(folder, name) for name in os.listdir(folder) if len(name) == 64)


def work_folders(hosts):
    return [name for i in (1, 2) for name in os.listdir(os.path.join(hosts.lab, f"h{i}/home/.cache/clowder/files")) if len(name) < 64]


def test_the_same_as_here(far, clowder, hosts, files):
    script = ["--", "sh", "-c", 'wc -c <"$1" >"$1.n"; cat <"$1" >"$1.out"; chmod 604 "./$1.out"; stat -c %a "./$1"', "x", "{}"]
    clowder("up -n 1")
    modes = clowder("map -0 --files", *script, stdin=files.list, cwd=files.folder).lines
    here = files.read(".n")
    for name in files.names:
        (files.folder / (name + ".n")).unlink()
        (files.folder / (name + ".out")).unlink()
    far = clowder("map -p far -0 --files", *script, stdin=files.list, cwd=files.folder).lines
    assert files.read(".out") == files.read() and files.read(".n") == here
    assert all((files.folder / (name + ".out")).stat().st_mode & 0o777 == 0o604 for name in files.names)
    assert [re.sub("^4", "6", mode) for mode in modes] == far
    wait_until(lambda: not leavings(files.folder) and not work_folders(hosts))


def test_a_task_has_no_file_that_it_was_not_given(far, hosts, desk):
    (desk / "in").write_text("x")
    (desk / "other").write_text("x")
    assert far("map -p far --in in -- sh -c", "ls; : {}", ":::", "1").out == "in\n"
    assert not far("map -p far -- cat :::", desk / "in", status=1).out  # the folder itself is not there


def test_what_all_tasks_see_is_once_on_a_host(far, hosts, desk):
    (desk / "lib").mkdir()
    (desk / "lib/big").write_bytes(os.urandom(3 * MIB + 17))
    (desk / "lib/tool").write_text("#!/bin/sh\necho tool\n")
    (desk / "lib/tool").chmod(0o755)
    (desk / "lib/link").symlink_to("big")
    script = 'stat -c "%i %a" lib/big; lib/tool; cmp lib/link lib/big; sleep 0.3'
    said = far("map -p far --tag --ship lib --out o-{} -- sh -c", f"{script}; touch o-{{}}", ":::", *range(8))
    inodes = {line.split("\t")[1] for line in said.lines if "tool" not in line}
    assert 1 <= len(inodes) <= 2 and all(line.endswith("444") for line in inodes)
    assert len(cache(hosts, 1)) == len(cache(hosts, 2)) == 1  # the small ones need none
    assert len([line for line in said.lines if line.endswith("\ttool")]) == 8


def test_one_task_cannot_change_what_the_next_one_sees(far, hosts, desk):
    (desk / "in").write_bytes(b"x" * MIB)
    said = far("map -p one --in in -- sh -c", "head -c 1 in; echo y >in", ":::", "1", "2", "3")
    assert said.out == "xxx" and (desk / "in").read_bytes() == b"x" * MIB


def test_a_cache_that_was_tampered_with_is_found_out(far, hosts, desk):
    (desk / "in").write_bytes(os.urandom(2 * MIB))
    far("map -p one --in in -- cmp in :::", desk / "in", status=1)  # it is there now
    (path,) = cache(hosts, 1)
    os.chmod(path, 0o644)
    with open(path, "r+b") as f:
        f.write(b"changed")
    far("map -p one --in in --out out -- sh -c", "cat in >out; : {}", ":::", "1")
    assert (desk / "out").read_bytes() == (desk / "in").read_bytes()


def test_what_is_shipped_gives_way_to_a_tasks_own(far, hosts, desk):
    (desk / "lib").mkdir()
    (desk / "lib/a").write_text("a\n")
    assert far("map -p far --ship lib --in lib/a -- sh -c", "cat lib/a; echo x >lib/a; : {}", ":::", *range(6)).out == "a\n" * 6
    (desk / "b").mkdir()
    (desk / "b/a").write_bytes(os.urandom(3 * MIB))
    (desk / "a").write_bytes(os.urandom(3 * MIB))
    (desk / "here").mkdir()
    far("map -p far --ship ../a --ship ../b/a -- true ::: 1", status=1, cwd=desk / "here").says("two files are shipped as 'a'")


def test_sparse_files_stay_sparse(far, hosts, desk):
    with open(desk / "in", "wb") as f:
        f.truncate(300 * MIB)
        f.seek(100 * MIB)
        f.write(b"x")
    far("map -p far --in in --out out -- sh -c", "cp --sparse=always in out; [ $(du -m in | cut -f1) -lt 5 ]", ":::", "1")
    out = (desk / "out").stat()
    assert out.st_size == 300 * MIB and out.st_blocks < 10000


def test_output_comes_home_while_the_next_task_runs(far, hosts, desk):
    script = "date +%s%N; head -c 60000000 /dev/urandom >out-{}; sleep 0.2; date +%s%N"
    far("map -p one --out out-{} -- sh -c", script, ":::", *range(4))
    assert all((desk / f"out-{i}").stat().st_size == 60000000 for i in range(4))


def test_detached_jobs_and_results_of_hosts(far, hosts, desk):
    (desk / "in").write_text("x\n")
    job = int(far("submit -p far --results r --in in --out made -- sh -c", "cat in; hostname >made", ":::", *range(4)).out)
    far(f"job wait {job}")
    assert len({(desk / f"r/{i}/made").read_text() for i in range(1, 5)}) >= 1
    far(f"job collect {job}")
    assert (desk / "r/4/stdout").read_text() == "x\n"


def test_what_does_not_travel_is_said(far, hosts, desk):
    (desk / "in").write_text("x\n")
    far("map -p far --files -- cat :::", desk / "in", status=1).says("begins at the root, so it does not travel")
    far("map -p far --in {} -- cat ::: nothing", status=1).says("task 1 \\(nothing\\): failed: --in: there is no file 'nothing' here")
    said = far("map -p far --out x -- sh -c", "ln -s /nowhere x", ":::", "1", status=1)
    said.says("--out: 'x' is a link that leads nowhere; its files stay on h[12]: /")


def test_a_task_that_makes_many(far, engine, hosts, desk):
    script = "mkdir r; i=0; while [ $i -lt 1500 ]; do echo $i >r/$i; i=$((i+1)); done; head -c 400000 /dev/zero >r/z1; cp r/z1 r/z2; : {}"
    far("map -p far --out r -- sh -c", script, ":::", "1")
    assert sorted(p.name for p in (desk / "r").iterdir()) == sorted([*map(str, range(1500)), "z1", "z2"])
    assert all((desk / f"r/{i}").read_text() == f"{i}\n" for i in range(1500)) and not leavings(desk / "r")


def test_ten_thousand_would_take_too_long_so_a_few_hundred(far, hosts, desk):
    for i in range(400):
        (desk / f"s{i}").write_text(f"{i}\n" * 100)
    far("map -p far --in s{} --out s{}.out -- cp s{} s{}.out :::", *range(400))
    assert all((desk / f"s{i}.out").read_text() == f"{i}\n" * 100 for i in range(400))
