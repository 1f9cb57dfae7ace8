"""Programs under test: an engine of the test's own in a folder of its own, commands that are typed, and what they said."""
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import procs
from waiting import wait_until

SOURCE = Path(os.environ.get("CLOWDER_SOURCE") or Path(__file__).resolve().parents[2])
BIN = Path(os.environ.get("CLOWDER_BIN") or SOURCE / "build/release/bin").resolve()
BUILD = Path(os.environ.get("CLOWDER_BUILD") or BIN.parent)
TESTS_BIN = BIN / "tests"
PEER = TESTS_BIN / "sp_peer"
SUPPRESSIONS = os.environ.get("TSAN_SUPPRESSIONS") or SOURCE / "tests/tsan.supp"
COMMAND_S = 180  # no command takes so long
GOING_S = 30  # so long may what has ended its work take to go
REPORT = re.compile("Sanitizer|runtime error:")
HERITAGE = ("CLOWDER_", "XDG_", "SSH_", "IN_NAMESPACE")  # of who runs the tests, and none of their business


def is_sanitized():
    return re.search(rb"__[at]san_init", (BIN / "clowder").read_bytes()) is not None


class Done:
    """A command that has ended: argv, status, out, err."""

    def __init__(self, argv, status, out, err):
        self.argv, self.status = argv, status
        self.out, self.err = (text.decode("utf-8", "surrogateescape") for text in (out, err))

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return self.out.splitlines()

    def says(self, pattern):
        """Its stderr does."""
        assert re.search(pattern, self.err, re.M), f"stderr does not say {pattern!r}: {self.err:.2000}"
        return self

    def prints(self, *patterns):
        """Its stdout has each of them, in one line."""
        for pattern in patterns:
            assert re.search(pattern, self.out, re.M), f"stdout has no {pattern!r}: {self.out:.3000}"
        return self

    def says_one_line(self, pattern=""):
        assert self.err.count("\n") == 1, f"stderr has {self.err.count(chr(10))} lines: {self.err:.2000}"
        return self.says(pattern)

    def __str__(self):
        return f"$ {shlex.join(map(str, self.argv))}\nexit status {self.status}\n{self.out[-1500:]}{self.err[-1500:]}"


class Running:
    """A command in the background. What it prints is in the files out and err while it goes on."""

    def __init__(self, home, argv, stdin, **how):
        self.home, self.argv = home, argv
        number = len(home.started)
        self.out, self.err = home.work / f"started-{number}.out", home.work / f"started-{number}.err"
        text = stdin.encode() if isinstance(stdin, str) else None
        if text is not None:
            stdin = tempfile.TemporaryFile()
            stdin.write(text)
            stdin.seek(0)
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(argv, stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=err, **how)
        self.pid = self.process.pid
        self.ended = None

    @property
    def stdin(self):
        return self.process.stdin

    def is_over(self):
        return self.process.poll() is not None

    def wait(self, status=0, timeout=COMMAND_S):
        """Its end, with this exit status (None: with any)."""
        if not self.ended:
            got = self.process.wait(timeout)
            self.ended = Done(self.argv, got, self.out.read_bytes(), self.err.read_bytes())
            self.home.note(self.ended)
        assert status is None or self.ended.status == status, f"exit status {self.ended.status}, not {status}, from\n{self.ended}"
        return self.ended

    def kill(self):
        self.process.kill()
        self.process.wait(COMMAND_S)

    def leave(self):
        """As somebody who types ^C until it goes."""
        def is_over():
            if not self.is_over():
                self.process.send_signal(signal.SIGINT)
            return self.is_over()
        wait_until(is_over)


class Engine:
    """An engine's folders and environment, whether it runs or not, and all that the test started there."""

    def __init__(self):
        self.work = Path(tempfile.mkdtemp(prefix="clowder-test.", dir="/tmp"))
        (self.work / "run").mkdir(0o700)
        self.data, self.state = self.work / "data/clowder", self.work / "state/clowder"
        self.sockets = self.work / "run/clowder"
        self.log_file, self.store = self.state / "engine.log", self.data / "clowder.db"
        self.desktop = []  # put before a command to run it on the desktop of the hosts' network
        self.started, self.story = [], []
        self.outside = []  # what a test has made outside of its folder: removed at the end
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(HERITAGE)}
        self.env |= {
            "PATH": f"{BIN}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8",
            "ASAN_OPTIONS": f"log_path={self.work}/sanitizer.asan:detect_leaks={os.environ.get('LEAKS', 1)}",
            "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={self.work}/sanitizer.ubsan",
            "TSAN_OPTIONS": f"log_path={self.work}/sanitizer.tsan:suppressions={SUPPRESSIONS}",
        }
        for name, folder in (("CONFIG_HOME", "config"), ("DATA_HOME", "data"), ("STATE_HOME", "state"), ("CACHE_HOME", "cache"),
                             ("RUNTIME_DIR", "run")):
            self.env[f"XDG_{name}"] = str(self.work / folder)

    # ---- commands ----

    def note(self, done):
        self.story.append(str(done))
        del self.story[:-8]

    def how(self, cwd, env):
        """Where, and with what environment: env changes the engine's own, None takes a name out."""
        changed = self.env | (env or {})
        return {"cwd": cwd or self.work, "env": {k: str(v) for k, v in changed.items() if v is not None}}

    def run(self, *argv, status=0, stdin="", cwd=None, env=None, timeout=COMMAND_S, **how):
        """Runs it to its end, which has this exit status (None: any)."""
        if isinstance(stdin, str):
            stdin = stdin.encode("utf-8", "surrogateescape")
        argv = list(map(str, argv))
        try:
            got = subprocess.run(argv, input=stdin, capture_output=True, timeout=timeout, **self.how(cwd, env), **how)
        except subprocess.TimeoutExpired as e:
            raise AssertionError(f"{shlex.join(argv)} still runs after {timeout} s: {e.stdout} {e.stderr}") from None
        done = Done(argv, got.returncode, got.stdout, got.stderr)
        self.note(done)
        assert status is None or done.status == status, f"exit status {done.status}, not {status}, from\n{done}"
        return done

    def start(self, *argv, stdin=None, cwd=None, env=None, **how):
        """Starts it in the background; ended with the test at the latest."""
        running = Running(self, list(map(str, argv)), stdin, **self.how(cwd, env), **how)
        self.started.append(running)
        return running

    # ---- the engine ----

    @property
    def pid(self):
        """Of the engine that runs, or 0."""
        try:
            pid = int((self.sockets / "engine.lock").read_text().split()[0])
        except (OSError, IndexError, ValueError):
            return 0
        return pid if any(p["pid"] == pid for p in procs.below(os.getpid())) else 0  # numbers of other namespaces are others

    def kill(self):
        pid = wait_until(lambda: self.pid)  # one that was killed may have been replaced just now
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not procs.alive(pid))

    @property
    def log(self):
        """All of it, with what was moved aside."""
        files = [self.log_file.with_name("engine.log.1"), self.log_file]
        return "".join(f.read_text(errors="replace") for f in files if f.exists())

    def logged(self, pattern):
        """How many lines of the log have it."""
        return sum(bool(re.search(pattern, line)) for line in self.log.split("\n"))

    # ---- processes ----

    @staticmethod
    def running(pattern):
        """Processes of this test whose command line has it."""
        return [p["pid"] for p in procs.below(os.getpid()) if re.search(pattern, procs.command(p["pid"]))]

    # ---- the end ----

    def reports(self):
        files = [*self.work.glob("sanitizer.*"), *self.state.glob("*.log*")]
        texts = [(f, f.read_text(errors="replace")) for f in files]
        return [f"{f.name}: {text[:6000]}" for f, text in texts if REPORT.search(text)]

    def end(self):
        """Ends what was started and the engine. What is wrong with that, as texts."""
        wrong = []
        for running in self.started:
            running.kill()
        last = self.pid
        subprocess.run([*self.desktop, BIN / "clowder", "engine", "stop", "--now"], env=self.env, cwd=self.work, timeout=60,
                       stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if last and procs.alive(last):
            wrong.append("the engine did not stop")
        return wrong

    def close(self):
        """Removes the folders when nothing runs any more. What is wrong, as texts."""
        wrong = []
        try:
            wait_until(lambda: not procs.below(os.getpid()), GOING_S)
        except AssertionError:
            left = procs.below(os.getpid())
            wrong += [f"left behind: {p['pid']} {procs.command(p['pid'])}" for p in left]
            for p in left:
                procs.kill(p["pid"])
        wrong += [f"process {pid} died of signal {number}" for pid, number in procs.crashed().items()]
        reap()
        wrong += self.reports()
        if not os.environ.get("KEEP"):
            for path in [self.work, *self.outside]:
                shutil.rmtree(path, ignore_errors=True)
        return wrong

    def tell(self):
        """What a failed test shows."""
        return [("last commands", "\n".join(self.story)), ("engine log", self.log[-4000:])]


def reap():
    """Orphans that have ended stay until somebody looks: nobody does but we."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


class Clowder:
    """The command: clowder("map -p kind -- sh -c", "echo $0", ":::", 1). The first text is split at its spaces, others are one word each."""

    def __init__(self, engine):
        self.engine = engine

    def argv(self, words, rest):
        return [*self.engine.desktop, "clowder", *words.split(), *rest]

    def __call__(self, words, *rest, **how):
        return self.engine.run(*self.argv(words, rest), **how)

    def start(self, words, *rest, **how):
        return self.engine.start(*self.argv(words, rest), **how)

    def status(self):
        return self("status --json").json

    def profile(self, name="default"):
        """As status --json tells of it."""
        return self(f"status {name} --json").json["profiles"][0]

    def state(self, name="default"):
        return self.profile(name)["state"]

    def daemons(self, name="default"):
        return self.profile(name)["daemon_list"]

    def limits(self, name):
        """Of its first daemon, which says them a moment after it is up."""
        return wait_until(lambda: self.daemons(name)[0]["limits"])

    # ---- detached jobs ----

    def submit(self, words, *rest, **how):
        """The number of the job."""
        return int(self("submit " + words, *rest, **how).out)

    def job(self, number):
        return self(f"job show {number} --json").json

    def job_is(self, number, state):
        return self.job(number)["state"] == state

    def waits_for(self, number, pattern):
        return re.search(pattern, self.job(number)["reason"] or "")

    def recorded(self, number):
        """Results of the job that are in the store, from its first task on; no engine is needed or started for that."""
        return self(f"job collect {number} --no-wait", status=None).out.split("\n")[:-1]

    def collect(self, number, *rest, **how):
        return self(f"job collect {number}", *rest, **how)
