"""A process that has read HDF5 files ends as it should, whoever still holds what went wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys, threading, time
import numpy as np
from pathlib import Path
from blcf.errors import FormatError
from blcf.storage import open_h5, write_dataset, write_h5

def opened(path):
    try:
        with open_h5(Path(path), "index", 1) as file:
            return list(file)
    except FormatError as error:
        return error

with write_h5(Path("sound.h5"), "index", 1) as file:
    write_dataset(file, "a", np.arange(3))
content = open("sound.h5", "rb").read()
open("none.h5", "wb").write(b"no HDF5" * 100)
open("cut.h5", "wb").write(content[:-20])
found = [opened(name) for name in ("sound.h5", "none.h5", "cut.h5")]
print([type(one).__name__ for one in found])
threading.Thread(target=lambda held=found: time.sleep(100), daemon=True).start()
"""


def test_an_error_that_outlives_the_interpreter(tmp_path: Path) -> None:
    """In a thread that is at work when the process ends, its frames are never given back."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "['list', 'FormatError', 'FormatError']\n"
