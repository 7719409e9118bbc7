"""A target under Atheris, which follows the code that a file reaches (not part of the tests).

    python -m pip install atheris
    PYTHONPATH=.:tests:tests/fuzz python tests/fuzz/with_atheris.py TARGET [options of libFuzzer]

TARGET is one of test_findings.py, "picture" for instance. What it finds lies in the current folder.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def main() -> None:
    import atheris

    with atheris.instrument_imports(include=["blcf"]):
        from test_findings import TARGETS
    target = TARGETS[sys.argv.pop(1)]
    folder = Path(tempfile.mkdtemp())
    corpus = Path(tempfile.mkdtemp())
    for number, seed in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(seed)
    atheris.Setup([*sys.argv, str(corpus)], lambda data: target.check(data, folder))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
