"""Machines that could become hosts are found without a word to any of them."""
import pytest

AVAHI = """#!/bin/sh
cat <<'END'
+;eth0;IPv4;nas;_ssh._tcp;local
=;eth0;IPv4;nas;_ssh._tcp;local;nas.local;192.0.2.5;22;
=;eth0;IPv4;odd;_ssh._tcp;local;odd.local;192.0.2.6;2222;
=;eth0;IPv6;six;_ssh._tcp;local;six.local;fe80::6;22;
END
"""


@pytest.fixture
def network(engine):
    """What a tool tells that asks the network, and what ssh has met."""
    tools = engine.work / "tools"
    tools.mkdir()
    (tools / "avahi-browse").write_text(AVAHI)
    (tools / "avahi-browse").chmod(0o755)
    (engine.work / "known").write_text("build7.lan ssh-ed25519 AAAA\nnas.local ssh-ed25519 AAAA\n|1|a|b ssh-ed25519 AAAA\n")
    (engine.work / "config").write_text(f"UserKnownHostsFile {engine.work}/known\nGlobalKnownHostsFile /dev/null\n")
    engine.env["PATH"] = f"{tools}:{engine.env['PATH']}"
    engine.env["CLOWDER_SSH_CONFIG"] = str(engine.work / "config")
    return tools


@pytest.mark.usefixtures("network")
def test_what_is_seen_is_listed(clowder):
    seen = clowder("host scan")
    seen.prints("^nas +192.0.2.5 +announced, known_hosts", "^odd +192.0.2.6:2222 +announced", "^build7.lan +build7.lan +known_hosts")
    assert "hashed names in 1 line of known_hosts" in seen.err
    answer = clowder("host scan --json").json
    assert answer["asked"] and answer["hashed"] == 1
    assert [each["name"] for each in answer["machines"]] == ["nas", "odd", "six", "build7.lan"]
    assert answer["machines"][1]["port"] == 2222 and answer["machines"][1]["host"] is None


@pytest.mark.usefixtures("network")
def test_what_is_chosen_is_added(clowder):
    clowder("host scan --add odd --add nas --add six").prints("^3 hosts added")
    assert clowder("host show six --json").json["address"] == "six.local", "the address means nothing without its link"
    host = clowder("host show odd --json").json
    assert (host["address"], host["port"]) == ("192.0.2.6", 2222)
    assert clowder("host show nas --json").json["address"] == "nas.local", "as ssh knows it"
    assert [each["host"] for each in clowder("host scan --json").json["machines"]] == ["nas", "odd", "six", None]
    clowder("host scan --add nothing", status=4).says_one_line("no machine that is seen is called 'nothing'")
    clowder("host scan --add build7.lan --add nas", status=5).says_one_line("nas")
    assert [each["name"] for each in clowder("host list --json").json["hosts"]] == ["nas", "odd", "six"], "all or none"


def test_without_the_tool_it_is_said(clowder, network):
    (network / "avahi-browse").write_text("#!/bin/sh\nexit 127\n")
    seen = clowder("host scan")
    seen.prints("^build7.lan")
    assert "avahi-browse is missing" in seen.err
    clowder("host scan nas", status=2).says_one_line("clowder host scan --add nas")
