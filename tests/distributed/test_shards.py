"""The list of a collection's shards: what it holds, where it may lead, the order of pictures."""

import json
import os

import numpy as np
import pytest
from made_up import append, name

from blcf.collection import Collection, Settings
from blcf.collection.manifest import digest_of
from blcf.distributed import Shards, is_sharded, model_digest
from blcf.errors import CollectionNotFound, FormatError, InvalidInput, VocabularyMismatch

DESCRIPTION = {
    "settings": Settings(n_words=20, weighting="uniform").to_dict(),
    "extractor": {
        **{key: "none" for key in ("network", "layer", "node", "weights", "weights_digest")},
        **{"n_channels": 4, "side": 384, "mean": [0.0], "std": [1.0]},
    },
}


def make(path, vocabulary="v", next_id=0):
    collection = Collection.create(path, DESCRIPTION)
    (path / "model.h5").write_bytes(b"model")
    learned = {
        "file": "model.h5",
        "n_words": 20,
        "n_components": 4,
        "whitening_digest": "w",
        "vocabulary_digest": vocabulary,
    }
    with collection.writing():
        collection.commit(model=learned, next_id=next_id)
    return collection


@pytest.fixture
def sharded(tmp_path):
    folder = tmp_path / "all.blcf"
    folder.mkdir()
    made = [make(folder / f"shard-000{number}.blcf") for number in range(2)]
    Shards.of(folder, [one.path for one in made]).write()
    return folder, made


def rewrite(folder, **changes):
    path = folder / "shards.json"
    stored = {**json.loads(path.read_text()), **changes}
    stored["digest"] = digest_of({key: one for key, one in stored.items() if key != "digest"})
    path.write_text(json.dumps(stored))


def test_what_is_written_is_read(sharded):
    folder, made = sharded
    shards = Shards.read(folder)
    assert is_sharded(folder) and not is_sharded(made[0].path) and not is_sharded("a\0")
    assert shards.paths == [one.path for one in made] and len(shards) == 2
    assert shards.model == model_digest(made[0].manifest)
    assert "path" in json.loads((folder / "shards.json").read_text())["shards"][0]
    moved = folder.rename(folder.parent / "moved.blcf")
    assert Shards.read(moved).paths[0] == moved / "shard-0000.blcf"


def test_pictures_are_ordered_by_shard_then_by_place(sharded):
    folder, made = sharded
    shards = Shards.read(folder)
    for number in (0, 1, 0, 1):
        with made[number].writing():
            n = made[number].n_images
            append(made[number], range(100 * number + n, 100 * number + n + 3))
    orders = [shards.order_of(one) for one in made]
    assert [one.dtype for one in orders] == [np.int64] * 2
    assert all((np.diff(one) > 0).all() for one in orders) and orders[0][-1] < orders[1][0]
    kept = orders[0][[0, 2, 3, 4, 5]]
    with made[0].writing():
        made[0].remove([name(1)])
        np.testing.assert_array_equal(shards.order_of(made[0]), kept)
        made[0].compact()
        np.testing.assert_array_equal(shards.order_of(made[0]), kept)
        append(made[0], [0])  # replaced: it comes last, as in one collection
    assert list(made[0].names())[-1] == name(0)
    assert (np.diff(shards.order_of(made[0])) > 0).all()
    with pytest.raises(InvalidInput, match="Expected a shard of"):
        shards.order_of(make(folder.parent / "other.blcf"))


def test_shards_elsewhere_are_said_to_be(sharded, tmp_path):
    folder, made = sharded
    other = make(tmp_path / "other.blcf")
    Shards.of(folder, [made[0].path, other.path]).write()
    assert Shards.read(folder).paths == [made[0].path, other.path]
    rewrite(folder, shards=[{"elsewhere": "../x.blcf", "shift": 0}])
    with pytest.raises(FormatError, match="absolute path"):
        Shards.read(folder)


def test_only_one_model(sharded, tmp_path):
    folder, made = sharded
    other = make(tmp_path / "other.blcf", vocabulary="other")
    with pytest.raises(VocabularyMismatch, match="model"):
        Shards.of(folder, [made[0].path, other.path])
    with pytest.raises(VocabularyMismatch, match="other.blcf is of others"):
        Shards.read(folder).check(other)
    with pytest.raises(InvalidInput, match="or more"):
        Shards.of(folder, [])


@pytest.mark.parametrize(
    "path", ["../other.blcf", "/etc", "a/../../b", "", "a\0b", 3, "x" * 40_000]
)
def test_no_path_leads_out(sharded, path):
    folder, _ = sharded
    rewrite(folder, shards=[{"path": path, "shift": 0}])
    with pytest.raises(FormatError):
        Shards.read(folder)


def test_no_link_is_followed(sharded, tmp_path):
    folder, made = sharded
    os.symlink(made[0].path, folder / "link.blcf")
    rewrite(folder, shards=[{"path": "link.blcf", "shift": 0}])
    with pytest.raises(FormatError, match="link"):
        Shards.read(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "does not"),
        ({"format_version": 2}, "version 2"),
        ({"model": "x"}, "its model are not of the form"),
        ({"shards": []}, "its shards"),
        ({"shards": [{"path": "a", "shift": -1}]}, "its shards"),
        ({"shards": [{"path": "a", "elsewhere": "/a", "shift": 0}]}, "its shards"),
        ({"shards": [{"path": "a", "shift": 0}] * 2}, "twice"),
    ],
)
def test_a_list_of_another_form_is_refused(sharded, changes, message):
    folder, _ = sharded
    rewrite(folder, **changes)
    with pytest.raises(FormatError, match=message):
        Shards.read(folder)


def test_a_damaged_list_is_told(sharded):
    folder, _ = sharded
    path = folder / "shards.json"
    text = path.read_text()
    path.write_text(text.replace("shard-0000", "shard-0007"))
    with pytest.raises(FormatError, match="digest differs"):
        Shards.read(folder)
    path.write_text(text[:50])
    with pytest.raises(FormatError, match="damaged"):
        Shards.read(folder)
    path.unlink()
    with pytest.raises(CollectionNotFound, match="blcf split"):
        Shards.read(folder)
