"""Every notebook runs from an empty state, and writes what is stored of it."""

from __future__ import annotations

import nbformat
import pytest
from agreement import disagreements, text_of
from execute import execute, read_script, scripts

pytestmark = pytest.mark.notebooks


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.stem)
def test_a_notebook_runs_and_agrees_with_what_is_stored(path):
    fresh = execute(read_script(path))
    stored = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    for before, now in zip(stored.cells, fresh.cells, strict=True):
        if "varies" in now.metadata.get("tags", []):
            continue
        assert disagreements(text_of(before), text_of(now)) == [], now.source
        assert [kinds(one) for one in before.get("outputs", [])] == [
            kinds(one) for one in now.get("outputs", [])
        ], now.source


def kinds(output):
    """What an output is: its type, and whether it has a picture."""
    return output.output_type, any(kind.startswith("image/") for kind in output.get("data", {}))
