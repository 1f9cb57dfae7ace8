"""What is kept is the user's own, or is not used: not the folder that somebody else has made at a place that all may use, nor what
lies in one that was open."""
import pytest

from plain import mode

NOT_YOURS = "is not a folder that belongs to you"


@pytest.fixture
def own(user):
    """A command of the user's."""
    run = user.home / "run"
    run.mkdir(0o700)
    user.own(run)

    def clowder(words, *rest, env=None, **how):
        return user.clowder(words, *rest, env={"XDG_RUNTIME_DIR": run} | (env or {}), **how)
    return clowder


@pytest.fixture
def shared(work):
    """A place that all may use."""
    folder = work / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


@pytest.mark.parametrize("variable", ["XDG_DATA_HOME", "XDG_STATE_HOME", "CLOWDER_DATA"])
def test_a_store_that_somebody_else_made_is_not_used(own, other, shared, variable):
    theirs = {"XDG_DATA_HOME": shared, "XDG_RUNTIME_DIR": other.home}
    other.clowder("profile set default --setup", f"touch {shared}/ran", env=theirs)
    other.clowder("engine stop", env=theirs)
    folder = shared / "clowder"
    folder.chmod(0o777)
    for file in folder.iterdir():
        file.chmod(0o666)
    path = folder if variable == "CLOWDER_DATA" else shared
    own("up -n 1", env={variable: path}, status=5).says_one_line(f"{folder} {NOT_YOURS}")
    assert not (shared / "ran").exists(), "another user's set-up command was run"


def test_a_link_of_somebody_else_is_refused(own, user, other, shared):
    (shared / "clowder").symlink_to(user.home)
    other.own(shared / "clowder")
    own("engine start", env={"XDG_DATA_HOME": shared}, status=5).says(NOT_YOURS)


def test_a_parent_where_others_may_replace_it_is_refused(own, shared):
    shared.chmod(0o777)
    own("engine start", env={"XDG_DATA_HOME": shared}, status=5).says("other users could replace")


def test_a_parent_of_somebody_else_is_refused(own, user, other, shared):
    other.own(shared, 0o755)
    (shared / "clowder").mkdir()
    user.own(shared / "clowder")
    own("engine start", env={"XDG_DATA_HOME": shared}, status=5).says("other users could replace")


@pytest.fixture
def home(own, user):
    """An ordinary one, of a user with a group of their own, and with a folder that is elsewhere; an engine has been there."""
    user.run("sh", "-c", 'umask 002; mkdir -p ~/.local/share ~/.local/state far && ln -s "$PWD/far" ~/.local/share/clowder')
    for folder in (user.home, user.home / ".local", *(user.home / ".local").iterdir()):
        folder.chmod(0o775)
    own("engine start")
    own("engine stop")
    return user.home


def test_an_ordinary_home_is_used_and_closed(home):
    assert mode(home / "far") == 0o700


@pytest.mark.parametrize("name", ["clowder.db", "clowder.db-wal"])
def test_a_file_of_somebody_else_in_the_store_is_refused(own, other, home, name):
    file = home / "far" / name
    file.touch()
    other.own(file)
    own("profile list", status=5).says_one_line(f"{name} is not a file that belongs to you")


@pytest.mark.parametrize("name", ["engine.log", "daemons.log"])
def test_a_log_that_is_a_link_is_not_followed(own, home, name):
    file = home / ".local/state/clowder" / name
    file.unlink(missing_ok=True)
    file.symlink_to(home / "victim")
    own("engine start", status=1).says(f"cannot write the log .*/{name}")
    assert not (home / "victim").exists()


@pytest.mark.parametrize("name", ["engine.log", "daemons.log"])
def test_a_log_of_somebody_else_is_not_written(own, other, home, name):
    file = home / ".local/state/clowder" / name
    file.unlink(missing_ok=True)
    file.touch()
    other.own(file, 0o666)
    own("engine start", status=1).says(f"cannot write the log .*/{name}")
