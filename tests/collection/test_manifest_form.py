"""Odd values in a manifest whose digest fits: each is refused in a sentence."""

from __future__ import annotations

import copy
import json
import math

import pytest
from damaged import some_collection

from blcf.collection import Collection
from blcf.collection.manifest import MANIFEST, swap_manifest
from blcf.errors import FormatError

ODD = [None, True, -1, 0.5, math.inf, math.nan, "", "a", [], {}, [1], {"a": 1}, 2**70, 1e300, "\0"]

# For each place of a manifest: the values of the above that may stand there.
PLACES = {
    "generation": [],
    "next_segment": [],
    "next_id": [],
    "videos": [[]],
    "segments": [[]],
    "roots": [[]],
    "digest": [],
    "model": [None],
    "model/file": [],
    "model/n_words": [],
    "model/bytes": [],
    "model/digest": [],
    "model/anything": [None, True, -1, 0.5, "", "a", [], [1], 1e300],
    "roots/0": ["", "a"],  # "": of pictures in no folder
    "prefixes": [{}],
    "segments/0": [],
    "segments/0/file": [],
    "segments/0/n_images": [],
    "segments/0/bytes": [],
    "segments/0/digest": [],
    "segments/0/names_digest": [],
    "segments/0/first_id": [],
    "segments/0/deleted": [None, "", "a", "\0"],  # marks are looked at with the segment
    "settings": [{}, {"a": 1}],
    "settings/side": [None, True, -1, 0.5, "", "a", [], [1], 1e300],  # the engine looks at them
    "extractor": [{}, {"a": 1}],
    "extractor/layer": [None, True, -1, 0.5, "", "a", [], [1], 1e300],
}


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    return some_collection(tmp_path_factory.mktemp("manifests"))


def changed(manifest, place, value):
    manifest, (*above, last) = copy.deepcopy(manifest), place.split("/")
    inner = manifest
    for one in above:
        inner = inner[int(one)] if isinstance(inner, list) else inner[one]
    inner[int(last) if isinstance(inner, list) else last] = value
    return manifest


def take(collection, manifest):
    """Whether a manifest, with a digest that fits, is taken; else it is refused in a sentence."""
    digest = swap_manifest(collection.path, manifest)["digest"]
    path = collection.path / MANIFEST
    if manifest.get("digest") != collection.manifest["digest"]:  # the digest is what is odd
        path.write_text(json.dumps(manifest))
    assert digest
    try:
        Collection.open(collection.path).close()
        return True
    except FormatError as error:
        assert "\n" not in str(error) and len(str(error)) < 500
        return False


@pytest.mark.parametrize("place", PLACES)
def test_odd_values(collection, place):
    sound = collection.manifest
    for value in ODD:
        allowed = any(type(value) is type(one) and value == one for one in PLACES[place])
        marks = place == "segments/0/deleted" and value is not None
        taken = take(collection, changed(sound, place, value))
        assert taken == (allowed and not marks), (value, taken)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("segments/0/file", "../../a.h5"),
        ("segments/0/file", "00000001.h5\n"),
        ("segments/0/file", "٠٠٠٠٠٠٠١.h5"),  # digits, and none of ours
        ("segments/0/n_images", 65_537),
        ("segments/0/n_images", 5),
        ("segments/0/bytes", 5),
        ("model/n_words", 1 << 25),
        ("model/n_words", 21),
        ("model/n_words", 20.0),
        ("next_segment", 10**8),
        ("roots", ["a" * 40_000]),
        ("format", "zip"),
        ("format_version", [3]),
        ("format_version", "2" * 10_000),
        ("more", float("inf")),
    ],
)
def test_values_that_are_nearly_right(collection, place, value):
    assert take(collection, changed(collection.manifest, place, value)) == (place == "more")


def test_what_is_missing(collection):
    for place in ("generation", "settings", "extractor", "model", "roots", "segments"):
        manifest = {key: value for key, value in collection.manifest.items() if key != place}
        assert not take(collection, manifest)
    for key in ("file", "n_images", "bytes", "digest", "names_digest", "deleted"):
        manifest = copy.deepcopy(collection.manifest)
        del manifest["segments"][1][key]
        assert not take(collection, manifest)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000, '{"format": "blcf coll', "\ufeff{}", "nul"],
)
def test_texts_that_are_no_manifest(collection, text):
    (collection.path / MANIFEST).write_text(text, "utf-8")
    with pytest.raises(FormatError, match="check .*some.blcf --repair` takes manifest.backup.json"):
        Collection.open(collection.path)


def test_a_manifest_without_an_end(collection, monkeypatch):
    monkeypatch.setattr("blcf.storage.files.LARGEST_TEXT", 1_000)
    (collection.path / MANIFEST).write_bytes(b" " * 1_001)
    with pytest.raises(FormatError, match="to be a text of at most 1,000 bytes"):
        Collection.open(collection.path)


def test_a_deep_value_that_no_one_asks_for(collection):
    deep: list = []
    for _ in range(900):  # what reading takes, and a digest may not
        deep = [deep]
    text = json.dumps({**collection.manifest, "more": 5})
    (collection.path / MANIFEST).write_text(text.replace("5}", json.dumps(deep) + "}"))
    with pytest.raises(FormatError, match="its digest is of another text|is damaged"):
        Collection.open(collection.path)
