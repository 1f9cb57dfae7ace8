#!/usr/bin/env python3
"""peers.py BIN [--rounds N] [--scale F] [--only PART,...] [--json FILE] [--markdown FILE]: Clowder beside others on the same
work, in the same run.

Rounds alternate between Clowder and each peer; what is told is the median, and the ratio to the peer. A peer that is not there
is named and left out. --scale 0.1 does a tenth of the work: enough to see that all is well, not to believe a figure.
Parts: tiny, latency, commands, bytes, efficiency, start, daemons, queue, tunnel. An engine and folders of its own.
"""
import argparse, json, os, re, shutil, socket, subprocess, sys, tempfile, time

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)
options = argparse.ArgumentParser()
options.add_argument("bin")
options.add_argument("--rounds", type=int, default=3)
options.add_argument("--scale", type=float, default=1)
options.add_argument("--only", default="")
options.add_argument("--json")
options.add_argument("--markdown", help="the table for performance.md")
options = options.parse_args()

import screen  # makes a folder for all that follows
from screen import bin_dir, clowder, env, work

tests = f"{bin_dir}/tests"
rows, missing, started = [], {}, []


# ---- figures ----


def median(values):
    return sorted(values)[(len(values) - 1) // 2]


def scaled(n, least=1):
    return max(least, int(n * options.scale))


def sh(command, seconds=600, **more):
    """Output of a command line; anything but success ends the run, for a figure of failed work is none."""
    r = subprocess.run(command, shell=True, env=env, capture_output=True, text=True, timeout=seconds, executable="/bin/bash", **more)
    if r.returncode:
        raise RuntimeError(f"{command}: exit {r.returncode}: {r.stderr.strip()[-300:]}")
    return r.stdout


def took(command):
    began = time.monotonic()
    sh(command + " > /dev/null")
    return time.monotonic() - began


def alternate(ways):
    """{name: function} -> {name: median of its figures}; a way that fails is noted and left out."""
    seen = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            if name in missing:
                continue
            try:
                seen[name].append(way())
            except (RuntimeError, subprocess.TimeoutExpired, OSError, ValueError) as e:
                missing[name] = str(e)
    return {name: median(values) for name, values in seen.items() if values and name not in missing}


def aim(text, reached):
    return {"text": text, "reached": bool(reached)}


def row(part, work_, figure, unit, beside=None, aims=()):
    """beside: {peer: its figure, in the same unit}. Ratios are Clowder's advantage where more is better, and plain for times."""
    r = {"part": part, "work": work_, "figure": figure, "unit": unit, "beside": beside or {}, "aims": [a for a in aims if a]}
    rows.append(r)
    ratios = [f"{figure / value:,.3g} x {name} ({value:,.4g})" for name, value in r["beside"].items() if value]
    marks = ["reached: " + a["text"] if a["reached"] else "NOT reached: " + a["text"] for a in r["aims"]]
    print(f"{work_:<52} {figure:>14,.4g} {unit:<8} {'; '.join(ratios)}", flush=True)
    for mark in marks:
        print(f"{'':<52} {'':>14} {'':<8} {mark}", flush=True)


def ratio_aim(text, figure, beside, name, least):
    return aim(text, figure >= least * beside[name]) if beside.get(name) else None


# ---- peers ----


class Asked:
    """A program that prints "ready", and a line of figures for each line it is given."""

    def __init__(self, *words):
        self.p = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                  env=dict(env, PYTHONWARNINGS="ignore"))
        started.append(self.p)
        line = self.p.stdout.readline()
        if line.strip() != "ready":
            raise RuntimeError("does not start")

    def __call__(self):
        self.p.stdin.write("go\n")
        self.p.stdin.flush()
        line = self.p.stdout.readline()
        if not line:
            raise RuntimeError("ended")
        return float(line.split()[0])

    def both(self):
        self.p.stdin.write("go\n")
        self.p.stdin.flush()
        return [float(x) for x in self.p.stdout.readline().split()]

    def end(self):
        self.p.stdin.close()
        try:
            self.p.wait(20)
        except subprocess.TimeoutExpired:
            self.p.kill()


def dask(*words):
    pythons = [p for p in ("/usr/bin/python3", sys.executable) if subprocess.run([p, "-c", "import distributed"], capture_output=True).returncode == 0]
    if not pythons:
        missing["Dask"] = "python3-distributed is not installed"
        return None
    try:
        return Asked(pythons[0], f"{here}/dask_peer.py", *map(str, words))
    except RuntimeError as e:
        missing["Dask"] = str(e)
        return None


class Gearman:
    """A gearmand and two C workers of our own."""

    def __init__(self):
        self.processes = []
        if not shutil.which("gearmand"):
            raise RuntimeError("gearman-job-server is not installed")
        build = subprocess.run(["cc", "-O2", "-w", "-o", f"{work}/gearman", f"{here}/gearman.c", "-lgearman"], capture_output=True, text=True)
        if build.returncode:
            raise RuntimeError("libgearman-dev is not installed")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.start("gearmand", "-p", str(self.port), "-L", "127.0.0.1", "-l", f"{work}/gearmand.log")
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                if self.processes[0].poll() is not None:
                    raise RuntimeError("gearmand does not start")
                time.sleep(0.05)
        for _ in range(2):
            self.start(f"{work}/gearman", "worker", str(self.port))

    def start(self, *words):
        p = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes.append(p)
        started.append(p)

    def ask(self, what, n):
        return sh(f"{work}/gearman {what} {self.port} {n}")

    def end(self):
        for p in self.processes:
            p.terminate()
            p.wait()


def gearman():
    try:
        return Gearman()
    except RuntimeError as e:
        missing["Gearman"] = str(e)
        return None


# ---- the work ----


def bench(words=""):
    return json.loads(sh(f"clowder bench --json {words}"))


def tiny():
    n, few = scaled(3000000, 100000), scaled(3000, 500)
    clowder("up", "-n", "2")
    d, g = dask("tiny", few), gearman()
    ways = {
        "Clowder": lambda: bench(f"--tasks {n} --round-trips 10")["tasks_per_s"],
        "map": lambda: n / took(f"yes 0123456789abcde | head -{n} | clowder map -w -- cat"),
        "bare sockets": lambda: float(sh(f"{tests}/path {n}")),
        "bare echo": lambda: float(sh(f"{tests}/ceiling coalesced {n}")),
    }
    if d:
        ways["Dask"] = d
    if g:
        ways["Gearman"] = lambda: float(g.ask("client", scaled(20000, 2000)))
    r = alternate(ways)
    for peer in (d, g):
        if peer:
            peer.end()
    ours, mapped = r.pop("Clowder"), r.pop("map")
    row("tiny", "worker tasks, libclowder, 2 daemons", ours, "tasks/s", r,
        [aim("5 M/s", ours >= 5e6), ratio_aim("0.5 x bare sockets", ours, r, "bare sockets", 0.5),
         ratio_aim("5,000 x Dask", ours, r, "Dask", 5000), ratio_aim("300 x Gearman", ours, r, "Gearman", 300)])
    row("tiny", "worker tasks, clowder map -w -- cat, in order", mapped, "tasks/s", {}, [aim("2.5 M/s", mapped >= 2.5e6)])


def latency():
    trips = scaled(5000, 200)
    clowder("up", "-n", "2")
    d, g = dask("single", scaled(300, 50)), gearman()
    p99, dask_p99 = [], []

    def ours():
        b = bench(f"--tasks 1000 --round-trips {trips}")
        p99.append(b["latency_p99_us"])
        return b["latency_p50_us"]

    def by_dask():
        p50, high = d.both()
        dask_p99.append(high)
        return p50

    ways = {"Clowder": ours, "bare nng echo": lambda: float(sh(f"{tests}/ceiling echo {trips}").split()[0])}
    if d:
        ways["Dask"] = by_dask
    if g:
        ways["Gearman"] = lambda: float(g.ask("single", trips).split()[0])
    r = alternate(ways)
    for peer in (d, g):
        if peer:
            peer.end()
    p50 = r.pop("Clowder")
    row("latency", "one task there and back, p50", p50, "us", r,
        [aim("at most 2.5 x a bare nng echo", p50 <= 2.5 * r["bare nng echo"]), r.get("Dask") and aim("50 x quicker than Dask", 50 * p50 <= r["Dask"])])
    row("latency", "the same, p99", median(p99), "us", {"its p50": p50, **({"Dask p99": median(dask_p99)} if dask_p99 else {})},
        [aim("at most 3 x p50", median(p99) <= 3 * p50)])


def commands():
    n = scaled(2000, 100)
    clowder("up", "-n", "2")
    ways = {
        "Clowder": lambda: n / took(f"seq {n} | clowder map -- /bin/true {{}}"),
        "xargs -P2": lambda: n / took(f"seq {n} | xargs -P2 -n1 /bin/true"),
        "posix_spawn loop": lambda: n / float(sh(f"{tests}/ceiling spawn {n}")),
    }
    if shutil.which("parallel"):
        ways["GNU parallel"] = lambda: n / 4 / took(f"seq {n // 4} | parallel --will-cite -j2 /bin/true {{}}")
    else:
        missing["GNU parallel"] = "the package parallel is not installed"
    r = alternate(ways)
    ours = r.pop("Clowder")
    row("commands", "commands, /bin/true, 2 daemons", ours, "1/s", r,
        [ratio_aim("1.0 x xargs -P2", ours, r, "xargs -P2", 1), ratio_aim("0.85 x posix_spawn loop", ours, r, "posix_spawn loop", 0.85),
         ratio_aim("6 x GNU parallel", ours, r, "GNU parallel", 6)])


def bytes_():
    mb = scaled(500, 50)
    clowder("up", "-n", "2")
    r = alternate({
        "Clowder": lambda: bench(f"--size 65536 --tasks {mb * 16} --round-trips 10")["tasks_per_s"] / 16,
        "bare nng stream": lambda: float(sh(f"{tests}/ceiling stream {mb}")),
    })
    ours = r.pop("Clowder")
    row("bytes", "inputs of 64 KiB there and back", ours, "MB/s", r, [ratio_aim("0.5 x a bare nng stream", ours, r, "bare nng stream", 0.5)])


def efficiency():
    clowder("up", "-n", "2")
    worker = f"{tests}/timed_worker"
    seconds = max(1.0, 5 * options.scale)

    def timed(us):
        n = int(2 * seconds * 1e6 / us)
        return lambda: n * us / 1e6 / 2 / took(f"yes {us} | head -{n} | clowder map -w -- {worker}")

    n10 = int(2 * seconds * 100)
    d = dask("timed", n10, 10)
    ways = {"100 us": timed(100), "1 ms": timed(1000), "10 ms": timed(10000)}
    if d:
        ways["Dask"] = d
    # a task of 3 % of all at the very end: the best schedule would have begun with it
    count = int(2000 * seconds)
    lines = [1000] * count + [int(count * 1000 * 0.03)]
    with open(f"{work}/mixed", "w") as f:
        f.writelines(f"{us}\n" for us in lines)
    best = sum(lines) / 2 / 1e6
    ways["mixed"] = lambda: took(f"clowder map -w -a {work}/mixed -- {worker}") / best
    r = alternate(ways)
    if d:
        d.end()
    for what, least in (("100 us", 0.85), ("1 ms", 0.95), ("10 ms", 0.98)):
        if what in r:
            row("efficiency", f"tasks of {what}: work / (time x 2 daemons)", r[what], "", {"Dask": r["Dask"]} if what == "10 ms" and "Dask" in r else {},
                [aim(f"{least}", r[what] >= least)])
    if "mixed" in r:
        row("efficiency", "tasks of 1 ms, the longest (3 %) last: x optimum", r["mixed"], "", {"the best in this order": 1.03}, [aim("within 5 % of the optimum", r["mixed"] <= 1.05)])


def start():
    def cold():
        clowder("engine", "stop", "--now")
        return 1000 * took("clowder engine start")

    def up():
        clowder("engine", "stop", "--now")
        clowder("engine", "start")
        return 1000 * took("clowder up -n 2")

    def paint():
        s = screen.Screen()
        ms = 1000 * s.until(b"default")
        s.settle()
        s.leave()
        return ms

    times = lambda f, n: median([f() for _ in range(n)])
    r = alternate({"engine": lambda: times(cold, 3), "up": lambda: times(up, 3),
                   "status": lambda: times(lambda: 1000 * took("clowder status"), 9), "paint": lambda: times(paint, 3)})
    for name, what, most in (("engine", "a cold start of the engine", 60), ("up", "up -n 2, until they are connected", 150),
                             ("status", "clowder status", 15), ("paint", "the screens' first paint", 60)):
        if name in r:
            row("start", what, r[name], "ms", {}, [aim(f"at most {most} ms", r[name] <= most)])


def engine_pid():
    return int(open(f"{work}/run/clowder/engine.lock").read())


def proc_kb(field):
    return int(re.search(rf"^{field}:\s+(\d+)", open(f"/proc/{engine_pid()}/status").read(), re.M)[1])


def proc_cpu_s():
    f = open(f"/proc/{engine_pid()}/stat").read().rsplit(")", 1)[1].split()
    return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")


def daemons():
    """Of the smallest kind of daemon (echo_daemon), so that one machine holds ten thousand."""
    clowder("engine", "stop", "--now")
    libexec = f"{work}/libexec"
    os.makedirs(libexec, exist_ok=True)
    if not os.path.islink(f"{libexec}/clowder-daemon"):
        os.symlink(f"{tests}/echo_daemon", f"{libexec}/clowder-daemon")
    env["CLOWDER_LIBEXEC"] = libexec
    rates, last = {}, None
    try:
        for n in (10, 100, 1000, 10000):
            if n > 10000 * max(options.scale, 0.1):
                continue
            clowder("engine", "stop", "--now")
            clowder("engine", "start")
            before = proc_kb("VmRSS")
            began = time.monotonic()
            up = clowder("up", "many", "-n", str(n), "--timeout", "300s")
            if up.returncode:
                raise RuntimeError(f"up -n {n}: {up.stderr.strip()}")
            up_s = time.monotonic() - began
            each = (proc_kb("VmRSS") - before) * 1024 / n
            cpu, began = proc_cpu_s(), time.monotonic()
            time.sleep(5)
            idle = 100 * (proc_cpu_s() - cpu) / (time.monotonic() - began)
            tasks = scaled(5000000, 200000)
            rates[n] = median([bench(f"-p many --tasks {tasks} --round-trips 10")["tasks_per_s"] for _ in range(options.rounds)])
            beside = {"that with 10": rates[10]} if n > 10 else {}
            most = n == 10000
            row("daemons", f"{n:,} daemons: tiny tasks", rates[n], "tasks/s", beside, [most and aim("0.7 x that with 10", rates[n] >= 0.7 * rates[10])])
            row("daemons", f"{n:,} daemons: engine's memory for each", each, "B", {}, [most and aim("at most 8 KB", each <= 8192)])
            row("daemons", f"{n:,} daemons: idle engine's CPU", idle, "%", {}, [most and aim("below 0.5 %", idle < 0.5)])
            row("daemons", f"{n:,} daemons: until all are connected", up_s, "s")
    finally:
        clowder("engine", "stop", "--now")
        del env["CLOWDER_LIBEXEC"]


def queue():
    """Ten million tasks queued, with nobody to do them: how quickly they go in, and what the engine grows to."""
    clowder("engine", "stop", "--now")
    clowder("engine", "start")
    million, rates = scaled(1000000, 50000), []
    block = b"".join(b"%015d\n" % i for i in range(million))
    p = subprocess.Popen(["clowder", "submit", "-w", "--", "cat"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for _ in range(10):
        began = time.monotonic()
        p.stdin.write(block)
        p.stdin.flush()
        rates.append(million / (time.monotonic() - began))
    p.stdin.close()
    number = p.stdout.read().decode().strip()
    if p.wait():
        raise RuntimeError("submit failed")
    peak = proc_kb("VmHWM") / 1024
    total = json.loads(clowder("job", "show", number, "--json").stdout)["total"]
    if total != 10 * million:
        raise RuntimeError(f"{total} tasks are queued instead of {10 * million}")
    row("queue", f"{10 * million:,} tasks submitted: the first tenth", rates[0], "tasks/s")
    row("queue", "the last tenth", rates[-1], "tasks/s", {"the first": rates[0]}, [aim("not falling: 0.8 x the first", rates[-1] >= 0.8 * rates[0])])
    row("queue", "the engine's peak", peak, "MB", {}, [aim("64 MB of queue + 32", peak <= 96)])
    clowder("job", "cancel", number)
    clowder("engine", "stop", "--now")


def tunnel():
    """Hosts in network namespaces: tunnel.sh prints lines of its own, which are taken apart here."""
    if os.geteuid():
        missing["the lab of hosts"] = "needs root"
        return
    r = subprocess.run([f"{here}/tunnel.sh", bin_dir, str(scaled(200, 20))], capture_output=True, text=True, timeout=600,
                       env=dict(os.environ, ROUNDS=str(options.rounds), TASKS=str(scaled(1000000, 50000))))
    if r.returncode:
        missing["the lab of hosts"] = (r.stdout + r.stderr).strip()[-200:]
        return
    for line in r.stdout.splitlines():
        m = re.match(r"(.*?) +([0-9.]+)(?: +[0-9.]+ x (.*) \(([0-9.]+)\))?$", line)
        if not m:
            continue
        unit = "MB/s" if "MB/s" in line else "ms" if ", ms" in line else "tasks/s"
        row("tunnel", re.sub(", (MB/s|ms)|/s", "", m[1]), float(m[2]), unit, {m[3]: float(m[4])} if m[3] else {})


parts = {"tiny": tiny, "latency": latency, "commands": commands, "bytes": bytes_, "efficiency": efficiency, "start": start,
         "daemons": daemons, "queue": queue, "tunnel": tunnel}


def document():
    return {"version": clowder("version").stdout.strip(), "machine": {"cores": os.cpu_count(), "kernel": os.uname().release}, "load": load,
            "rounds": options.rounds, "scale": options.scale, "rows": rows, "missing": missing}


def number(x):
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"


def markdown(doc):
    lines = [f"{doc['machine']['cores']} cores, load {doc['load'][0]:.1f} at the start and {doc['load'][1]:.1f} at the end, medians of {doc['rounds']} rounds.",
             "", "| work | Clowder | beside | aim |", "|---|---|---|---|"]
    for r in doc["rows"]:
        beside = "; ".join(f"{number(r['figure'] / v)} x {name} ({number(v)})" for name, v in r["beside"].items() if v)
        aims = "; ".join(a["text"] + (": reached" if a["reached"] else ": **not reached**") for a in r["aims"])
        lines.append(f"| {r['work']} | {number(r['figure'])} {r['unit']} | {beside} | {aims} |")
    lines += [f"\nLeft out: {name}: {why}" for name, why in doc["missing"].items()]
    return "\n".join(lines) + "\n"


wanted = options.only.split(",") if options.only else list(parts)
for name in wanted:
    if name not in parts:
        screen.end()
        sys.exit(f"peers.py: no part is called '{name}'; there are {', '.join(parts)}")
load = [os.getloadavg()[0]]
print(f"{os.cpu_count()} cores, load {load[0]:.2f}, {options.rounds} rounds, scale {options.scale:g}\n{'WORK':<52} {'CLOWDER':>14} {'':<8} BESIDE")
try:
    for name in wanted:
        try:
            parts[name]()
        except Exception as e:  # one part that breaks is told, and the others are measured
            missing[f"part {name}"] = f"{type(e).__name__}: {e}"
finally:
    load.append(os.getloadavg()[0])
    for p in started:
        if p.poll() is None:
            p.kill()
    if options.json:
        with open(options.json, "w") as f:
            json.dump(document(), f, indent=1)
            f.write("\n")
    if options.markdown:
        with open(options.markdown, "w") as f:
            f.write(markdown(document()))
    for name, why in missing.items():
        print(f"left out: {name}: {why}")
    print(f"load at the end {load[1]:.2f}")
    screen.end()
sys.exit(1 if any(name.startswith("part ") or name == "Clowder" for name in missing) else 0)
