"""Other users of this machine, and daemons and hosts in bad hands."""
import os
import shutil
import subprocess

import pytest

from programs import BIN, SOURCE
from waiting import needs_root, wait_until


class Somebody:
    """Another user, with a home of their own and no folders named."""

    def __init__(self, engine, uid):
        self.engine, self.uid = engine, uid
        self.home = engine.work / f"home{uid}"
        self.home.mkdir()
        self.own(self.home)

    def own(self, path, mode=None):
        """Makes it theirs."""
        os.chown(path, self.uid, -1, follow_symlinks=False)
        if mode is not None:
            path.chmod(mode)
        return path

    def run(self, *argv, env=None, **how):
        names = ("CONFIG", "DATA", "STATE", "CACHE")
        env = {f"XDG_{name}_HOME": None for name in names} | {"HOME": self.home} | (env or {})
        who = ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups"]
        return self.engine.run(*who, *argv, cwd=self.home, env=env, **how)

    def clowder(self, words, *rest, **how):
        return self.run("clowder", *words.split(), *rest, **how)


@pytest.fixture
def people(engine):
    """Two users that this machine does not have. The programs under test may lie where only we can read: there they can run them."""
    needs_root("to be other users")
    programs = engine.work / "programs"
    programs.mkdir()
    for name in ("clowder", "clowder-daemon"):
        shutil.copy2(BIN / name, programs)
    engine.work.chmod(0o711)
    engine.env["PATH"] = f"{programs}:{engine.env['PATH']}"
    return [Somebody(engine, base + os.getpid() % 10000) for base in (50000, 40000)]


@pytest.fixture
def user(people):
    return people[0]


@pytest.fixture
def other(people):
    return people[1]


class RogueDaemon:
    """../../e2e/rogue_daemon.py in the place of our daemon."""

    def __init__(self, engine):
        self.folder = engine.work / "libexec"
        self.folder.mkdir()
        (self.folder / "clowder").symlink_to(BIN / "clowder")
        shutil.copy2(SOURCE / "tests/e2e/rogue_daemon.py", self.folder / "clowder-daemon")
        engine.env["CLOWDER_LIBEXEC"] = str(self.folder)

    def shall(self, errand):
        (self.folder / "errand").write_text(errand + "\n")

    def noted(self, text):
        file = self.folder / "noted"
        return file.exists() and text in file.read_text()


@pytest.fixture
def rogue(engine):
    return RogueDaemon(engine)


class RogueHost:
    """../../e2e/rogue_sshd.py as the host 'rogue', with a key for it that has a passphrase."""

    def __init__(self, engine, mode, passphrase):
        self.folder, self.key = engine.work / "rogue", engine.work / "id"
        self.folder.mkdir()
        for path, secret in ((self.folder / "hostkey", ""), (self.key, passphrase)):
            engine.run("ssh-keygen", "-q", "-t", "ed25519", "-N", secret, "-f", path)
        self.shall(mode)
        (self.folder / "question").write_text(f"passphrase of {self.key}\n")
        engine.start("/usr/bin/python3", SOURCE / "tests/e2e/rogue_sshd.py", "rogue")
        port = wait_until(lambda: self.read("port"))
        (engine.work / "known").write_text(f"[127.0.0.1]:{port} {' '.join((self.folder / 'hostkey.pub').read_text().split()[:2])}\n")
        (engine.work / "ssh_config").write_text(f"""Host rogue
 HostName 127.0.0.1
 Port {port}
 IdentityFile {self.key}
 IdentitiesOnly yes
 UserKnownHostsFile {engine.work}/known
""")
        engine.env["CLOWDER_SSH_CONFIG"] = str(engine.work / "ssh_config")

    def shall(self, mode):
        (self.folder / "mode").write_text(mode + "\n")

    def read(self, name):
        file = self.folder / name
        return file.read_text().strip() if file.exists() else ""


@pytest.fixture
def rogue_host(clowder, engine):
    """rogue_host("asks", "correct horse"): the host, known to Clowder."""
    if subprocess.run(["/usr/bin/python3", "-c", "import paramiko"], capture_output=True, check=False).returncode:
        pytest.skip("needs python3-paramiko")

    def make(mode, passphrase=""):
        own = RogueHost(engine, mode, passphrase)
        clowder("host add rogue")
        return own
    return make


@pytest.fixture
def memory_mib(engine):
    """What the engine has had at most. Of a sanitizer's build what was freed does not count."""
    engine.env["ASAN_OPTIONS"] += ":quarantine_size_mb=8"

    def most():
        with open(f"/proc/{engine.pid}/status") as f:
            return int(next(line for line in f if line.startswith("VmHWM")).split()[1]) // 1024
    return most
