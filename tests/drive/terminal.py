"""A real terminal: tmux on a socket of its own, keys as they are typed, the screen as it is read."""
import re
import subprocess

from waiting import wait_until


class Terminal:
    """A shell on the desktop of the engine, with a prompt that is "> "."""

    def __init__(self, engine, columns, rows):
        self.engine = engine
        self.socket = str(engine.work / "terminal")
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "PS1='> ' exec bash --norc")
        self.see("^> ?$")

    def tmux(self, *words, check=True):
        how = self.engine.how(None, {"TERM": "xterm-256color"})
        return subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", *words], check=check, capture_output=True, text=True, **how).stdout

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def type(self, line):
        """A command, on a clean screen."""
        self.tmux("send-keys", "-l", "--", f"clear; {line}")
        self.keys("Enter")

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def shows(self, pattern):
        return re.search(pattern, self.screen(), re.M)

    def see(self, pattern):
        """Waits until the screen shows it."""
        try:
            wait_until(lambda: self.shows(pattern))
        except AssertionError:
            raise AssertionError(f"the screen does not show {pattern!r}:\n{self.screen()}") from None

    def close(self):
        self.tmux("kill-server", check=False)
