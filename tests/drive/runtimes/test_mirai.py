"""mirai: what R is told, what is counted, and daemons that retire. In R's place stands a script that shows what it was told, and does it."""
import re
import shutil
import subprocess

import pytest

from programs import PEER
from waiting import lines_of, wait_until

STAND_IN = f"""#!/bin/sh
[ "$1" = -e ] || exit 2
printf '%s\\n' "$2" >>WORK/expressions
url=$(printf '%s' "$2" | sed -n 's/.*mirai::daemon("\\([^"]*\\)".*/\\1/p')
max=$(printf '%s' "$2" | sed -n 's/.*maxtasks = \\([0-9]*\\).*/\\1/p')
exec {PEER} daemon "$url" "${{max:-0}}" WORK
"""
TOLD = (r'q\(status = 10L \+ mirai::daemon\("tcp://127.0.0.1:[0-9]*", dispatcher = TRUE, output = TRUE, autoexit = TRUE, '
        r'tls = "quote\\"d"\)\)')


def libraries(*homes):
    """R's, with mirai in them, where R is there to look for them."""
    if not shutil.which("Rscript"):
        return
    version = re.search(r"\d+\.\d+", subprocess.run(["Rscript", "--version"], capture_output=True, text=True, check=True).stdout)[0]
    for home, mirai in homes:
        folder = home / "R/any-library" / version / "mirai"
        folder.mkdir(parents=True)
        (folder / "DESCRIPTION").write_text(f"Version: {mirai}\n")


@pytest.fixture
def profile(clowder, engine, work, ready):
    """Two daemons on each of two hosts, without a base yet."""
    script = work / "bin/Rscript"
    script.parent.mkdir()
    script.write_text(STAND_IN.replace("WORK", str(work)))
    script.chmod(0o755)
    engine.env["HOME"] = str(work / "home")  # where R's libraries would be, there and here
    ready(2)
    libraries((work / "lab/h1/home", "2.5.0"), (work / "home", "2.7.1"))
    clowder(f"profile set r --runtime mirai --on h1:2 --on h2:2 --env PATH={work}/bin:/usr/bin:/bin --option autoexit=TRUE --option",
            'tls=quote"d')


@pytest.fixture
def four(clowder, profile, base):
    """Those, with a base whose tasks are done."""
    own = base(3000, 64, daemons=4)
    clowder(f"profile set r --base {own.url}")
    assert clowder("up r").out == "r: 4 daemons up\n"
    own.done = own.finish()
    return own


def test_tasks_are_done_on_both_hosts_and_counted(clowder, traffic, four):
    assert [four.done[name] for name in ("right", "wrong", "inits", "most")] == [3000, 0, 4, 4]
    wait_until(lambda: traffic()["results"] == 3000)
    seen = traffic()
    assert [seen[name] for name in ("tasks", "cancels", "messages_down", "messages_up")] == [3000, 0, 3004, 3000]
    assert (seen["framing"], seen["framed"], seen["connections"]) == ("mirai", True, 4)
    assert sum(host["done"] > 0 for host in clowder.profile("r")["hosts"]) == 2
    four.end()


def test_r_is_told_the_tunnel_and_the_options(engine, work, four):
    told = lines_of(work / "expressions")
    assert all(re.fullmatch(TOLD, expression) for expression in told) and len(told) == 4
    for expression in told:  # a tunnel on a host may have the number of the base's port by chance: it is another machine's
        url = re.search(r"tcp://127.0.0.1:\d+", expression)[0]
        assert engine.logged(f"step=tunnel url={url} target=tcp:127.0.0.1:{four.port}$")


@pytest.mark.usefixtures("four")
def test_r_can_read_what_it_is_told(engine):
    if not shutil.which("Rscript"):
        pytest.skip("needs Rscript (package r-base-core)")
    engine.run("Rscript", "-e", 'for (l in readLines("expressions")) parse(text = l)')


@pytest.mark.usefixtures("four")
def test_a_note_tells_what_mirai_a_host_has(clowder):
    def note():
        return next(host["note"] for host in clowder.profile("r")["hosts"] if host["host"] == "h1")
    if shutil.which("Rscript"):
        wait_until(lambda: note() == "it has mirai 2.5.0, this machine 2.7.1")
        assert "! it has mirai 2.5.0" in clowder("status r").out
    else:
        wait_until(lambda: note() == "there is no Rscript on it")


def test_one_that_retires_after_its_tasks_is_replaced_and_counts_go_on(clowder, engine, traffic, four, base):
    wait_until(lambda: traffic()["results"] == 3000)
    four.end()
    clowder("down r")
    own = base(60, 64)
    clowder(f"profile set r --base {own.url} --maxtasks 10 --on h2:0 --on h1:1")
    clowder("up r")
    done = own.finish()
    assert (done["right"], done["retired"]) == (60, 6)
    wait_until(lambda: traffic()["results"] == 3060)
    assert traffic()["cancels"] == 0, "an acknowledgement counts as a cancellation"
    assert engine.logged('leaves daemon=r-.* why="maxtasks')
    own.end()
