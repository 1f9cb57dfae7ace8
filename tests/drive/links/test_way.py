"""The way to a host: jump hosts and their keys, commands for it, and ways that lead nowhere."""
import os
import signal

import pytest

from told import ECHO, blast, closing_ms, last_state
from waiting import needs_namespaces

SIZE = 20000000


def test_a_host_is_reached_through_another(two):
    two("--jump h1 --launch", ECHO, "--hellos", "1", "h2")
    assert not two.namespaces or f"from {two.address(1)}" in two.log_of(2)


def test_bytes_pass_through_two_hosts(driver):
    three = driver(3)
    three("--jump h1,h2 --launch", blast(SIZE), "--bytes", str(SIZE), "--after", "300", "h3").prints(f"blast={SIZE} intact")


def test_jumps_of_the_configuration_are_followed(driver):
    three = driver(3)
    three.configure("Host h3\n  ProxyJump h2\nHost h2\n  ProxyJump h1\n")
    assert last_state(three("--goal login h3")) == "down"


def test_a_jump_host_that_cannot_reach_the_host_says_so(one):
    one.fails(f"--jump h1 --address {one.address(1)} --port 9 --goal login nowhere").prints(
        'code=3 .*reason="the jump host .* cannot connect to')


def test_an_unknown_jump_host_is_refused_and_can_be_trusted_and_then_the_host_behind_it(two):
    two.known_hosts.write_text("")
    done = two("--jump h1 --goal login --retry --trust --until down h2").prints('state=refused .*reason="jump host h1: the host key of')
    assert sum("code=0 message" in line for line in done.lines) == 2, "not both keys were asked for"


def test_a_changed_key_of_a_jump_host_is_refused(two):
    name = two.known_hosts.read_text().split()[0]
    two.known_hosts.write_text(f"{name} {two.public(two.make_key('evil'))}\n")
    done = two("--jump h1 --goal login --trust --until down h2", status=None)
    done.prints("jump host h1: THE HOST KEY OF .* HAS CHANGED", "changed=1 line=1")
    assert not any("trust=" in line and "code=0" in line for line in done.lines)


def test_a_proxy_command_is_the_way(two):
    plain = two.folder / "config.plain"
    plain.write_text(two.config.read_text())
    two.configure(f"Host h2\n  ProxyCommand ssh -F {plain} -o StrictHostKeyChecking=yes -W %h:%p h1\n")
    two("--launch", ECHO, "--hellos", "1", "h2")


def test_a_proxy_command_that_fails_is_to_be_run_by_hand(one):
    one.configure("Host h1\n  ProxyCommand exit 3\n")
    one.fails("--goal login h1").prints('code=3 .*hint="run the ProxyCommand by hand')


def test_a_port_where_nobody_listens_is_refused(one):
    one.fails("--goal login --port 9 h1").prints('code=3 .*reason="cannot connect to .*:9: Connection refused"')


def test_after_so_many_failures_it_rests(one):
    one("--goal login --port 9 --retry --backoff 50 --quarantine 3 --until quarantined h1").prints("state=backoff", "failures=3")


def test_a_name_without_an_address_is_said(one):
    one.fails("--goal login --address no-such-host.invalid nowhere").prints("cannot find the address of no-such-host.invalid")


@pytest.fixture
def hole(driver):
    """Nothing comes back from h1."""
    own = driver(1)
    needs_namespaces(own.lab)
    own.lab.shell("ip netns exec $PREFIX-h1 nft add table inet hole")
    own.lab.shell("ip netns exec $PREFIX-h1 nft 'add chain inet hole in { type filter hook input priority 0; policy drop; }'")
    return own


def test_a_host_that_does_not_answer_is_given_up(hole):
    hole.fails("--goal login --connect 1500 h1").prints("code=6 .*no answer from .* within 2 s")


def test_closing_does_not_wait_for_a_host_that_does_not_answer(hole):
    assert closing_ms(hole("--goal login --close-after 300 h1", status=None)) < 2000


def test_closing_does_not_wait_for_a_server_that_says_nothing(one):
    pid = one.lab.listener(1)
    os.kill(pid, signal.SIGSTOP)  # it takes the connection
    assert closing_ms(one("--goal login --close-after 500 h1", status=None)) < 2000
    os.kill(pid, signal.SIGCONT)
