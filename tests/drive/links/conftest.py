"""Links to hosts without an engine: the driver (../../hosts/drive.c) prints what happens to them, a line each."""
import re
import shlex
from pathlib import Path

import pytest

from programs import TESTS_BIN
from told import PROGRAM, last_state
from waiting import lines_of, wait_until

LIMIT_S = 120


class Background:
    """A driver that goes on until it is ended."""

    def __init__(self, running):
        self.running = running
        self.wait, self.pid = running.wait, running.pid

    def has(self, pattern, times=1):
        return sum(bool(re.search(pattern, line)) for line in lines_of(self.running.out)) >= times

    def wait_for(self, pattern, times=1):
        wait_until(lambda: self.has(pattern, times))

    def end(self):
        """What it printed, and its log."""
        self.running.process.terminate()
        return self.running.wait(None)


class Driver:
    """On the desktop of hosts h1, h2 …: its first text is split at spaces, others are one word each."""

    def __init__(self, engine, lab):
        self.engine, self.lab = engine, lab
        self.folder = Path(lab.lab)
        self.config = self.folder / "config"
        self.known_hosts = self.folder / "known_hosts"
        self.namespaces = lab.namespaces

    def argv(self, words, rest):
        return [*self.engine.desktop, TESTS_BIN / "hosts_drive", "--config", self.config, "--program", PROGRAM, *words.split(), *rest]

    def __call__(self, words, *rest, status=0):
        return self.engine.run(*self.argv(words, rest), status=status, timeout=LIMIT_S)

    def fails(self, words, *rest, status=0):
        """The link is down at last, and not up."""
        done = self(words, *rest, status=status)
        assert last_state(done) == "down", f"it did not fail:\n{done}"
        return done

    def start(self, words, *rest):
        return Background(self.engine.start(*self.argv(words, rest)))

    # ---- hosts ----

    def home(self, i=1):
        return self.folder / f"h{i}/home"

    def cache(self, i=1):
        return self.home(i) / ".cache/clowder"

    def programs(self, i=1):
        """What lies in the cache folder of a host."""
        return sorted(self.cache(i).iterdir())

    def log_of(self, i):
        """What its sshd says."""
        return (self.folder / f"h{i}/log").read_text()

    def key_of(self, i):
        """The public half of its host key, without the comment."""
        return " ".join((self.folder / f"h{i}/hostkey.pub").read_text().split()[:2])

    def address(self, i):
        return self.lab.shell(f"lab_address {i}").strip()

    def port(self, i):
        return self.lab.shell(f"lab_port {i}").strip()

    def stop(self, i=1):
        self.lab.shell(f"lab_stop {i}")

    def serve(self, i=1, lines=""):
        self.lab.shell(f"lab_sshd {i} {shlex.quote(lines)}")

    def restart(self, i=1, lines=""):
        self.stop(i)
        self.serve(i, lines)

    def configure(self, first="", **replaced):
        """Another configuration: lines before it, and options that have another value."""
        text = self.config.read_text()
        for name, value in replaced.items():
            text = re.sub(rf"{name} .*", f"{name} {value}", text)
        self.config.write_text(first + text)

    def make_key(self, name, *options, secret=""):
        path = self.folder / name
        self.engine.run("ssh-keygen", "-q", *(options or ("-t", "ed25519")), "-N", secret, "-f", path)
        return path

    def public(self, path):
        return " ".join(path.with_suffix(".pub").read_text().split()[:2])


@pytest.fixture
def driver(engine, lab):
    """driver(2, "MaxSessions 1"): in a lab of so many hosts."""
    return lambda count=1, lines="": Driver(engine, lab(count, lines))


@pytest.fixture
def one(driver):
    return driver(1)


@pytest.fixture
def two(driver):
    return driver(2)
