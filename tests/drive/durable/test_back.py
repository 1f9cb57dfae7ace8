"""What an engine comes back to: many results that it passes over, and its own connection, which breaks."""
import ctypes
import os
import resource
import socket
import struct

from waiting import lines_of, needs_root, numbers, same, wait_until

PIDFD_OPEN, PIDFD_GETFD = 434, 438
ANSWERS = "while read -r x; do test $x != 700000 || until test -e go; do sleep 0.02; done; echo y$x; done"
SMALL_STACK = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_STACK, (256 << 10, 256 << 10))}


def test_complete_chunks_need_no_stack(clowder, engine, work):
    """They are passed over in a loop, not in one call within the other."""
    (work / "in").write_text(numbers(700000))
    clowder("up -n 1", **SMALL_STACK)
    job = clowder.submit("-a in -w -- sh -c", ANSWERS)
    wait_until(lambda: len(clowder.recorded(job)) >= 690000)
    engine.kill()
    (work / "go").touch()
    clowder("engine start", **SMALL_STACK)
    pid = engine.pid
    collected = clowder.collect(job).out
    assert engine.pid == pid, "the engine died"
    same(collected, "".join(f"y{i}\n" for i in range(1, 700001)))


def own_connections(pid):
    """Sockets of a process whose other end is its own."""
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    process = syscall(PIDFD_OPEN, pid, 0)
    for fd in os.listdir(f"/proc/{pid}/fd"):
        copy = syscall(PIDFD_GETFD, process, int(fd), 0)
        if copy < 0 or not os.readlink(f"/proc/self/fd/{copy}").startswith("socket:"):
            continue
        s = socket.socket(fileno=copy)
        is_stream = s.family == socket.AF_UNIX and s.type == socket.SOCK_STREAM
        if is_stream and not s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            if struct.unpack("3i", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0] == pid:
                yield s


def cut(pid):
    """How many there were to cut."""
    found = list(own_connections(pid))
    for s in found:
        s.shutdown(socket.SHUT_RDWR)
        s.close()
    return len(found)


# Tasks behind a cut wait for it, so that the job is not over before.
GATES = """echo {} >>ran
    for part in 20 60 100; do test {} -le $part || until test -e cut-$part; do sleep 0.02; done; done; echo {}"""


def test_a_connection_that_breaks_while_results_are_not_written_loses_none(clowder, engine, work):
    needs_root("to break the engine's own connection")
    clowder("up -n 2")
    job = clowder.submit("-- sh -c", GATES, stdin=numbers(200))
    for part in (20, 60, 100):
        wait_until(lambda: len(lines_of(work / "ran")) >= part)
        assert cut(engine.pid), f"no connection to cut after {part} tasks"
        (work / f"cut-{part}").touch()
    assert clowder.collect(job).out == numbers(200)
    assert len(lines_of(work / "ran")) > 200, "no connection was cut"
