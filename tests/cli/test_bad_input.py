"""One sentence and exit status 2 for every mistake, and nothing lost of what was committed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tiles

from blcf.cli import main
from blcf.collection import Collection
from blcf.errors import FormatError

MISTAKES = {
    "box outside": (["search", "C", "Q", "--box", "500,500,600,600"], "lies outside"),
    "box reversed": (["search", "C", "Q", "--box", "90,90,10,10"], "empty or reversed"),
    "box empty": (["search", "C", "Q", "--box", "10,10,10,90"], "empty or reversed"),
    "box not a number": (["search", "C", "Q", "--box", "nan,0,10,10"], "finite numbers"),
    "box that begins with a minus": (["search", "C", "Q", "--box", "-9,-9,-1,-1"], "outside"),
    "seed below 0": (["index", "new", "frames", "--seed", "-1"], "random_state to be an"),
    "much interpolation": (["index", "new", "frames", "--upsample", "999"], "upsample to be an"),
    "a weighting for Python": (["index", "new", "frames", "--weighting", "saliency"], "for Python"),
    "huge query side": (["search", "C", "Q", "--query-side", "99999"], "query_side to be an"),
    "plot into nowhere": (["search", "C", "Q", "--plot", "no/where.png"], "no folder that can"),
    "polygon of words": (["search", "C", "Q", "--polygon", "a,b,c,d,e,f"], "X1,Y1,X2,Y2,X3,Y3,..."),
    "polygon of odd numbers": (["search", "C", "Q", "--polygon", "0,0,9,9,5"], "got 5 numbers"),
    "polygon of two points": (["search", "C", "Q", "--polygon", "0,0,9,9"], "different points"),
    "polygon that crosses": (["search", "C", "Q", "--polygon", "0,0,60,60,60,0,0,60"], "cross"),
    "polygon outside": (["search", "C", "Q", "--polygon", "-9,-9,-1,-9,-1,-1"], "outside"),
    "mask of another size": (["search", "C", "Q", "--mask", "small.png"], "one of 64x64"),
    "mask of nothing": (["search", "C", "Q", "--mask", "black.png"], "an empty one"),
    "mask that is missing": (["search", "C", "Q", "--mask", "no.png"], "there is no such file"),
    "mask that is no picture": (["search", "C", "Q", "--mask", "weights.pth"], "not a picture"),
    "box and mask": (
        ["search", "C", "Q", "--box", "0,0,64,64", "--mask", "q.png"],
        "Expected one of box, polygon and mask, got box and mask",
    ),
    "box and polygon": (
        ["search", "C", "Q", "--box", "0,0,64,64", "--polygon", "0,0,64,0,64,64"],
        "Expected one of box, polygon and mask, got box and polygon",
    ),
    "how of another kind": (["search", "C", "Q", "--how", "softly"], "invalid choice: 'softly'"),
    "unknown frame": (["search", "C", "été 1/77.png", "--frame"], "it holds no 'été 1/77.png'"),
    "frame without --frame": (["search", "C", "été 1/07.png"], "add --frame"),
    "frame as example": (["search", "C", "Q", "--not", "été 1/07.png@0,0,9,9"], "add --frame"),
    "unknown frame as example": (
        ["search", "C", "été 1/07.png", "--frame", "--example", "q.png"],
        "it holds no 'q.png'",
    ),
    "box outside a frame": (
        ["search", "C", "été 1/07.png", "--frame", "--box", "500,500,600,600"],
        "lies outside",
    ),
    "no example": (["search", "C", "Q", "--example", "no.jpg@1,2,3"], "no.jpg@1,2,3: there is no"),
    "example with a bad box": (["search", "C", "Q", "--not", "q.png@9,9,1,1"], "empty or reversed"),
    "scales of words": (["search", "C", "Q", "--query-scales", "big"], "expected numbers"),
    "huge scales": (["search", "C", "Q", "--query-scales", "1,9"], "Expected query_scales"),
    "pyramid of windows": (
        ["search", "C", "Q", "--pyramid", "--windows", "coarse"],
        "Expected windows to be votes or grid with the pyramid",
    ),
    "no rounds": (["search", "C", "Q", "--rounds", "0"], "Expected rounds to be an integer from 1"),
    "alpha below 0": (["search", "C", "Q", "--alpha", "-1"], "Expected alpha to be a number"),
    "unknown guard": (["evaluate", "C", "gt.json", "--guard", "me"], "invalid choice: 'me'"),
    "verify": (["search", "C", "Q", "--verify", "boxes"], "The option verify was removed: "),
    "explain into nowhere": (["search", "C", "Q", "--explain", "no/where.png"], "no folder that"),
    "explain of no format": (["search", "C", "Q", "--explain", "why.xyz"], "xyz"),
    "explain rank 0": (
        ["search", "C", "Q", "--explain", "why.png", "--explain-rank", "0"],
        "Expected --explain-rank to be an integer from 1",
    ),
    "explain rank that is not": (
        ["search", "C", "Q", "-k", "2", "--explain", "why.png", "--explain-rank", "3"],
        "one of 2 hits, got 3",
    ),
    "explain rank of nothing": (["search", "C", "Q", "--explain-rank", "2"], "--explain FILE"),
    "truth without positives": (["evaluate", "C", "none.json"], "nothing to measure"),
    "truth with a bad box": (["evaluate", "C", "badbox.json"], "query 1: Expected a box"),
    "box of three": (["search", "C", "Q", "--box", "0,10,10"], "four numbers"),
    "box of words": (["search", "C", "Q", "--box", "a,b,c,d"], "X1,Y1,X2,Y2"),
    "no query": (["search", "C", "nowhere.jpg"], "there is no such file"),
    "unreadable query": (["search", "C", "weights.pth"], "not a picture"),
    "k = 0": (["search", "C", "Q", "-k", "0"], "Expected k to be an integer from 1"),
    "k of words": (["search", "C", "Q", "-k", "many"], "expected an integer, got 'many'"),
    "shares of words": (["search", "C", "Q", "--shares", "a,b"], "expected integers"),
    "shares of nothing": (["search", "C", "Q", "--shares", "0"], "Expected shares"),
    "sheet into nowhere": (["search", "C", "Q", "--sheet", "no/where.png"], "no folder that can"),
    "sheet of no format": (["search", "C", "Q", "--sheet", "hits.xyz"], "xyz"),
    "plot of no format": (["search", "C", "Q", "--plot", "hits.xyz"], "xyz"),
    "no collection": (["search", "nowhere", "Q"], "No collection at"),
    "no collection, info": (["info", "frames"], "no manifest.json"),
    "no frames": (["index", "new", "nowhere"], "nowhere"),
    "empty folder": (["index", "new", "empty"], "empty"),
    "no pictures": (["index", "new", "words"], ".jpg"),
    "unknown network": (["index", "new", "frames", "--network", "vg16"], "did you mean vgg16"),
    "unknown layer": (
        ["index", "new", "frames", "--network", "squeezenet1_1", "--layer", "fire99"]
        + ["--weights", "weights.pth"],
        "Near: fire9",
    ),
    "weights of another": (
        ["index", "new", "frames", "--network", "alexnet", "--weights", "weights.pth"],
        "do not fit",
    ),
    "weights that are none": (
        ["index", "new", "frames", "--network", "alexnet", "--weights", "gt.json"],
        "no file of tensors",
    ),
    "no weights": (
        ["index", "new", "frames", "--network", "alexnet", "--weights", "nowhere.pth"],
        "No weights file",
    ),
    "more words than features": (
        ["index", "new", "frames", "--network", "squeezenet1_1", "--weights", "weights.pth"]
        + ["--side", "64", "--words", "9000"],
        "n_words to be at most 432, got 9,000: 12 pictures of side 64 have no more",
    ),
    "only bad pictures": (
        ["index", "new", "bad", "--network", "squeezenet1_1", "--weights", "weights.pth"],
        "None of 1 pictures",
    ),
    "other settings": (["index", "C", "frames", "--side", "200"], "was made with side 128"),
    "bad side": (["index", "new", "frames", "--side", "3"], "side"),
    "bad words": (["index", "new", "frames", "--words", "-5"], "n_words"),
    "into a folder of pictures": (
        ["index", "frames", "frames", "--network", "squeezenet1_1", "--weights", "weights.pth"],
        "not an empty folder",
    ),
    "no truth": (["evaluate", "C", "nowhere.json"], "No ground truth"),
    "truth of another set": (["evaluate", "C", "gt.json"], "No picture of"),
    "truth that is none": (["evaluate", "C", "words/a.txt"], "to be JSON"),
    "no command": ([], "COMMAND"),
}


@pytest.mark.parametrize("arguments, message", MISTAKES.values(), ids=MISTAKES)
def test_mistakes(place, call, monkeypatch, arguments, message):
    """Exit status 2, one sentence, no traceback, and the collection as it was."""
    monkeypatch.chdir(place)
    (place / "empty").mkdir(exist_ok=True)
    (place / "words").mkdir(exist_ok=True)
    (place / "words" / "a.txt").write_text("no picture")
    (place / "bad").mkdir(exist_ok=True)
    (place / "bad" / "a.jpg").write_text("no picture")
    query = {"query": str(place / "q.png"), "box": None, "positives": ["other.jpg"], "junk": []}
    (place / "gt.json").write_text(json.dumps({"queries": [query]}))
    rows = {"none.json": {**query, "positives": []}, "badbox.json": {**query, "box": [9, 9, 1, 1]}}
    for name, row in rows.items():
        images = [{"name": "été 1/00.png", "size": [128, 128]}]
        (place / name).write_text(json.dumps({"images": images, "queries": [row]}))
    tiles.save(place / "q.png", np.zeros((8, 8), dtype=int))
    tiles.save(place / "small.png", np.zeros((4, 4), dtype=int))
    tiles.save(place / "black.png", np.zeros((8, 8), dtype=int))
    names = {"C": "c.blcf", "Q": "q.png"}
    status, out, err = call(*(names.get(one, one) for one in arguments))
    assert status == 2, err
    assert message in err
    assert "Traceback" not in err and out == ""
    if arguments and arguments[0] in ("search", "evaluate"):
        assert len(err.splitlines()) <= 2, "the sentence, and how the command is called"
    assert not (place / "new").exists(), "nothing is made for a mistake"
    assert Collection.open(place / "c.blcf").n_images == 12


def test_no_opencv(place, call, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    image = place / "frames" / "été 1" / "03.png"
    status, out, err = call("search", place / "c.blcf", image, "--refine", "keypoints")
    assert status == 2 and out == ""
    assert "need OpenCV: pip install" in err and len(err.splitlines()) == 1


def damage_version(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format_version": 99}))


def damage_manifest(folder):
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text[: len(text) // 2])


def damage_segment(folder):
    path = next((folder / "segments").glob("*.h5"))
    path.write_bytes(path.read_bytes()[:-3000])


def damage_model(folder):
    (folder / "model.h5").write_bytes((folder / "model.h5").read_bytes()[:3000])


def remove_model(folder):
    (folder / "model.h5").unlink()


@pytest.mark.parametrize(
    "damage, message",
    [
        (damage_version, "version 99"),
        (damage_manifest, "damaged"),
        (damage_segment, "cut short"),
        (damage_model, "cut short"),
        (remove_model, "missing"),
    ],
)
def test_damaged_collections(place, call, tmp_path, damage, message):
    shutil.copytree(place / "c.blcf", tmp_path / "c.blcf")
    damage(tmp_path / "c.blcf")
    image = place / "frames" / "été 1" / "03.png"
    status, out, err = call("search", tmp_path / "c.blcf", image)
    assert status == 2 and message in err and out == ""
    assert len(err.strip().splitlines()) == 1
    command = f"`blcf check {tmp_path / 'c.blcf'} --repair`"
    assert (command in err) == (damage is not damage_version), "another version is no damage"


def test_damage_that_is_met_later_says_what_to_type_too(place, call, monkeypatch):
    """Words and names are read when a search needs them; their messages name no collection."""

    def damaged(*arguments):
        raise FormatError("Image 3 holds odd words. Run `blcf check` on the collection.")

    monkeypatch.setattr("blcf.collection.snapshot.Snapshot.seen", damaged)
    status, _, err = call("search", place / "c.blcf", "été 1/03.png", "--frame")
    assert status == 2 and err == (
        f"blcf: Image 3 holds odd words. `blcf check {place / 'c.blcf'} --repair` "
        "says what is damaged and repairs what it can.\n"
    )


def test_damage_of_another_file_is_not_the_collection_s(place, call, tmp_path):
    (tmp_path / "gt.json").write_text("{")
    status, _, err = call("evaluate", place / "c.blcf", tmp_path / "gt.json")
    assert status == 2 and "--repair" not in err


FULL = """
import resource, sys
from blcf.cli import main
from blcf.adding import indexer
indexer.COMMIT_IMAGES = 4
limit = int(sys.argv[1])
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.exit(main(sys.argv[2:]))
"""


SLOW = [pytest.param(limit, marks=pytest.mark.slow) for limit in (9_000, 40_000)]


@pytest.mark.parametrize("limit", [2_000, *SLOW])
def test_disk_full(place, tmp_path, limit):
    """A file that cannot be written: one sentence, and what was committed is there."""
    shutil.copytree(place / "c.blcf", tmp_path / "c.blcf")
    tiles.save(tmp_path / "more" / "new.png", np.full((8, 8), 5))
    arguments = ["index", tmp_path / "c.blcf", tmp_path / "more", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(limit), *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert done.returncode == 2 and "Could not write" in done.stderr
    assert len(Collection.open(tmp_path / "c.blcf").segments) == 1 + (done.returncode == 0)
    assert limit > 2_000 or done.returncode == 2, "no segment fits into 2,000 bytes"
    main([*map(str, arguments)])
    assert Collection.open(tmp_path / "c.blcf").n_images == 13
    assert not list((tmp_path / "c.blcf").glob("**/*.tmp"))


def test_a_mistake_on_resuming_keeps_what_is_there(place, call, tmp_path, monkeypatch):
    """A device that cannot be used is no reason to drop the training sample."""
    command = ["index", tmp_path / "c.blcf", place / "frames", "--quiet", "--words", 20]
    command += ["--network", "squeezenet1_1", "--weights", place / "weights.pth", "--side", 128]
    monkeypatch.setattr("blcf.vocabulary.Vocabulary.fit", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call(*command)
    monkeypatch.undo()
    assert (tmp_path / "c.blcf" / "training").exists()
    assert call(*command, "--device", "nonsense")[0] == 2
    assert (tmp_path / "c.blcf" / "training").exists()
    assert call(*command, "--layer", "fire9:signed")[0] == 0, "the default layer by its name"
    assert call(*command, "--layer", "features.12:signed")[0] == 0
    status, _, err = call(*command, "--layer", "fire9")
    assert status == 2 and "was made with layer 'fire9:signed', got 'fire9'" in err


@pytest.mark.slow
def test_disk_full_at_the_first_index(place, tmp_path):
    """The same command, run again with room, makes the collection."""
    command = ["index", tmp_path / "c.blcf", place / "frames", "--quiet", "--words", "20"]
    command += ["--network", "squeezenet1_1", "--weights", place / "weights.pth", "--side", "128"]
    for limit in (10, 3_000):
        done = subprocess.run(
            [sys.executable, "-c", FULL, str(limit), *map(str, command)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2 and "Could not write" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
    assert main([*map(str, command)]) == 0
    assert Collection.open(tmp_path / "c.blcf").n_images == 12
