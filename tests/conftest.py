"""What tests of several folders share."""

from pathlib import Path

import pytest
from planted import planted, scenes  # noqa: F401 (fixtures)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data sets beside the checkout; its absence is no failure."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real data sets are not at {folder}")
    return folder
