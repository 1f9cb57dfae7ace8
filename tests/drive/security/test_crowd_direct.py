"""A crowd at the direct port of one profile: those of others are open."""
import re
import subprocess

import pytest

from programs import SOURCE
from waiting import lines_of, wait_until


def test_another_profiles_daemon_is_not_kept_out(clowder, engine, lab):
    own = lab(1)
    if not own.namespaces:
        pytest.skip("needs network namespaces")
    clowder("host add h1")
    clowder("host edit h1 --direct")
    own.shell('$desktop nft insert rule inet fw in ip saddr "$(lab_address 1)" accept')
    for name in ("far", "near"):
        clowder(f"up {name} --on h1:1")
    port = re.search(r"listens profile=far tls port=(\d+)", engine.log)[1]
    crowd = engine.start(*engine.desktop, "python3", SOURCE / "tests/drive/security/crowd.py", port, stdin=subprocess.PIPE)
    wait_until(lambda: lines_of(crowd.out) == ["here"])
    wait_until(lambda: clowder.status()["engine"]["connections"] > 900)
    wait_until(lambda: engine.logged("more than 1000 connections without a hello"))
    clowder("up near --on h1:2")
    assert engine.logged("daemon launched daemon=near-") == 2
