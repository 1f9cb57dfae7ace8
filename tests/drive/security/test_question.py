"""A host in bad hands asks for secrets that were given for something else: it gets none, and who is asked sees who asks."""
import pytest

from waiting import wait_until

HORSE = "correct horse"


def unlock(clowder, *options, status=None, secret=HORSE):
    return clowder("host unlock rogue", *options, stdin=f"{secret}\n", status=status, timeout=60)


@pytest.fixture
def asks(clowder, rogue_host):
    """It took the key, so that its owner unlocked it, and then asks for the passphrase in the very words of that question."""
    own = rogue_host("asks", HORSE)
    clowder("up --on rogue:1", status=5).says("passphrase of")
    unlock(clowder, "--kind", "passphrase")
    wait_until(lambda: own.read("in"))
    wait_until(lambda: f"asks: passphrase of {own.key}" in clowder("host show rogue").out)
    yield own
    assert HORSE not in own.read("learnt"), "it learnt the passphrase"


def test_it_is_not_answered_by_itself(asks):
    assert asks.read("learnt") == ""


def test_who_answers_blindly_does_not_answer_that(clowder, asks):
    unlock(clowder, status=2).says_one_line(r"asks for this \(interactive\)")
    unlock(clowder, "--kind", "passphrase", status=5)
    assert asks.read("learnt") == ""


def test_nor_before_anything_was_asked(clowder, asks):
    clowder("engine stop --now")
    unlock(clowder, status=2).says(r"asks for this \(interactive\)")
    assert asks.read("learnt") == ""


def test_a_password_is_another_kind_of_secret(clowder, asks):
    asks.shall("password")
    clowder("engine stop --now")
    unlock(clowder, status=2).says(r"asks for this \(password\)")
    unlock(clowder, "--kind", "passphrase", status=5).says(r"another kind of secret \(password\)")
    assert asks.read("learnt") == ""


def test_what_is_meant_for_it_is_what_it_gets(clowder, asks):
    clowder("engine stop --now")
    unlock(clowder, "--kind", "interactive", secret="for it")
    assert "for it" in wait_until(lambda: asks.read("learnt"))
