"""The faults. Each strikes, heals what it must heal, and says what it did; the lab then measures how long it takes until
everything that was under way is answered and all daemons are back. `bound` is that time, in seconds, on an idle machine.
One that hit nothing returns False, and does not count.

To add one, write a function with @fault. It gets the lab and a roll of its own (prng.Prng), so that what it chooses does
not depend on what was chosen before."""
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time

import procs
from house import Failed

ALL = {}


class Kind:
    def __init__(self, name, strike, bound, weight, needs):
        self.name, self.strike, self.bound, self.weight, self.needs = name, strike, bound, weight, needs

    def can(self, lab):
        return all(lab.has(need) for need in self.needs)


def fault(bound, weight=2, needs=()):
    def register(strike):
        name = strike.__name__.replace("_", "-")
        ALL[name] = Kind(name, strike, bound, weight, needs)
        return strike
    return register


def pick(roll, items, nobody=0):
    return roll.choice(items) if items else nobody


def workers(lab):
    """Tasks and workers on this machine, each with its daemon before it."""
    return [(daemon, p["pid"]) for daemon in lab.daemons() for p in procs.children(daemon)]


# ---- kill -9 ----


@fault(bound=4, weight=4)
def kill_daemon(lab, roll):
    pid = pick(roll, lab.daemons())
    lab.note(f"daemon {pid}")
    return lab.end(pid)


@fault(bound=8, weight=4)
def kill_all_daemons(lab, roll):
    return any([lab.end(pid) for pid in lab.daemons()])


@fault(bound=4, weight=4)
def kill_worker(lab, roll):
    """A task's own process, or a worker: the task that it was at fails with that signal, and no other."""
    daemon, pid = pick(roll, workers(lab), (0, 0))
    lab.note(f"worker {pid}")
    if not procs.kill(pid):
        return False
    lab.excuse(daemon, lambda r: r["signal"] == signal.SIGKILL, 1)
    return True


@fault(bound=4)
def rude_commands(lab, roll):
    """Commands die before they greet the engine, while they do, ask and wait. The next one is answered."""
    folder = lab.house.sockets()
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(os.path.join(folder, roll.choice(["engine.sock", "updates.sock"])))
                s.sendall(b"\0SP\0\0\x30\0\0"[:roll.below(8)])
            except OSError:
                pass  # there is no engine right now, or it minds
        asked = subprocess.Popen(lab.house.command("status"), env=lab.house.env, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        time.sleep(roll.between(0, 0.006))
        asked.kill()
        asked.wait()
    asked = subprocess.Popen(lab.house.command("status"), env=lab.house.env, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    try:
        asked.wait(15 * lab.house.slack)
    except subprocess.TimeoutExpired:
        asked.kill()
        raise Failed("after commands that died no command is answered") from None


@fault(bound=8, weight=4, needs=("engine-may-end",))
def kill_engine(lab, roll):
    lab.end_engine()


@fault(bound=8, needs=("engine-may-end",))
def kill_engine_twice(lab, roll):
    """The next engine dies while its clients come back to it."""
    lab.end_engine()
    lab.some_engine()
    time.sleep(roll.between(0, 0.1))
    lab.end_engine()


def client_of(load):
    return load.client.pid if load.client else 0


def end_client_of(load, number=signal.SIGKILL):
    hit = procs.send(client_of(load), number)
    if hit:
        load.broken.append(((-number, 128 + number), ""))  # the latter when it takes its tasks back first
        load.client.wait()
    return hit


@fault(bound=8, needs=("engine-may-end",))
def kill_engine_and_daemon(lab, roll):
    """At once: the engine cannot end what the daemon ran, for it is stopped when the daemon dies."""
    procs.send(lab.some_engine(), signal.SIGSTOP)
    lab.end(pick(roll, lab.daemons()))
    lab.end_engine()


@fault(bound=4, weight=3)
def kill_client(lab, roll):
    """What ran for it ends; a client that is started again gets every result."""
    load = roll.choice(lab.loads)
    lab.note(load.name)
    return end_client_of(load)


@fault(bound=4)
def tell_client_to_end(lab, roll):
    """SIGTERM: it takes back what it gave out."""
    load = roll.choice(lab.loads)
    lab.note(load.name)
    return end_client_of(load, signal.SIGTERM)


@fault(bound=8, needs=("engine-may-end",))
def kill_client_and_engine(lab, roll):
    end_client_of(roll.choice(lab.loads))
    lab.end_engine()


# ---- who comes and goes ----


@fault(bound=4, weight=3)
def logout(lab, roll):
    """The folder of the session is removed with all that is in it, as logind does; perhaps there is a new one later."""
    folder = lab.house.env["XDG_RUNTIME_DIR"]
    shutil.rmtree(folder, ignore_errors=True)
    time.sleep(roll.between(0, 1.0))
    if roll.below(2):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    one_engine(lab)


@fault(bound=8, weight=3)
def cron(lab, roll):
    """A command with next to no environment, or one of another login, beside the session's own; perhaps as an engine dies, which then is
    started from there."""
    env = {k: v for k, v in lab.house.env.items() if k != "XDG_RUNTIME_DIR" and k not in ("LANG", "LC_ALL", "USER", "LOGNAME")}
    other_login = roll.below(2)
    if lab.has("engine-may-end") and roll.below(3) == 0:
        other_login = True
        lab.end_engine()
    if other_login:
        env["XDG_RUNTIME_DIR"] = lab.house.work + "/login"
        os.makedirs(env["XDG_RUNTIME_DIR"], mode=0o700, exist_ok=True)
    asked = [subprocess.Popen(lab.house.command("run", "--", "echo", "cron"), env=e, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) for e in [env, env, lab.house.env]]
    for a in asked:
        try:
            out, err = a.communicate(timeout=20 * lab.house.slack)
        except subprocess.TimeoutExpired:
            a.kill()
            raise Failed("a command of cron's hangs") from None
        if out != "cron\n":
            raise Failed(f"a command of cron's ended with {a.returncode}: {err.strip()}")
    one_engine(lab)


def one_engine(lab):
    """One that is just starting or dying is there for a moment besides."""
    lab.house.wait(lambda: f"one engine, not {lab.house.engines()}", 5, lambda: len(lab.house.engines()) <= 1)


STORM_WORKER = 'while read -r x; do case $x in slow*) sleep 20;; esac; echo "y$x"; done'


@fault(bound=4, weight=3)
def cancel_storm(lab, roll):
    """Many maps at once whose tasks time out, are cancelled one by one, by their job, or with their client. Each is told of its own
    tasks what became of them, and of no other's; what ends somebody's task ends nobody else's."""
    storm = []
    for i in range(6):
        inputs = [f"slow{n}" if roll.below(10) == 0 else f"fast{n}" for n in range(30)]
        kind = roll.choice([["-w", "--", "sh", "-c", STORM_WORKER],
                            ["--", "sh", "-c", 'case $1 in slow*) sleep 20;; esac; echo "y$1"', "sh"]])
        path = f"{lab.house.work}/storm.{len(lab.story)}.{i}"
        with open(path, "wb") as out:
            p = subprocess.Popen(lab.house.command("map", "--json", "--name", "storm", "--timeout", "500ms", *kind), env=lab.house.env,
                                 stdin=subprocess.PIPE, stdout=out, stderr=subprocess.PIPE)
        storm.append((p, path, inputs, roll.choice(["end", "end", "int", "term", "kill", "job"])))
        threading.Thread(target=feed_all, args=(p, inputs), daemon=True).start()
    time.sleep(roll.between(0.05, 0.6))
    for p, _, _, how in storm:
        if how == "job":
            cancel_jobs(lab, "storm", roll)
        elif how != "end":
            p.send_signal({"int": signal.SIGINT, "term": signal.SIGTERM, "kill": signal.SIGKILL}[how])
        time.sleep(roll.between(0, 0.05))
    for p, path, inputs, how in storm:
        try:
            p.wait(40 * lab.house.slack)
        except subprocess.TimeoutExpired:
            p.kill()
            raise Failed(f"a map of a storm ({how}) hangs") from None
        p.stderr.close()
        check_storm(path, inputs)


def feed_all(p, inputs):
    try:
        p.stdin.write("".join(i + "\n" for i in inputs).encode())
        p.stdin.close()
    except OSError:
        pass  # it was killed


def cancel_jobs(lab, name, roll):
    done = lab.house.clowder("job", "list", "--json", "-n", "50", check=False)
    jobs = json.loads(done.stdout)["jobs"] if done.returncode == 0 else []
    running = [j["id"] for j in jobs if j["name"] == name and j["state"] == "running"]
    if running:
        lab.house.clowder("job", "cancel", str(roll.choice(running)), check=False)


def check_storm(path, inputs):
    with open(path) as f:
        lines = f.read().split("\n")[:-1]
    for n, line in enumerate(lines):
        r = json.loads(line)
        if r["index"] != n + 1 or r["input"] != inputs[n]:
            raise Failed(f"storm: result {n + 1} of {inputs[n]} is {line}")
        if r["status"] == "done" and r["stdout"].rstrip("\n") != "y" + inputs[n]:
            raise Failed(f"storm: another's answer: {line}")
        if r["status"] not in ("done", "timeout", "cancelled") or (r["status"] == "done" and inputs[n].startswith("slow")):
            raise Failed(f"storm: {inputs[n]} was given the end of another: {line}")


# ---- stopped and continued ----


def stop_for(roll, pids):
    hit = any([procs.send(pid, signal.SIGSTOP) for pid in pids])
    time.sleep(roll.between(0.2, 1.2))
    for pid in pids:
        procs.send(pid, signal.SIGCONT)
    return hit


@fault(bound=4)
def freeze_engine(lab, roll):
    return stop_for(roll, [lab.some_engine()])


@fault(bound=4)
def freeze_daemon(lab, roll):
    return stop_for(roll, [pick(roll, lab.daemons())])


@fault(bound=4)
def freeze_worker(lab, roll):
    return stop_for(roll, [pick(roll, workers(lab), (0, 0))[1]])


@fault(bound=4)
def freeze_client(lab, roll):
    return stop_for(roll, [client_of(roll.choice(lab.loads))])


# ---- the engine is replaced ----


@fault(bound=10, weight=1, needs=("engine-may-end",))
def restart_engine(lab, roll):
    """Stopped by its user: clients end with 3 or 5, and say why; what comes next starts anew."""
    for load in lab.loads:
        load.broken.append(((3, 5), "clowder"))  # 5: it came back while the engine was stopping
    lab.stop_engine("--now")
    lab.bring_up()


@fault(bound=10, weight=1, needs=("engine-may-end",))
def upgrade_engine(lab, roll):
    """Other programs lie under the same names when the engine dies: daemons and engine are the new ones from then on."""
    lab.house.install(lab.house.other_bin if lab.upgraded % 2 == 0 else lab.house.bin_from)
    lab.upgraded += 1
    lab.end_engine()


@fault(bound=4)
def pause_daemons(lab, roll):
    """It is outside their hours for a while: what is out ends or stops first, and comes back whole."""
    now = time.gmtime().tm_hour
    lab.up("--hours", f"{(now + 12) % 24:02}:00-{(now + 13) % 24:02}:00", *roll.choice([[], ["--pause-now"]]))
    time.sleep(roll.between(0.3, 1.5))
    lab.up("--hours", "")


# ---- out of something ----


def limit(pid, what, soft):
    _, hard = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (soft, hard))


@fault(bound=6)
def no_descriptors(lab, roll):
    """The engine can open nothing: it says so, and goes on when it can. A daemon dies meanwhile, or a command comes."""
    engine = lab.some_engine()
    _, hard = resource.prlimit(engine, resource.RLIMIT_NOFILE)
    highest = max(int(fd) for fd in os.listdir(f"/proc/{engine}/fd"))
    limit(engine, resource.RLIMIT_NOFILE, min(highest + 1 + roll.below(3), procs.descriptors(engine) + roll.below(3)))
    end = time.monotonic() + roll.between(0.3, 4.0)
    asked = subprocess.Popen(lab.house.command("status"), env=lab.house.env, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    if roll.below(2):
        lab.end(pick(roll, lab.daemons()))
    time.sleep(max(0, end - time.monotonic()))
    limit(engine, resource.RLIMIT_NOFILE, hard)
    try:
        asked.wait(15 * lab.house.slack)
    except subprocess.TimeoutExpired:
        asked.kill()
        raise Failed("a command that came while the engine had no descriptors hangs") from None


@fault(bound=6, needs=("plain-memory",))
def no_memory(lab, roll):
    """A daemon gets no more memory: it ends, or its tasks fail and say why."""
    pid = pick(roll, lab.daemons())
    lab.excuse(pid, lambda r: "Cannot allocate memory" in r.get("error", ""), 200)
    lab.excuse(pid, lambda r: r["exit"] in (127, 2, 4), 200)  # a task that got none itself
    lab.starved.add(pid)
    if not procs.alive(pid):
        return False
    try:
        limit(pid, resource.RLIMIT_AS, roll.choice([1 << 20, 32 << 20, 200 << 20]))
        time.sleep(roll.between(0.2, 0.8))
        limit(pid, resource.RLIMIT_AS, resource.RLIM_INFINITY)
    except ProcessLookupError:
        pass  # it ended for it
    return True


@fault(bound=6, weight=3, needs=("small-disk",))
def full_disk(lab, roll):
    """Store and logs lie on a disk that is full for a while. Work goes on."""
    filler = lab.house.disk + "/filler"
    with open(filler, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"\0" * 65536)
        except OSError:
            pass
        try:
            while True:
                f.write(b"\0" * 512)
        except OSError:
            pass
    for load in lab.loads:
        if load.needs_disk:
            load.broken.append(((1,), "no room on the disk"))
    time.sleep(roll.between(0.2, 1.0))
    if roll.below(3) == 0 and lab.has("engine-may-end"):
        lab.end_engine()
        lab.some_engine()
    if roll.below(2):
        done = lab.house.clowder("run", "--", "echo", "room", check=False)
        if done.stdout != "room\n" and done.returncode != 3:  # 3: no daemons at this moment
            raise Failed(f"on a full disk 'run' ended with {done.returncode}: {done.stderr.strip()}")
    os.unlink(filler)
    lab.names.clear()  # whose lines had no room


# ---- the clock ----


@fault(bound=4, needs=("clock",))
def clock_jump(lab, roll):
    """The wall clock of engine and clients jumps, and stays there."""
    seconds = roll.choice([3600, -3600, 86400 * 400, -86400 * 400, 30, -30])
    lab.note(f"{seconds:+d} s")
    lab.house.shift_clock(seconds)


# ---- hosts ----


@fault(bound=12, weight=4, needs=("hosts",))
def kill_ssh_session(lab, roll):
    host = lab.hosts.pick(roll)
    lab.note(f"h{host}")
    return any([procs.kill(pid) for pid in lab.hosts.sessions(host)])


@fault(bound=12, weight=3, needs=("hosts",))
def kill_supervisor(lab, roll):
    host = lab.hosts.pick(roll)
    return any([procs.kill(pid) for pid in lab.hosts.supervisors(host)])


@fault(bound=8, weight=3, needs=("hosts",))
def kill_remote_daemon(lab, roll):
    host = lab.hosts.pick(roll)
    return lab.end(pick(roll, lab.hosts.daemons(host)))


@fault(bound=15, weight=2, needs=("hosts",))
def restart_host(lab, roll):
    """Its server and every session end; it comes back a moment later."""
    host = lab.hosts.pick(roll)
    lab.hosts.shell(f"lab_stop {host}")
    time.sleep(roll.between(0, 0.5))
    lab.hosts.shell(f"lab_sshd {host}")


@fault(bound=12, weight=3, needs=("hosts", "network"))
def cut_link(lab, roll):
    """The cable is out for a while; nobody is told."""
    host = lab.hosts.pick(roll)
    lab.hosts.shell(f"ip -n $PREFIX-sw link set p-h{host} down")
    time.sleep(roll.between(0.3, 2.0))
    lab.hosts.shell(f"ip -n $PREFIX-sw link set p-h{host} up")


@fault(bound=12, weight=3, needs=("hosts", "network"))
def lossy_link(lab, roll):
    """Every so manieth packet is dropped, both ways (nftables)."""
    percent = roll.choice([5, 15, 30])
    lab.note(f"{percent} %")
    lab.hosts.shell("$desktop nft 'add table inet loss; add chain inet loss in { type filter hook input priority -10; }; "
                    f"add rule inet loss in iif != lo numgen random mod 100 < {percent} drop'")
    time.sleep(roll.between(0.5, 2.0))
    lab.hosts.shell("$desktop nft delete table inet loss")


@fault(bound=12, weight=3, needs=("hosts",))
def slow_link(lab, roll):
    """The way to the host that is reached through a relay takes long, and carries little."""
    lab.hosts.relay(delay_ms=roll.choice([50, 200, 500]), kib_per_s=roll.choice([16, 64, 256]))
    time.sleep(roll.between(0.5, 2.0))
    lab.hosts.relay()


@fault(bound=15, weight=3, needs=("hosts",))
def reset_link(lab, roll):
    """The relay resets every connection, and takes none for a while."""
    lab.hosts.relay(reset=True)
    time.sleep(roll.between(0.1, 1.0))
    lab.hosts.relay()


@fault(bound=12, weight=1, needs=("hosts",))
def freeze_ssh_session(lab, roll):
    return stop_for(roll, lab.hosts.sessions(lab.hosts.pick(roll)))
