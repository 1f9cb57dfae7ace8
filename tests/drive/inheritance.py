"""What a task inherits, as it tells in shell: descriptors, umask, blocked and ignored signals, no-new-privileges."""
import re

TELL = r"""for f in /proc/$$/fd/*; do [ -e $f ] && printf "%s " ${f##*/}; done; umask
  sed -n "s/^SigBlk:.//p; s/^SigIgn:.//p; s/^NoNewPrivs:.//p" /proc/self/status"""
NONE = "0" * 16


def plain(signals):
    """The C library's spawn ignores its two internal signals (32, 33): they do not count."""
    return re.sub("^(0000000180000000|0000000080000000|0000000100000000)$", NONE, signals)


def little(umask):
    """Three descriptors, the user's umask, no signals, and privileges as they are."""
    return [f"0 1 2 {umask}", NONE, NONE, "0"]


def told(lines):
    return [plain(line) for line in lines]
