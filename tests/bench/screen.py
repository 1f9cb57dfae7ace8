#!/usr/bin/env python3
"""screen.py BIN: how quick the screens are, in a terminal of 200 by 50, over engines and inventories of their own.

first paint    from the start of the program to the first complete frame, with 1,000 hosts in the inventory
a key          from a key to what it changes on the screen: median and worst of 200
CPU            of the front end alone, in per cent of a core, at 10 frames a second
"""
import fcntl, json, os, pty, select, shutil, struct, subprocess, sys, tempfile, termios, time

bin_dir = os.path.abspath(sys.argv[1])
work = tempfile.mkdtemp(prefix="clowder-screen.")
env = dict(os.environ, PATH=bin_dir + ":" + os.environ["PATH"], TERM="xterm-256color", LC_ALL="C.UTF-8")
for name in ("CONFIG", "DATA", "STATE", "CACHE"):
    env[f"XDG_{name}_HOME"] = f"{work}/{name.lower()}"
env["XDG_RUNTIME_DIR"] = f"{work}/run"
os.mkdir(f"{work}/run", 0o700)
env.pop("CLOWDER_PROFILE", None)


def clowder(*words, **more):
    return subprocess.run(["clowder", *words], env=env, check=False, capture_output=True, text=True, **more)


class Screen:
    def __init__(self, *words):
        self.began = time.monotonic()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
            os.execvpe("clowder", ["clowder", *words], env)

    def read(self, seconds):
        ready, _, _ = select.select([self.fd], [], [], seconds)
        try:
            return os.read(self.fd, 1 << 16) if ready else b""
        except OSError:
            return b""

    def until(self, text, seconds=30):
        """Reads until the text was written; the seconds that it took since the start."""
        seen, end = b"", time.monotonic() + seconds
        while text not in seen:
            if time.monotonic() > end:
                sys.exit(f"the screen does not show {text!r}: {seen[-2000:]!r}")
            seen += self.read(0.5)
        return time.monotonic() - self.began

    def settle(self, quiet=0.3):
        while self.read(quiet):
            pass

    def key(self, key):
        """Seconds until the screen answers."""
        began = time.monotonic()
        os.write(self.fd, key)
        data = self.read(5)
        took = time.monotonic() - began
        while data and self.read(0.004):
            pass
        return took

    def cpu(self):
        fields = open(f"/proc/{self.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def frames(self, seconds, keys):
        """Per cent of a core while a key comes ten times a second."""
        cpu, began = self.cpu(), time.monotonic()
        for i in range(int(seconds * 10)):
            os.write(self.fd, keys[i % len(keys)])
            end = began + (i + 1) / 10
            while (left := end - time.monotonic()) > 0:
                self.read(left)
        return 100 * (self.cpu() - cpu) / (time.monotonic() - began)

    def leave(self):
        os.write(self.fd, b"q")
        while self.read(2):
            pass
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def keys(screen, key, count=200):
    times = sorted(screen.key(key[i % len(key)]) for i in range(count))
    return f"p50 {1000 * times[len(times) // 2]:.1f} ms, worst {1000 * times[-1]:.1f} ms"


def say(what, figure):
    print(f"{what:<58} {figure}", flush=True)


DOWN, UP, PAGE, BACK = b"j", b"k", b"\x1b[6~", b"\x1b[5~"


def many_hosts():
    hosts = {f"host{i:04}": {"address": f"10.0.{i // 250}.{i % 250}"} for i in range(1000)}
    clowder("import", "-", input=json.dumps({"clowder": 1, "hosts": hosts}))
    times = []
    for _ in range(9):
        s = Screen("--screen", "hosts")
        times.append(s.until(b"host0001"))
        s.settle()
        answers = keys(s, [PAGE, PAGE, PAGE, BACK, BACK])
        s.leave()
    say("first paint, 1,000 hosts", f"p50 {1000 * sorted(times)[4]:.0f} ms, worst {1000 * max(times):.0f} ms")
    say("a key, 1,000 hosts", answers)


def busy_daemons():
    clowder("up", "-n", "64")
    job = subprocess.Popen(["clowder", "map", "--", "sh", "-c", "sleep 0.2"], env=env, stdin=subprocess.PIPE,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    job.stdin.write("".join(f"{i}\n" for i in range(20000)).encode())
    job.stdin.close()
    for name in ("overview", "profiles"):
        s = Screen("--screen", name)
        s.until(b"default")
        time.sleep(2)
        s.settle(0.05)
        say(f"CPU, 64 busy daemons, 10 frames a second, {name}", f"{s.frames(10, [DOWN, UP]):.1f} %")
        s.leave()
    clowder("engine", "stop", "--now")
    job.wait()


def many_daemons():
    os.mkdir(f"{work}/libexec")
    os.symlink(f"{bin_dir}/tests/echo_daemon", f"{work}/libexec/clowder-daemon")
    env["CLOWDER_LIBEXEC"] = f"{work}/libexec"
    clowder("up", "many", "-n", "10000", "--timeout", "300s")
    s = Screen("--screen", "profiles")
    s.until(b"many")
    s.until(b"10000")
    s.settle()
    s.key(DOWN)
    s.settle()
    os.write(s.fd, b"\t")
    s.settle()
    say("a key, 10,000 daemons in the list", keys(s, [PAGE, PAGE, PAGE, BACK, DOWN]))
    say("CPU, 10,000 daemons, 10 frames a second", f"{s.frames(10, [PAGE, BACK]):.1f} %")
    s.leave()
    clowder("engine", "stop", "--now")
    del env["CLOWDER_LIBEXEC"]


def many_failures():
    clowder("up", "-n", "2")
    clowder("map", "--name", "wrong", "-W", "--", f"{bin_dir}/tests/worker_program", input="fail3\n" * 100000)
    s = Screen("--screen", "jobs")
    s.until(b"wrong")
    time.sleep(5)
    s.settle()
    s.key(b"\t")
    say("a key, 100,000 failed tasks in the list", keys(s, [PAGE, PAGE, PAGE, BACK, DOWN]))
    s.leave()
    clowder("engine", "stop", "--now")


def end():
    clowder("engine", "stop", "--now")
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    try:
        many_hosts()
        busy_daemons()
        many_failures()
        many_daemons()
    finally:
        end()
