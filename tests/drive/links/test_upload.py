"""The program on a host: where it cannot be written or run, for another machine, many who bring it at once, logins that talk."""
import shutil

import pytest

from told import ECHO, PROGRAM, echo

READ_ONLY = "mount --bind HOME HOME && mount -o remount,bind,ro HOME"
NO_ROOM = "mount -t tmpfs -o size=64k none HOME; mkdir -p HOME/.cache/clowder; head -c 100000 /dev/zero >HOME/fill 2>/dev/null"


@pytest.mark.parametrize("mount, said", [
    (READ_ONLY, "code=5 .*cannot write to .*Read-only file system"),
    ("mount -t tmpfs -o size=200k none HOME", "code=5 .*is full: .* are free"),
    (NO_ROOM, "code=5 .*(No space left on device|is full)"),
    ("mount -t tmpfs -o size=20m,noexec none HOME",
     r"state=down step=tunnel code=5 .*does not start on the host \(exit status 126\): .*Permission denied.*"
     'hint="is it on a file system mounted noexec'),
], ids=["read only", "full", "no room", "noexec"])
def test_a_home_where_the_program_cannot_be_is_said(one, mount, said):
    if not one.namespaces:
        pytest.skip("needs network namespaces")
    (one.folder / "h1/mount").write_text(mount.replace("HOME", str(one.home())) + "\n")
    one.restart()
    one.fails("--launch", ECHO, "h1", status=None).prints(said, "daemon=1 failed" if "noexec" in mount else "")


@pytest.fixture
def for_arm(one):
    """A program that is not for this machine."""
    path = one.folder / "for-arm"
    shutil.copy2(PROGRAM, path)
    with open(path, "r+b") as f:
        f.seek(18)
        f.write(b"\xb7\0")
    return path


def test_a_program_for_another_machine_is_said_and_where_to_put_the_right_one(one, for_arm):
    one.fails("--program", str(for_arm), "h1").prints(
        "code=5 .*the host is a machine of type x86_64, the daemon program here is for aarch64.*"
        f'hint="build it with ./run daemons in Clowder.s sources and put it here as {for_arm}-x86_64')


def test_the_program_for_the_machine_of_the_host_is_taken(one, for_arm):
    shutil.copy2(PROGRAM, f"{for_arm}-x86_64")
    one("--program", str(for_arm), "--launch", ECHO, "--hellos", "1", "h1")


def is_ours(driver):
    """The program alone lies there, as it is here."""
    return [path.read_bytes() for path in driver.programs()] == [PROGRAM.read_bytes()]


def test_eight_who_bring_it_at_once_bring_it_whole(one):
    one(f"--address {one.address(1)} --port {one.port(1)} --hellos 8 --launch", ECHO,
        *"one two three four five six seven eight".split())
    assert is_ours(one)


def test_a_damaged_program_is_replaced(one):
    one("--launch", ECHO, "--hellos", "1", "h1")
    program = one.programs()[0]
    program.unlink()  # beside one that may run still
    program.write_text("junk\n")
    one("--launch", ECHO, "--hellos", "1", "h1")
    assert is_ours(one)


# ---- logins that talk: bash under sshd reads ~/.bashrc for commands too, when it thinks that it is the first shell ----

NOISE = r"""echo "Welcome to this noisy machine"
printf "pid 7\n\001clowder-mux-0\002"
sleep 1
"""


@pytest.mark.parametrize("lines", ["", "AllowTcpForwarding no"])
def test_what_a_login_prints_is_not_taken_for_an_answer(one, lines):
    (one.home() / ".bashrc").write_text(NOISE)
    one.restart(1, f"SetEnv HOME={one.home()}\n{lines}")
    one("--launch", ECHO, "--hellos", "1", "h1").prints("started pid=[0-9]{2,}")


def test_an_account_that_runs_nothing_says_what_it_says(driver):
    driver(1, "ForceCommand echo this account is closed").fails("h1").prints("code=5 .*it said: this account is closed")


def test_where_one_session_is_allowed_all_take_turns_at_the_first_try(driver):
    one = driver(1, "MaxSessions 1")
    for _ in range(6):
        shutil.rmtree(one.home() / ".cache", ignore_errors=True)
        done = one("--hellos 2 --launch", ECHO, "--launch", echo("two"), "h1")
        assert "state=backoff" not in done.out
