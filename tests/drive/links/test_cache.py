"""Others of a host may not put a program of theirs in the place of ours, whatever the login's umask is."""
import grp
import os
import pwd
import time

import pytest

from told import ECHO, last_state

SOMEBODY = 65533


@pytest.fixture
def cache(one):
    """The folder ~/.cache of the host, with our program in it, which came when the umask was none."""
    bashrc = one.home() / ".bashrc"
    bashrc.write_text("umask 000\n")
    one.restart(1, f"SetEnv HOME={one.home()}")
    one("--launch", ECHO, "--hellos", "1", "h1")
    bashrc.unlink()
    return one.home() / ".cache"


def is_used(driver):
    return last_state(driver("h1")) == "up"


def test_all_is_closed_whatever_the_umask_is(cache):
    assert not [path for path in (cache, *cache.rglob("*")) if path.stat().st_mode & 0o077]


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_folder_that_others_may_change_is_not_used(one, cache, mode):
    os.chown(cache, -1, SOMEBODY)
    cache.chmod(mode)
    one.fails("h1").prints(f'code=5 .*could replace what is in {cache}/clowder: {cache} is not yours.*hint="on the host: chmod go-w {cache}')


def test_a_folder_of_somebody_else_is_not_used(one, cache):
    os.chown(cache, SOMEBODY, -1)
    cache.chmod(0o755)
    one.fails("h1").prints("code=5 .*could replace what is in")


def test_a_home_that_others_may_change_is_not_used(one, cache):
    os.chown(one.home(), -1, SOMEBODY)
    one.home().chmod(0o775)
    one.fails("h1").prints(f"code=5 .*{one.home()} is not yours")
    assert cache.exists()


@pytest.mark.parametrize("mode", [0o1777, 0o755, 0o700])
def test_a_folder_that_only_we_may_change_is_used(one, cache, mode):
    cache.chmod(mode)
    assert is_used(one)


def test_a_program_of_somebody_else_is_replaced(one, cache):
    """The folder was open once."""
    program = one.programs()[0]
    os.chown(program, SOMEBODY, -1)
    one("h1")
    assert cache.exists() and (program.stat().st_uid, program.stat().st_mode & 0o7777) == (0, 0o700)


def root_is_alone():
    """Some systems have more in root's group."""
    return not grp.getgrgid(0).gr_mem and all(user.pw_uid == 0 for user in pwd.getpwall() if user.pw_gid == 0)


@pytest.mark.skipif(not root_is_alone(), reason="root's group has more members here")
def test_a_group_of_the_users_own_may_write_there(one, cache):
    cache.chmod(0o775)
    assert is_used(one)


def test_a_group_that_is_somebodys_first_one_may_not(one, cache, account):
    cache.chmod(0o775)
    account("-M", "-N", "-g", "0")
    one.fails("h1").prints(f"code=5 .*{cache} is not yours, or they may write to it")


SWAP = "case $BASH_EXECUTION_STRING in *--mux*) cd ~ && mv .cache/clowder was && mv evil .cache/clowder;; esac\n"


def test_a_folder_that_is_put_there_after_the_look_is_not_used(one, cache):
    evil = one.home() / "evil"
    evil.mkdir()
    program = evil / one.programs()[0].name
    program.write_text(f"#!/bin/sh\necho >{one.folder}/ran\n")
    program.chmod(0o755)
    for path in (evil, program):
        os.chown(path, SOMEBODY, SOMEBODY)
    (one.home() / ".bashrc").write_text(SWAP)
    one.fails("h1").prints(f"code=5 .*could replace what is in the folder of our programs: {cache}/clowder is not yours")
    assert (one.home() / "was").is_dir(), "nothing was swapped"
    assert not (one.folder / "ran").exists(), "another user's program was run"


def test_programs_that_nobody_asked_for_lately_are_removed(one, cache):
    """One of another version goes after a month; ours stays, however old it is."""
    month, ours = 31 * 86400, one.programs()[0]
    for name, age in (("clowder-daemon-0123456789abcdef", 2 * month), ("clowder-daemon-fedcba9876543210", month // 2), ("mine", 2 * month)):
        (cache / "clowder" / name).write_text("")
        os.utime(cache / "clowder" / name, (time.time() - age,) * 2)
    os.utime(ours, (time.time() - 2 * month,) * 2)
    assert is_used(one)
    assert [path.name for path in one.programs()] == sorted(["clowder-daemon-fedcba9876543210", "mine", ours.name])
