"""The fault lab: seeds, one after the other or a few at a time; a line for each, and figures at the end.

    ./run faults --seed 7            ./run faults --seeds 1-200            ./run faults --seed 1 --minutes 10"""
import argparse
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import time

import lab
from house import HERE

SEED_S = 300  # no seed takes longer, whatever happens


def in_own_mounts(command):
    """Where there may be one, in a mount namespace of its own: for the disk that is filled."""
    return ["unshare", "--mount", "--propagation", "private", *command] if os.geteuid() == 0 else command


def run_seed(options, arguments, seed):
    command = in_own_mounts([sys.executable, os.path.join(HERE, "lab.py"), "--seed", str(seed), *arguments])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            out, _ = process.communicate(timeout=SEED_S * options.slack)
        except subprocess.TimeoutExpired:
            process.terminate()  # it tidies up, and says where it was
            out, _ = process.communicate()
    try:
        return json.loads(out.splitlines()[-1])
    except (IndexError, ValueError):
        verdict = f"the lab ended with {process.returncode}"
    return {"seed": seed, "tasks": 0, "failed": 0, "faults": {}, "recovery_ms": {}, "story": [], "hosts": False,
            "seconds": 0, "verdict": verdict}


def line(result):
    faults = " ".join(f"{kind}" + (f"*{n}" if n > 1 else "") for kind, n in result["faults"].items())
    worst = max(result["recovery_ms"].values(), default=0)
    return (f"seed {result['seed']:<4} {result['tasks']:>6} tasks  worst {worst:>5} ms  {result['seconds']:>5} s  "
            f"{'hosts  ' if result['hosts'] else ''}{faults}  {'ok' if result['verdict'] == 'ok' else 'FAILED'}")


def explain(result, arguments):
    print(f"  FAILED: {result['verdict']}")
    print(f"  story: {', '.join(result['story'])}")
    if "kept" in result:
        print(f"  kept:  {result['kept']}")
    print(f"  again: ./run faults --seed {result['seed']} {' '.join(arguments)}".rstrip(), flush=True)


def summary(results):
    kinds = {}
    for r in results:
        for kind, n in r["faults"].items():
            entry = kinds.setdefault(kind, [0, 0])
            entry[0] += n
        for kind, ms in r["recovery_ms"].items():
            entry = kinds.setdefault(kind, [0, 0])
            entry[1] = max(entry[1], ms)
    print(f"\n{'fault':<26}{'times':>6}{'worst recovery':>18}{'bound':>10}")
    for kind, (n, worst) in sorted(kinds.items()):
        bound = f"{lab.kinds.ALL[kind].bound} s" if kind in lab.kinds.ALL else "the sum"
        print(f"{kind:<26}{n or '':>6}{worst:>15} ms{bound:>10}")
    bad = [r["seed"] for r in results if r["verdict"] != "ok"]
    print(f"{len(results)} seeds, {sum(r['tasks'] for r in results)} tasks, {sum(k[0] for k in kinds.values())} faults, "
          f"{sum(r['failed'] for r in results)} tasks failed by a fault that explains it; "
          f"{'all well' if not bad else 'FAILED: ' + ' '.join(map(str, bad))}")


def seeds_of(options):
    if options.seeds:
        first, _, last = options.seeds.partition("-")
        return range(int(first), int(last or first) + 1)
    if options.minutes:
        return range(options.seed, options.seed + 1_000_000)
    return [options.seed]


def left_out(options):
    """What cannot be had here, said before it is missed."""
    if os.geteuid() != 0:
        yield "needs root: full disk and hosts"
    elif options.hosts and not lab.hosts.can_be_had():
        yield "needs sshd (package openssh-server): hosts"
    elif options.hosts and not (shutil.which("nft") and shutil.which("ip")):
        yield "needs ip and nft (packages iproute2, nftables): cut and lossy links"


def main():
    parser = argparse.ArgumentParser(prog="./run faults", description="Real engines, daemons and hosts under faults.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", metavar="A-B", help="these, whatever the time")
    parser.add_argument("--minutes", type=float, help="seed after seed, from --seed, for so long")
    parser.add_argument("-j", "--jobs", type=int, default=1, help="seeds at a time (1)")
    parser.add_argument("--figures", metavar="FILE", help="write every seed's result there, a JSON object a line")
    lab.arguments(parser)
    known, passed = {"seed", "seeds", "minutes", "jobs", "figures"}, []
    options = parser.parse_args()
    if not options.bin:
        parser.error("name the programs: --bin FOLDER, or CLOWDER_BIN")
    for action in parser._actions:  # pylint: disable=protected-access
        value = getattr(options, action.dest, None)
        if action.dest in known or value is None or value is False or action.dest == "help":
            continue
        for one in value if isinstance(value, list) else [value]:
            passed += [action.option_strings[-1]] + ([] if one is True else [str(one)])
    shown = [a for i, a in enumerate(passed) if not {"--bin", "--other-bin", "--slack"} & {a, passed[i - 1]}]
    for text in left_out(options):
        print(f"SKIP: {text}", file=sys.stderr)
    end = time.monotonic() + options.minutes * 60 if options.minutes else None
    results = []
    figures = open(options.figures, "w") if options.figures else None
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        todo, running = iter(seeds_of(options)), set()
        while True:
            while len(running) < options.jobs and (end is None or time.monotonic() < end):
                seed = next(todo, None)
                if seed is None:
                    break
                running.add(pool.submit(run_seed, options, passed, seed))
            if not running:
                break
            done, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                results.append(future.result())
                print(line(results[-1]), flush=True)
                if results[-1]["verdict"] != "ok":
                    explain(results[-1], shown)
                if figures:
                    figures.write(json.dumps(results[-1]) + "\n")
    if len(results) > 1:
        summary(results)
    return 0 if all(r["verdict"] == "ok" for r in results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
