"""Rude to the engine's control and update sockets: rude.py FOLDER ROUNDS JOB. After each rudeness somebody polite is served.
JOB is one that does not end."""
import os
import random
import resource
import socket
import struct
import sys

folder, rounds, job = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
CONTROL, UPDATES = (os.path.join(folder, name) for name in ("engine.sock", "updates.sock"))
REQ, SUB = (b"\0SP\0\0" + bytes([number]) + b"\0\0" for number in (0x30, 0x21))
TRACE = struct.pack(">I", 0x80000001)


def dial(path, timeout=10):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(timeout)
    s.connect(path)
    return s


def message(body):
    return b"\x01" + struct.pack(">Q", len(body)) + body


def receive(s, size):
    data = b""
    while len(data) < size:
        part = s.recv(size - len(data))
        if not part:
            raise EOFError("the engine hung up on somebody polite")
        data += part
    return data


def ask(body=b'{"op":"ping"}', trace=TRACE, timeout=10):
    with dial(CONTROL, timeout) as s:
        s.sendall(REQ + message(trace + body))
        assert receive(s, 8) == b"\0SP\0\0\x31\0\0"
        size = struct.unpack(">xQ", receive(s, 9))[0]
        answer = receive(s, size)
        assert answer.startswith(trace), answer
        return answer[len(trace):]


def is_dropped(s):
    try:
        while s.recv(65536):
            pass
    except ConnectionResetError:
        pass


def leave(path, data, asked=b""):  # and is gone before what is asked can be answered
    with dial(path) as s:
        s.sendall(data)
        if asked:
            receive(s, 8)
            s.sendall(asked)


def offend(path, data):  # and is shown the door
    with dial(path) as s:
        try:
            s.sendall(data)
        except BrokenPipeError:
            pass
        is_dropped(s)


def leave_unread():  # much is asked, nothing read
    with dial(CONTROL) as s:
        s.setblocking(False)
        s.send(REQ)
        try:
            for _ in range(100000):
                s.send(message(TRACE + b'{"op":"status"}'))
        except (BlockingIOError, BrokenPipeError):
            pass


never = message(TRACE + b'{"op":"wait","job":%d,"timeout_ms":600000}' % job)
up = message(TRACE + b'{"op":"up","profile":"never","n":1,"wait":true,"timeout_ms":600000}')
kinds = [
    lambda: leave(CONTROL, b""),
    lambda: leave(CONTROL, REQ[: random.randrange(1, 8)]),
    lambda: leave(CONTROL, REQ),
    lambda: leave(CONTROL, REQ, message(TRACE + b'{"op":"status"}')),
    lambda: leave(CONTROL, REQ, message(TRACE + b'{"op":"status"}')[:-3]),
    lambda: leave(CONTROL, REQ, never),
    lambda: leave(CONTROL, REQ, up),
    lambda: leave(UPDATES, SUB[: random.randrange(8)]),
    lambda: leave(UPDATES, SUB),
    lambda: offend(CONTROL, b"GET / HTTP/1.1\r\n"),
    lambda: offend(CONTROL, SUB),
    lambda: offend(CONTROL, REQ + b"\x02" + struct.pack(">Q", 5) + b"hello"),
    lambda: offend(CONTROL, REQ + b"\x01" + struct.pack(">Q", 1 << 62)),
    lambda: offend(CONTROL, REQ + b"\x01" + struct.pack(">Q", (1 << 20) + 1)),
    lambda: offend(CONTROL, REQ + message(b"")),
    lambda: offend(CONTROL, REQ + message(b"\0\0\0\1" * 9)),
    lambda: offend(UPDATES, SUB + message(b"hello")),
    leave_unread,
]
for i in range(rounds):
    kinds[i % len(kinds)]()
    assert b'"ok":true' in ask()
assert b'"ok":true' in ask(trace=b"\0\0\0\7" + TRACE)  # through a device
assert b'"ok":false' in ask(b"{")

# As many as are let in, who greet or ask by halves and stay: others wait until those have had their time.
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
waiting = [dial(CONTROL) for _ in range(1200)]
for s in waiting:
    s.sendall(REQ + never)
assert b'"ok":true' in ask()  # who waits for an answer takes nobody's place
crowd = [dial(CONTROL) for _ in range(1100)]
for i, s in enumerate(crowd[:1000]):
    s.sendall([b"\0SP", REQ + b"\x01", REQ + message(TRACE + b"{}")[:-1]][i % 3])
assert b'"ok":true' in ask(timeout=30)
for s in crowd[:1000]:
    is_dropped(s)
print("polite ones were served")
