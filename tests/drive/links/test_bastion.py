"""Hosts behind one jump host share the login there: one code is typed for all, and none is sent twice. The codes are real: a server of
its own PAM service asks pam_oath, which takes each of them once."""
import os
import re
import shutil
import signal
from pathlib import Path

import procs
import pytest

from told import ECHO, closing_ms, last_state
from waiting import needs, wait_until

HOSTS = [f"h{i}" for i in range(2, 7)]  # behind h1
ALL = " ".join(f"--on {name}:1" for name in HOSTS)
KEY = "3132333435363738393031323334353637383930"
PAM_OATH = [*Path("/lib").glob("*/security/pam_oath.so"), *Path("/lib/security").glob("pam_oath.so")]


class Bastion:
    """h1, where one has to give a code. drive() is the driver of links."""

    def __init__(self, engine, drive, clowder):
        self.engine, self.drive, self.clowder = engine, drive, clowder
        self.codes = self.all_codes()
        self.service = Path("/etc/pam.d") / f"clw{engine.work.name[-8:].lower()}"
        self.program = drive.folder / self.service.name  # sshd's service has the name of its program
        self.program.symlink_to(shutil.which("sshd") or "/usr/sbin/sshd")
        oath = drive.folder / "oath"
        oath.mkdir()
        (oath / "users").write_text(f"HOTP root - {KEY}\n")
        self.service.write_text(f"auth required pam_oath.so usersfile={oath}/users window=5 digits=6\n"
                                "account required pam_permit.so\nsession required pam_permit.so\n")
        drive.configure("".join(f"Host {name}\n  ProxyJump h1\n" for name in HOSTS))

    def all_codes(self):
        return self.engine.run("oathtool", "-w", "30", KEY).out.split()

    def stop(self):
        self.drive.stop(1)

    def serve(self, lines=""):
        self.drive.lab.shell(f"SSHD={self.program} lab_sshd 1 'UsePAM yes\nKbdInteractiveAuthentication yes\n"
                             f"AuthenticationMethods keyboard-interactive\n{lines}'")

    def logins(self):
        return self.drive.log_of(1).count("Accepted keyboard-interactive")

    def refusals(self):
        return len(re.findall("(?:error: PAM: Authentication failure|Failed keyboard-interactive)", self.drive.log_of(1)))

    def code(self):
        """The next one that nobody has used."""
        return self.codes.pop(0)

    def unlock(self, name, code, status=0):
        return self.clowder(f"host unlock {name} --kind interactive", stdin=f"{code}\n", status=status)

    def states(self):
        return {h["host"]: h for h in self.clowder.profile("default")["hosts"]}

    def all_are(self, state):
        return wait_until(lambda: all(h["state"] == state for h in self.states().values()) and self.states())


@pytest.fixture
def bastion(engine, driver, clowder):
    if not PAM_OATH:
        pytest.skip("needs pam_oath (package libpam-oath)")
    needs("oathtool", "oathtool")
    own = Bastion(engine, driver(6), clowder)
    try:
        own.stop()
        own.serve()
        for name in HOSTS:
            clowder(f"host add {name}")
        yield own
        used = set(own.all_codes()) - set(own.codes)
        assert not [code for code in used if code in engine.log], "a code is in the log"
    finally:
        own.service.unlink()


@pytest.fixture
def up(bastion):
    """All are, by one code."""
    bastion.clowder("up", *ALL.split(), status=5).says("asks: One-time password")
    bastion.unlock("h2", bastion.code())
    bastion.clowder("up")
    return bastion


def test_one_code_is_for_all_hosts_behind_it(up):
    assert up.clowder("everywhere -- echo ok").out.count("ok") == 5
    assert (up.logins(), up.refusals()) == (1, 0)


def test_what_else_is_asked_of_them_needs_no_other(up):
    up.clowder("host probe h3")
    up.clowder("doctor h4")
    up.clowder("down")
    up.clowder("host probe h5")
    up.clowder("up")
    assert up.logins() == 1


def test_any_of_them_can_be_unlocked(bastion):
    bastion.clowder("up", *ALL.split(), status=5)
    bastion.all_are("needs-secret")
    bastion.unlock("h5", bastion.code())
    bastion.clowder("up")
    assert (bastion.logins(), bastion.refusals()) == (1, 0)


def test_all_are_unlocked_by_one(bastion):
    bastion.clowder("up", *ALL.split(), status=5)
    bastion.all_are("needs-secret")
    done = bastion.clowder("host unlock --all --kind interactive", stdin=f"{bastion.code()}\n")
    assert len(re.findall("unlocked", done.out)) == 1 and len(re.findall("asks for no secret", done.out)) == 4
    assert bastion.logins() == 1


def test_a_wrong_code_is_said_and_the_right_one_helps(bastion):
    bastion.clowder("up", *ALL.split(), status=5)
    bastion.unlock("h2", "000000", status=5).says("did not take the answer")
    bastion.all_are("needs-secret")
    bastion.unlock("h3", bastion.code())
    bastion.clowder("up")
    assert bastion.logins() == 1


def test_a_code_is_never_sent_twice(up):
    up.stop()
    wait_until(lambda: all(h["state"] != "up" for h in up.states().values()))
    up.serve()
    up.all_are("needs-secret")
    assert up.refusals() == 0, "a code that was used went there again"
    up.unlock("h4", up.code())
    up.all_are("up")
    assert (up.logins(), up.refusals()) == (2, 0)


def test_when_it_dies_all_say_so(up):
    up.stop()

    def say_so():
        reasons = [h["reason"] for h in up.states().values()]
        return all(re.search("jump host", reason) for reason in reasons)
    wait_until(say_so)
    assert len(re.findall(r"reason=\"the connection to the jump host root@\S+ was lost", up.engine.log)) >= 5


def test_when_the_one_that_is_asked_goes_another_asks(bastion):
    bastion.clowder("up", *ALL.split(), status=5)
    states = bastion.all_are("needs-secret")
    asks = re.search(r"host=(h\d) step=auth needs=interactive", bastion.engine.log)[1]
    bastion.clowder(f"host remove {asks} --yes")
    assert asks in states
    other = next(name for name in HOSTS if name != asks)
    wait_until(lambda: len(re.findall("step=auth needs=interactive", bastion.engine.log)) == 2)
    bastion.unlock(other, bastion.code())
    bastion.clowder("up")
    assert bastion.logins() == 1


def test_a_doctor_does_not_take_the_question_away(bastion):
    bastion.clowder("doctor h4", status=None).prints("asks: One-time password")
    bastion.clowder("up", *ALL.split(), status=5)
    bastion.clowder("doctor h4", status=None).prints("asks: One-time password")
    bastion.unlock("h2", bastion.code())
    bastion.clowder("up")
    assert bastion.logins() == 1


def test_links_that_nobody_answered_in_time_come_when_one_is_answered(bastion):
    done = bastion.drive("--goal login --retry --secret-ms 300 --answer-after 1500 --answer", bastion.code(), "--until", "down", *HOSTS)
    assert len(re.findall("state=needs-secret .*code=18", done.out)) >= len(HOSTS), "they did not rest"
    assert (bastion.logins(), bastion.refusals()) == (1, 0)


def test_a_bastion_that_does_not_forward_says_so(bastion):
    bastion.stop()
    bastion.serve("AllowTcpForwarding no")
    bastion.clowder("up", *ALL.split(), status=5)
    bastion.unlock("h2", bastion.code(), status=3).says("the jump host .* cannot connect to .* does not allow that")
    assert bastion.logins() == 1


# ---- without an engine, with a key ----


@pytest.fixture
def three(driver):
    """h2 and h3 behind h1."""
    return driver(3)


def accepted(driver, i=1):
    return driver.log_of(i).count("Accepted publickey")


def sessions_of(pid):
    """The processes below a server."""
    below = [child["pid"] for child in procs.children(pid)]
    return below + [each for child in below for each in sessions_of(child)]


def test_links_log_in_to_a_jump_host_once(three):
    three("--jump h1 --launch", ECHO, "--hellos", "2", "h2", "h3")
    assert accepted(three) == 1


def test_jump_hosts_behind_each_other_are_logged_in_to_once(three):
    three.configure("Host a b c\n  HostName " + three.address(3) + f"\n  Port {three.port(3)}\n  HostKeyAlias h3\n")
    three.known_hosts.write_text(three.known_hosts.read_text() + f"h3 {three.key_of(3)}\n")
    three("--jump h1,h2 --launch", ECHO, "--hellos", "3", "a", "b", "c")
    assert (accepted(three, 1), accepted(three, 2), accepted(three, 3)) == (1, 1, 3)


def test_another_user_there_is_another_login(three):
    three.configure("Host h2\n  ProxyJump root@h1\nHost h3\n  ProxyJump other@h1\n")
    three("--goal login h2 h3").prints("host=h3 .*other@.* refused the login")
    assert accepted(three) == 1


def test_a_login_that_nobody_uses_ends(three):
    running = three.start("--jump h1 --goal login --jump-idle 300 --after 5000 h2")
    running.wait_for(" done")
    wait_until(lambda: "reason=\"nobody used it\"" in running.running.err.read_text())
    running.end()


def test_it_ends_and_begins_again_as_fast_as_that_goes(three):
    names = [f"a{i}" for i in range(40)]
    three.configure(f"Host a*\n  HostName {three.address(3)}\n  Port {three.port(3)}\n  HostKeyAlias h3\n")
    three.known_hosts.write_text(three.known_hosts.read_text() + f"h3 {three.key_of(3)}\n")
    done = three("--jump h1 --goal login --jump-idle 1", *names)
    assert len(re.findall("final host=a[0-9]+ state=down", done.out)) == len(names)
    assert not re.search("code=[1-9]", done.out), done.out


def test_closing_does_not_wait_for_one_that_does_not_answer(three):
    pid = three.lab.listener(1)
    os.kill(pid, signal.SIGSTOP)  # it takes the connection
    done = three("--jump h1 --goal login --close-after 500 h2 h3", status=None)
    os.kill(pid, signal.SIGCONT)
    assert closing_ms(done) < 2000
    done.prints("waits for the login at the jump host root@")


def test_a_login_that_has_died_unused_is_made_again(clowder, three):
    three.configure("Host h2 h3\n  ProxyJump h1\n")
    for name in ("h2", "h3"):
        clowder(f"host add {name}")
    clowder("host probe h2")
    for pid in sessions_of(three.lab.listener(1)):
        os.kill(pid, signal.SIGSTOP)  # it takes what is said, and answers nothing
    clowder("host probe h3")
    assert accepted(three) == 2


def test_an_unknown_key_of_it_is_shown_by_each(three):
    three.known_hosts.write_text("")
    done = three("--jump h1 --goal login --until refused --retry h2 h3")
    for name in ("h2", "h3"):
        done.prints(f'host={name} state=refused .*key=ssh-ed25519.*reason="jump host h1: the host key of')
    assert last_state(done) == "refused"


def test_a_password_is_kept_for_whoever_comes_back_first(engine, clowder, three, account):
    name = account("-M", "-s", "/bin/bash")
    engine.run("chpasswd", stdin=f"{name}:right horse\n")
    three.restart(1, "PasswordAuthentication yes")
    three.configure(f"Host h1\n  User {name}\n  IdentityFile none\nHost h2 h3\n  ProxyJump h1\n")
    for host in ("h2", "h3"):
        clowder(f"host add {host}")
    clowder("up --on h2:1 --on h3:1", status=5).says("password for")
    clowder("host unlock h3 --kind password", stdin="right horse\n")
    clowder("up")

    def states():
        return {h["state"] for h in clowder.profile("default")["hosts"]}
    three.stop(1)
    wait_until(lambda: "up" not in states())
    three.serve(1, "PasswordAuthentication yes")
    wait_until(lambda: states() == {"up"})
    assert three.log_of(1).count(f"Accepted password for {name}") == 2
    assert "right horse" not in engine.log
