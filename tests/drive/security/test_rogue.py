"""A daemon in the hands of somebody else, with a valid token."""
import pytest

from plain import is_plain
from waiting import wait_until


@pytest.fixture
def folder(work, rogue):
    """Files that it sends land here, or not."""
    path = work / "landing"
    path.mkdir()
    rogue.shall("files")
    return path


def test_files_that_nobody_asked_for_are_not_taken(clowder, work, rogue, folder):
    clowder("up -n 1", cwd=folder)
    (folder / "sub").mkdir()
    (folder / "secret").write_text("mine")
    clowder("map --out *t-{}.txt -- true ::: 1", cwd=folder)
    noted = dict(line.split(": ", 1) for line in (rogue.folder / "noted").read_text().splitlines())
    wrong = [what for what, said in noted.items() if what != "good" and said.split()[1] == "0"]
    assert not wrong and len(noted) == 14, noted
    assert noted["fifth"] == "3 1"  # a connection too many is refused
    assert "this task was not asked for" in noted["Makefile"] and "not this daemon's" in noted["another's"]
    assert "makes no sense" in noted["../up"] and "not one of the task's" in noted["unlisted"]
    assert not list((folder / "sub").iterdir()) and (folder / "secret").read_text() == "mine"
    assert sorted(path.name for path in folder.iterdir()) == ["result-1.txt", "secret", "sub"] and not (work / "up").exists()


def test_its_reasons_reach_no_terminal_as_they_are(clowder, engine, rogue):
    rogue.shall("words")
    clowder("up two -n 1")
    said = clowder("map -p two -- true ::: 1", status=1).says("0;owned").err
    wait_until(lambda: clowder("job show 1", status=None).status == 0)  # it is in the store
    assert is_plain(said, clowder("job list").out, clowder("job show 1").out, engine.log)


def test_a_token_is_for_one_daemon(clowder, rogue):
    rogue.shall("twice")
    clowder("up three -n 1")
    wait_until(lambda: rogue.noted("this token belongs to another daemon"))


@pytest.mark.parametrize("errand, status, said", [
    ("back", 0, "it gives back tasks that it was not given, or without a pause"), ("around", 0, "it tells of its state without end"),
    ("fault", None, "it finds fault with a job that it does not have")])
def test_one_that_plays_with_its_tasks_is_dropped(clowder, engine, rogue, errand, status, said):
    rogue.shall(errand)
    clowder("up four -n 1", status=status)
    clowder.start("map -p four -- true ::: 1")
    wait_until(lambda: engine.logged(said))
