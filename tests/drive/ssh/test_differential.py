"""What Clowder says of how a host is reached is what ssh says, whatever the configuration is."""
import json
import re
import subprocess

import pytest

from configurations import HOSTS, Maker, Said
from programs import BIN, SOURCE
from waiting import needs

STRICT = {"true": "yes", "false": "no"}
TEXTS = ["hostname", "user", "proxyjump", "hostkeyalias", "bindaddress", "addressfamily"]
NUMBERS = ["port", "connecttimeout", "serveraliveinterval"]
SWITCHES = ["identitiesonly", "hashknownhosts"]
LISTS = ["ciphers", "macs", "kexalgorithms", "hostkeyalgorithms", "pubkeyacceptedalgorithms"]
FILES = ["userknownhostsfile", "globalknownhostsfile"]
ENV = {"CLW_SEED_KEY": "key-of-the-seed"}
AGENTS = {"": "", "SSH_AUTH_SOCK": "", "$CLW_SEED_KEY": ENV["CLW_SEED_KEY"]}


@pytest.fixture
def inventory(clowder, work):
    """Four hosts, of which some have a user, a port, an address, a key or a jump of their own."""
    needs("ssh", "openssh-client")
    (work / "hosts.json").write_text(json.dumps({"clowder": 1, "hosts": HOSTS}))
    clowder("import hosts.json")


def compare(got, said):
    identities, certificates = said.keys()
    wanted = {key: said.one(key) for key in TEXTS} | {key: said.number(key) for key in NUMBERS}
    wanted |= {key: said.one(key) == "yes" for key in SWITCHES} | {key: said.list(key) for key in LISTS}
    wanted["stricthostkeychecking"] = STRICT.get(said.one("stricthostkeychecking"), said.one("stricthostkeychecking"))
    wanted["serveralivecountmax"] = said.number("serveralivecountmax") if wanted["serveraliveinterval"] else 0
    wanted["proxycommand"] = said.command()
    wanted["identityfile"], wanted["certificatefile"] = identities, certificates
    agent = said.one("identityagent")
    wanted["identityagent"] = AGENTS.get(agent, agent)
    wanted["problem"] = None
    assert {key: got[key] for key in wanted} == wanted
    for key in FILES:
        assert " ".join(got[key]) == said.files(key)


@pytest.mark.usefixtures("inventory")
@pytest.mark.parametrize("seed", range(60))
def test_ssh_says_the_same(clowder, engine, work, seed):
    config = Maker(seed, work).make()
    env = ENV | {"CLOWDER_SSH_CONFIG": str(config)}
    for name, typed in HOSTS.items():
        said = Said(config, name, typed, engine.env | ENV)
        got = clowder(f"host show {name} --json", env=env).json["ssh"]
        if said.refused:
            assert said.why[0] in got["problem"]
        else:
            compare(got, said)


# ---- docs/ssh.md has a word on each keyword, and the program does what it says ----


def table():
    """Keyword, in lower case: what becomes of it."""
    rows = re.findall(r"^\| ([A-Za-z0-9]+) \| (\w+)", (SOURCE / "docs/ssh.md").read_text(), re.M)
    return {keyword.lower(): what for keyword, what in rows if keyword != "Keyword"}


def test_each_keyword_has_a_word():
    needs("ssh", "openssh-client")
    said = subprocess.run(["ssh", "-F", "none", "-G", "-T", "localhost"], capture_output=True, text=True, check=True).stdout
    assert {line.split()[0].lower() for line in said.splitlines()} - set(table()) <= {"host"}
    assert set(table().values()) == {"used", "ssh", "unneeded", "refused"}


@pytest.mark.usefixtures("inventory")
@pytest.mark.parametrize("keyword", sorted(keyword for keyword, what in table().items() if what == "refused"))
def test_what_cannot_be_had_is_refused_with_a_word(clowder, work, keyword):
    config = work / "config"
    config.write_text(f"{keyword} {'yes' if keyword == 'proxyusefdpass' else '/x'}\n")
    got = clowder("host show alpha --json", env={"CLOWDER_SSH_CONFIG": config}).json["ssh"]
    assert keyword in got["problem"].lower() and got["hint"]


def test_what_is_read_is_what_the_table_calls_used():
    source = (SOURCE / "hosts/ssh/ssh_config.c").read_text()
    read = set(re.findall(r'^ +\{"([a-z]+)", [A-Z_]+, ', source, re.M))
    assert read == {keyword for keyword, what in table().items() if what == "used"}


# ---- when ssh has no answer ----


@pytest.mark.usefixtures("inventory")
def test_without_ssh_the_reason_says_what_to_install(engine):
    got = engine.run(BIN / "clowder", "host", "show", "alpha", "--json", env={"PATH": "/nowhere"}).json["ssh"]
    assert "cannot be run" in got["problem"] and "openssh-client" in got["hint"]
