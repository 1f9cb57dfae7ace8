"""A folder of files with names as people have them, and what jobs have left in one."""
import os

NAMES = ["plain.txt", "with blank.txt", "quo'te\".txt", "line\nbreak.txt", "sub dir/deep/*.txt", "-dash.txt", "ünï.txt"]


class Files:
    """Inputs of a few sizes, by NAMES."""

    def __init__(self, folder):
        self.folder, self.names = folder, NAMES
        folder.mkdir()
        for i, name in enumerate(NAMES):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(100) * (1 + 3000 * i) + b"\n")  # small ones, and one of two blocks
            path.chmod(0o640 if i % 2 else 0o600)

    @property
    def list(self):
        """For map -0."""
        return "\0".join(self.names) + "\0"

    def read(self, ending=""):
        return {name: (self.folder / (name + ending)).read_bytes() for name in self.names}


def leavings(folder):
    return [p.name for p in folder.iterdir() if "clowder" in p.name]
