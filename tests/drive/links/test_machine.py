"""A host of another machine (../emulated.py): the daemon that was built for it is uploaded there, and works as daemons do."""
import os
import shutil
import signal
from pathlib import Path

import pytest

import emulated
from programs import BIN
from waiting import lines_of, needs_namespaces, numbers, wait_until

SQUARES = "while read -r x; do echo $((x * x)); done"


@pytest.fixture
def emulation(engine, mount_namespace):  # pylint: disable=unused-argument
    emulated.needs_what_it_takes()
    with emulated.emulation(engine.work / "binfmt"):
        yield


@pytest.fixture
def board(engine, clowder, emulation, lab):  # pylint: disable=unused-argument
    """h1, where all programs are for aarch64."""
    root = emulated.make_root(engine.work / "board", engine.work / "lab/h1/home")
    own = lab(1, emulated.lines(root), before=f"mkdir -p $LAB/h1; cp {root}.mount $LAB/h1/mount")
    needs_namespaces(own)
    clowder("host add h1")
    return own


def programs(board):
    return sorted(Path(board.lab, "h1/home/.cache/clowder").glob("clowder-daemon-*"))


def test_its_own_program_is_uploaded_once(board, clowder, engine):
    clowder("up --on h1:2")
    [program] = programs(board)
    assert program.read_bytes() == emulated.DAEMON.read_bytes()
    facts = clowder("host probe h1 --json").json["hosts"][0]["facts"]
    assert (facts["arch"], facts["system"], facts["programs"]) == ("aarch64", "Linux", 1)
    clowder("down")
    clowder("engine stop")
    clowder("up --on h1:1")
    assert (engine.logged("step=upload .* sent"), engine.logged("step=upload .* was there")) == (1, 1)
    assert clowder("host clean h1 --json").json["hosts"][0]["removed"] == 0, "it is the program of this version"
    assert programs(board) == [program]


@pytest.mark.usefixtures("board")
def test_results_are_those_of_this_machine(clowder):
    clowder("up far --on h1:2")
    clowder("up near -n 2")
    assert clowder("map -p far -- uname ::: -m").out == "aarch64\n"
    for words in (["--", "expr", "7", "*"], ["-w", "--", "sh", "-c", SQUARES]):
        far, near = (clowder(f"map -p {name}", *words, stdin=numbers(200)).out for name in ("far", "near"))
        assert far == near and far.count("\n") == 200


@pytest.mark.usefixtures("board")
def test_files_go_there_and_come_back(clowder, work):
    (work / "tool.sh").write_text('uname -m; echo "$1 squared is $(($1 * $1))" >result-$1\n')
    (work / "bytes").write_bytes(os.urandom(3_000_000))
    clowder("up --on h1:1")
    done = clowder("map --ship tool.sh --fetch result-{} -- sh tool.sh {}", stdin=numbers(3))
    assert done.out == "aarch64\n" * 3
    assert [(work / f"result-{i}").read_text() for i in (1, 2, 3)] == [f"{i} squared is {i * i}\n" for i in (1, 2, 3)]
    clowder("map --ship bytes --fetch copy -- sh -c", "cat bytes >copy", ":::", "x")
    assert (work / "copy").read_bytes() == (work / "bytes").read_bytes()


@pytest.mark.usefixtures("board")
def test_a_daemon_that_is_killed_there_is_replaced_and_no_result_is_lost(clowder):
    clowder("up --on h1:2")
    running = clowder.start("map -- sh -c", "echo $0; sleep 0.02", stdin=numbers(100))
    wait_until(lambda: len(lines_of(running.out)) > 20)
    pid = clowder.daemons()[0]["pid"]
    os.kill(pid, signal.SIGKILL)
    assert running.wait().out == numbers(100)
    wait_until(lambda: clowder.profile()["daemons"]["connected"] == 2)
    assert pid not in [daemon["pid"] for daemon in clowder.daemons()]


@pytest.mark.usefixtures("board")
def test_down_ends_tasks_and_daemons(clowder, engine):
    clowder("up --on h1:2")
    running = clowder.start("map -- sleep 600 ::: 1 2")
    wait_until(lambda: clowder.profile()["tasks"]["executing"] == 2)
    wait_until(lambda: len(engine.running("sleep 600 [12]")) == 2)
    clowder("down --now")
    running.wait(None)
    clowder("engine stop")
    wait_until(lambda: not engine.running("clowder-daemon|sleep 600 [12]"))


def test_without_a_program_for_it_the_host_is_refused_in_one_line(board, clowder, work):
    (work / "libexec").mkdir()
    shutil.copy2(BIN / "clowder-daemon", work / "libexec")
    clowder("up --on h1:1", status=5, env={"CLOWDER_LIBEXEC": work / "libexec"}).says_one_line(
        "host 'h1': the host is a machine of type aarch64, the daemon program here is for x86_64; "
        f"build it with ./run daemons in Clowder's sources and put it here as {work}/libexec/clowder-daemon-aarch64$")
    assert not programs(board)
