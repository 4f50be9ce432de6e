"""What tests of every stage share: where real data lie, and small files to write."""

from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """`shared_data("ml-100k")` is that folder; the test is skipped where it isn't there."""

    def folder(name: str) -> Path:
        path = SHARED / name
        if not path.is_dir():
            pytest.skip(f"the data set {name} is not beside the repository (../shared/data/{name})")
        return path

    return folder


@pytest.fixture(scope="session")
def example_data() -> Path:
    """The data set that comes with the repository: movies.csv and ratings.csv."""
    return REPOSITORY / "examples" / "data"


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str | bytes, str], Path]:
    """`written("a,b\\n1,2\\n")` is the path of a file that holds this; bytes stay as they are."""

    def write(content: str | bytes, name: str = "file.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
