"""Tasks get three descriptors, no signals, the user's umask and the stated environment; however they were started, whatever their
engine inherited."""
import pytest

from inheritance import TELL, little, told

LITTLE = little("0027")
START = "umask 027; trap '' HUP; exec 9</dev/null 250>leak; SECRET=1 clowder engine start"
ENVIRONMENT = "env; touch made; stat -c %a made; rm made"


@pytest.fixture(params=["plain", "limited"])
def profile(request, clowder, engine):
    """Of an engine that inherited more than it should."""
    engine.run("bash", "-c", START)
    clowder(f"up {request.param} -n 1", *(["--nice", "1"] if request.param == "limited" else []))
    return request.param


def test_a_command_inherits_little(clowder, profile):
    assert told(clowder(f"map -p {profile} -- sh -c", TELL, ":::", "x").lines) == LITTLE


def test_a_command_that_reads_inherits_little(clowder, profile):
    assert told(clowder(f"map -p {profile} --stdin -- sh -c", f"cat >/dev/null; {TELL}", stdin="x").lines) == LITTLE


def test_a_worker_has_three_descriptors(clowder, profile):
    worker = f"while read -r line; do {{ {TELL}; }} | tr '\\n' ' '; echo; done"
    assert clowder(f"map -p {profile} -w -- sh -c", worker, stdin="x\n").out.split()[:3] == ["0", "1", "2"]


def test_the_environment_is_the_stated_one_and_the_umask_the_users(clowder, profile):
    seen = clowder(f"map -p {profile} -- sh -c", ENVIRONMENT, ":::", "x", env={"SECRET": "1"})
    assert "SECRET" not in seen.out
    assert "640" in seen.lines


def test_shipped_files_are_the_users_alone(clowder, work):
    clowder("up plain -n 1")
    (work / "shipped").write_text("data\n")
    assert clowder("map -p plain --ship shipped -- sh -c", "stat -c %a . shipped", ":::", "x").lines == ["700", "600"]


def test_who_wants_no_new_privileges_has_none(clowder):
    clowder("up bound -n 1 --no-new-privs")
    assert clowder("run -p bound sh -c", TELL).lines[-1] == "1"
    assert "no new privileges" in clowder.limits("bound")
