"""Keys of hosts: one that is not known is refused and can be trusted, one that has changed cannot."""
import re

import pytest

WRONG = "SHA256:" + "0" * 43


@pytest.fixture
def unknown(one):
    """Nothing is on record."""
    one.known_hosts.write_text("")
    return one


def test_an_unknown_key_is_refused_and_its_fingerprint_told(engine, unknown):
    fingerprint = engine.run("ssh-keygen", "-lf", unknown.folder / "h1/hostkey.pub").out.split()[1]
    unknown.fails("--goal login h1").prints("code=5 .*reason=\"the host key of .* is not known: ssh-ed25519 SHA256:",
                                            re.escape(f"key=ssh-ed25519/{fingerprint}"))


def test_a_key_is_not_trusted_under_another_fingerprint(unknown):
    unknown("--goal login --trust-as", WRONG, "h1", status=None).prints("trust=.*code=5")
    assert unknown.known_hosts.read_text() == ""


def test_ssh_agrees_with_what_was_written_down(engine, unknown):
    unknown("--goal login --retry --trust --until down h1")
    engine.run(*engine.desktop, "ssh", "-F", unknown.config, "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "h1", "true")


def test_names_are_hashed_where_that_is_wanted(unknown):
    unknown.configure("HashKnownHosts yes\n")
    unknown("--goal login --retry --trust --until down h1")
    assert re.search(r"^\|1\|", unknown.known_hosts.read_text(), re.M)
    unknown("--goal login h1")


@pytest.fixture
def name(one):
    """Under which h1 is on record."""
    return one.known_hosts.read_text().split()[0]


def test_a_changed_key_is_never_trusted_and_its_line_told(one, name):
    other, evil = one.public(one.folder / "id"), one.public(one.make_key("evil"))
    one.known_hosts.write_text(f"# a comment\nother {other}\n{name} {evil}\n")
    one("--goal login --trust --until down h1", status=None).prints(
        f"HAS CHANGED.*{one.known_hosts} line 3", "changed=1 line=3", "trust=.*code=5")


def test_a_revoked_key_is_refused_and_its_line_told(one):
    with open(one.known_hosts, "a") as f:
        f.write(f"@revoked * {one.key_of(1)}\n")
    one.fails("--goal login h1").prints("is revoked in .* line 2")


def test_a_key_of_another_type_than_the_one_on_record_is_refused(one, name):
    one.known_hosts.write_text(f"{name} {one.public(one.make_key('evil', '-t', 'ecdsa'))}\n")
    one.fails("--goal login h1").prints("shows a key of another type")
