"""Kernels that give no descriptor of a process with its clone: old ones, and qemu. strace lets this one's do the same."""
import pytest

from programs import BIN
from waiting import needs

NO_CLONE = "-e inject=clone:error=EINVAL:when=1"  # the first way of the first task
NO_OPEN = "-e inject=pidfd_open:error=ENOSYS"


@pytest.fixture
def daemon_of(clowder):
    """A daemon that lives with these faults."""
    needs("strace", "strace")

    def make(faults):
        command = f"strace -f -o /dev/null -e trace=clone,pidfd_open {faults} {BIN}/clowder-daemon"
        clowder("host add old 127.0.0.1 --launcher command --launch-command", command)
        clowder("up --on old:1")
    return make


def test_the_descriptor_is_asked_for_then(daemon_of, clowder):
    daemon_of(NO_CLONE)
    assert clowder("map -- echo ::: 1 2").out == "1\n2\n"


def test_where_there_is_none_the_task_fails_and_does_not_hang(daemon_of, clowder):
    daemon_of(f"{NO_CLONE} {NO_OPEN}")
    clowder("map -- echo ::: 1", status=1).says("task 1 .*cannot run 'echo': Function not implemented")
