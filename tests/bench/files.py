#!/usr/bin/env python3
"""files.py BIN: files that travel, beside what ssh and GNU parallel make of the same hosts: two of this machine's own (sshd in network
namespaces), the second one behind a line of 50 ms there and back. Ratios are of one run; above 1, Clowder is faster."""
import os
import shutil
import subprocess
import sys
import time

os.environ["CLOWDER_BIN"] = os.path.abspath(sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../drive"), os.path.join(HERE, "../faults")]

import hosts  # noqa: E402
import procs  # noqa: E402
from programs import Clowder, Engine  # noqa: E402

MIB = 1 << 20
BIG = 300 * MIB
SMALL, FEW = 2000, 100


def seconds(run, *args, **how):
    start = time.monotonic()
    run(*args, **how)
    return time.monotonic() - start


def row(what, ours, theirs, other):
    print(f"{what:<58}{ours:8.2f} s   {other:<34}{theirs:8.2f} s   {theirs / ours:6.2f}", flush=True)


def main():
    if not hosts.can_be_had():
        sys.exit("needs root and sshd (openssh-server)")
    procs.become_subreaper()
    engine = Engine()
    lab = hosts.Hosts(engine, 2)
    clowder = Clowder(engine)
    ssh = [*engine.desktop, "ssh", "-F", lab.lab + "/config"]
    try:
        if not lab.namespaces:
            sys.exit("needs network namespaces")
        lab.relay(delay_ms=25)
        for i in (1, 2):
            clowder(f"host add h{i}")
            clowder(f"up on{i} --on h{i}:4")
        bench(engine, clowder, ssh, lab)
    finally:
        clowder("engine stop --now", status=None)
        lab.close()
        engine.desktop = []
        engine.close()


def bench(engine, clowder, ssh, lab):
    big = engine.work / "big"
    with open(big, "wb") as f:
        for _ in range(BIG // MIB):
            f.write(os.urandom(MIB))
    for i, line in ((1, ""), (2, ", 50 ms there and back")):
        def cat():
            with open(big, "rb") as f:
                subprocess.run([*ssh, f"h{i}", f"cat >{lab.lab}/h{i}/home/f"], stdin=f, check=True)

        def back():
            with open(os.devnull, "wb") as f:
                subprocess.run([*ssh, f"h{i}", f"cat {lab.lab}/h{i}/home/f"], stdout=f, check=True)
        theirs = seconds(cat)
        row(f"300 MiB to a host{line}", seconds(clowder, f"map -p on{i} --ship big -- true ::: 1"), theirs, "ssh cat")
        row(f"300 MiB from a host{line}", seconds(
            clowder, f"map -p on{i} --out b -- sh -c", f"cp {lab.lab}/h{i}/home/f b; : {{}}", ":::", "1"), seconds(back), "ssh cat")
    row("300 MiB to a host that has it", seconds(clowder, "map -p on1 --ship big -- true ::: 1"), seconds(
        lambda: subprocess.run([*ssh, "h1", f"cat >{lab.lab}/h1/home/f"], stdin=open(big, "rb"), check=True)), "ssh cat")
    for i in range(SMALL):
        (engine.work / f"s{i}").write_bytes(os.urandom(4096))
    words = "map -p on1 --in s{} --out s{}.out -- cp s{} s{}.out :::"
    row(f"{SMALL} tasks with 4 KiB in and out", seconds(clowder, words, *range(SMALL)), seconds(
        clowder, f"map -p on1 -- cp {engine.work}/s{{}} /tmp/clowder-bench :::", *range(SMALL)), "the same without files")
    if shutil.which("parallel") and shutil.which("rsync"):
        engine.env["PARALLEL_SSH"] = f"ssh -F {lab.lab}/config"
        theirs = seconds(engine.run, *engine.desktop, "parallel", "--will-cite", "-S", "4/h1", "--trc", "{}.out", "cp {} {}.out", ":::",
                         *[f"s{i}" for i in range(FEW)], status=None)
        row(f"{FEW} of them", seconds(clowder, words, *range(FEW)), theirs, "parallel --trc")


main()
