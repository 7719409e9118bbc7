"""Files that once broke a reader, read again; each is named after its target, then its fault."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from fuzzing import FINDINGS, Target


def targets_of(module: str) -> list[Target]:
    """TARGET or TARGETS of a file of this folder."""
    content = vars(import_module(module))
    return content.get("TARGETS") or [content["TARGET"]]


FILES = sorted(path for path in FINDINGS.iterdir() if not path.name.startswith("."))
MODULES = sorted(path.stem for path in Path(__file__).parent.glob("test_fuzz_*.py"))
ALL = [target for module in MODULES for target in targets_of(module)]
TARGETS = {target.name: target for target in ALL}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_finding(path: Path, tmp_path: Path) -> None:
    assert path.stat().st_size < 65_536, "keep it small"
    TARGETS[path.name.split("-")[0]].check(path.read_bytes(), tmp_path)


@pytest.mark.parametrize("target", ALL, ids=lambda target: target.name)
def test_sound_files(target: Target, tmp_path: Path) -> None:
    for seed in target.seeds:
        target.check(seed, tmp_path)
