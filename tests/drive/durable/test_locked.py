"""A store that cannot be read or written for a while: the engine says so, looks again by itself, and loses nothing."""
import os

import store
from waiting import numbers, wait_until


def test_an_engine_that_cannot_read_which_jobs_there_are_looks_again(clowder, engine, work):
    clowder("up -n 2")
    job = clowder.submit("-- sh -c", "until test -e go; do sleep 0.02; done; echo {}", ":::", "1", "2")
    wait_until(lambda: engine.logged(f"job open job={job}"))
    clowder("engine stop --now")
    away = engine.store.with_suffix(".away")
    os.rename(engine.store, away)
    engine.store.mkdir()
    clowder("engine start")
    wait_until(lambda: engine.logged("detached jobs cannot be looked for"))
    clowder("status").prints("! no store, so nothing is kept.* is not a regular file; move it away")
    engine.store.rmdir()
    os.rename(away, engine.store)
    wait_until(lambda: engine.logged(f"job kept job={job}") == 2)
    (work / "go").touch()
    clowder("up -n 2")
    wait_until(lambda: clowder.job_is(job, "done"))


def test_a_job_that_is_put_back_before_its_cancellation_was_written_runs_on(clowder, engine, work):
    clowder("up -n 2")
    job = clowder.submit("-- sh -c", "until test -e on-$((({} + 9) / 10)); do sleep 0.02; done; echo {}", stdin=numbers(100))
    (work / "on-1").touch()
    wait_until(lambda: len(clowder.recorded(job)) >= 10)
    with store.locked(engine.store):
        (work / "on-2").touch()
        wait_until(lambda: engine.logged("results cannot be written"))
    clowder(f"job cancel {job}")
    clowder(f"job retry {job}")
    for i in range(3, 11):
        (work / f"on-{i}").touch()
    wait_until(lambda: clowder.job_is(job, "done"))
    assert clowder.collect(job).out == numbers(100)
