"""dask_peer.py tiny N | single N | timed N MS: Dask with two worker processes of one thread each, on the same kind of work.

Prints tasks/s; or p50 and p99 in microseconds; or the efficiency. A line "ready" comes first, and each figure on a line for
each line "go" that is read, so that its start is not measured and rounds can alternate with others.
"""
import sys, time

if __name__ == "__main__":
    from dask.distributed import Client, LocalCluster

    what, n = sys.argv[1], int(sys.argv[2])
    ms = float(sys.argv[3]) if len(sys.argv) > 3 else 0
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50)
    client = Client(cluster)

    def same(x):
        return x

    def timed(x):
        time.sleep(ms / 1000)
        return x

    def measure():
        if what == "single":
            times = []
            for i in range(n):
                began = time.perf_counter()
                client.submit(same, i, pure=False).result()
                times.append(1e6 * (time.perf_counter() - began))
            times.sort()
            return f"{times[n // 2]:.1f} {times[n * 99 // 100]:.1f}"
        began = time.perf_counter()
        client.gather(client.map(timed if what == "timed" else same, range(n), pure=False))
        took = time.perf_counter() - began
        return f"{n * ms / 1000 / 2 / took:.4f}" if what == "timed" else f"{n / took:.1f}"

    client.gather(client.map(same, range(20), pure=False))
    print("ready", flush=True)
    for line in sys.stdin:
        print(measure(), flush=True)
    client.close()
    cluster.close()
