"""The engine's log, read as it grows: which engines started, and how daemons ended."""
import os
import re


class Log:
    def __init__(self, path):
        self.path, self.file, self.rest = path, None, ""

    def _read(self):
        return self.file.read() if self.file else ""

    def lines(self):
        """What was written since the last time. A full file moves aside: it is read to its end first."""
        try:
            moved = not self.file or os.stat(self.path).st_ino != os.fstat(self.file.fileno()).st_ino
            text = self._read()
            if moved:
                if self.file:
                    self.file.close()
                self.file = open(self.path, errors="replace", newline="\n")
                text += self._read()
        except OSError:
            return []
        *lines, self.rest = (self.rest + text).split("\n")
        return lines


STARTED = re.compile(r" engine started .*\bpid=(\d+)")
AT_WORK = re.compile(r" daemon (?:launched|connected) daemon=(\S+) .*\bpid=(\d+)")
ENDED = re.compile(r" daemon=(\S+) .*\"(?:was killed by signal (\d+)|ended with status (\d+))")
REPORT = re.compile(r" daemon said .*(Sanitizer|runtime error)")
