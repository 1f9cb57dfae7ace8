"""The faults. Each strikes, heals what it must heal, and says what it did; the lab then measures how long it takes until
everything that was under way is answered and all daemons are back. `bound` is that time, in seconds, on an idle machine.

To add one, write a function with @fault. It gets the lab and a roll of its own (prng.Prng), so that what it chooses does
not depend on what was chosen before."""
import os
import resource
import signal
import socket
import subprocess
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


def pick(roll, items, what):
    if not items:
        return None
    return roll.choice(items)


# ---- kill -9 ----


@fault(bound=4, weight=4)
def kill_daemon(lab, roll):
    pid = pick(roll, lab.daemons(), "daemon")
    lab.note(f"daemon {pid}")
    if pid:
        procs.kill(pid)


@fault(bound=8, weight=4)
def kill_all_daemons(lab, roll):
    for pid in lab.daemons():
        procs.kill(pid)


@fault(bound=4, weight=4)
def kill_worker(lab, roll):
    """A task's own process, or a worker: the task that it was at fails with that signal, and no other."""
    workers = [p["pid"] for d in lab.daemons() for p in procs.children(d)]
    pid = pick(roll, workers, "worker")
    lab.note(f"worker {pid}")
    if pid:
        lab.excuse(lambda load, r: r["status"] == "failed" and r["signal"] == signal.SIGKILL, 1)
        procs.kill(pid)


@fault(bound=4)
def rude_commands(lab, roll):
    """Commands die before they greet the engine, while they do, ask and wait. The next one is answered."""
    folder = os.path.join(lab.house.env["XDG_RUNTIME_DIR"], "clowder")
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


def kill_client_of(load):
    load.broken = ((-signal.SIGKILL,), "")
    procs.kill(load.client.pid)
    load.client.wait()


@fault(bound=4, weight=3)
def kill_client(lab, roll):
    """What ran for it ends; a client that is started again gets every result."""
    load = roll.choice(lab.loads)
    lab.note(load.name)
    kill_client_of(load)


@fault(bound=8, needs=("engine-may-end",))
def kill_client_and_engine(lab, roll):
    load = roll.choice(lab.loads)
    kill_client_of(load)
    lab.end_engine()


# ---- stopped and continued ----


def stop_for(roll, pids):
    for pid in pids:
        procs.send(pid, signal.SIGSTOP)
    time.sleep(roll.between(0.2, 1.2))
    for pid in pids:
        procs.send(pid, signal.SIGCONT)


@fault(bound=4)
def freeze_engine(lab, roll):
    stop_for(roll, [lab.some_engine()])


@fault(bound=4)
def freeze_daemon(lab, roll):
    stop_for(roll, [pid for pid in [pick(roll, lab.daemons(), "daemon")] if pid])


@fault(bound=4)
def freeze_worker(lab, roll):
    workers = [p["pid"] for d in lab.daemons() for p in procs.children(d)]
    stop_for(roll, [pid for pid in [pick(roll, workers, "worker")] if pid])


@fault(bound=4)
def freeze_client(lab, roll):
    stop_for(roll, [roll.choice(lab.loads).client.pid])


# ---- the engine is replaced ----


@fault(bound=10, weight=1, needs=("engine-may-end",))
def restart_engine(lab, roll):
    """Stopped by its user: clients end with 3 or 5, and say why; what comes next starts anew."""
    for load in lab.loads:
        load.broken = ((3, 5), "clowder")  # 5: it came back while the engine was stopping
    lab.house.clowder("engine", "stop", "--now")
    lab.bring_up()


@fault(bound=10, weight=1, needs=("engine-may-end",))
def upgrade_engine(lab, roll):
    """Other programs lie under the same names when the engine dies: daemons and engine are the new ones from then on."""
    lab.house.install(lab.house.other_bin if lab.upgraded % 2 == 0 else lab.house.bin_from)
    lab.upgraded += 1
    lab.end_engine()


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
    if roll.below(2) and lab.daemons():
        procs.kill(roll.choice(lab.daemons()))
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
    pid = pick(roll, lab.daemons(), "daemon")
    if not pid:
        return
    lab.excuse(lambda load, r: r["status"] == "failed" and "Cannot allocate memory" in r.get("error", ""), 200)
    lab.excuse(lambda load, r: r["status"] == "failed" and r["exit"] in (127, 2, 4), 200)  # a task that got none itself
    try:
        limit(pid, resource.RLIMIT_AS, roll.choice([1 << 20, 32 << 20, 200 << 20]))
        time.sleep(roll.between(0.2, 0.8))
        limit(pid, resource.RLIMIT_AS, resource.RLIM_INFINITY)
    except ProcessLookupError:
        pass


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
    time.sleep(roll.between(0.2, 1.0))
    if roll.below(3) == 0 and lab.has("engine-may-end"):
        lab.end_engine()
        lab.some_engine()
    if roll.below(2):
        done = lab.house.clowder("run", "--", "echo", "room", check=False)
        if done.stdout != "room\n" and done.returncode != 3:  # 3: no daemons at this moment
            raise Failed(f"on a full disk 'run' ended with {done.returncode}: {done.stderr.strip()}")
    os.unlink(filler)


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
    for pid in lab.hosts.sessions(host):
        procs.kill(pid)


@fault(bound=12, weight=3, needs=("hosts",))
def kill_supervisor(lab, roll):
    host = lab.hosts.pick(roll)
    for pid in lab.hosts.supervisors(host):
        procs.kill(pid)


@fault(bound=8, weight=3, needs=("hosts",))
def kill_remote_daemon(lab, roll):
    host = lab.hosts.pick(roll)
    pid = pick(roll, lab.hosts.daemons(host), "daemon")
    if pid:
        procs.kill(pid)


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
    stop_for(roll, lab.hosts.sessions(lab.hosts.pick(roll)))
