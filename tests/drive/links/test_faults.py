"""What goes wrong with a session: forbidden forwarding, new keys in the middle, a server that is killed, a link that is cut."""
import os
import re
import time

import pytest

from cable import Cable
from told import ECHO, blast, echo
from waiting import needs_namespaces, wait_until

FORBIDDEN = "AllowTcpForwarding no\nAllowStreamLocalForwarding no"


def test_without_forwarding_daemons_come_home_over_the_launchs_channel(driver):
    driver(1, FORBIDDEN)("--tasks 50000 --hellos 2 --launch", ECHO, "--launch", echo("two"), "h1").prints(
        "url=ipc:///", 'hello="echo two 0"')


def test_without_forwarding_bytes_arrive_whole_and_no_socket_is_left(driver):
    done = driver(1, FORBIDDEN)(
        "--bytes 100000000 --tasks 20000 --after 500 --launch", blast(100000000), "--launch", ECHO, "h1").prints("blast=100000000 intact")
    sockets = set(re.findall(r"url=ipc://(/\S+)", done.out))
    assert sockets, "no socket was told"
    wait_until(lambda: not any(map(os.path.exists, sockets)))


def two_daemons(driver):
    """Through two tunnels, of a link that comes back."""
    running = driver.start("--retry --backoff 200 --hellos 99 --limit 60 --launch", echo("one", 300), "--launch2", echo("two", 300), "h1")
    running.wait_for('hello="echo (one|two)', 2)
    return running


@pytest.mark.parametrize("lines", ["", "AllowTcpForwarding no"], ids=["forwarding", "no forwarding"])
def test_when_sshd_is_back_both_tunnels_are_at_their_old_places_and_daemons_resume(driver, lines):
    one = driver(1, lines)
    running = two_daemons(one)
    one.stop()
    running.wait_for("state=backoff")
    one.serve()
    running.wait_for("state=up ", 2)
    for name in ("one", "two"):
        running.wait_for(f'hello="echo {name}', 2)
    running.end().prints("same_url=1", "the connection to .* was lost")


def test_new_keys_in_the_middle_disturb_nobody(driver):
    driver(1, "RekeyLimit 8M")("--bytes 500000000 --tasks 300000 --after 1000 --limit 100 --launch", blast(500000000), "--launch", ECHO,
                               "h1").prints("blast=500000000 intact")


def test_a_session_and_its_bytes_outlive_a_short_cut(one):
    cable = Cable(one.lab)
    running = one.start("--bytes 1000000000 --after 500 --limit 100 --launch", blast(1000000000), "h1")
    running.wait_for('hello="blast')
    time.sleep(1)  # so that much is on its way
    cable.cut()
    time.sleep(4)
    cable.mend()
    done = running.wait().prints("blast=1000000000 intact")
    assert "state=backoff" not in done.out


def test_after_a_long_cut_the_old_session_is_told_to_let_go(one):
    cable = Cable(one.lab)
    running = one.start("--retry --backoff 200 --keepalive 400 --connect 1000 --limit 60 --hellos 99 --launch", echo("one", 400), "h1")
    running.wait_for('hello="echo one')
    cable.cut()
    running.wait_for("has not answered for")
    cable.mend()
    running.wait_for("state=up ", 2)
    running.wait_for('hello="echo one', 2)
    running.end().prints("same_url=1")


def test_no_port_is_open_on_the_host_for_our_own_daemons_with_or_without_a_session(driver):
    one = driver(1, "GatewayPorts clientspecified")
    needs_namespaces(one.lab)

    def listening():
        sockets = one.lab.shell("ip netns exec $PREFIX-h1 cat /proc/net/tcp /proc/net/tcp6").splitlines()
        return sorted(line.split()[1] for line in sockets if line.split()[3:4] == ["0A"])
    before = listening()
    running = one.start("--retry --backoff 200 --limit 60 --hellos 99 --launch", echo("one", 300), "h1")
    running.wait_for('hello="echo one')
    assert before and listening() == before
    one.stop()
    running.wait_for("state=backoff")
    assert not listening()
    one.serve()
    running.wait_for('hello="echo one', 2)
    running.end()
