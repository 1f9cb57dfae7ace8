#!/usr/bin/env python3
"""clowder-daemon in the hands of somebody else: it has a valid token, and lies. Its errands are in the file errand beside it, a word each:
files   it brings files that nobody asked for, and asks for some that are not its own: the answers are noted
words   its reason is a terminal's command
twice   a second connection shows the same token
back    it gives tasks back without a pause
around  it pauses, gives them back, goes on, and so on
fault   it finds fault with a job that it never had
ping    it asks whether home is there, six million times, and reads no answer
leave   it says without end that it leaves
faults  it finds fault without end with a job that it has
sit     it takes tasks and does nothing
stay N  it does its tasks, N seconds each, and does not go when it is told to
tired   the same as sit, once it has answered a job's first one
"""
import os
import socket
import struct
import sys
import time

if len(sys.argv) > 1:
    print("clowder-daemon 0")
    sys.exit(0)
config = dict(line.split(" ", 1) for line in sys.stdin.read().splitlines() if " " in line)
errand = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "errand")).read().split()
errand, seconds = errand[0], float(errand[1]) if errand[1:] else 0
HELLO, WELCOME, REFUSE, OPEN, TASKS, RESULT, REPORT, CLOSE, CLOSED, QUIT = 1, 2, 3, 4, 6, 7, 8, 12, 13, 19
PING, LEAVE = 16, 18
FAULT, YIELD, BACK = 14, 23, 24
WANT, LIST, GET, HASHES, BLOCK, PUT, NEED, DONE = range(27, 35)


def frame(type, body=b"", code=0, job=0, n=0, first=0):
    return struct.pack("<IBBHIIQII", len(body), type, 0, code, job, n, first, 0, 0) + body


def send(s, type, body=b"", code=0, job=0, n=0, first=0):
    s.sendall(frame(type, body, code, job, n, first))


def flood(s, one, thousands):
    try:
        for _ in range(thousands):
            s.sendall(one * 1000)
        note("sent all")
    except OSError:
        note("shut out")
    sys.exit(0)


def receive(s):
    def exactly(n):
        data = b""
        while len(data) < n:
            part = s.recv(n - len(data))
            if not part:
                sys.exit(0)
            data += part
        return data

    len_, type, _, code, job, n, first, _, _ = struct.unpack("<IBBHIIQII", exactly(32))
    return type, code, job, n, first, exactly(len_)


def connect(instance, role=2):
    s = socket.socket(socket.AF_UNIX)
    s.connect(config["url"].replace("ipc://", ""))

    def text(key, value):
        return struct.pack("<HI", key, len(value)) + value

    def number(key, value):
        return struct.pack("<HIQ", key, 8, value)

    send(s, HELLO, text(1, b"clowder") + number(2, 1) + number(3, role) + number(5, int(config["daemon"]))
         + text(4, config["token"].encode()) + text(18, instance * 64) + number(6, os.getpid()))
    return s


def entry(path, data=b"owned", kind=0):
    """One of a list of files: with its data, or a link to it."""
    return struct.pack("<BIQQH", kind, 0o644, len(data), 0, len(path)) + path + b"\0" + data + (b"\0" if kind == 3 else b"")


def play_with_files(job, first):
    s = connect(b"a", 3)
    receive(s)

    def ask(what, type, body=b"", **about):
        send(s, type, body, job=job, **about)
        got, code, _, _, _, said = receive(s)
        note("%s: %d %d %s" % (what, got, code, said.decode(errors="replace") if code else ""))

    for name in (b"Makefile", b".profile", b"sub/result-1.txt", b"../up", b"/etc/clwowned", b"a//b", b"result-1.txt/../../up"):
        ask(name.decode(), PUT, entry(name), first=first)
    ask("link", PUT, entry(b"result-1.txt", b"../../etc", 3), first=first)
    ask("short", PUT, entry(b"result-1.txt")[:-3], first=first)
    ask("another's", PUT, entry(b"result-2.txt"), first=first + 1)
    ask("want another's", WANT, first=first + 7)
    ask("unlisted", GET, struct.pack("<Q", 0), first=first, n=0)
    more = [connect(b"a", 3) for _ in range(4)]
    note("fifth: %d 1" % [receive(one)[0] for one in more][-1])
    ask("good", PUT, entry(b"result-1.txt"), first=first)


def note(text):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "noted"), "a") as f:
        f.write(text + "\n")


home = connect(b"a")
while True:
    type, code, job, n, first, body = receive(home)
    if type == WELCOME and errand == "twice":
        other = connect(b"b")
        type, code, _, _, _, why = receive(other)
        note("%d %s" % (type, why.decode()))
    elif type == TASKS and errand == "around":
        send(home, YIELD, b"tired")
        send(home, BACK, job=job, n=n, first=first)
        send(home, YIELD)
    elif type == WELCOME and errand == "fault":
        for i in range(1, 20):
            send(home, FAULT, b"made up", job=i)
    elif type == WELCOME and errand == "ping":
        flood(home, frame(PING), 6000)
    elif type == WELCOME and errand == "leave":
        flood(home, frame(LEAVE, b"tired of it"), 100)
    elif type == TASKS and errand == "faults":
        flood(home, frame(FAULT, b"made up", job=job), 100)
    elif type == TASKS and errand == "sit":
        note("sits")
    elif type == TASKS and errand == "tired":
        if first == 0:
            send(home, REPORT, struct.pack("<iiQQQIIIIQ", 0, 0, 1, 0, 0, 0, 0, 0, 0, 0), code=0, job=job, n=1, first=0)
    elif type == TASKS and errand == "back":
        send(home, BACK, job=job, n=n, first=first)
        note("gave back")
    elif type == TASKS and errand == "stay":
        for i in range(n):
            time.sleep(seconds)
            send(home, REPORT, struct.pack("<iiQQQIIIIQ", 0, 0, 1, 0, 0, 0, 0, 0, 0, 0), job=job, n=1, first=first + i)
    elif type == TASKS and errand == "files":
        play_with_files(job, first)
        send(home, REPORT, struct.pack("<iiQQQIIIIQ", 0, 0, 1, 0, 0, 0, 0, 0, 0, 0), job=job, n=1, first=first)
    elif type == TASKS:
        for i in range(n):
            why = b"\x1b]0;owned\x07\x1b[2J"
            out = b"out\n"
            head = struct.pack("<iiQQQIIIIQ", 1, 0, 1, 0, len(out), len(out), 0, len(why), 0, 0)
            send(home, REPORT, head + out + why, code=1, job=job, n=1, first=first + i)
    elif type == CLOSE:
        send(home, CLOSED, job=job)
    elif type == QUIT and errand == "stay":
        note("stays")
    elif type == QUIT:
        sys.exit(0)
