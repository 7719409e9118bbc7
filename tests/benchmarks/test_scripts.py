"""Every script of benchmarks/ answers --help, and no more than that is done to import it."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

import pytest

from benchmarks import report

HERE = report.HERE


def is_script(path: Path) -> bool:
    """Whether a file does something when it is run."""
    return any(
        isinstance(node, ast.If) and "__main__" in ast.dump(node.test)
        for node in ast.parse(path.read_text("utf-8")).body
    )


def name_of(path: Path) -> str:
    """As `python -m` takes it, below benchmarks."""
    return ".".join(path.relative_to(HERE).with_suffix("").parts).removesuffix(".__main__")


FILES = [*sorted(HERE.glob("*.py")), *sorted(HERE.glob("*/*.py"))]
SCRIPTS = {name_of(path): path for path in FILES if is_script(path)}


def test_a_folder_is_run_by_its_name():
    assert {"search", "reproduce", "training.lite", "accuracy"} <= SCRIPTS.keys()
    assert {path.name for path in FILES if path.parent == HERE} - {"__init__.py", "report.py"} == {
        f"{name}.py" for name in SCRIPTS if (HERE / f"{name}.py").exists()
    }, "a file at the top is a question of its own"


@pytest.mark.parametrize("name", SCRIPTS)
def test_help(name, monkeypatch, capsys):
    for rival in ("faiss", "bm25s", "qdrant_edge"):
        monkeypatch.setitem(sys.modules, rival, None)  # as where it is not installed
    file = SCRIPTS[name]
    module = importlib.import_module(
        f"benchmarks.{name}" + ".__main__" * (file.name == "__main__.py")
    )
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as stopped:
        module.main()
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: ") and module.__doc__.splitlines()[0][:40] in said
    assert f"python -m benchmarks.{name}" in module.__doc__


def test_the_files_of_results_are_small():
    results = sorted((HERE / "results").iterdir())
    assert results and all(path.suffix == ".json" for path in results)
    assert {path.name: path.stat().st_size for path in results if path.stat().st_size > 200e3} == {}
