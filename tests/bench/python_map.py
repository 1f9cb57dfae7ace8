"""python_map.py [N [ROUNDS [N_DASK]]]: small calls as one map, through clowder.Executor and through dask.distributed.

Two workers each, warm, alternating; rates are compared, and Dask gets 10,000 calls unless N_DASK says more. It needs
python3-distributed, a PYTHONPATH with clowder.py, and the programs on PATH; the profile is brought up here."""
import statistics
import sys
import time

import clowder


def work(x):
    return x + 1


def rate(n, run):
    began = time.perf_counter()
    assert run() == [x + 1 for x in range(n)]
    return n / (time.perf_counter() - began)


if __name__ == "__main__":
    from dask.distributed import Client, LocalCluster

    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    dask_n = int(sys.argv[3]) if len(sys.argv) > 3 else min(n, 10000)  # 100,000 would take it minutes
    with clowder.Executor(daemons=2) as pool, LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster, Client(cluster) as dask:
        list(pool.map(work, range(100)))
        dask.gather(dask.map(work, range(100), pure=False))
        ours, one_by_one, theirs = [], [], []
        for _ in range(rounds):
            ours.append(rate(n, lambda: list(pool.map(work, range(n)))))
            one_by_one.append(rate(n // 5, lambda: [f.result() for f in [pool.submit(work, x) for x in range(n // 5)]]))
            theirs.append(rate(dask_n, lambda: dask.gather(dask.map(work, range(dask_n), pure=False))))
        for name, rates in (("clowder map", ours), ("clowder submit", one_by_one), ("dask map", theirs)):
            print("%-15s %9.0f calls/s   (%s)" % (name, statistics.median(rates), " ".join("%.0f" % r for r in rates)))
        print("map against dask: %.0f times" % (statistics.median(ours) / statistics.median(theirs)))
