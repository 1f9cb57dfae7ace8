"""A house for one run: folders, programs and an engine of its own, a small disk that can be filled, hosts to reach."""
import json
import mmap
import os
import shutil
import struct
import subprocess
import tempfile
import time

import procs
from log import Log

HERE = os.path.dirname(os.path.abspath(__file__))
DISK_BYTES = 16 << 20


class Failed(Exception):
    """What the lab is there to find."""


class House:
    def __init__(self, options):
        self.bin_from = os.path.abspath(options.bin)
        self.other_bin = os.path.abspath(options.other_bin or options.bin)
        self.tests_bin = os.path.join(self.bin_from, "tests")
        self.slack = options.slack
        self.work = tempfile.mkdtemp(prefix="clw-fault.", dir="/tmp")
        self.desktop = []  # put before a command to run it on the desktop of the hosts' network
        self.hosts = None
        self.sanitized = b"__asan_init" in open(os.path.join(options.bin, "clowder"), "rb").read()
        self.is_root = os.geteuid() == 0
        self.disk = os.path.join(self.work, "disk")
        self.bin = os.path.join(self.work, "bin")
        for path in ("run", "disk", "bin", "config", "cache", "tmp"):
            os.mkdir(os.path.join(self.work, path), 0o700)
        self.small_disk = self.is_root and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", self.disk], stderr=subprocess.DEVNULL
        ).returncode == 0
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("CLOWDER_", "SSH_", "XDG_"))}
        self.env |= {
            "PATH": self.bin + ":" + os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": self.work,
            "XDG_CONFIG_HOME": self.work + "/config", "XDG_DATA_HOME": self.disk + "/data",
            "XDG_STATE_HOME": self.disk + "/state", "XDG_CACHE_HOME": self.work + "/cache",
            "XDG_RUNTIME_DIR": self.work + "/run",
            "ASAN_OPTIONS": f"log_path={self.work}/sanitizer.asan:verify_asan_link_order=0",
            "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={self.work}/sanitizer.ubsan",
        }
        self.install(self.bin_from)
        self.clock = self._make_clock()
        self.log = Log(self.disk + "/state/clowder/engine.log")

    # ---- programs ----

    def install(self, source):
        """Puts the programs in place as a package would: a new file under the old name."""
        for name in ("clowder", "clowder-daemon"):
            shutil.copy2(os.path.join(source, name), os.path.join(self.bin, name + ".new"))
            os.rename(os.path.join(self.bin, name + ".new"), os.path.join(self.bin, name))

    def command(self, *args):
        return [*self.desktop, os.path.join(self.bin, "clowder"), *args]

    def clowder(self, *args, timeout=30, check=True):
        """Runs it to its end; a hang is a finding."""
        try:
            done = subprocess.run(self.command(*args), env=self.env, cwd=self.work, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=timeout * self.slack)
        except subprocess.TimeoutExpired:
            raise Failed(f"'clowder {' '.join(args)}' still runs after {timeout * self.slack:.0f} s") from None
        if check and done.returncode != 0:
            raise Failed(f"'clowder {' '.join(args)}' ended with {done.returncode}: {done.stderr.strip()}")
        return done

    def status(self, check=True):
        done = self.clowder("status", "--json", check=check)
        return json.loads(done.stdout) if done.returncode == 0 else {"engine": {}, "profiles": []}

    def profile(self, name="default"):
        return next((p for p in self.status()["profiles"] if p["name"] == name), None)

    # ---- the engine ----

    def engine(self):
        try:
            pid = int(self._owner()[0])
        except (IndexError, ValueError):
            return 0
        return pid if procs.alive(pid) else 0

    def sockets(self):
        """The folder of its sockets, as it says beside the store."""
        return next((line[len("sockets "):] for line in self._owner() if line.startswith("sockets ")), self.work)

    def _owner(self):
        try:
            with open(self.env["XDG_DATA_HOME"] + "/clowder/engine.lock") as f:
                return f.read().splitlines()
        except OSError:
            return []

    def engines(self):
        """Processes that are engines, or were started to become one."""
        return [p["pid"] for p in procs.below(os.getpid()) if procs.command(p["pid"]).startswith(("clowder engine start", "clowder engine run"))]

    # ---- waiting ----

    def wait(self, what, seconds, condition):
        """Until condition() is true; a Failed names what did not come about. Returns the seconds that it took."""
        start = time.monotonic()
        while not condition():
            if time.monotonic() - start > seconds * self.slack:
                raise Failed(f"not within {seconds * self.slack:.0f} s: {what()if callable(what) else what}")
            time.sleep(0.01)
        return time.monotonic() - start

    # ---- the clock (clock.c) ----

    def _make_clock(self):
        library = os.path.join(self.tests_bin, "libfaultclock.so")
        if not os.path.exists(library):
            return None
        path = self.work + "/clock"
        with open(path, "wb") as f:
            f.write(struct.pack("<q", 0))
        self.env |= {"LD_PRELOAD": library, "CLOWDER_FAULT_CLOCK": path}
        with open(path, "r+b") as f:
            return mmap.mmap(f.fileno(), 8)

    def shift_clock(self, seconds):
        self.clock[:8] = struct.pack("<q", seconds)

    # ---- the end ----

    def sanitizer_reports(self):
        names = [n for n in os.listdir(self.work) if n.startswith("sanitizer.")]
        return "\n".join(open(os.path.join(self.work, n), errors="replace").read() for n in names)

    def close(self, keep):
        """Ends what is left, by its number, and takes the folders away unless they are wanted."""
        if self.hosts:
            self.hosts.close()
        mine = os.getpid()
        for p in procs.below(mine):
            procs.kill(p["pid"])
        if keep and self.small_disk:  # the small disk goes with our mount namespace
            shutil.copytree(self.disk, self.work + "/disk.kept", ignore=shutil.ignore_patterns("filler"))
        if self.small_disk:
            subprocess.run(["umount", "-l", self.disk], stderr=subprocess.DEVNULL)
        if not keep:
            shutil.rmtree(self.work, ignore_errors=True)
