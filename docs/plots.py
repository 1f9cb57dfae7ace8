#!/usr/bin/env python3
"""plots.py BIN [MOST]: what the dispatcher costs a task, as text for performance.md, from clowder simulate --json.

Against daemons, with 200 tasks of 10 ms for each (1,000,000 at least) and with MOST / 10 short ones; and against tasks, up to MOST (1e9), on
1,000 daemons. Tasks of 10 ms on average travel alone, each is an event; those of 10 us travel in batches.
"""
import json, subprocess, sys

program, most = sys.argv[1] + "/clowder", float(sys.argv[2]) if len(sys.argv) > 2 else 1e9
times = ("exp:10ms", "exp:10us")
WIDTH = 50


def simulate(daemons, tasks, time):
    words = [program, "simulate", "--json", "--seed", "7", "--hosts", str(max(1, daemons // 10)), "--daemons", str(daemons)]
    words += ["--tasks", str(int(tasks)), "--task-time", time, "--memory", "256M"]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def plot(title, rows):
    """rows: (label, [result of each of times]). One bar a figure, all in the same scale."""
    cost = lambda r: r["measured"]["dispatcher_ns_per_task"]
    scale = WIDTH / max(cost(r) for _, results in rows for r in results)
    print(f"{title:<13} {'task time':<9} {'ns/task':>7} {'efficiency':>10} {'CPU s':>7}")
    for label, results in rows:
        for time, r in zip(times, results):
            bar = "█" * max(1, round(cost(r) * scale))
            print(f"{label:>13} {time:<9} {cost(r):7.1f} {r['efficiency']:10.3f} {r['measured']['cpu_s']:7.1f} {bar}", flush=True)
            label = ""
    print()


plot("daemons", [(f"{n:,}", [simulate(n, max(1e6, 200 * n), times[0]), simulate(n, max(most / 10, 2000 * n), times[1])])
                 for n in (10, 100, 1000, 10000, 100000)])
counts = [10 ** e for e in range(5, 13) if 10 ** e <= most]
plot("tasks", [(f"{k:,}", [simulate(1000, k, time) for time in times]) for k in counts])
