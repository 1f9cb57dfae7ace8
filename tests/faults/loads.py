"""What runs while faults strike: clients that are fed for as long as the lab wants, whose every result is checked as it
comes. A load outlives its client: when a fault takes the client, the next one begins with new inputs.

To add a load, derive from Load (or only give argv and expected) and put it into KINDS."""
import json
import os
import signal
import subprocess
import threading
import time

import procs
from house import Failed

RETRIES = 100
LASTING = "sleep 1000"  # lasts longer than any seed
# What must change no result: no task takes that long, and one that fails by itself fails always.
OPTIONS = (["--speculate"], ["--retry-failed", "2"], ["--timeout", "100s"], ["--deadline", "1h"])


class Load:
    """A `clowder map --json` that is fed a line at a time."""
    name = "command"
    pace_s, group = 0.02, 1  # so many inputs in a write, and a pause after it
    keeps_engine = True  # its client starts another engine when one is killed
    needs_disk = False  # what it does goes through the store

    def __init__(self, house, roll):
        self.house = house
        self.options = [arg for option in OPTIONS if roll.below(3) == 0 for arg in option]
        self.done = self.failed = 0  # of all clients together
        self.client = None
        self.sessions = 0
        self.broken = []  # why the client may end otherwise than usually: (exit statuses, text of stderr)
        self.excuses = []  # failures that a fault explains: predicate and how many, shared with the other loads

    # what is run, and what comes of input number i (from 1): status, exit, stdout

    def argv(self):
        return ["--", "sh", "-c", f"{LASTING} >/dev/null 2>&1 & sleep 0.005; case {{}} in *7) exit 3;; esac; echo y{{}}"]

    def input(self, i):
        return str(i)

    def expected(self, i):
        return ("failed", 3, "") if i % 10 == 7 else ("done", 0, f"y{i}\n")

    def cwd(self):
        return self.house.work

    def prepare(self, numbers):
        """These inputs are about to be given."""

    # ---- its life ----

    def start(self):
        self.sessions += 1
        self.path = f"{self.house.work}/{self.name}.{self.sessions}"
        self.given = self.received = self.session_failed = 0
        self.read_at, self.rest = 0, b""
        self.feeding = True
        self.broken = []
        args = ["map", "--json", "--retries", str(RETRIES), "--no-progress", *self.options, *self.argv()]
        with open(self.path + ".out", "wb") as out, open(self.path + ".err", "wb") as err:
            self.client = subprocess.Popen(self.house.command(*args), env=self.house.env, cwd=self.cwd(),
                                           stdin=subprocess.PIPE, stdout=out, stderr=err)
        self.feeder = threading.Thread(target=self._feed, args=(self.client,), daemon=True)
        self.feeder.start()

    def _feed(self, client):
        pipe = client.stdin
        try:
            while self.feeding:
                numbers = range(self.given + 1, self.given + self.group + 1)
                self.prepare(numbers)
                os.write(pipe.fileno(), "".join(self.input(i) + "\n" for i in numbers).encode())
                self.given = numbers[-1]
                time.sleep(self.pace_s)
        except (BrokenPipeError, ValueError, OSError):
            pass  # the client went: how it ended is looked at elsewhere

    def errors(self):
        with open(self.path + ".err", errors="replace") as f:
            return f.read()

    def look(self):
        """Takes the results that are there, and notices a client that ended before its time."""
        ended = self.client.poll()
        with open(self.path + ".out", "rb") as f:
            f.seek(self.read_at)
            data = f.read()
        self.read_at += len(data)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        if ended is not None and self.feeding:
            self._ended_early(ended)

    def _ended_early(self, status):
        self.feeding = False
        self.feeder.join()
        if not self._is_explained(status):
            raise Failed(f"{self.name}: its client ended with {status}: {self.errors()[-800:]}")
        self.start()

    def _is_explained(self, status):
        return any(status in statuses and text in self.errors() for statuses, text in self.broken)

    def _take(self, result):
        self.received += 1
        self.done += 1
        i = self.received
        if result["index"] != i:
            raise Failed(f"{self.name}: result {result['index']} came where {i} was due")
        if i > self.given + self.group or result["input"] != self.input(i):
            raise Failed(f"{self.name}: task {i} came back with input {result['input']!r}")
        got = (result["status"], result["exit"], result["stdout"])
        if got[0] != "done":
            self.session_failed += 1
        if got != self.expected(i):
            if not self._is_excused(result):
                raise Failed(f"{self.name}: task {i} is {json.dumps(result)}, not {self.expected(i)}")
            self.failed += 1

    def _is_excused(self, result):
        for entry in self.excuses:
            if entry[1] > 0 and entry[0](result):
                entry[1] -= 1
                return True
        return False

    def recovered(self):
        """What the last fault explains is over."""
        self.excuses = []
        self.broken = []

    def caught_up_with(self, mark):
        """All that was given before the mark has its result. A client that was replaced starts counting anew."""
        session, given = mark
        self.look()
        return self.received >= given if self.sessions == session else self.received > 0

    def mark(self):
        return self.sessions, self.given

    def so_far(self):
        return f"{self.name} {self.received}/{self.given} results"

    def finish(self, seconds):
        """No more inputs; every result is in, and the client ends as it should."""
        self.feeding = False
        self.feeder.join()
        self.client.stdin.close()
        try:
            status = self.client.wait(seconds * self.house.slack)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name}: its client hangs with {self.received} of {self.given} results: "
                         f"{self.errors()[-800:]}") from None
        self.look()
        if self.received != self.given:
            raise Failed(f"{self.name}: {self.received} results for {self.given} tasks, exit status {status}: "
                         f"{self.errors()[-800:]}")
        if status != (1 if self.session_failed else 0):
            raise Failed(f"{self.name}: exit status {status} with {self.session_failed} failed tasks")


class Worker(Load):
    """Lines through workers that stay."""
    name = "worker"
    group = 20

    def argv(self):
        return ["-w", "--", "sh", "-c", f"{LASTING} >/dev/null 2>&1 & exec sed -u s/^/y/"]

    def expected(self, i):
        return "done", 0, f"y{i}"


class Files(Load):
    """Tasks whose files travel: each brings back what it was given, byte for byte, before it counts as done."""
    name = "files"
    pace_s = 0.05

    def argv(self):
        return ["--in", "in-{}", "--out", "out-{}", "--", "sh", "-c",
                f"{LASTING} >/dev/null 2>&1 & cat in-{{}} >out-{{}}; case {{}} in *7) exit 3;; esac; echo y{{}}"]

    def cwd(self):
        path = self.path + ".files"
        os.makedirs(path, exist_ok=True)
        return path

    def content(self, i):
        """Of every 15th, what is too large for the list of files: blocks, and zeros."""
        line = f"{self.sessions} {i}\n".encode()
        return line * 150000 + bytes(1 << 20) + line if i % 15 == 0 else line * (i % 500)

    def prepare(self, numbers):
        for i in numbers:
            with open(f"{self.cwd()}/in-{i}", "wb") as f:
                f.write(self.content(i))

    def expected(self, i):
        return ("failed", 3, "") if i % 10 == 7 else ("done", 0, f"y{i}\n")

    def _take(self, result):
        super()._take(result)
        i, out = result["index"], f"{self.cwd()}/out-{result['index']}"
        if result["status"] == "done":
            with open(out, "rb") as f:
                if f.read() != self.content(i):
                    raise Failed(f"{self.name}: task {i} is done, and its file is not what it was given")
            os.unlink(out)
        elif os.path.exists(out):
            raise Failed(f"{self.name}: task {i} failed, and has brought a file: {json.dumps(result)}")
        os.unlink(f"{self.cwd()}/in-{i}")

    def finish(self, seconds):
        super().finish(seconds)
        def left():  # a daemon that was killed leaves its folder to the next one that makes one
            return [name for name in os.listdir(self.cwd()) if not name.startswith(".clowder-job-")]
        self.house.wait(lambda: f"{self.name}: left behind: {left()}", 10, lambda: not left())


class Framed(Load):
    """The framed protocol, and workers that report failures."""
    name = "framed"
    group = 5

    def argv(self):
        return ["-W", "--", os.path.join(self.house.tests_bin, "worker_program")]

    def input(self, i):
        return "fail4" if i % 50 == 49 else f"x{i}"

    def expected(self, i):
        return ("failed", 4, "") if i % 50 == 49 else ("done", 0, f"x{i}")


class Own(Load):
    """Daemons that live as long as their map."""
    name = "own"
    pace_s = 0.03

    def argv(self):
        return ["-n", "1", "--stdin", "--", "cat"]

    def expected(self, i):
        return "done", 0, str(i)


class Kept(Load):
    """Detached jobs, one after the other: submitted, and collected as they run. A collector that a fault ends begins again
    at the first result; what was there is still there, and the same."""
    name = "kept"
    tasks = 200
    keeps_engine = False
    needs_disk = True

    def start(self):
        self.feeding = True
        self.over = 0  # excuses of faults that are over: good for the job that there was
        self._submit()

    def _begin(self, *args):
        self.sessions += 1
        self.path = f"{self.house.work}/{self.name}.{self.sessions}"
        self.received = self.session_failed = 0
        self.read_at, self.rest = 0, b""
        with open(self.path + ".out", "wb") as out, open(self.path + ".err", "wb") as err:
            self.client = subprocess.Popen(self.house.command(*args), env=self.house.env, cwd=self.house.work,
                                           stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def _submit(self):
        inputs = self.house.work + "/kept.inputs"
        with open(inputs, "w") as f:
            f.writelines(self.input(i) + "\n" for i in range(1, self.tasks + 1))
        self.job, self.given = None, 0
        del self.excuses[:self.over]
        self.over = 0
        self.excused = set()  # tasks that failed by a fault: they stay so
        self._begin("submit", "--name", self.name, "--retries", str(RETRIES), "-a", inputs, *self.options,
                    *self.argv())

    def _collect(self):
        self._begin("job", "collect", str(self.job), "--json")

    def _take(self, result):
        i = self.received + 1
        if i in self.excused and result["status"] == "failed":
            self.received += 1
            self.session_failed += 1
            return
        failed = self.failed
        super()._take(result)
        if self.failed != failed:
            self.excused.add(i)

    def _ended(self, status):
        if self.job is None and status == 0:
            with open(self.path + ".out") as f:
                self.job, self.given = int(f.read()), self.tasks
            self._collect()
        elif self.job is not None and status in (0, 1) and self.received == self.tasks:
            if status != (1 if self.session_failed else 0):
                raise Failed(f"{self.name}: exit status {status} with {self.session_failed} failed tasks")
            self.client = None
            self.house.clowder("job", "remove", str(self.job), "--yes", check=False)
            if self.feeding:
                self._submit()
        elif not self._is_explained(status):
            raise Failed(f"{self.name}: ended with {status} and {self.received} of {self.given} results: "
                         f"{self.errors()[-800:]}")
        else:  # a fault took it: the same again
            time.sleep(0.1)
            if self.job is None:
                self._submit()
            else:
                self._collect()

    def look(self):
        if self.client is None:
            return
        ended = self.client.poll()
        if self.job is not None:
            with open(self.path + ".out", "rb") as f:
                f.seek(self.read_at)
                data = f.read()
            self.read_at += len(data)
            *lines, self.rest = (self.rest + data).split(b"\n")
            for line in lines:
                self._take(json.loads(line))
        if ended is not None:
            self._ended(ended)

    def recovered(self):
        """Results are read when they are on the disk, so a failure that is explained may be seen later."""
        self.broken = []
        self.over = len(self.excuses)

    def mark(self):
        """It goes on after a fault. Results come in heaps, for they are read when they are on the disk."""
        return self.done + 1

    def caught_up_with(self, mark):
        self.look()
        return self.done >= (mark if isinstance(mark, int) else 1)

    def finish(self, seconds):
        """The last job comes to its end; and so has every other, also one whose submitter never heard of its number."""
        self.feeding = False
        self.house.wait(lambda: f"{self.name}: {self.received} of {self.given} results", seconds, self._is_over)
        self.house.wait(lambda: f"jobs that do not end: {self._running()}", seconds, lambda: not self._running())

    def _is_over(self):
        self.look()
        return self.client is None

    def _running(self):
        jobs = json.loads(self.house.clowder("job", "list", "--json", "-n", "1000").stdout)["jobs"]
        return [j["id"] for j in jobs if j["name"] == self.name and j["state"] in ("queued", "running")]


class Lasting(Load):
    """A task that lasts until somebody ends it: its client is killed or told to go, or its daemon or the engine ends."""
    name = "lasting"

    def argv(self):
        return ["-n", "1", "--", "sh", "-c", f"{self._sleep(1)} >/dev/null 2>&1 & exec {self._sleep(0)}"]

    def _sleep(self, n):
        return f"{LASTING}.{n}{self.sessions:04}"

    def _feed(self, client):
        try:
            while self.feeding:
                if self.given == self.received:
                    os.write(client.stdin.fileno(), f"{self.given + 1}\n".encode())
                    self.given += 1
                time.sleep(self.pace_s)
        except OSError:
            pass  # the client went

    def expected(self, i):
        return None  # it ends only by a fault

    def _running(self):
        return sorted(procs.command(p["pid"]) for p in procs.below(os.getpid())
                      if procs.command(p["pid"]).startswith((LASTING + ".0", LASTING + ".1")))

    def mark(self):
        return None

    def so_far(self):
        return f"{self.name} runs {self._running()}, and should {self._sleep(0)} and the like"

    def caught_up_with(self, mark):
        """Its task runs, and none of a client that is gone."""
        self.look()
        return self._running() == [self._sleep(0), self._sleep(1)]

    def finish(self, seconds):
        self.feeding = False
        self.feeder.join()
        self.client.send_signal(signal.SIGTERM)
        self.house.wait(f"{self.name}: its client ends when it is told to", seconds, lambda: self.client.poll() is not None)
        if self.client.returncode not in (-signal.SIGTERM, 128 + signal.SIGTERM):
            raise Failed(f"{self.name}: told to end, its client ended with {self.client.returncode}: {self.errors()[-800:]}")
        self.house.wait(lambda: f"{self.name}: still there: {self._running()}", 5, lambda: not self._running())


KINDS = [Load, Worker, Framed, Files, Own, Kept, Lasting]
