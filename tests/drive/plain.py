"""What may reach a terminal, and what files let others do."""
import re


def is_plain(*texts):
    """No byte in them commands a terminal."""
    return not any(re.search("[\x1b\x07]", text) for text in texts)


def mode(path):
    return path.stat().st_mode & 0o7777
