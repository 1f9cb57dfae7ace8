"""Files that travel with tasks."""
import pytest

from belongings import Files


@pytest.fixture
def files(work):
    return Files(work / "files")
