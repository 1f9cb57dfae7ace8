"""dask_work.py PID: work for four workers, one of which (PID) is killed in the middle. Says what was right."""
import os
import signal
import sys
import time

from distributed import Client


def square(x):
    return x * x


def total(xs):
    return sum(xs)


def squares_are_right(client, numbers):
    return client.gather(client.map(square, numbers, pure=False)) == [i * i for i in numbers]


def names(client):
    return sorted(worker["name"] for worker in client.scheduler_info()["workers"].values())


def reach_each_other(client):
    """Something that one worker has and another needs."""
    workers = list(client.scheduler_info()["workers"])
    parts = [client.submit(range, i, i + 10, pure=False, workers=[w], allow_other_workers=False) for i, w in enumerate(workers)]
    together = client.submit(total, client.submit(lambda *p: [sum(x) for x in p], *parts))
    return together.result() == sum(sum(range(i, i + 10)) for i in range(4))


def another_came(client, before):
    end = time.time() + 60
    while time.time() < end:
        now = names(client)
        if len(now) == 4 and now != before:
            return True
        time.sleep(0.1)
    return False


def main():
    client = Client(scheduler_file="scheduler.json", timeout=30)
    client.wait_for_workers(4, timeout=60)
    first = names(client)
    print("workers", *first)
    print("right", squares_are_right(client, range(1000)))
    print("shared", reach_each_other(client))
    print("fast", sum("fast" in worker["resources"] for worker in client.scheduler_info()["workers"].values()))
    os.kill(int(sys.argv[1]), signal.SIGKILL)
    print("right again", squares_are_right(client, range(2000, 3000)))
    print("four again", another_came(client, first))
    client.close()


if __name__ == "__main__":
    main()
