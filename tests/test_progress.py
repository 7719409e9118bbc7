"""Progress bars: text on stderr, and no warning where a notebook has no widgets."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from types import SimpleNamespace

import pytest
from planted import ONE_SIZE

from blcf import progress


def load_again():
    """The module as a new process would load it."""
    spec = importlib.util.spec_from_file_location("progress_again", progress.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def afresh(monkeypatch):
    """No module of tqdm that chose between terminal and notebook is loaded."""
    for name in ("tqdm.auto", "tqdm.autonotebook", "tqdm.notebook"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_a_notebook_without_widgets_gets_text_and_no_warning(afresh, monkeypatch, capsys):
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.delenv("VSCODE_PID", raising=False)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        tqdm = load_again().tqdm
        assert list(tqdm(range(3), desc="searching")) == [0, 1, 2]
    assert [str(one.message) for one in said] == []
    out, err = capsys.readouterr()
    assert out == "" and "searching" in err and "3/3" in err


def test_a_terminal_has_its_bar_on_stderr(planted, capsys):
    planted.engine().search_many([planted.path(0)] * 2, **ONE_SIZE)
    out, err = capsys.readouterr()
    assert out == "" and "searching" in err and "2/2" in err
    planted.engine().search_many([planted.path(0)], progress=False, **ONE_SIZE)
    assert capsys.readouterr() == ("", "")
