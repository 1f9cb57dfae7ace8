"""Logging in: by a key, an agent, a passphrase, a password; and who is not let in. No secret is in the log."""
import os
import signal

import pytest

from told import ECHO, closing_ms, last_state
from waiting import wait_until


def test_a_key_logs_in_and_a_daemon_comes_home(one):
    one("--launch", ECHO, "--hellos", "1", "h1").prints(
        "state=up .*url=ipc:///", 'hello="echo one 0"', "daemon=1 started pid=[0-9]+", 'stderr .*text="daemon one: mode echo"')


def test_the_program_is_uploaded_once_and_for_us_alone(one):
    one("--launch", ECHO, "--hellos", "1", "h1")
    one("--launch", ECHO, "--hellos", "1", "h1").says("was there")
    assert [(path.name[:15], path.stat().st_mode & 0o777) for path in one.programs()] == [("clowder-daemon-", 0o700)]


def test_facts_of_a_host_are_told(one):
    done = one("--goal facts --facts h1").prints(
        '"system":"Linux"', '"cores":[0-9]+', '"mem_total_bytes":[0-9]+', '"cache_writable":true', '"clock_offset_ms":-?[0-9]{1,3},',
        '"rtt_us":[0-9]+')
    assert last_state(done) == "down" and "unparsed" not in done.out


# ---- an agent ----


class Agent:
    """With eight keys, the last of which is the right one. Only its public half is a file."""

    def __init__(self, engine, driver):
        self.driver = driver
        socket = engine.work / "agent"
        self.process = engine.start("ssh-agent", "-D", "-a", socket)
        engine.env["SSH_AUTH_SOCK"] = str(socket)
        wait_until(socket.exists)
        for i in range(7):
            engine.run("ssh-add", "-q", driver.make_key(f"other{i}"))
        engine.run("ssh-add", "-q", driver.folder / "id")
        (driver.folder / "id").rename(driver.folder / "id.away")


@pytest.fixture
def agent(engine, driver):
    return Agent(engine, driver(1, "MaxAuthTries 3"))


@pytest.mark.parametrize("only", ["yes", "no"])
def test_the_key_that_is_named_goes_first(agent, only):
    agent.driver.configure(IdentitiesOnly=only)
    done = agent.driver("--goal login h1").says('with="the agent"')
    assert last_state(done) == "down"


def test_with_no_key_named_the_server_ends_it_and_the_reason_says_so(agent):
    agent.driver.configure(IdentitiesOnly="no", IdentityFile="none")
    agent.driver.fails("--goal login h1").prints("code=5 .*too many keys")


def test_an_agent_that_does_not_answer_holds_nothing_up(agent):
    agent.driver.configure(IdentitiesOnly="no")
    os.kill(agent.process.pid, signal.SIGSTOP)
    assert closing_ms(agent.driver("--goal login --close-after 700 h1", status=None)) < 2000
    os.kill(agent.process.pid, signal.SIGCONT)


# ---- a passphrase ----

SESAME = "open sesame"


@pytest.fixture(params=["-t ed25519", "-t rsa -b 2048 -m PEM"], ids=["ed25519", "rsa"])
def locked(request, one):
    """A key with a passphrase, which is the only one."""
    key = one.make_key("locked", *request.param.split(), secret=SESAME)
    with open(one.folder / "authorized_keys", "a") as f:
        f.write(key.with_suffix(".pub").read_text())
    one.configure(IdentityFile=key)
    return key


def hides(done, secret):
    assert secret not in done.err, "it is in the log"
    return done


def test_a_passphrase_is_asked_for(one, locked):
    hides(one("--goal login --secret", SESAME, "h1"), SESAME).prints(f'prompt kind=passphrase text="passphrase of {locked}"')


@pytest.mark.usefixtures("locked")
def test_a_link_waits_for_a_passphrase(one):
    done = hides(one("--goal login --answer", SESAME, "h1"), SESAME).prints("state=needs-secret")
    assert last_state(done) == "down"


@pytest.mark.usefixtures("locked")
def test_when_nobody_answers_it_waits_without_a_session(one):
    one("--goal login --secret-ms 200 --until needs-secret --after 300 h1", status=None).prints("state=needs-secret .*code=18")


@pytest.mark.usefixtures("locked")
def test_a_wrong_passphrase_is_asked_for_again_and_said(one):
    one.fails("--goal login --secret wrong h1").prints("again=1", "code=5 .*wrong passphrase")


# ---- a password ----

HORSE = "right horse"


class Keyless:
    """A user of the host with a password, and no key."""

    def __init__(self, driver, account):
        self.driver = driver
        self.home = driver.folder / "h1/userhome"
        self.name = account("-M", "-d", str(self.home), "-s", "/bin/bash")
        driver.engine.run("chpasswd", stdin=f"{self.name}:{HORSE}\n")
        self.home.mkdir()
        driver.engine.run("chown", self.name, self.home)
        for folder in (driver.folder, driver.engine.work):
            folder.chmod(0o755)

    def serve(self, *lines):
        self.driver.restart(1, "\n".join([*lines, f"SetEnv HOME={self.home} SHLVL=5"]))

    def login(self, words, *rest, **how):
        return hides(self.driver(f"--user {self.name} {words}", *rest, "h1", **how), "horse")


@pytest.fixture
def keyless(one, account):
    own = Keyless(one, account)
    own.serve("PasswordAuthentication yes")
    return own


def test_a_password_is_asked_for(one, keyless):
    one.configure(IdentityFile="none")
    keyless.login("--goal up --hellos 1 --secret", HORSE, "--launch", ECHO).prints(
        f'prompt kind=password text="password for {keyless.name}@')


def test_a_wrong_password_is_asked_for_again_and_said(one, keyless):
    one.configure(IdentityFile="none")
    keyless.login("--goal login --secret", "wrong horse", status=None).prints("again=1", "code=5 .*tried: .*password")


def test_a_link_waits_for_a_password(one, keyless):
    one.configure(IdentityFile="none")
    done = keyless.login("--goal login --answer", HORSE).prints("state=needs-secret")
    assert last_state(done) == "down"


def test_a_key_and_then_a_password(keyless):
    keyless.serve("PasswordAuthentication yes", "AuthenticationMethods publickey,password")
    keyless.login("--goal login --secret", HORSE)


@pytest.mark.skipif(not os.path.exists("/etc/pam.d/sshd"), reason="needs PAM for sshd")
def test_questions_of_the_host_are_asked_in_its_words(one, keyless):
    one.configure(IdentityFile="none")
    keyless.serve("UsePAM yes", "KbdInteractiveAuthentication yes", "AuthenticationMethods keyboard-interactive")
    keyless.login("--goal login --secret", HORSE).prints(r'prompt kind=interactive text="clwtest[^ ]* asks: (\(.*\) )?Password:')


# ---- nobody ----


def test_who_is_not_let_in_hears_what_the_host_accepts_and_what_was_tried(one):
    one.fails("--goal login --user nobodyatall h1").prints(
        "code=5 .*nobodyatall@.* refused the login: it accepts publickey; tried: ")


def test_who_is_not_let_in_does_not_try_on(one):
    assert last_state(one("--goal login --user nobodyatall --retry --until refused h1", status=None)) == "refused"
