"""The engine that gave a submitter its number dies before the submitter can write it down, and the next one gives it to another job."""
import os
import signal
import time

import pytest

import store
from waiting import needs, wait_until


@pytest.fixture(autouse=True)
def two(clowder):
    needs("nngcat", "nng-utils")
    clowder("up -n 2")


class Numbers:
    """Numbers that an engine reserves, one after the other, from now on."""

    def __init__(self, engine):
        self.engine = engine
        self.last = self.next()

    def next(self):
        return self.engine.run("nngcat", "--req", "--dial", f"ipc://{self.engine.sockets}/engine.sock", "--ascii", "--data",
                               '{"op":"reserve"}').json["job"]

    def of_another(self):
        """The one that somebody else got between two of ours."""
        def is_skipped():
            time.sleep(0.1)  # so that the other one gets its turn
            before, self.last = self.last, self.next()
            return self.last > before + 1 and before + 1
        return wait_until(is_skipped)

    def reach(self, number):
        wait_until(lambda: number <= 1 or self.next() == number - 1)


def test_a_submitter_whose_number_was_given_again_takes_another(clowder, engine, work):
    with store.locked(engine.store):
        numbers = Numbers(engine)
        submitter = clowder.start("submit -- echo ::: detached")
        number = numbers.of_another()
        engine.kill()
        clowder("engine start")
        numbers.reach(number)
        ordinary = clowder.start("map -- sh -c", "touch began; until test -e end; do sleep 0.02; done; echo ordinary", ":::", "1")
        wait_until((work / "began").exists)
        assert engine.logged(f"job open job={number} ") and not submitter.is_over()
        pid = engine.pid
        os.kill(pid, signal.SIGSTOP)  # the submitter writes first; the engine goes on when that is in the store
    wait_until(lambda: store.has_job(engine.store, number))
    os.kill(pid, signal.SIGCONT)
    detached = int(submitter.wait().out)
    assert detached > number, "two jobs have one number"
    (work / "end").touch()
    assert ordinary.wait().out == "ordinary\n"
    assert clowder.collect(detached).out == "detached\n"
