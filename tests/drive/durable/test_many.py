"""More jobs than are run at once, on one profile and on several; and one that is long."""
import os

import pytest

from programs import is_sanitized
from waiting import numbers

JOBS = int(os.environ.get("JOBS", 260))


@pytest.fixture(autouse=True)
def two(clowder):
    clowder("up -n 2")


def test_each_of_many_jobs_gets_its_own_results(clowder):
    clowder("up other -n 1")
    jobs = [clowder.submit(f"-p {'default' if i % 10 else 'other'} -w -- cat", stdin=numbers(i, i + 2)) for i in range(1, JOBS + 1)]
    clowder("job wait", *map(str, jobs))
    for i, job in enumerate(jobs, 1):
        assert clowder.collect(job).out == numbers(i, i + 2)


def test_a_long_job_neither_keeps_a_short_one_waiting_nor_grows_the_engine(clowder, engine, work):
    engine.run("sh", "-c", "yes 0123456789abcdef | head -n 4000000 >in")
    before = clowder.status()["engine"]["rss_bytes"]
    long = clowder.submit("-w -a in -- cat")
    assert clowder.collect(clowder.submit("-- echo ::: short")).out == "short\n"
    clowder(f"job wait {long}")
    assert is_sanitized() or clowder.status()["engine"]["rss_peak_bytes"] - before < 100000000
    engine.run("sh", "-c", f"clowder job collect {long} | cmp - in")
