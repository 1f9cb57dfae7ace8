"""One command for many hosts: keys in one table, one passphrase for all, tags where names stand."""
import re

import pytest


@pytest.fixture
def hosts(clowder, lab):
    own = lab(3)
    for i in (1, 2, 3):
        clowder(f"host add h{i} --tag {'odd' if i % 2 else 'even'}")
    return own


def known_hosts(hosts):
    return f"{hosts.lab}/known_hosts"


def test_keys_of_all_are_shown_in_one_table_and_trusted(clowder, hosts):
    open(known_hosts(hosts), "w").close()
    done = clowder("host trust --all", status=5)
    assert [line.split()[0] for line in done.lines] == ["HOST", "h1", "h2", "h3"]
    assert "--yes answers yes" in done.err
    assert open(known_hosts(hosts)).read() == ""
    done = clowder("host trust --all --yes")
    assert len(re.findall(r"^h[123] trusted: SHA256:", done.out, re.M)) == 3
    assert clowder("host trust --all --yes").out == "all 3 keys are known already\n"
    clowder("up --on h1:1 --on h2:1 --on h3:1")


def test_a_host_behind_another_shows_its_own_key(clowder, hosts):
    gate, inner = (hosts.shell(f"lab_address {i}").strip() for i in (1, 2))
    open(known_hosts(hosts), "w").close()
    clowder("host edit h2 --jump h1")
    done = clowder("host trust h2 --yes")
    assert [re.sub(" SHA256.*", "", line) for line in done.lines] == [f"h2, jump host {gate} trusted:", "h2 trusted:"]
    assert [line.split()[0] for line in open(known_hosts(hosts))] == [gate, inner]
    clowder("up --on h2:1")


def test_tags_stand_where_names_do(clowder, hosts):
    clowder("up --on tag:odd:2")
    assert {h["host"]: h["daemons"] for h in clowder.profile("default")["hosts"]} == {"h1": 2, "h3": 2}
    assert [h["name"] for h in clowder("host probe tag:odd --json").json["hosts"]] == ["h1", "h3"]
    assert clowder("host clean tag:odd tag:even --json").json["hosts"][2]["host"] == "h2"
    clowder("host probe tag:none", status=4).says_one_line("no host has the tag 'none'")
    clowder("up --on tag:odd:1 --on h3:1", status=2).says_one_line("names 'h3' twice")
    clowder("host remove --yes tag:odd")
    assert clowder("host list --names").out == "h2\n"


def test_a_passphrase_is_asked_for_once(clowder, engine, hosts):
    key = f"{hosts.lab}/locked"
    engine.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "open sesame", "-f", key)
    with open(f"{hosts.lab}/authorized_keys", "a") as f:
        f.write(open(f"{key}.pub").read())
    config = open(f"{hosts.lab}/config").read()
    with open(f"{hosts.lab}/config", "w") as f:
        f.write(re.sub("IdentityFile .*", f"IdentityFile {key}", config))
    clowder("up --on h1:1 --on h2:1 --on h3:1", status=5)
    clowder("host unlock --all --kind passphrase", stdin="wrong\n", status=None)
    done = clowder("host unlock --all --kind passphrase", stdin="open sesame\n")
    assert len(re.findall("unlocked", done.out)) == 3
    clowder("up")
    assert clowder("host unlock --all").out == "no host waits for a secret\n"
