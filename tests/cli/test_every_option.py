"""Every option of every command with values that nobody means: a sentence or a result, at once."""

from __future__ import annotations

import argparse
import json
import os
import signal

import pytest
import tiles

from blcf.adding.indexer import AddReport
from blcf.adding.syncing import SyncReport
from blcf.bounds import BOUNDS
from blcf.cli.outputs import Changed, Read, Written
from blcf.cli.parser import build_parser
from blcf.cli.values import read_picture
from blcf.engine import SearchEngine
from blcf.errors import InvalidInput

COMMANDS = next(
    action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)
).choices
# What a call needs beside the option: a search with a frame needs no network.
BASES = {
    "index": ["new", "frames"],
    "add": ["c.blcf", "frames"],
    "sync": ["c.blcf", "frames"],
    "search": ["c.blcf", "03.png", "--frame"],
    "evaluate": ["c.blcf", "gt.json"],
    "list": ["c.blcf"],
    "info": ["c.blcf"],
    "check": ["c.blcf"],
    "remove": ["c.blcf", "00.png"],
    "annotate": ["c.blcf", "gt.json"],
    "compact": ["c.blcf"],
    "train": ["frames", "--out", "new.h5"],
    "demo": [],
    "serve": ["c.blcf"],
    "merge": ["new", "c.blcf"],
    "split": ["c.blcf", "new"],
    "export": ["c.blcf", "new.csv", "--to", "csv"],
}
ODD = ["0", "-1", "1" + "0" * 22, "9" * 5000, "1e308", "nan", "inf", "", "1,nan", "a\0b"]
PLACES = ["old.txt", "frames", "pipe"]
NUMBERS = {"integer", "number", "parse", "seconds"}  # types of arguments
HANG = 60  # seconds


def options_of(command):
    """The options that take a value."""
    for action in COMMANDS[command]._actions:
        if action.nargs != 0 and not isinstance(action, argparse.BooleanOptionalAction):
            yield action


WALK = [
    pytest.param(command, action, id=f"{command} {(action.option_strings or [action.dest])[-1]}")
    for command in COMMANDS
    for action in options_of(command)
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A collection, and what the library would find in it."""
    folder = tmp_path_factory.mktemp("options")
    for number, one in enumerate(tiles.planted_scenes()[0]):
        tiles.save(folder / "frames" / f"{number:02d}.png", one)
    engine = tiles.create(folder / "c.blcf")
    engine.add(folder / "frames", progress=False)
    query = {"query": "frames/00.png", "box": None, "positives": ["01.png"], "junk": ["00.png"]}
    (folder / "gt.json").write_text(json.dumps({"queries": [query]}))
    hits = engine.search(frame="03.png", k=2)
    found = engine.evaluate(folder / "gt.json", progress=False, query_scales=(1,), rerank=False)
    return folder, engine, hits, found


@pytest.fixture
def quick(made, monkeypatch):
    """The checks of the commands, without the work that comes after them."""
    folder, engine, hits, found = made
    monkeypatch.chdir(folder)
    for path in folder.iterdir():
        if path.name not in ("frames", "c.blcf", "gt.json"):
            path.unlink()
    (folder / "old.txt").write_text("old")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe")

    def stop(**how):
        raise InvalidInput("It would be done.")

    monkeypatch.setattr(SearchEngine, "search", lambda *a, **how: hits)
    monkeypatch.setattr(SearchEngine, "evaluate", lambda *a, **how: found)
    monkeypatch.setattr(SearchEngine, "create", lambda *a, **how: engine)
    monkeypatch.setattr(SearchEngine, "add", lambda *a, **how: AddReport(0, 0))
    monkeypatch.setattr(SearchEngine, "sync", lambda *a, **how: SyncReport())
    monkeypatch.setattr(SearchEngine, "remove", lambda *a, **how: 0)
    monkeypatch.setattr(SearchEngine, "annotate", lambda *a, **how: 0)
    monkeypatch.setattr(SearchEngine, "compact", lambda *a, **how: (0, 0))
    monkeypatch.setattr("blcf.distributed.merging.merge", lambda *a, **how: 0)
    monkeypatch.setattr("blcf.distributed.splitting.split", lambda *a, **how: stop())
    monkeypatch.setattr("blcf.cli.demo.run_demo", stop)
    monkeypatch.setattr("blcf.learning.train.train_network", lambda *a, **how: stop())
    monkeypatch.setattr("blcf.web.server._Server.run", lambda server, sockets: None)
    monkeypatch.setattr("sys.stdin", open(os.devnull))
    return folder


@pytest.fixture
def no_hang():
    """An error in place of a wait without end."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def late(*arguments):
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(HANG)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def arguments_of(command, action, value):
    base = BASES[command]
    if action.option_strings:
        return [command, *base, action.option_strings[-1], value]
    places = {"collection": 0, "frames": 1, "image": 1, "truth": 1, "pictures": 1, "table": 1}
    places |= {"folder": 1, "collections": int(command == "merge"), "out": int(command == "split")}
    places |= {"place": 1}
    place = 0 if command in ("demo", "train") else places[action.dest]
    return [command, *base[:place], value, *base[place + 1 :]]


@pytest.mark.parametrize("command, action", WALK)
def test_one_sentence_or_a_result(quick, call, no_hang, command, action):
    """Never a traceback and never a wait; what stands there is a file or what it was."""
    for value in [*ODD, *PLACES]:
        status, _, err = call(*arguments_of(command, action, value))
        shown = f"{command} {action.dest} {value[:30]!r}: {err[:2000]}"
        assert status in (0, 2, 3), shown
        assert "Traceback" not in err, shown
        if status == 2:
            lines = err.strip().splitlines()
            said = [line for line in lines if line.startswith("blcf")]
            usage = [line for line in lines if line.startswith(("usage: ", " "))]
            assert len(said) == 1 and len(said) + len(usage) == len(lines), shown
            assert len(said[0]) < 850 + 2 * len(value), shown
    assert not (quick / "pipe").exists() or (quick / "pipe").is_fifo()
    assert (quick / "frames").is_dir()


def test_every_command_is_walked():
    assert set(BASES) == set(COMMANDS) and len(WALK) > 70


@pytest.mark.parametrize("command, action", WALK)
def test_what_a_path_is_for_is_said(command, action):
    """A file that is read or written is known to the check of outputs: by the type."""
    is_path = (action.metavar or "").startswith(
        ("FILE", "FOLDER", "TRUTH", "COLLECTION", "TABLE", "OUT")
    )
    assert (action.type in (Changed, Read, Written, read_picture)) == is_path


@pytest.mark.parametrize("command, action", WALK)
def test_every_number_has_bounds_that_its_help_says(command, action):
    """Boxes and polygons are within their pictures, which only these can tell."""
    name = getattr(action.type, "__name__", "")
    if name not in NUMBERS or action.dest == "box":
        return
    assert BOUNDS[action.dest].span in action.help


REAL = ("network", "layer", "device", "dtype", "weights")


@pytest.mark.parametrize("name", REAL)
def test_what_the_network_is_asked_for(made, call, monkeypatch, no_hang, tmp_path, name):
    """Nothing is stubbed: words that torch is given, too, end in a sentence."""
    monkeypatch.chdir(made[0])
    for value in [*ODD[:3], "nan", "frames", "gt.json"]:
        status, _, err = call("index", tmp_path / "new", "frames", "--quiet", f"--{name}", value)
        assert status == 2 and "Traceback" not in err, f"{value!r}: {err}"
        assert err.splitlines()[-1].startswith("blcf") and len(err.splitlines()) <= 2
        assert not (tmp_path / "new").exists()
