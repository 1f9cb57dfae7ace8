"""Submitting: while inputs are read nobody runs them; a submitter that dies has submitted nothing."""
import os
import re

import pytest

from waiting import wait_until

READ = "its inputs are still being read"


@pytest.fixture(autouse=True)
def two(clowder):
    clowder("up -n 2")


class Feed:
    """A submitter whose inputs come from us through a pipe with a name."""

    def __init__(self, clowder, work):
        os.mkfifo(work / "feed")
        self.submitter = clowder.start("submit -a feed -- echo")
        self.file = open(work / "feed", "w")
        self.jobs = lambda: [job for job in clowder("job list --json -n 1000").json["jobs"] if job["reason"] == READ]

    def give(self, text):
        self.file.write(text)
        self.file.flush()


@pytest.fixture
def feed(clowder, work):
    own = Feed(clowder, work)
    yield own
    own.file.close()


def test_who_waits_for_a_job_that_is_still_read_is_told(clowder, feed):
    feed.give("1\n")
    job = wait_until(feed.jobs)[0]["id"]
    assert "still being read" in clowder(f"job show {job}").out
    timed = clowder(f"job wait {job} --timeout 0.3s", status=6)
    timed.says(f"job {job}: {READ}; waiting").says(f"job {job} is not finished: {READ}")
    waiter = clowder.start(f"job wait {job}")
    wait_until(lambda: "still being read; waiting" in waiter.err.read_text())
    feed.file.close()
    assert feed.submitter.wait().out == f"{job}\n"
    waiter.wait()
    clowder.collect(job, "--remove")


def test_a_submitter_that_dies_has_submitted_nothing(clowder, feed):
    feed.give("".join(f"{i}\n" for i in range(1, 100001)))
    wait_until(lambda: [job for job in feed.jobs() if job["total"] > 0])
    feed.submitter.kill()
    feed.file.close()
    assert not feed.submitter.out.read_text(), "a number was given out"
    clowder(f"job wait {clowder.submit('-- echo ::: 1')}")  # whatever makes the engine look
    wait_until(lambda: len(clowder("job list --json -n 1000").json["jobs"]) == 1)


def test_who_cannot_read_the_number_hears_of_the_job_nevertheless(clowder, engine):
    done = engine.run("sh", "-c", "clowder submit -- echo ::: 1 >/dev/full", status=1)
    done.says_one_line("cannot write to stdout: No space left on device; job [0-9]+ was submitted$")
    job = re.search(r"job (\d+) was", done.err)[1]
    clowder(f"job wait {job}")
    assert clowder.collect(job, "--remove").out == "1\n"
