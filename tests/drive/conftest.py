"""What tests that drive programs are given: an engine, its command, hosts, a namespace. What each leaves behind is a failure."""
import ctypes
import signal
import subprocess

import pytest

import hosts
import procs
from programs import BIN, Clowder, Engine
from terminal import Terminal
from waiting import needs, needs_root

LEFT_OUT = 77  # the exit status of a run that had no test for this machine
CLONE_NEWNS = 0x00020000


def pytest_configure():
    if not (BIN / "clowder").exists():
        pytest.exit(f"no programs in {BIN}: './run build' makes them, CLOWDER_BIN says where others are", returncode=1)
    procs.become_subreaper()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: pytest.exit(f"stopped by signal {number}"))


# ---- fixtures ----


@pytest.fixture
def engine():
    """An engine of the test's own (programs.py). At the end it stops, and no process, crash or sanitizer's report is left."""
    own = Engine()
    yield own
    wrong, log = ["its end went wrong"], ""
    try:
        wrong = own.end()
        log = own.log[-4000:]
    finally:
        wrong += own.close()
    assert not wrong, "\n".join(wrong + ["--- engine log", log])


@pytest.fixture
def clowder(engine):
    """The command, typed where the engine is."""
    return Clowder(engine)


@pytest.fixture
def work(engine):
    """The folder where commands run."""
    return engine.work


@pytest.fixture
def lab(engine):
    """lab(2, "AllowTcpForwarding no"): so many SSH servers as hosts h1, h2 … (../faults/hosts.py); from then on commands are typed on
    their desktop. Its shell() runs the words of ../hosts/lab.sh."""
    needs_root("to start sshd")
    needs("/usr/sbin/sshd", "openssh-server")
    made = []

    def make(count, lines="", before=""):
        made.append(hosts.Hosts(engine, count, lines=lines, before=before, relayed=False))
        return made[0]
    yield make
    try:
        wrong = engine.end()
    finally:
        for each in made:
            each.close()
    engine.desktop = []
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def account(engine):
    """account("-M", ...): a user of this machine for the test."""
    made = []

    def make(*options):
        made.append(f"clwtest{len(made)}{engine.work.name[-8:].lower().replace('_', 'x')}")
        engine.run("useradd", *options, made[-1])
        return made[-1]
    yield make
    for name in made:
        engine.run("userdel", "-f", name, status=None)


@pytest.fixture
def terminal(engine):
    """terminal(80, 24): a shell in a terminal of that size (terminal.py)."""
    needs("tmux", "tmux")
    made = []

    def make(columns, rows):
        made.append(Terminal(engine, columns, rows))
        return made[-1]
    yield make
    for each in made:
        each.close()


@pytest.fixture
def mount_namespace():
    """Whoever runs tests sees nothing of what this one mounts. Every later test of the run is in it too."""
    needs_root("to mount something")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        pytest.skip("needs a mount namespace")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


# ---- what is said ----


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    engine = item.funcargs.get("engine") if hasattr(item, "funcargs") else None
    if report.failed and report.when != "teardown" and isinstance(engine, Engine):
        report.sections += engine.tell()


def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.getreports("skipped"):
        terminalreporter.line(f"SKIP: {report.longrepr[2].removeprefix('Skipped: ')}")


def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter.getreports("skipped") and not any(reporter.getreports(how) for how in ("passed", "failed", "error")):
        session.exitstatus = LEFT_OUT
