"""A disk that is full where the store lives, or a log of a map: it is said, nothing is lost, and with room it goes on by itself."""
import subprocess

import pytest

from waiting import numbers, same, wait_until

LARGE = r'echo $1 >>ran; head -c 100000 /dev/zero | tr "\000" x; echo $1'
NO_ROOM = "no room on the disk where the store lives"


class Disk:
    """A file system of our own."""

    def __init__(self, path, size):
        self.path = path
        path.mkdir(parents=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", path], check=False).returncode:
            pytest.skip("needs a tmpfs")

    def resize(self, size):
        subprocess.run(["mount", "-o", f"remount,size={size}", self.path], check=True)

    def close(self):
        subprocess.run(["umount", "-l", self.path], check=True)


@pytest.fixture
def disk(mount_namespace, engine):
    own = Disk(engine.data, "3m")
    yield own
    wrong = engine.end()
    own.close()
    assert not wrong, wrong


@pytest.fixture
def job(clowder, disk):
    """One whose results find no room."""
    clowder("up -n 2")
    number = clowder.submit("-- sh -c", LARGE, "x", "{}", stdin=numbers(80))
    wait_until(lambda: clowder.waits_for(number, NO_ROOM))
    return number


def test_everybody_says_that_there_is_no_room(clowder, engine, job):
    assert "no room on the disk" in clowder("job list").out
    assert f"job {job} waits: no room on the disk" in clowder("status").out
    assert engine.logged('results cannot be written why="no room on the disk')
    assert clowder.job_is(job, "running")


def test_nothing_more_can_be_submitted(clowder, work, job):
    (work / "large").write_text("x" * 4000000)
    clowder("submit -a large -- true", status=1).says(NO_ROOM)
    assert clowder.job_is(job, "running")


def test_with_room_it_goes_on_by_itself_also_after_a_kill(clowder, engine, disk, job):
    wanted = clowder("map -- sh -c", LARGE, "x", "{}", stdin=numbers(80)).out
    engine.kill()
    clowder("engine start")
    wait_until(lambda: clowder.waits_for(job, NO_ROOM))
    disk.resize("40m")
    same(clowder.collect(job).out, wanted)
    wait_until(lambda: clowder.job_is(job, "done"))
    assert not [each for each in clowder("job list --json").json["jobs"] if each["state"] in ("queued", "running")]


def test_a_job_log_that_finds_no_room_is_said_to_be_incomplete(clowder, work, mount_namespace):
    clowder("up -n 2")
    small = Disk(work / "small", "4k")
    done = clowder("map --joblog small/log -- true", stdin=numbers(300), status=1)
    small.close()
    done.says_one_line("cannot write the job log: No space left on device")
