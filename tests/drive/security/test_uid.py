"""Another user of the desktop who reaches the sockets, for somebody opened them: dropped by uid, on each of them."""
import pytest

from waiting import needs

KNOCK = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect(sys.argv[1])
try:
    s.sendall(b"x" * 8)
    while s.recv(1000):
        pass
except (ConnectionResetError, BrokenPipeError):
    pass
print("closed")
"""


@pytest.fixture
def sockets(clowder, engine, people):
    """Open to everybody."""
    clowder("up -n 1")
    for folder in (engine.work, engine.work / "run", engine.sockets):
        folder.chmod(0o755)
    found = list(engine.sockets.glob("*.sock"))
    assert len(found) >= 3
    for each in found:
        each.chmod(0o666)
    return found


def test_another_user_is_shut_out_of_each_socket(clowder, engine, other, sockets):
    for each in sockets:
        assert other.run("/usr/bin/python3", "-c", KNOCK, each).out == "closed\n"
    assert engine.logged("dropped.*another user") >= 2
    assert clowder("map -- echo ::: still").out == "still\n"


@pytest.mark.usefixtures("sockets")
def test_another_user_gets_no_answer(clowder, engine, other):
    needs("nngcat", "nng-utils")
    answer = other.run("timeout", "5", "nngcat", "--req", "--dial", f"ipc://{engine.sockets}/engine.sock", "--ascii", "--data",
                       '{"op":"status"}', status=None)
    assert answer.status != 0 and '"ok"' not in answer.out + answer.err
    assert engine.logged("dropped.*another user")
    assert clowder("map -- echo ::: still").out == "still\n"
