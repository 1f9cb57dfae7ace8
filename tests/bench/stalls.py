#!/usr/bin/env python3
"""A map at full speed while something else stalls: does it keep its rate, and are commands answered?

For each stall: the median of tasks in half a second, the smallest of these, and the slowest `status` and `run` meanwhile.
CLOWDER_BIN and CLOWDER_BUILD name the build; --seconds how long each stall lasts."""
import argparse, json, os, shutil, socket, sqlite3, statistics, subprocess, sys, tempfile, threading, time

BIN = os.environ["CLOWDER_BIN"]
SLOW = os.path.join(os.environ["CLOWDER_BUILD"], "bin/tests/libfaultslow.so")
STEP = 0.5


class House:
    """An engine of our own, in a folder of its own."""

    def __init__(self, extra):
        self.folder = tempfile.mkdtemp(prefix="clowder-stalls.")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("CLOWDER_")}
        for name in ("CONFIG_HOME", "DATA_HOME", "STATE_HOME", "CACHE_HOME", "RUNTIME_DIR"):
            path = os.path.join(self.folder, name.lower())
            os.mkdir(path, 0o700)
            self.env["XDG_" + name] = path
        self.env["PATH"] = BIN + ":" + self.env["PATH"]
        self.clowder("engine", "start", extra=extra)

    def clowder(self, *words, extra=None, check=True):
        return subprocess.run(["clowder", *words], env=self.env | (extra or {}), check=check, capture_output=True, text=True)

    def store(self):
        return os.path.join(self.env["XDG_DATA_HOME"], "clowder", "clowder.db")

    def close(self):
        self.clowder("engine", "stop", "--now", check=False)
        shutil.rmtree(self.folder)


class Map:
    """Tasks of a worker that answers each line, as many as go through; counted as they come."""

    def __init__(self, house):
        feed = "import os\nline = b'x\\n' * 4096\nwhile True: os.write(1, line)"
        self.feed = subprocess.Popen([sys.executable, "-c", feed], stdout=subprocess.PIPE)
        self.map = subprocess.Popen(["clowder", "map", "-w", "--", "cat"], env=house.env, stdin=self.feed.stdout,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.count = 0
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while block := os.read(self.map.stdout.fileno(), 1 << 20):
            self.count += block.count(b"\n")

    def samples(self, until):
        counts, last = [], self.count
        while not until.is_set():
            time.sleep(STEP)
            counts.append(self.count - last)
            last = self.count
        return counts

    def close(self):
        for p in (self.map, self.feed):
            p.kill()
            p.wait()


def locked(house, seconds):
    db = sqlite3.connect(house.store(), isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    time.sleep(seconds)
    db.execute("ROLLBACK")
    db.close()


def nothing(house, seconds):
    time.sleep(seconds)


def deaf_base():
    """A port that swallows what knocks: its queue is full."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(0)
    port, held = s.getsockname()[1], [s]
    for _ in range(4):
        c = socket.socket()
        c.setblocking(False)
        c.connect_ex(("127.0.0.1", port))
        held.append(c)
    return port, held


def swallowed(house, seconds):
    port, held = deaf_base()
    house.clowder("profile", "set", "deaf", "--runtime", "mirai", "--base", f"tcp://127.0.0.1:{port}", "-n", "2")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        house.clowder("up", "deaf", "--timeout", "5s", check=False)
    del held


def named(house, seconds):
    name = socket.gethostname()
    house.clowder("profile", "set", "named", "--runtime", "mirai", "--base", f"tcp://{name}:9", "-n", "2")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        house.clowder("up", "named", "--timeout", "7s", check=False)


def edited(house, seconds):
    """Beside a disk that is slow: settings, numbers and profiles change all the time."""
    until, n = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        n += 1
        house.clowder("up", "other", "-n", "1", "--no-wait", check=False)
        house.clowder("scale", "other", str(1 + n % 2), check=False)
        house.clowder("profile", "set", "other", "--idletime", f"{60 + n}s", check=False)
        house.clowder("down", "other", check=False)


STALLS = {
    "nothing": (nothing, {}),
    "store locked by another process": (locked, {}),
    "a disk that takes 2 s a write, and edits": (edited, {"CLOWDER_SLOW_FSYNC_MS": "2000"}),
    "edits": (edited, {}),
    "a base that swallows what knocks": (swallowed, {}),
    "a name that resolves in 5 s": (named, {"CLOWDER_SLOW_NAMES_MS": "5000"}),
}


def ask(house, stop, times):
    while not stop.is_set():
        for words in (("status", "--json"), ("run", "true")):
            began = time.monotonic()
            house.clowder(*words)
            times[words[0]].append(time.monotonic() - began)
        time.sleep(0.2)


def measure(name, seconds):
    stall, extra = STALLS[name]
    if extra:
        extra = extra | {"LD_PRELOAD": SLOW}
    house = House(extra)
    try:
        house.clowder("up", "-n", "2")
        work, stop, times = Map(house), threading.Event(), {"status": [], "run": []}
        time.sleep(2)
        asker = threading.Thread(target=ask, args=(house, stop, times))
        stalling = threading.Thread(target=lambda: (stall(house, seconds), stop.set()))
        asker.start()
        stalling.start()
        counts = work.samples(stop)
        asker.join()
        stalling.join()
        work.close()
        return {"stall": name, "median": statistics.median(counts), "least": min(counts),
                "least_of_median": round(min(counts) / (statistics.median(counts) or 1), 2),
                "status_ms": round(1000 * max(times["status"]), 1), "run_ms": round(1000 * max(times["run"]), 1),
                "status_median_ms": round(1000 * statistics.median(times["status"]), 1),
                "run_median_ms": round(1000 * statistics.median(times["run"]), 1)}
    finally:
        house.close()


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--seconds", type=float, default=30)
    p.add_argument("stalls", nargs="*", default=list(STALLS))
    o = p.parse_args()
    for name in o.stalls:
        print(json.dumps(measure(name, o.seconds)), flush=True)


main()
