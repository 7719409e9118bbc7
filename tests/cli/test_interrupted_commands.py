"""What each command says when it is interrupted is true of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from blcf import SearchEngine

KEPT = "; what was committed is kept"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["index", "c.blcf", "frames"], f"{KEPT}, the same command continues"),
        (["add", "c.blcf", "frames"], f"{KEPT}, the same command continues"),
        (["remove", "c.blcf", "été 1/00.png"], KEPT),
        (["compact", "c.blcf"], KEPT),
        (["check", "c.blcf"], KEPT),
        (["search", "c.blcf", "q.png"], ""),
        (["evaluate", "c.blcf", "gt.json"], ""),
        (["info", "c.blcf"], ""),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_the_message(place, call, monkeypatch, command, message):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.chdir(place)
    monkeypatch.setattr(SearchEngine, "open", interrupt)
    monkeypatch.setattr("blcf.cli.commands.check_collection", interrupt)
    query = {"query": "frames/été 1/00.png", "positives": ["été 1/01.png"]}
    (place / "gt.json").write_text(json.dumps({"queries": [query]}))
    assert call(*command) == (130, "", f"blcf: interrupted{message}\n")


AT_IMPORT = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored around the tests
sys.meta_path.insert(0, Interrupt())
sys.argv = ["blcf", "info", "nowhere.blcf"]
from blcf.__main__ import main
sys.exit(main())
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("module", ["blcf.cli", "numpy", "blcf.engine"])
def test_an_interrupt_while_the_command_line_is_imported(module):
    done = subprocess.run(
        [sys.executable, "-c", AT_IMPORT.format(module=module)], capture_output=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"blcf: interrupted\n")
