"""Daemons of a job's own: they come and go with it."""
import pytest

from waiting import numbers, wait_until

WAITS = 'touch runs; until test -e go; do sleep 0.02; done; echo "$1"'


def profiles(clowder):
    return [profile["name"] for profile in clowder.status()["profiles"]]


@pytest.fixture
def job(clowder, work):
    """Four tasks on a daemon of the job's own; they wait for the file go."""
    number = clowder.submit("-n 1 -- sh -c", WAITS, "sh", stdin=numbers(4))
    wait_until((work / "runs").exists)
    return number


def test_down_does_not_take_them_from_their_job(clowder, job):
    clowder(f"down job-{job}", status=5).says(f"profile 'job-{job}' ends when job {job} ends; end that with 'clowder job cancel'")


def test_they_go_when_their_job_is_over(clowder, work, job):
    (work / "go").touch()
    assert clowder.collect(job).out == numbers(4)
    wait_until(lambda: f"job-{job}" not in profiles(clowder))


def test_they_go_when_their_job_is_cancelled_and_the_engine_stays(clowder, engine, work, job):
    other = clowder.submit("-n 1 -- sh -c", "touch other-runs; exec sleep 305.771", ":::", "1")
    wait_until((work / "other-runs").exists)
    pid = engine.pid
    clowder(f"job cancel {other}")
    wait_until(lambda: not engine.running("^sleep 305.771"))
    wait_until(lambda: f"job-{other}" not in profiles(clowder))
    assert engine.pid == pid and f"job-{job}" in profiles(clowder)


def test_a_stored_profile_of_the_same_name_has_no_say(clowder):
    clowder("up -n 2")
    following = clowder.submit("-- echo ::: 1") + 1
    clowder(f"profile set job-{following} -n 1 --env MINE=1")
    job = clowder.submit("-n 1 -- sh -c", 'echo "x$MINE"', ":::", "1")
    assert job == following
    assert clowder.collect(job).out == "x\n"
