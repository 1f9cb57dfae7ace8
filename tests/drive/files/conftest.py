"""Files that travel with tasks."""
import pytest

from belongings import Files


@pytest.fixture
def files(work):
    return Files(work / "files")


@pytest.fixture
def desk(work):
    """The folder of the jobs, which hosts do not see."""
    path = work / "desk"
    path.mkdir()
    return path
