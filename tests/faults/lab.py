"""One run of faults: a house, loads, a schedule made from a seed; and what has to be true after each fault and at the end.

    lab.py --seed N --bin FOLDER ...      (faults.py starts it, in a mount namespace of its own where there may be one)

Prints one line of JSON: seed, tasks, failed, faults (kind -> times), recovery_ms (kind -> worst), verdict."""
import argparse
import json
import os
import signal
import sys
import time
import traceback

import hosts
import kinds
import loads
import log
import procs
from house import Failed, House
from prng import Prng

REMOTE = 1  # daemons on each host
ENGINES_MAX = 6  # a seed that ends more says little more
RSS_GROWTH_KIB = 24 << 10


class Lab:
    def __init__(self, options):
        self.options = options
        self.seed = options.seed
        self.house = House(options)
        self.roll = Prng(options.seed)
        self.engines_ended = self.upgraded = 0
        self.struck = set()  # engines and daemons that the lab ended
        self.starved = set()  # daemons whose memory it limited
        self.engines, self.names = set(), {}  # of the log: engines that started, and the daemon that has a name
        self.ended_daemon = False
        self.counts, self.worst_ms = {}, {}
        self.story = []
        self.hosts = None
        self.loads = []
        self.base = {}
        self.wants_hosts = options.hosts and hosts.can_be_had() and self.roll.below(100) < options.hosts
        every = [k(self.house, Prng(self.roll.next())) for k in loads.KINDS if not options.load or k.name in options.load]
        first = self.roll.below(len(every))
        self.loads = (every[first:] + every[:first])[:options.loads]

    # ---- for the faults ----

    def has(self, need):
        return {
            "hosts": bool(self.hosts), "network": bool(self.hosts and self.hosts.namespaces),
            "small-disk": self.house.small_disk, "clock": self.house.clock is not None,
            "plain-memory": not self.house.sanitized,
            "engine-may-end": not self.options.keep_engine and self.engines_ended < ENGINES_MAX,
        }[need]

    def note(self, text):
        self.story[-1] += f" ({text})"

    def excuse(self, daemon, predicate, times):
        """So many failures of this daemon (a pid) may be others than expected, when predicate(result) is true of them; until
        all is as it was. One whose name the log did not tell may be any."""
        self.check_ends()
        name = next((n for n, pid in self.names.items() if pid == daemon), None)
        entry = [lambda r: r["status"] == "failed" and name in (r["daemon"], None) and predicate(r), times]
        for load in self.loads:
            load.excuses.append(entry)

    def daemons(self):
        """Those on this machine, in the order of their start."""
        engine = self.house.engine()
        return [p["pid"] for p in procs.children(engine) if p["name"].startswith("clowder-daemon")] if engine else []

    def some_engine(self):
        """The engine that runs, or the next one: clients that lost theirs are about to start it, if there are any."""
        def is_there():
            if not self.house.engine() and not any(load.keeps_engine for load in self.loads):
                self.house.clowder("engine", "start", "--idle", "0")  # says so when threads of the last one end still
            return self.house.engine()
        self.house.wait("another engine", 8, is_there)
        return self.house.engine()

    def end(self, pid):
        """kill -9 of an engine or a daemon, which explains that it is gone. True when it was there."""
        self.struck.add(pid)
        self.ended_daemon |= pid != self.house.engine()
        return procs.kill(pid)

    def end_engine(self):
        self.engines_ended += 1
        engine = self.some_engine()
        for load in self.loads:
            if not load.keeps_engine:
                load.broken.append(((3,), "the engine "))  # it did not start, or went away before it answered
        self.end(engine)
        self.house.wait("the engine's end", 5, lambda: not procs.alive(engine))
        self.engine = None

    def stop_engine(self, *how):
        self.struck.add(self.some_engine())
        self.house.clowder("engine", "stop", *how)

    def up(self, *options):
        on = [arg for i in range(1, self.hosts.count + 1) for arg in ("--on", f"h{i}:{REMOTE}")] if self.hosts else []
        self.house.clowder("up", "-n", str(self.options.daemons), *on, *options)

    def bring_up(self):
        self.up()
        self.engine = self.house.engine()

    def wanted(self):
        return self.options.daemons + (REMOTE * self.hosts.count if self.hosts else 0)

    # ---- the run ----

    def begin(self):
        if self.wants_hosts:
            self.house.hosts = self.hosts = hosts.Hosts(self.house)
            for i in range(1, self.hosts.count + 1):
                self.house.clowder("host", "add", f"h{i}")
        self.house.clowder("engine", "start", "--idle", "0")
        self.bring_up()
        self.house.status()
        self.base = self.measure()
        for load in self.loads:
            load.start()
        self.house.wait("first results", 10, lambda: all(l.caught_up_with((l.sessions, 1)) for l in self.loads))

    def measure(self):
        engine = self.house.engine()
        return {"fds": procs.descriptors(engine), "rss_kib": procs.rss_kib(engine)}

    def all_connected(self):
        self.look()
        profile = self.house.profile()
        return bool(profile) and profile["daemons"]["connected"] == self.wanted()

    def look(self):
        for load in self.loads:
            load.look()
        if self.engine and not procs.alive(self.engine):
            raise Failed("the engine died of itself")
        self.engine = self.house.engine()

    @staticmethod
    def among(pid, pids):
        """None is a daemon whose connecting found no room in the log: it may be any of them."""
        return pid in pids or (pid is None and bool(pids))

    def check_ends(self):
        """Engines and daemons end when the lab ends them, and never of a mistake of their own: others take their place so
        fast that nothing else tells."""
        crashed = {pid: number for pid, number in procs.crashed().items() if pid not in self.starved}
        if crashed:
            raise Failed(f"died of themselves (pid: signal): {crashed}")
        for line in self.house.log.lines():
            if log.REPORT.search(line):
                raise Failed(f"a sanitizer found something: {line}")
            if started := log.STARTED.search(line):
                self.engines.add(int(started[1]))
            elif at_work := log.AT_WORK.search(line):
                self.names[at_work[1]] = int(at_work[2]) or None  # launched on a host: told when it connects
            elif ended := log.ENDED.search(line):
                pid = self.names.get(ended[1])
                killed = ended[2] and int(ended[2]) == signal.SIGKILL and self.among(pid, self.struck)
                if not killed and not self.among(pid, self.starved):
                    raise Failed(f"a daemon (pid {pid}) that the lab did not strike: {line}")
        lost = self.engines - self.struck - {self.house.engine()}
        if lost:
            raise Failed(f"engines that the lab did not end are gone: {lost}")

    def left_tasks(self):
        """What would last for ever and has no daemon above it."""
        ours = procs.below(os.getpid())
        daemons = {p["pid"] for p in ours if p["name"].startswith("clowder-daemon")}
        for i in range(1, self.hosts.count + 1) if self.hosts else []:
            daemons |= set(self.hosts.daemons(i))
        theirs = {p["pid"] for pid in daemons for p in procs.below(pid)}
        return {p["pid"]: procs.command(p["pid"]) for p in ours
                if p["pid"] not in theirs and procs.command(p["pid"]).startswith(loads.LASTING)}

    def end_children(self):
        """Of an engine and a daemon that die in one moment the kernel ends the tasks themselves, but not what those started
        (docs/security.md)."""
        for pid, command in self.left_tasks().items():
            if not command.startswith(loads.LASTING + ".0"):
                procs.kill(pid)

    def what_is_missing(self):
        behind = [l.so_far() for l in self.loads]
        try:
            profile = self.house.profile()
            state = profile and {k: profile[k] for k in ("state", "reason", "daemons", "tasks")}
        except (Failed, KeyError) as e:
            state = str(e)
        return f"recovery: {', '.join(behind)}; {state}"

    def strike(self, kinds_and_rolls):
        """One fault, or two at once; then the wait until all is as it was."""
        hits, engines = [], self.engines_ended
        self.ended_daemon = False
        for kind, roll in kinds_and_rolls:
            self.story.append(kind.name)
            if kind.strike(self, roll) is False:
                self.note("nobody there")
                continue
            self.counts[kind.name] = self.counts.get(kind.name, 0) + 1
            hits.append(kind.name)
        bound = sum(kind.bound for kind, _ in kinds_and_rolls)
        marks = [load.mark() for load in self.loads]
        start = time.monotonic()

        def all_caught_up():
            if self.ended_daemon and self.engines_ended > engines:
                self.end_children()
            return all([l.caught_up_with(m) for l, m in zip(self.loads, marks)])
        self.house.wait(self.what_is_missing, bound, all_caught_up)
        left = bound - (time.monotonic() - start) / self.house.slack
        self.house.wait(self.what_is_missing, max(left, 0.5), self.all_connected)
        self.house.wait(lambda: f"tasks without a daemon: {self.left_tasks()}", max(left, 0.5), lambda: not self.left_tasks())
        self.check_ends()
        took = int((time.monotonic() - start) * 1000)
        self.story[-1] += f" {took} ms"
        if hits:
            name = hits[0] if len(hits) == 1 else "two at once"
            self.worst_ms[name] = max(took, self.worst_ms.get(name, 0))
        self.starved -= set(filter(procs.alive, self.starved))  # they have memory again: no excuse any more
        for load in self.loads:
            load.recovered()

    def choose(self):
        possible = [(k, k.weight) for k in kinds.ALL.values() if k.can(self) and self.allowed(k)]
        if not possible:
            raise Failed("none of the faults that are wanted can be had here")
        return self.roll.weighted(possible), Prng(self.roll.next())

    def schedule(self):
        """Pauses and what comes after them, a kind with a roll of its own or two of them, all from the seed."""
        for _ in range(2 + self.roll.below(self.options.faults)):
            if self.engines_ended >= ENGINES_MAX and self.options.kinds:
                return
            yield self.roll.between(0.05, 0.4), [self.choose() for _ in range(2 if self.roll.below(4) == 0 else 1)]

    def allowed(self, kind):
        return not self.options.kinds or kind.name in self.options.kinds

    def finish(self):
        for load in self.loads:
            load.finish(20)
        self.check_idle()
        self.house.clowder("down", "--all")
        self.stop_engine()
        self.check_ends()
        if self.hosts:
            self.check_hosts()
        self.house.wait(lambda: "left behind: " + "; ".join(self.strangers()), 5, lambda: not self.strangers())
        self.house.clowder("engine", "start", "--idle", "0")  # nothing that was left stops the next start
        self.stop_engine()
        self.check_ends()
        if self.house.sanitizer_reports():
            raise Failed("a sanitizer found something: " + self.house.sanitizer_reports()[:4000])

    def check_hosts(self):
        """Nothing of ours runs there. Daemons whose engine was killed look for home for a minute before they go."""
        if self.engines_ended and not self.options.patient:
            return
        self.house.wait(lambda: f"daemons left on hosts: {self.hosts.programs()}", 75 if self.engines_ended else 10,
                        lambda: not self.hosts.programs())

    def check_idle(self):
        self.house.wait("all daemons connected at the end", 10, self.all_connected)
        tasks = self.house.profile()["tasks"]
        if tasks["awaiting"] or tasks["executing"]:
            raise Failed(f"tasks without a client: {tasks}")
        extra = 6  # of two threads: the store's files, opened when they are first needed
        self.house.wait(lambda: f"descriptors leak: {self.base} became {self.measure()}", 5,
                        lambda: self.measure()["fds"] <= self.base["fds"] + extra)
        if not self.house.sanitized and self.measure()["rss_kib"] > self.base["rss_kib"] + RSS_GROWTH_KIB:
            raise Failed(f"memory leaks: {self.base} became {self.measure()}")

    def strangers(self):
        """Processes below us that the lab did not start itself. An engine that was killed may leave daemons on hosts for
        their minute, and what they run."""
        known = set()
        if self.hosts:
            known = {self.hosts.bash.pid, self.hosts.relay_process.pid}
            for pid in self.hosts.programs() if self.engines_ended else []:
                known |= {pid} | {p["pid"] for p in procs.below(pid)}
        return [f"{p['pid']} {procs.command(p['pid'])}" for p in procs.below(os.getpid())
                if p["pid"] not in known and not (self.hosts and p["name"] == "sshd") and procs.command(p["pid"])]

    def run(self):
        verdict = "ok"
        started = time.monotonic()
        try:
            self.begin()
            for pause, chosen in self.schedule():
                time.sleep(pause)
                self.look()
                self.strike(chosen)
            self.finish()
        except Failed as e:
            verdict = str(e)
        except Exception:  # pylint: disable=broad-except
            verdict = "the lab itself: " + traceback.format_exc()
        for load in self.loads:
            load.feeding = False
        return {"seed": self.seed, "tasks": sum(l.done for l in self.loads), "failed": sum(l.failed for l in self.loads),
                "faults": self.counts, "recovery_ms": self.worst_ms, "story": self.story, "hosts": bool(self.hosts),
                "seconds": round(time.monotonic() - started, 1), "verdict": verdict, "kept": self.house.work}


def stop_when_told():
    """So that nothing is left behind when somebody has enough."""
    def stop(number, _):
        signal.signal(number, signal.SIG_IGN)
        raise Failed(f"stopped by signal {number}")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)


def arguments(parser):
    parser.add_argument("--bin", default=os.environ.get("CLOWDER_BIN"), help="the folder of the programs under test")
    parser.add_argument("--other-bin", default=os.environ.get("CLOWDER_OTHER_BIN"), help="what an upgrade installs")
    parser.add_argument("--slack", type=float, default=float(os.environ.get("CLOWDER_FAULT_SLACK", "1")),
                        help="how many times as long everything may take here")
    parser.add_argument("--hosts", type=int, default=30, metavar="PERCENT", help="seeds that have hosts (30)")
    parser.add_argument("--faults", type=int, default=4, help="a seed has 2 to N+1 of them (4)")
    parser.add_argument("--daemons", type=int, default=3, help="on this machine (3)")
    parser.add_argument("--loads", type=int, default=3, help="how many run at a time (3)")
    parser.add_argument("--load", action="append", help="only this one (repeatable): " +
                        ", ".join(k.name for k in loads.KINDS))
    parser.add_argument("--kind", dest="kinds", action="append", metavar="KIND",
                        help="only this fault (repeatable): " + ", ".join(kinds.ALL))
    parser.add_argument("--keep-engine", action="store_true", help="no faults that end the engine")
    parser.add_argument("--patient", action="store_true", help="wait until daemons on hosts have given up a killed engine")
    parser.add_argument("--hold", action="store_true", help="at a failure leave everything running until FOLDER/release exists")
    parser.add_argument("--keep", action="store_true", help="keep the folder also when all is well")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    arguments(parser)
    options = parser.parse_args()
    procs.become_subreaper()
    stop_when_told()
    lab = Lab(options)
    result = lab.run()
    if options.hold and result["verdict"] != "ok":
        print(f"{json.dumps(result, indent=1)}\nheld: touch {lab.house.work}/release", file=sys.stderr)
        while not os.path.exists(lab.house.work + "/release"):
            time.sleep(0.2)
    keep = options.keep or not (result["verdict"] == "ok" or result["verdict"].startswith("stopped by"))
    lab.house.close(keep)
    if not keep:
        del result["kept"]
    print(json.dumps(result), flush=True)
    os._exit(0 if result["verdict"] == "ok" else 1)  # threads of the loads may still wait


if __name__ == "__main__":
    sys.exit(main())
