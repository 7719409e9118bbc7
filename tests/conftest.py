"""What tests of several folders share."""

import logging
import os
from pathlib import Path

import pytest

# Of several workers each has its part of the cores, said before torch is loaded.
if n_workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    n_threads = max(1, (os.cpu_count() or 1) // int(n_workers))
    os.environ.setdefault("OMP_NUM_THREADS", str(n_threads))

# As the command line does: waiting threads sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from planted import planted, scenes  # noqa: E402, F401 (fixtures)


def pytest_configure(config: pytest.Config) -> None:
    """Workers take whole files: what the tests of one share is made once."""
    if getattr(config.option, "dist", "no") == "load":
        config.option.dist = "loadfile"


@pytest.fixture(autouse=True)
def _log_as_it_is_imported() -> None:
    """The command line sets a level and a handler, which a later test in this process would see."""
    log = logging.getLogger("blcf")
    log.setLevel(logging.NOTSET)
    log.handlers.clear()


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data sets beside the checkout; its absence is no failure."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real data sets are not at {folder}")
    return folder


@pytest.fixture
def call(capsys):
    """A command in this process: call(*arguments) gives status, stdout, stderr."""
    from blcf.cli import main

    def run_here(*arguments):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as exit:
            status = exit.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_here
