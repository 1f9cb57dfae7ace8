"""No text of a user's reaches a shell as anything but text: not by a base, and not by what else a script is made of."""
import sqlite3
from pathlib import Path

import pytest

from servers import serving
from waiting import wait_until

DASK = "#!/bin/sh\nprintf '%s|' \"$@\" >>WORK/ran\nsleep 100\n"


@pytest.fixture(autouse=True)
def nothing_ran(work):
    yield
    for folder in (work, work / "bin", Path.home()):
        assert not (folder / "pwned").exists()


@pytest.mark.parametrize("url", [
    "tcp://127.0.0.1:5555/$(touch pwned)", "tcp://127.0.0.1:5555/'$(touch pwned)'", "tcp://127.0.0.1:5555/`touch${IFS}pwned`",
    "tcp://127.0.0.1:5555/;touch${IFS}pwned", "ipc:///tmp/$(touch pwned)"])
def test_a_base_that_is_more_than_an_address_is_refused(clowder, url):
    clowder("profile set x --runtime dask -n 1 --base", url, status=2).says_one_line()


@pytest.fixture
def url():
    """Of a base that lets all in."""
    held = []
    with serving(held.append) as url:
        yield url


@pytest.fixture
def nasty(clowder, work, url):
    """A profile with texts that a shell would like to run; in dask's place stands a script that shows what it was told."""
    script = work / "bin/dask"
    script.parent.mkdir()
    script.write_text(DASK.replace("WORK", str(work)))
    script.chmod(0o755)
    clowder(f"profile set x --runtime dask --base {url}/a -n 1 --env PATH={work}/bin:/usr/bin:/bin", "--env",
            "E=$(touch pwned)", "--option", "memory-limit=`touch pwned`;touch pwned", "--option", "name=it's $(touch pwned)")


@pytest.mark.usefixtures("nasty")
def test_options_and_variables_arrive_as_they_are(clowder, work):
    clowder("up x --timeout 2s", status=None)
    wait_until(lambda: (work / "ran").exists())
    wait_until(lambda: "memory-limit|`touch pwned`;touch pwned|" in (work / "ran").read_text())


def change_base(engine, how, *values):
    """In the store itself, as somebody else's hands would."""
    store = sqlite3.connect(engine.store)
    store.execute(f"UPDATE profile SET base_url = {how}", values)
    store.commit()
    store.close()


@pytest.mark.usefixtures("nasty")
def test_a_store_that_was_written_by_somebody_elses_hands_is_no_way_around(clowder, engine, work):
    clowder("engine stop")
    change_base(engine, "base_url || ?", f"/$(cd {work};touch pwned)")
    clowder("profile show x", status=1).says("is not as Clowder would write it")
    assert clowder("up x --timeout 5s", status=None).status != 0, "a base that no check lets pass was used"
    assert not (work / "ran").exists()
    change_base(engine, "substr(base_url, 1, instr(base_url, '/$') - 1)")
    clowder("engine stop --now")  # it has no profiles: it could not read them
    clowder("up x --timeout 2s", status=None)
    wait_until((work / "ran").exists)
