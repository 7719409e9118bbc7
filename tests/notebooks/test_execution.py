"""Every notebook runs from an empty state, and writes what is stored of it."""

from __future__ import annotations

import sys

import nbformat
import pytest
from agreement import disagreements, text_of
from execute import execute, read_script, scripts
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

pytestmark = pytest.mark.notebooks


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.stem)
def test_a_notebook_runs_and_agrees_with_what_is_stored(path):
    fresh = execute(read_script(path))
    stored = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    for before, now in zip(stored.cells, fresh.cells, strict=True):
        if "varies" in now.metadata.get("tags", []):
            continue
        assert disagreements(text_of(before), text_of(now)) == [], now.source
        assert n_pictures(before) == n_pictures(now), now.source


def test_this_interpreter_executes_elsewhere_and_an_error_is_raised(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "import os, sys\nprint(sys.executable)\nprint(sorted(os.listdir()))\nopen('a', 'w')"
    notebook = new_notebook(cells=[new_code_cell(code), new_code_cell("1 / 0")])
    with pytest.raises(CellExecutionError, match="division by zero"):
        execute(notebook)
    assert text_of(notebook.cells[0]).splitlines()[0] == sys.executable
    assert not list(tmp_path.iterdir())


def n_pictures(cell):
    """How many pictures a cell shows."""
    shown = [output.get("data", {}) for output in cell.get("outputs", [])]
    return sum(any(kind.startswith("image/") for kind in data) for data in shown)
