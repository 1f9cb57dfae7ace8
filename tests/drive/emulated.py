"""A host of another machine: each program that its sessions run, the shell, `uname` and our daemon, is for aarch64, and qemu runs
it. Only the kernel and sshd are this machine's."""
import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest

from programs import BIN, SOURCE
from waiting import needs, needs_mount_namespace

MACHINE = "aarch64"
DAEMON = BIN / f"clowder-daemon-{MACHINE}"
BUSYBOX = SOURCE / f"build/sysroots/{MACHINE}-busybox/bin/busybox"
QEMU = f"qemu-{MACHINE}-static"
# The head of a program for it, and which bits of that count: any of Linux, at a fixed address or not.
HEAD = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00"
COUNTS = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfe\xff\xff\xff"


def needs_what_it_takes():
    needs_mount_namespace("a host of another machine")
    needs(QEMU, "qemu-user-static")
    if not DAEMON.exists():
        pytest.skip(f"needs {DAEMON.name}: ./run daemons")
    if not BUSYBOX.exists():
        pytest.skip(f"needs busybox for {MACHINE}: ./run test fetches it")


def hexadecimal(data):
    return "".join(f"\\x{byte:02x}" for byte in data)


def are_run():
    """Whether the kernel starts programs for it."""
    try:
        return subprocess.run([BUSYBOX, "true"], check=False).returncode == 0
    except OSError:
        return False


@contextmanager
def emulation(folder):
    """The kernel gives programs for aarch64 to qemu for so long. The mount is in the mount namespace of the test."""
    if are_run():  # this machine does so anyway
        yield
        return
    folder.mkdir()
    if subprocess.run(["mount", "-t", "binfmt_misc", "none", folder], capture_output=True, check=False).returncode:
        pytest.skip("needs binfmt_misc, for a host of another machine")
    name = f"clowder-test-{os.getpid()}"
    # P: the name that a program is called by is passed on. F: qemu is opened now: a changed root does not have to have it.
    rule = f":{name}:M::{hexadecimal(HEAD)}:{hexadecimal(COUNTS)}:{shutil.which(QEMU)}:PF"
    try:
        try:
            (folder / "register").write_text(rule)
        except OSError as e:
            pytest.skip(f"needs binfmt_misc, for a host of another machine: {e.strerror}")
        yield
    finally:
        if (folder / name).exists():
            (folder / name).write_text("-1")
        subprocess.run(["umount", folder], check=True)


def make_root(root, home):
    """A root with nothing but busybox, and ROOT.mount, which the lab mounts in the host's own namespace. home: of the host, outside."""
    inside = root / home.relative_to("/")
    for path in (root / "bin", root / "dev", root / "etc", root / "proc", root / "tmp"):
        path.mkdir(parents=True)
    shutil.copy2(BUSYBOX, root / "bin/busybox")
    for applet in subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/os-release").write_text('PRETTY_NAME="a small board"\n')
    root.with_suffix(".mount").write_text(
        f"mount -t proc proc {root}/proc; mount --rbind /dev {root}/dev; mount -t tmpfs -o mode=1777 none {root}/tmp; "
        f"mkdir -p {inside}; mount --bind {home} {inside}\n")
    return root


def lines(root):
    """Of its sshd_config."""
    return f'ForceCommand exec chroot {root} /bin/env PATH=/bin SHELL=/bin/sh /bin/sh -c "$SSH_ORIGINAL_COMMAND"'
