"""relay.py PORT ADDRESS PORT CONTROL: a way that can be long, narrow or cut; CONTROL says how, as JSON, at any moment."""
import asyncio
import json
import os
import signal
import socket
import struct
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # a ^C is for the lab, which ends us
port, to_address, to_port, control = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
writers = set()
settings, seen = {}, None


async def watch():
    """Notices new settings, and cuts what is there when they say so."""
    global settings, seen
    while True:
        s = os.stat(control)
        if (s.st_ino, s.st_mtime_ns) != seen:
            seen = (s.st_ino, s.st_mtime_ns)
            settings = json.load(open(control))
            for w in list(writers) if settings["reset"] else []:
                cut(w)
        await asyncio.sleep(0.02)


def cut(writer):
    sock = writer.get_extra_info("socket")
    if writer.is_closing() or sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def pump(reader, writer):
    loop, queue = asyncio.get_running_loop(), asyncio.Queue(64)

    async def send():
        while (item := await queue.get()) is not None:
            due, data = item
            await asyncio.sleep(max(0, due - loop.time()))
            if settings["kib_per_s"]:
                await asyncio.sleep(len(data) / 1024 / settings["kib_per_s"])
            writer.write(data)
            await writer.drain()

    sender = asyncio.create_task(send())

    async def hand(item):
        put = asyncio.create_task(queue.put(item))
        await asyncio.wait({put, sender}, return_when=asyncio.FIRST_COMPLETED)
        if sender.done():
            put.cancel()
            await sender  # says why

    try:
        while data := await reader.read(4096 if settings["kib_per_s"] else 65536):
            await hand((loop.time() + settings["delay_ms"] / 1000, data))
        await queue.put(None)
        await sender
        writer.write_eof()
    finally:
        sender.cancel()


async def serve(reader, writer):
    if settings["reset"]:
        cut(writer)
        return
    try:
        far_reader, far_writer = await asyncio.open_connection(to_address, to_port)
    except OSError:
        cut(writer)
        return
    pair = {writer, far_writer}
    writers.update(pair)
    pumps = [asyncio.create_task(pump(reader, far_writer)), asyncio.create_task(pump(far_reader, writer))]
    done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_EXCEPTION)
    writers.difference_update(pair)
    broken = any(p.exception() for p in done)
    for p in pumps:
        p.cancel()
    for w in pair:
        cut(w) if broken else w.close()  # a reset on one side is one on the other: nothing hides it


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    watcher = asyncio.create_task(watch())
    while not settings:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    async with server:
        await asyncio.gather(server.serve_forever(), watcher)


asyncio.run(main())
