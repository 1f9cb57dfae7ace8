"""crowd.py SOCKET|PORT: 1200 connections that say nothing, until its stdin ends; who is shown out comes again."""
import resource
import select
import socket
import sys

resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))


def come():
    if sys.argv[1].isdigit():
        return socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    return s


held, told = {}, False
waiting = select.poll()
waiting.register(0, select.POLLIN)
while True:
    while len(held) < 1200:
        try:
            one = come()
        except OSError:
            break
        held[one.fileno()] = one
        waiting.register(one, select.POLLIN)
    if not told and len(held) >= 1000:
        print("here", flush=True)
        told = True
    for fd, _ in waiting.poll(100):
        if fd == 0:
            sys.exit(0)
        waiting.unregister(fd)
        held.pop(fd).close()
