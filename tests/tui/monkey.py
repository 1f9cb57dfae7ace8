"""Random input for the screens: monkey.py --seconds S [--seed N]. Keys, keys typed ahead in one write, pastes of text and of
bytes, clicks, other window sizes. The program may neither crash nor hang: it leaves when it is asked to, with status 0 and a
clean terminal. Nothing typed here names a file or a program outside the test: '/' comes only where it begins a search, and the
program's PATH holds what monkey.sh has put there."""
import argparse
import fcntl
import os
import pty
import random
import re
import select
import signal
import struct
import sys
import termios
import time

LEAVE_S = 60  # a loaded machine, a sanitizer
ESC, ENTER = b"\x1b", b"\r"
SPECIAL = [b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1bOA", b"\x1bOB", b"\x1b[5~", b"\x1b[6~", b"\x1b[H", b"\x1b[F",
           b"\x1b[Z", b"\x1b[3~", b"\x1bOP", b"\x1bOQ", b"\x1bOR", b"\x1bOS", b"\x1b[15~", b"\x1b[17~", b"\x1b[18~", b"\x1b[19~",
           b"\x1b[20~", b"\x1b[21~", ESC, ENTER, b"\t", b"\x7f"]
# Not those that end or stop a program (^C, ^\), and no '/'.
CONTROL = [bytes([c]) for c in range(1, 32) if c not in (3, 28)]
PLAIN = [bytes([c]) for c in range(32, 127) if c not in b"/q"]
BYTES = bytes(c for c in range(256) if c not in b"\x03\x1c/")
ACTIONS = [bytes([c]) for c in b"aeipturLwsDXdux+-l crSfvh nNI,.<>ZvU*y\r\tGgjk"]
COMMANDS = ["status", "status --json", "host list", "host show alder", "host remove nobody", "profile list", "job list",
            "job show 1", "log -n 20", "version", "help map", "engine status", "engine stop", "up -n 1", "up -n 3 --no-wait",
            "down --all", "host add monkey 127.0.0.1:1", "host remove monkey", "map -n 1 -- flaky ::: 1 2 3",
            "submit -- flaky ::: 1 2 3", "job save 1 saved", "export exported", "nothing such", "'open", "log --follow"]
SIZES = [(0, 0), (1, 1), (2, 500), (24, 80), (16, 60), (10, 40), (50, 200), (300, 1000), (24, 79), (300, 20)]


def lead(argv):
    """What a shell does for a program: a group of its own in the foreground, going on after ^Z. It stays until it is hung up:
    when the leader of a session ends, what the terminal has not shown yet is lost."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    before = termios.tcgetattr(0)
    before[3] |= termios.NOFLSH  # ^Z throws away no output: all of it is looked at
    termios.tcsetattr(0, termios.TCSANOW, before)
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execvp(argv[0], argv)
    os.write(1, b"[pid=%d]" % pid)
    status = os.waitpid(pid, os.WUNTRACED)[1]
    while os.WIFSTOPPED(status):
        os.tcsetpgrp(0, pid)
        os.killpg(pid, signal.SIGCONT)
        status = os.waitpid(pid, os.WUNTRACED)[1]
    os.tcsetpgrp(0, os.getpid())
    now = termios.tcgetattr(0)
    is_same = now[:6] == before[:6]
    now[0] &= ~termios.IXON  # a ^S that came after its end
    termios.tcsetattr(0, termios.TCSANOW, now)
    termios.tcflow(0, termios.TCOON)
    os.write(1, b"[left=%d same=%d]" % (os.waitstatus_to_exitcode(status), is_same))
    signal.pause()


class Program:
    """The program in a terminal of its own."""

    def __init__(self, argv):
        self.leader, self.fd = pty.fork()
        if self.leader == 0:
            lead(argv)
        os.set_blocking(self.fd, False)
        self.resize(24, 80)
        self.tail = b""
        self.modes = {}
        self.pid = None
        self.left = None  # (exit status, are the terminal's settings as they were)
        end = time.monotonic() + LEAVE_S
        while self.pid is None and time.monotonic() < end:
            self.run(0.05)

    def resize(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def take(self):
        """Reads what there is."""
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return
        self.tail = (self.tail + data)[-len(data) - 4096:]
        for mode, on in re.findall(rb"\x1b\[\?([0-9;]+)([hl])", self.tail[-len(data) - 32:]):
            for one in mode.split(b";"):
                self.modes[one] = on
        if self.pid is None and (told := re.search(rb"\[pid=(\d+)\]", self.tail)):
            self.pid = int(told[1])
        if told := re.search(rb"\[left=(-?\d+) same=(\d)\]", self.tail):
            self.left = (int(told[1]), told[2] == b"1")
        self.tail = self.tail[-4096:]

    def run(self, seconds):
        """Looks at what it draws for so long."""
        end = time.monotonic() + seconds
        while not self.left and (wait := end - time.monotonic()) > 0:
            if select.select([self.fd], [], [], wait)[0]:
                self.take()

    def type(self, data):
        """One write, when the terminal takes it whole; what it draws is read meanwhile."""
        end = time.monotonic() + LEAVE_S
        while data and not self.left and time.monotonic() < end:
            readable, writable, _ = select.select([self.fd], [self.fd], [], 1)
            if readable:
                self.take()
            if writable:
                try:
                    data = data[os.write(self.fd, data):]
                except BlockingIOError:
                    pass

    def leave(self):
        """Asks it to leave, out of whatever is open. False when it does not."""
        end = time.monotonic() + LEAVE_S
        self.resize(24, 80)
        while not self.left and time.monotonic() < end:
            for key in (ESC, ESC, b"q"):
                self.type(key)
                self.run(0.1)
        return self.left is not None

    def dirt(self):
        """What it left behind: the other screen, no cursor, a mouse that is reported."""
        wrong = {b"1049": b"h", b"1000": b"h", b"1002": b"h", b"1006": b"h", b"25": b"l"}
        return [mode.decode() for mode, on in self.modes.items() if wrong.get(mode) == on]

    def close(self):
        if not self.left and os.path.exists(f"/proc/{self.pid}"):
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)  # hangs the leader up
        os.waitpid(self.leader, 0)


class Monkey:
    def __init__(self, rng):
        self.rng = rng
        self.said = []  # for the report

    def text(self, most):
        pick = self.rng.choice
        words = ["alder", "birch", "default", "x", "r2d2", "127.0.0.1", "99999", "a,b", "{}", "{#}", "*", "state:up", "gpu>0",
                 "'", '"', "\\", "-n", "--", ":::", "\u00e9\u4f60\u597d", "\U0001f600", "flaky", "inputs", "=", "1e9", " "]
        return " ".join(pick(words) for _ in range(self.rng.randint(1, most))).encode()

    def key(self):
        r = self.rng.random()
        pool = PLAIN if r < 0.45 else ACTIONS if r < 0.65 else SPECIAL if r < 0.9 else CONTROL if r < 0.995 else [b"q"]
        return self.rng.choice(pool)

    def keys(self, p):
        p.type(self.key())

    def ahead(self, p):
        p.type(b"".join(self.key() for _ in range(self.rng.choice((2, 3, 5, 20, 60)))))

    def switch(self, p):
        p.type(b"".join(self.rng.choice((b"1", b"2", b"3", b"4", b"5")) + self.rng.choice(ACTIONS)
                        for _ in range(self.rng.choice((1, 1, 2, 10)))))

    def paste(self, p):
        p.type(self.text(40) + self.rng.choice((b"", ENTER)))

    def noise(self, p):
        p.type(bytes(self.rng.choice(BYTES) for _ in range(self.rng.choice((1, 10, 300, 3000)))))

    def mouse(self, p):
        for _ in range(self.rng.choice((1, 2, 2, 10))):
            button, x, y = self.rng.choice((0, 0, 0, 1, 2, 64, 65)), self.rng.randint(0, 90), self.rng.randint(0, 30)
            if self.rng.random() < 0.7:
                p.type(b"\x1b[<%d;%d;%dM\x1b[<%d;%d;%dm" % (button, x, y, button, x, y))
            else:
                p.type(b"\x1b[M" + bytes([32 + button, 33 + x, 33 + y]).replace(b"/", b"."))

    def resize(self, p):
        p.resize(*self.rng.choice(SIZES) if self.rng.random() < 0.5 else (self.rng.randint(0, 120), self.rng.randint(0, 300)))

    def command(self, p):
        p.type(b":" + self.rng.choice(COMMANDS).encode() + self.rng.choice((ENTER, ENTER, b"\t", ESC)))

    def search(self, p):
        for _ in range(8):  # whatever is open is closed: '/' is a search, and no file's name
            p.type(ESC)
            p.run(0.04)
        p.type(b"/" + self.rng.choice((b"a", b"alder", b"zz")) + ENTER)

    def form(self, p):
        p.type(self.rng.choice((b"2", b"3", b"4")) + b"a")
        p.run(self.rng.choice((0, 0.1)))
        for _ in range(self.rng.randint(1, 8)):
            p.type(self.text(2) + self.rng.choice((b"\t", b"\t", b" ", b"\x1b[Z")))
        p.type(self.rng.choice((b"\x1b[21~", b"\x1b[21~", ENTER, ESC)))

    def wait(self, p):
        p.run(self.rng.choice((0.05, 0.1, 0.3)))

    def act(self, p):
        weights = {self.keys: 10, self.ahead: 8, self.switch: 10, self.paste: 3, self.noise: 3, self.mouse: 4, self.resize: 3,
                   self.command: 3, self.search: 1, self.form: 3, self.wait: 6}
        self.rng.choices(list(weights), list(weights.values()))[0](p)


class Remembering(Program):
    """Keeps the last input for the report."""
    sent = []

    def type(self, data):
        Remembering.sent = Remembering.sent[-40:] + [data]
        return super().type(data)

    def resize(self, rows, cols):
        Remembering.sent = Remembering.sent[-40:] + [("size", rows, cols)]
        super().resize(rows, cols)


def fail(p, why, seed, began):
    print(f"FAILED after {time.monotonic() - began:.1f} s with --seed {seed}: {why}", file=sys.stderr)
    for data in Remembering.sent:
        print("   ", repr(data)[:300], file=sys.stderr)
    for name in ("wchan", "syscall", "status"):
        if not p.left and os.path.exists(f"/proc/{p.pid}/{name}"):
            with open(f"/proc/{p.pid}/{name}", encoding="utf-8") as f:
                print(name, f.read()[:200], file=sys.stderr)
    print("the end of what it wrote:", p.tail[-600:], file=sys.stderr)
    p.close()
    sys.exit(1)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--seconds", type=float, required=True)
    args.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    args = args.parse_args()
    print(f"--seed {args.seed}", flush=True)
    monkey, began, rounds, acts = Monkey(random.Random(args.seed)), time.monotonic(), 0, 0
    while time.monotonic() - began < args.seconds:
        p = Remembering(["clowder", "--screen", monkey.rng.choice(("overview", "hosts", "profiles", "jobs", "log"))])
        end = time.monotonic() + 8
        p.run(0.3)
        while not p.left and time.monotonic() < end:
            monkey.act(p)
            acts += 1
        if not p.leave():
            fail(p, "it does not leave", args.seed, began)
        if p.left != (0, True):
            fail(p, "it ended with status %d, the terminal's settings %s" % (p.left[0], "kept" if p.left[1] else "changed"),
                 args.seed, began)
        if dirt := p.dirt():
            fail(p, f"the terminal is not as it was: modes {dirt}", args.seed, began)
        p.close()
        rounds += 1
    print(f"{acts} inputs in {rounds} rounds")


main()
