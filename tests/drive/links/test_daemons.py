"""Daemons, scripts and commands on a host: how their ends are told, what goes with them, and where their secrets are not."""
import os
import shutil

import pytest

import procs
from told import ECHO, echo

TOKEN = "s3cr3tt0k3n"
KILLED = r'echo to stdout; echo "to stderr \033[31m" >&2; kill -9 $$'


def test_how_each_ends_is_told(one):
    one("--exits 3 --launch", r"mode=exit\nstatus=7\nid=a", "--launch", r"mode=sleep\nseconds=0\nid=b", "--script", KILLED, "h1").prints(
        "daemon=1 exited .*status=7 signal=0", "daemon=2 exited .*status=1", "daemon=3 exited .*status=-1 signal=9",
        'daemon=3 stderr .*text="to stdout"')


def test_what_one_that_was_killed_had_started_goes_with_it_in_whichever_group_it_is(engine, one):
    one("--exits 1 --script", 'bash -c "set -m; sleep 300.821 & kill -9 $$"', "h1").prints("daemon=1 exited .*status=-1 signal=9")
    assert not engine.running("^sleep 300.821")


@pytest.mark.parametrize("script, told", [
    ("echo hello $((6*7)); echo oops >&2; exit 3", ['run=1 code=0 status=3 out="hello 42', 'errors="oops']),
    ("sleep 60", ["run=1 code=6"]),
    ("sleep 60 & echo left; exit 4", ['run=1 code=0 status=4 out="left'])], ids=["ends", "lasts", "leaves something"])
def test_a_script_is_run_and_told(one, script, told):
    one("--run", script, "h1").prints(*told)


def test_forty_daemons_over_one_session(driver):
    launches = [word for i in range(1, 41) for word in ("--launch", echo(f"d{i}"))]
    done = driver(1, "MaxSessions 2")("--hellos 40", *launches, "h1")
    assert done.out.count("started pid") == 40


def test_a_cache_folder_that_somebody_emptied_ends_no_link(one):
    running = one.start("--until up --after 3000 --limit 30 h1")
    running.wait_for("state=up ")
    shutil.rmtree(one.home() / ".cache")
    running.wait()


@pytest.fixture
def secret(one):
    """A daemon that was given a token."""
    running = one.start("--launch", rf"{ECHO}\ntoken={TOKEN}", "--hellos", "1", "--after", "1500", "h1")
    running.wait_for("hello=")
    return running


def seen_by_others(pid):
    """What everybody can read of a process, with its environment."""
    found = b""
    for name in ("cmdline", "environ"):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as f:
                found += f.read()
        except OSError:
            pass
    return found


def test_a_token_is_on_no_command_line_and_in_no_environment(secret):
    shown = [pid for pid in procs.table() if TOKEN.encode() in seen_by_others(pid) and "hosts_drive" not in procs.command(pid)]
    assert not shown, [procs.command(pid) for pid in shown]
    secret.wait()


def test_a_token_is_in_no_log_and_no_file(one, secret):
    assert TOKEN not in secret.wait().err + one.log_of(1)
    files = [os.path.join(folder, name) for folder, _, names in os.walk(one.home()) for name in names]
    assert files and not [file for file in files if TOKEN.encode() in open(file, "rb").read()]


# ---- the doctor ----


def test_the_doctor_finds_a_good_host_good(one):
    done = one("--doctor h1", status=None).prints("^ok  launch", "^ok  tunnel .*daemons connect through this SSH session: ipc:///")
    assert "\nBAD" not in "\n" + done.out


@pytest.mark.parametrize("options, found", [
    ("--port 9", ["^BAD connect .*Connection refused", "fix: is sshd running"]), ("--user nobodyatall", ["^BAD auth"])])
def test_the_doctor_says_what_is_bad(one, options, found):
    one(f"--doctor {options} h1", status=None).prints(*found)


def test_the_doctor_says_that_a_key_is_not_known(one):
    one.known_hosts.write_text("")
    one("--doctor h1", status=None).prints("^BAD hostkey .*is not known", "fix: compare it with the host")
