"""Another user's command, given whole: it arrives as it is but for the port."""
import re
import shlex

import pytest

from programs import PEER
from waiting import wait_until

SHOW = f"""#!/bin/sh
for word; do printf '%s\\n--\\n' "$word"; done >>WORK/words.$CLOWDER_DAEMON
exec {PEER} daemon "$1" 0 WORK
"""
PEM = f"-----BEGIN CERTIFICATE-----\nMIIB+z/CC=\n{'A' * 3000}\n-----END CERTIFICATE-----"
NASTY = "a'b\"c $HOME `id` @PORT@ @URL@ \\n {url} tcp://127.0.0.1:1"


def is_over(clowder):
    """The session that gave the commands is over, and so are they."""
    return not clowder.daemons("gpu")


@pytest.fixture
def own(clowder, work, ready, base):
    """A base with four daemons on two hosts, each launched by a command of its user's."""
    ready(2)
    show = work / "show.sh"
    show.write_text(SHOW.replace("WORK", str(work)))
    show.chmod(0o755)
    started = base(4000, 64, daemons=4)
    clowder("profile set gpu --on h1:1 --on h2:1")
    for _ in range(4):
        clowder("launch -p gpu", f"{show} '{started.url}' {shlex.quote(PEM)} {shlex.quote(NASTY)}")
    wait_until(lambda: clowder.profile("gpu")["daemons"]["connected"] == 4)
    return started


def test_commands_are_spread_over_hosts_and_do_their_tasks(clowder, own):
    assert sorted((host["host"], host["daemons"]) for host in clowder.profile("gpu")["hosts"]) == [("h1", 2), ("h2", 2)]
    done = own.finish()
    assert (done["right"], done["most"]) == (4000, 4)
    own.end()
    wait_until(lambda: is_over(clowder))


def test_every_word_arrives_as_it_is_but_for_the_port(engine, work, own):
    told = sorted(work.glob("words.*"))
    assert len(told) == 4
    for words in told:
        url, rest = words.read_text().split("\n--\n", 1)
        assert re.fullmatch(r"tcp://127\.0\.0\.1:[0-9]+", url)
        assert engine.logged(f"step=tunnel url={url} target=tcp:127.0.0.1:{own.port}$"), "it was told another port than the tunnel's"
        assert rest == f"{PEM}\n--\n{NASTY}\n--\n"


def test_words_of_ones_own_arrive_as_words(clowder, engine, ready):
    ready(1)
    clowder("profile set gpu --on h1:1")
    clowder("launch -p gpu -- echo one", "two words", "three'")
    wait_until(lambda: engine.logged("text=\"one two words three'\""))


def test_a_profile_that_is_not_there_or_has_daemons_of_ours_launches_nothing(clowder):
    clowder("launch -p nothere true", status=4)
    clowder("up -n 1")
    clowder("launch -p default true", status=5)
