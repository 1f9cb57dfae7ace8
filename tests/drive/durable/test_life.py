"""The life of a detached job: it waits and says why, is followed, collected, removed and pruned."""
import os
import re

import pytest

from waiting import numbers, same, wait_until

WAITS = "until test -e go; do sleep 0.02; done; echo {}"


@pytest.fixture
def waiting(clowder):
    """A job of twenty tasks while nobody is up."""
    job = clowder.submit("-- sh -c", WAITS, stdin=numbers(20))
    wait_until(lambda: clowder.waits_for(job, "no daemons up"))
    return job


def test_without_daemons_it_waits_and_everybody_says_why(clowder, waiting):
    assert "no daemons up" in clowder("job list").out
    assert re.search(f"job {waiting} waits: .*no daemons up", clowder("status").out)


def test_who_does_not_wait_for_it_hears_how_far_it_is(clowder, waiting):
    clowder(f"job wait {waiting} --timeout 0.1s", status=6)
    clowder.collect(waiting, "--no-wait", status=6).says("0 of 20 results")


def test_while_it_runs_it_is_neither_removed_nor_retried(clowder, waiting):
    clowder("up -n 2")
    wait_until(lambda: clowder.job_is(waiting, "running"))
    clowder(f"job remove {waiting}", status=5).says("not finished")
    clowder(f"job retry {waiting}", status=5)


def test_it_is_followed_and_waited_for(clowder, work, waiting):
    clowder("up -n 2")
    follower, waiter = clowder.start(f"job collect {waiting}"), clowder.start(f"job wait {waiting}")
    (work / "go").touch()
    waiter.wait()
    same(follower.wait().out, numbers(20))


def test_it_is_collected_as_often_as_wanted(clowder, work, waiting):
    clowder("up -n 2")
    (work / "go").touch()
    for options in ([], [], ["--remove"]):
        same(clowder.collect(waiting, *options).out, numbers(20))
    clowder(f"job show {waiting}", status=4)


@pytest.fixture
def two(clowder):
    clowder("up -n 2")


@pytest.mark.usefixtures("two")
def test_removing_asks_only_for_what_nobody_has_collected(clowder):
    job = clowder.submit("-- echo ::: 1")
    clowder(f"job wait {job}")
    clowder(f"job remove {job}", status=5).says("not collected")
    clowder(f"job remove --yes {job}")
    clowder.collect(job, status=4)


@pytest.mark.usefixtures("two")
def test_prune_keeps_as_many_as_are_wanted(clowder):
    clowder("job wait", *(str(clowder.submit("-- echo ::: 1")) for _ in range(3)))
    assert clowder("job prune --keep 1 --yes").out == "2 jobs removed\n"
    assert clowder("job prune --yes").out == "1 job removed\n"


@pytest.mark.usefixtures("two")
def test_where_the_folder_is_gone_nothing_is_submitted(clowder, work):
    (work / "folder").mkdir()
    command = "cd folder && rmdir ../folder && exec clowder submit -- touch made ::: 1"
    clowder.engine.run("sh", "-c", command, status=4)
    assert not os.path.exists("/made"), "a task ran in /"


@pytest.mark.usefixtures("two")
def test_room_goes_back_to_the_disk(clowder, engine, work):
    engine.run("sh", "-c", "head -c 30000000 /dev/urandom | base64 >in")
    job = clowder.submit("-w -a in -- cat")
    clowder(f"job wait {job}")
    same(clowder.collect(job).out, (work / "in").read_text())
    clowder("engine stop")
    assert engine.store.stat().st_size > 40000000, "where are the results?"
    clowder(f"job remove {job}")
    assert engine.store.stat().st_size < 4000000, "no room is given back"


@pytest.mark.usefixtures("two")
def test_nobody_but_the_user_reads_it(clowder, engine):
    clowder.submit("-- echo ::: 1")
    files = list(engine.data.glob("clowder.db*"))
    assert files and {file.stat().st_mode & 0o777 for file in files} == {0o600}
