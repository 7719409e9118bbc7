"""`blcf demo`: what it prints, its mistakes, and that what it says to type works."""

from __future__ import annotations

import json
import shlex
import shutil

import pytest

from blcf.cli.demo import _program
from blcf.errors import InvalidInput


@pytest.fixture
def demo(place, call, tmp_path, monkeypatch):
    """A demo with the small network of `place`, in a folder of its own: demo(*arguments)."""
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        name = f"{number:02d}.png"
        (tmp_path / "my pictures").mkdir(exist_ok=True)
        shutil.copy(place / "frames" / "été 1" / name, tmp_path / "my pictures")
    how = ["--network", "squeezenet1_1", "--weights", place / "weights.pth"]

    def run(*arguments):
        return call("demo", *arguments, *how)

    return run


def test_own_pictures_and_what_to_type_next(demo, call, tmp_path, monkeypatch):
    """Each command that is printed runs as it is, from here; the server ends at once."""
    web = pytest.importorskip("blcf.web", reason="starlette is not installed: pip install '.[web]'")
    monkeypatch.setattr(web, "serve", lambda engines, **how: print(len(engines[0])) or True)
    status, out, err = demo("my pictures", "--quiet")
    assert status == 0 and err == "", err
    first, _, rest = out.partition("\n")
    assert first.startswith("3 pictures of ") and "network squeezenet1_1" in first
    assert str(tmp_path / "blcf-demo" / "results.html") in out
    commands = [line.strip() for line in rest.splitlines() if "blcf" in line and "  " == line[:2]]
    program = _program()
    assert len(commands) == 4 and any(" serve " in command for command in commands)
    for command in commands:
        words = shlex.split(command)
        assert words[: len(program)] == program
        status, out, err = call(*words[len(program) :])
        assert status == 0 and out, err


def test_json_and_again(demo, tmp_path):
    """A picture that cannot be read is named, and the exit status is 3."""
    (tmp_path / "my pictures" / "bad.jpg").write_text("no picture")
    status, out, err = demo("my pictures", "--json", "--out", "here")
    found = json.loads(out)
    assert status == 3 and found["n_pictures"] == 3 and list(found["skipped"]) == ["bad.jpg"]
    assert "skipped bad.jpg: " in err and "errors.jsonl" in err
    assert found["page"] == str(tmp_path / "here" / "results.html")
    (tmp_path / "here" / "mine.txt").write_text("mine")
    status, out, err = demo("my pictures", "--out", "here")
    assert (status, out) == (2, "") and "mine.txt was not written by the demo" in err
    (tmp_path / "here" / "mine.txt").unlink()
    before = (tmp_path / "here" / "results.json").read_text()
    status, _, err = demo("my pictures", "--out", "here", "--dtype", "float33")
    assert status == 2 and len(err.splitlines()) == 1
    assert (tmp_path / "here" / "results.json").read_text() == before, "the earlier one is kept"


MISTAKES = {
    "empty": (["empty"], "expected pictures, found none"),
    "no pictures": (["words"], "saw 1 other file"),
    "nowhere": (["nowhere"], "there is no such file or folder"),
    "a folder of others": (["my pictures", "--out", "words"], "not of a demo"),
    "its own": (["my pictures", "--out", "my pictures"], "Expected pictures outside my pictures"),
    "a file": (["my pictures", "--out", "words/a.txt"], "it is a file"),
    "below a file": (["my pictures", "--out", "words/a.txt/b"], "Could not write"),
    "unknown device": (["my pictures", "--device", "nonsense"], "device"),
}


@pytest.mark.parametrize("arguments, message", MISTAKES.values(), ids=MISTAKES)
def test_mistakes(demo, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.txt").write_text("words")
    before = sorted(tmp_path.rglob("*"))
    status, out, err = demo(*arguments)
    assert status == 2 and out == "" and message in err, err
    assert len(err.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before, "nothing is made for a mistake"


def test_without_a_folder_nothing_is_taken_for_one(call, monkeypatch, tmp_path):
    """argparse hands its own mark of "not given" to the type of an argument."""
    taken = {}

    def stop(**options):
        taken.update(options)
        raise InvalidInput("stopped")

    monkeypatch.setattr("blcf.cli.demo.run_demo", stop)
    code, _, said = call("demo", "--out", tmp_path / "demo")
    assert code == 2 and said == "blcf: stopped\n"
    assert taken["pictures"] is None
