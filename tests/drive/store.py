"""The store as another process sees it."""
import sqlite3
from contextlib import contextmanager


@contextmanager
def locked(path):
    """As by another process that is in the middle of writing."""
    store = sqlite3.connect(path, timeout=60, isolation_level=None)
    store.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        store.execute("ROLLBACK")
        store.close()


def has_job(path, number):
    store = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return bool(store.execute("SELECT 1 FROM job WHERE id = ?", [number]).fetchone())
    finally:
        store.close()
