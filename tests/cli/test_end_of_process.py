"""A process of the command line ends with its status, all that it said, and all that was to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import atexit, sys
from pathlib import Path
import blcf.__main__ as program
from blcf import cli
def run():
    import tempfile, weakref
    global folder
    folder = tempfile.TemporaryDirectory(dir=sys.argv[1])
    atexit.register(lambda: Path(sys.argv[1], "late").write_text("done"))
    print("x" * 100_000, end="")
    print("said", file=sys.stderr)
    return int(sys.argv[2])
cli.main = run
sys.exit(program.program())
"""


def _run(*command: object, **how: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, *map(str, command)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        timeout=120,
        check=False,
        **how,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("status", [0, 1, 2])
def test_what_was_to_do_is_done(tmp_path: Path, status: int) -> None:
    done = _run("-c", CODE, tmp_path, status, stdout=subprocess.PIPE)
    assert (done.returncode, len(done.stdout), done.stderr) == (status, 100_000, "said\n")
    assert [path.name for path in tmp_path.iterdir()] == ["late"]


def test_as_a_module() -> None:
    assert _run("-m", "blcf", "--version", stdout=subprocess.PIPE).returncode == 0
    wrong = _run("-m", "blcf", "no-such-command", stdout=subprocess.PIPE)
    assert wrong.returncode == 2 and "no-such-command" in wrong.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_no_success(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        assert _run("-c", CODE, tmp_path, 0, stdout=full).returncode != 0
