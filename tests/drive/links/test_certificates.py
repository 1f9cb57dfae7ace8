"""Certificates of users, in every shape that ssh takes; an agent that asks its owner; the agent of whoever asks."""
import os
import signal
import time

import pytest

from waiting import wait_until


@pytest.fixture
def host(engine, driver):
    """A server that knows a CA and no key of ours; and a key "own" with a certificate of that CA."""
    own = driver(1)
    ca, key, other = own.make_key("ca"), own.make_key("own"), own.make_key("other")
    engine.run("ssh-keygen", "-q", "-s", ca, "-I", "me", "-n", "root", key.with_suffix(".pub"))
    engine.run("mv", own.folder / "own-cert.pub", own.folder / "certificate.pub")
    own.certificate, own.key, own.other = own.folder / "certificate.pub", key, other
    own.restart(1, f"TrustedUserCAKeys {ca.with_suffix('.pub')}\nAuthorizedKeysFile none")
    return own


@pytest.fixture
def agent(engine):
    """agent(KEY, ...): one that has these."""
    started = []

    def make(*keys, options=()):
        socket = engine.work / f"agent{len(started)}"
        started.append(engine.start("ssh-agent", "-D", "-a", socket))
        wait_until(socket.exists)
        for key in keys:
            engine.run("env", f"SSH_AUTH_SOCK={socket}", "ssh-add", "-q", *options, key)
        return socket
    yield make
    for each in started:
        os.kill(each.pid, signal.SIGCONT)
        os.kill(each.pid, signal.SIGTERM)
        each.wait(None)


def logs_in(host, with_=None):
    done = host("--goal login h1")
    if with_:
        done.says(f'with="{with_}')


def beside(host):
    """The certificate where ssh looks for it by itself, beside the key."""
    os.rename(host.certificate, host.folder / "own-cert.pub")


def test_key_and_certificate_are_in_the_agent(host, agent):
    beside(host)
    socket = agent(host.key)
    os.rename(host.folder / "own-cert.pub", host.certificate)
    host.configure(f"IdentityAgent {socket}\n", IdentityFile="none", IdentitiesOnly="no")
    logs_in(host, "the agent")


def test_the_certificate_is_a_file_and_its_key_in_the_agent(host, agent):
    socket = agent(host.key)
    host.configure(f"IdentityAgent {socket}\nCertificateFile {host.certificate}\n", IdentityFile="none", IdentitiesOnly="no")
    logs_in(host, "the agent")


def test_only_the_public_half_is_a_file(host, agent):
    socket = agent(host.key)
    os.rename(host.key, host.folder / "away")
    host.configure(f"IdentityAgent {socket}\nCertificateFile {host.certificate}\n", IdentityFile=f"{host.key}.pub", IdentitiesOnly="yes")
    logs_in(host, "the agent")


def test_the_certificate_is_beside_its_key(host):
    beside(host)
    host.configure("IdentityAgent none\n", IdentityFile=host.key)
    logs_in(host, str(host.key))


def test_one_of_two_keys_has_the_certificate(host):
    host.configure(f"IdentityAgent none\nCertificateFile {host.certificate}\nIdentityFile {host.other}\n", IdentityFile=host.key)
    logs_in(host, str(host.key))


def test_keys_and_certificates_are_in_any_order(host, agent):
    beside(host)
    socket = agent(host.other, host.key)
    os.rename(host.folder / "own-cert.pub", host.certificate)
    host.configure(f"IdentityAgent {socket}\nCertificateFile {host.other}.pub\nCertificateFile {host.certificate}\n", IdentityFile=host.other, IdentitiesOnly="no")
    logs_in(host, "the agent")


def test_without_the_certificate_nobody_comes_in(host):
    host.configure("IdentityAgent none\n", IdentityFile=host.key)
    host.fails("--goal login h1").prints("refused the login")


def test_an_agent_that_takes_its_time_is_waited_for_and_that_is_said(clowder, engine, lab, agent):
    own = lab(1)
    socket = agent(f"{own.lab}/id")
    with open(f"{own.lab}/config") as f:
        text = f.read()
    with open(f"{own.lab}/config", "w") as f:
        f.write(f"IdentityAgent {socket}\n" + text.replace("IdentityFile", "# IdentityFile").replace("IdentitiesOnly yes", "IdentitiesOnly no"))
    clowder("host add h1")
    pid = int(engine.run("sh", "-c", f"pgrep -f 'ssh-agent -D -a {socket}' | head -n 1").out)
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    running = clowder.start("up --on h1:1 --timeout 2m")
    wait_until(lambda: "waits for your SSH agent" in clowder("host show h1").out)
    time.sleep(22)  # longer than a login has otherwise
    os.kill(pid, signal.SIGCONT)
    assert running.wait().out == "default: 1 daemon up\n"
    assert time.monotonic() - began > 22


def test_the_agent_is_that_of_whoever_asks(clowder, engine, lab, agent):
    own = lab(1)
    with open(f"{own.lab}/config") as f:
        text = f.read()
    with open(f"{own.lab}/config", "w") as f:
        f.write(text.replace("IdentityFile", "# IdentityFile").replace("IdentitiesOnly yes", "IdentitiesOnly no"))
    clowder("host add h1")
    clowder("engine start")  # by somebody without an agent
    clowder("up --on h1:1", status=5)
    engine.env["SSH_AUTH_SOCK"] = str(agent(f"{own.lab}/id"))
    clowder("up --on h1:1")
    clowder("down")
    old = engine.env["SSH_AUTH_SOCK"]
    engine.env["SSH_AUTH_SOCK"] = str(agent(f"{own.lab}/id"))
    os.unlink(old)
    clowder("up --on h1:1")
