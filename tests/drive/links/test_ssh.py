"""What ssh makes of its configuration is how a link is made: real servers, and files as users write them."""
import re

import pytest

from told import closing_ms, last_state


def logs_in(driver, *words):
    done = driver("--goal login", *words, "h1")
    assert re.search("state=down .*code=0", done.out), done.out
    return done


# ---- Match, Include, ProxyCommand ----


def test_match_exec_decides_at_each_attempt(one):
    flag = one.folder / "flag"
    one.configure(f'Match originalhost h1 !exec "test -e {flag}"\n  Port 9\n')
    one.fails("--goal login h1").prints("cannot connect to .*:9: Connection refused")
    flag.touch()
    logs_in(one)
    flag.unlink()
    one.fails("--goal login h1").prints("Connection refused")


def test_match_final_counts(one):
    one.configure(f"Match final host {one.address(1)}\n  IdentityFile {one.folder}/id\n", IdentityFile="none")
    logs_in(one)


def test_a_quoted_blank_in_the_path_of_an_include(one):
    folder = one.folder / "more hosts"
    folder.mkdir()
    (folder / "one.conf").write_text(one.config.read_text())
    one.config.write_text(f'Include "{folder}/*.conf"\n')
    logs_in(one)


def test_a_command_that_does_not_end_holds_nothing_up(one):
    one.configure('Match exec "sleep 100"\n  Port 9\n')
    assert closing_ms(one("--goal login --close-after 500 h1", status=None)) < 2000


def test_a_proxy_command_has_its_tokens(one):
    noted = one.folder / "noted"
    through = f"ssh -F none -i {one.folder}/id -o UserKnownHostsFile={one.known_hosts} -W %h:%p -p %p root@%h"
    one.configure(f"Host h1\n  ProxyCommand sh -c 'echo %n %r %% %p >{noted}; exec {through}'\n")
    logs_in(one)
    assert noted.read_text() == f"h1 root % {one.port(1)}\n"


def test_what_a_proxy_command_says_is_in_the_reason(one):
    one.configure("Host h1\n  ProxyCommand sh -c 'echo the tunnel is shut >&2; exit 3'\n")
    one.fails("--goal login h1").prints("code=3 .*its ProxyCommand says: the tunnel is shut")


# ---- keys of hosts ----


def test_a_host_key_alias_is_what_is_looked_up(one):
    one.known_hosts.write_text(f"a-name-for-it {one.key_of(1)}\n")
    one.fails("--goal login h1").prints("the host key of .* is not known")
    one.configure("Host h1\n  HostKeyAlias a-name-for-it\n")
    logs_in(one)


def test_all_files_of_known_hosts_are_read(one):
    second = one.folder / "known of all"
    one.known_hosts.rename(second)
    one.configure(UserKnownHostsFile=f'/dev/null {one.folder}/nothing "{second}"')
    logs_in(one)


@pytest.mark.parametrize("word", ["accept-new", "no"])
def test_a_new_key_is_accepted_where_that_is_wanted_and_it_is_said(engine, one, word):
    fingerprint = engine.run("ssh-keygen", "-lf", one.folder / "h1/hostkey.pub").out.split()[1]
    one.known_hosts.write_text("")
    one.configure(f"StrictHostKeyChecking {word}\n")
    logs_in(one).says(f"accepted=.*{re.escape(fingerprint)}.*StrictHostKeyChecking {word}")
    assert one.key_of(1) in one.known_hosts.read_text()
    assert "accepted=" not in logs_in(one).err


@pytest.mark.parametrize("word", ["accept-new", "no", "off", "yes", "ask"])
def test_a_changed_key_is_never_accepted(one, word):
    name = one.known_hosts.read_text().split()[0]
    one.known_hosts.write_text(f"{name} {one.public(one.make_key('evil'))}\n")
    one.configure(f"StrictHostKeyChecking {word}\n")
    one.fails("--goal login h1").prints("code=5 .*HAS CHANGED")


@pytest.mark.parametrize("word", ["yes", "ask"])
def test_a_new_key_is_not_accepted_else(one, word):
    one.known_hosts.write_text("")
    one.configure(f"StrictHostKeyChecking {word}\n")
    one.fails("--goal login h1").prints("code=5 .*is not known")


@pytest.mark.parametrize("file", ["/dev/null", "none"])
def test_where_no_key_can_be_written_down(one, file):
    one.configure(UserKnownHostsFile=file)
    one("--goal login --trust --until down h1", status=None).prints("code=5 .*UserKnownHostsFile", "trust=.*code=5")
    one.configure("StrictHostKeyChecking accept-new\n")
    logs_in(one)


# ---- algorithms ----


@pytest.mark.parametrize("line", ["KexAlgorithms +diffie-hellman-group14-sha1", "Ciphers ^aes256-ctr", "MACs -hmac-sha1",
                                  "HostKeyAlgorithms +ssh-rsa", "PubkeyAcceptedAlgorithms ^ssh-rsa",
                                  "KexAlgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256"])
def test_lists_of_which_we_know_some(one, line):
    one.configure(f"{line}\n")
    logs_in(one)


def test_a_list_of_which_we_know_nothing(one):
    one.configure("KexAlgorithms sntrup761x25519-sha512@openssh.com\n")
    one.fails("--goal login h1").prints("code=5 .*KexAlgorithms of h1 names none that is known here: sntrup761")


# ---- certificates ----


def test_a_certificate_goes_with_the_key_that_it_was_made_for(engine, one):
    ca, first, second = (one.make_key(name) for name in ("ca", "first", "second"))
    engine.run("ssh-keygen", "-q", "-s", ca, "-I", "me", "-n", "root", second.with_suffix(".pub"))
    cert = second.with_name("second-cert.pub").rename(one.folder / "for-second.pub")
    (one.folder / "authorized_keys").write_text("")
    one.restart(1, f"TrustedUserCAKeys {ca}.pub")
    one.configure(f"Host h1\n  IdentityFile {first}\n  IdentityFile {second}\n  CertificateFile {cert}\n", IdentityFile="none")
    logs_in(one)


# ---- when ssh says no ----


def test_a_configuration_that_ssh_refuses_is_a_reason_to_rest(one):
    one.configure("Host h1\n  NoSuchKeyword yes\n")
    done = one("--goal login --retry --until refused h1", status=None)
    done.prints('code=5 .*ssh refuses its configuration: .*line 2: Bad configuration option: nosuchkeyword', "hint=.*ssh -G h1")
    assert last_state(done) == "refused"
