"""In a real terminal: the progress line, ^C at the keyboard, a watch, and help that fits."""
import pytest

from waiting import wait_until

PROMPT = "^> ?$"
WAITS = "until test -e go; do sleep 0.02; done"
COMMANDS = "up down status map run everywhere with engine bench simulate log completion help version"


@pytest.fixture
def shell(terminal):
    return terminal(80, 24)


def test_the_progress_line_is_gone_when_the_map_is_over(work, shell):
    shell.type(f"clowder map -n 2 -- sh -c '{WAITS}' ::: $(seq 20)")
    shell.see(r"^\[\.+\] +0%  0 of 20")
    (work / "go").touch()
    shell.see(PROMPT)
    assert not shell.shows("%"), shell.screen()


def test_an_interrupted_map_gives_the_results_that_it_has_begun(work, shell):
    shell.type(f"clowder map -n 2 -- sh -c '{WAITS}; echo {{}}' ::: a b; echo status $?")
    shell.see("0 of 2")
    shell.keys("C-c")
    shell.see("interrupted: no more inputs are taken")
    (work / "go").touch()
    shell.see("status 130")
    assert shell.shows("^a$"), shell.screen()


def test_a_watch_follows_what_comes_up(clowder, shell):
    clowder("engine start")
    shell.type("clowder status --watch")
    shell.see("no profiles are up")
    clowder("up -n 1")
    shell.see(r"^default +up +1/1")
    shell.keys("C-c")
    shell.see(PROMPT)


def test_the_screens_open_on_a_terminal_that_was_stopped(work, shell):
    """^S, typed while something else still had the terminal."""
    shell.type(f"touch begun; {WAITS}; clowder --screen hosts; echo status $?")
    wait_until((work / "begun").exists)
    shell.keys("C-s")
    (work / "go").touch()
    shell.see("No hosts yet")
    shell.keys("q")
    shell.see("status 0")


def test_help_fits_into_80_columns(shell):
    shell.type("clowder --help")
    shell.see("More: clowder help COMMAND")
    assert max(map(len, shell.screen().splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS.split())
def test_each_command_has_help(clowder, command):
    clowder(f"help {command}").prints(f"^Usage: clowder {command}")
    clowder(f"{command} --help")
