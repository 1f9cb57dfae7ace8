"""The folder under /tmp, when there is no XDG_RUNTIME_DIR: what somebody else put there is refused."""
from pathlib import Path

import pytest

from plain import mode

NOWHERE = {"XDG_RUNTIME_DIR": None}
NOT_YOURS = "is not a folder that belongs to you"


@pytest.fixture
def folder(engine, user):
    """Where the engine of the user would have its sockets."""
    path = Path(f"/tmp/clowder-{user.uid}")
    assert not path.exists()
    yield path
    if path.is_dir() and not path.is_symlink():
        engine.outside.append(path)
    else:
        path.unlink(missing_ok=True)


def test_a_link_is_refused_and_not_followed(work, user, folder):
    trap = work / "trap"
    trap.mkdir()
    user.own(trap)
    folder.symlink_to(trap)
    user.clowder("engine start", env=NOWHERE, status=5).says_one_line(NOT_YOURS)
    assert not list(trap.iterdir())


def test_a_folder_of_somebody_else_is_refused(user, other, folder):
    folder.mkdir(0o700)
    other.own(folder)
    user.clowder("engine start", env=NOWHERE, status=5).says(NOT_YOURS)


def test_a_file_is_refused(user, folder):
    folder.touch()
    user.clowder("engine start", env=NOWHERE, status=5)


def test_a_parent_where_others_may_replace_it_is_refused(work, user):
    shared = work / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    user.clowder("engine start", env={"XDG_RUNTIME_DIR": shared}, status=5).says("other users could replace")


def test_a_parent_of_somebody_else_is_refused(work, user, other):
    theirs = work / "theirs"
    (theirs / "clowder").mkdir(parents=True)
    other.own(theirs, 0o755)
    user.own(theirs / "clowder")
    user.clowder("engine start", env={"XDG_RUNTIME_DIR": theirs}, status=5).says("other users could replace")


def test_our_own_is_taken_and_closed(user, folder):
    folder.mkdir()
    user.own(folder, 0o777)
    user.clowder("engine start", env=NOWHERE)
    assert mode(folder) == 0o700
    user.clowder("engine stop", env=NOWHERE)


def test_the_memory_of_the_engine_is_closed_also_to_programs_of_its_user(user, folder):
    user.clowder("engine start", env=NOWHERE)
    pid = (folder / "engine.lock").read_text().split()[0]
    user.run("cat", f"/proc/{pid}/environ", status=1).says("Permission denied")
    user.run("dd", f"if=/proc/{pid}/mem", "of=/dev/null", "count=1", status=1).says("Permission denied")
    user.clowder("engine stop", env=NOWHERE)
