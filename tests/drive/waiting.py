"""What tests wait for, compare, and need."""
import os
import shutil
import subprocess
import time

import pytest

PATIENCE_S = 90  # for what takes a moment: it says that something will never be so, and is no measure of speed


def wait_until(condition, seconds=PATIENCE_S):
    """Until condition() is true; what it returned."""
    end = time.monotonic() + seconds
    while not (so := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"still not so after {seconds} s")
        time.sleep(0.02)
    return so


def same(got, wanted):
    """The same text, which may be long: else the first line that is another."""
    if got == wanted:
        return
    got, wanted = got.split("\n"), wanted.split("\n")
    at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b), min(len(got), len(wanted)))
    a, b = got[at:at + 1], wanted[at:at + 1]
    raise AssertionError(f"line {at + 1} of {len(got)} is {a!r:.300}, and not {b!r:.300} of {len(wanted)}")


def numbers(*limits):
    """Lines as seq prints them: numbers(3), numbers(2, 5), numbers(2, 40, 2)."""
    first, last, step = {1: lambda n: (1, n, 1), 2: lambda a, b: (a, b, 1), 3: lambda a, b, c: (a, b, c)}[len(limits)](*limits)
    return "".join(f"{i}\n" for i in range(first, last + 1, step))


def lines_of(path):
    """Whole lines of a file; none where it is not there yet."""
    try:
        with open(path, errors="surrogateescape", newline="\n") as f:
            return f.read().split("\n")[:-1]
    except FileNotFoundError:
        return []


def needs(program, package):
    if not shutil.which(program):
        pytest.skip(f"needs {program} (package {package})")


def needs_root(why):
    if os.geteuid() != 0:
        pytest.skip(f"needs root, {why}")


def needs_namespaces(lab, what="network namespaces"):
    """For what only hosts that have them can show."""
    if not lab.namespaces:
        pytest.skip(f"needs {what}")


def needs_mount_namespace(why):
    """For programs that are started in one of their own (the fixture mount_namespace is for the test itself)."""
    why = f"and a mount namespace, for {why}"
    needs_root(why)
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip(f"needs root, {why}")
