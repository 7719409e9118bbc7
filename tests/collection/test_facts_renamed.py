"""Pictures of other names keep what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
from facts_said import said
from made_up import append_batch, check, name, picture

from blcf.bags.weighting import dequantise_channel
from blcf.collection import Batch, Collection, check_collection
from blcf.errors import FormatError, InvalidInput
from blcf.images import PictureFacts


def test_rename(collection, small_parts):
    batch = Batch()
    for number in range(6, 12):
        batch.append(*picture(number), facts=PictureFacts(number, 100 + number))
    with collection.writing():
        append_batch(collection, batch)
        collection.annotate({name(number): {"a": number} for number in (1, 3, 8, 11)})
        moves = {name(8): "z/8.jpg", name(3): "z/3.jpg", name(10): name(11), name(11): name(10)}
        df = sum(part.postings.document_frequencies(part.live) for part in collection.segments)
        assert collection.rename(moves) == 4
        assert collection.rename({}) == 0
    names = [name(number) for number in (0, 1, 2, 4, 5, 6, 7, 9)]
    names += ["z/3.jpg", "z/8.jpg", name(11), name(10)]
    numbers = [0, 1, 2, 4, 5, 6, 7, 9, 3, 8, 10, 11]
    for opened in (collection, Collection.open(collection.path)):
        assert list(opened.names()) == names
        for image_id, number in enumerate(numbers):
            np.testing.assert_array_equal(opened.words(image_id), picture(number)[2])
            norms = dequantise_channel(picture(number)[3])
            np.testing.assert_array_equal(opened.norms(image_id), norms)
            assert opened.size(image_id) == picture(number)[1]
        mtimes, n_bytes = opened.file_facts(np.arange(12))
        assert mtimes.tolist() == [one if one > 5 else 0 for one in numbers]
        assert n_bytes.tolist() == [100 + one if one > 5 else -1 for one in numbers]
        assert said(opened, "a") == {name(1): 1, "z/3.jpg": 3, "z/8.jpg": 8, name(10): 11}
        now = sum(part.postings.document_frequencies(part.live) for part in opened.segments)
        assert now.tolist() == df.tolist()
    assert collection.matching("name LIKE 'z/%'").sum() == 2
    assert check_collection(collection.path).is_sound


def test_rename_below_another_root(collection):
    with collection.writing():
        collection.rename({name(2): "2.jpg"}, root="/pictures/folder")
    assert collection.roots == {"/pictures": 5, "/pictures/folder": 1}
    assert collection.image_path(5).as_posix() == "/pictures/folder/2.jpg"


@pytest.mark.parametrize(
    ("moves", "message"),
    [
        ({"no.jpg": "a"}, "it has no no.jpg. Nothing was renamed"),
        ({name(1): name(2)}, "folder/2.jpg would stand for two"),
        ({name(1): "a", name(2): "a"}, "a would stand for two"),
    ],
)
def test_names_that_cannot_be_given(collection, moves, message):
    with collection.writing(), pytest.raises(InvalidInput, match=message):
        collection.rename({name(5): "b", **moves})
    check(Collection.open(collection.path), range(6))


def test_rename_does_not_hide_damage(collection):
    path = collection.path / "segments" / "00000001.h5"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    with collection.writing(), pytest.raises(FormatError, match="its digest is of other bytes"):
        collection.rename({name(1): "a"})
