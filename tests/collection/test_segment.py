"""A segment: what is written comes back, and what does not fit together is refused at once."""

from __future__ import annotations

import os

import h5py
import numpy as np
import pytest
from damaged import flip, forged
from made_up import picture

from blcf.bags import BagOfWords
from blcf.bags.weighting import dequantise_channel
from blcf.collection import Batch, Segment
from blcf.collection.columns import make_columns
from blcf.collection.names_copy import read_names
from blcf.errors import FormatError, VocabularyMismatch
from blcf.storage import file_digest

STRANGE = ["new\nline.jpg", "\U0001f600.jpg", os.fsdecode(b"\xe9.jpg"), "", "\ud800"]


def write(folder, names, n_words=20, root_id=3, first_id=0):
    batch = Batch()
    for number, name in enumerate(names):
        batch.append(name, *picture(number, n_words)[1:])
    bags = BagOfWords(n_words).encode_many(batch.maps)
    columns = make_columns(batch.sizes, batch.facts, root_id, first_id, [])
    return Segment.write(folder / "00000001.h5", batch, bags, "v", columns)


def test_round_trip(tmp_path):
    entry = write(tmp_path, STRANGE)
    assert entry["file"] == "00000001.h5" and entry["n_images"] == 5 and entry["deleted"] is None
    stamp = file_digest(tmp_path / "00000001.h5")
    assert {key: entry[key] for key in stamp} == stamp
    segment = Segment.read(tmp_path, entry, "v")
    assert list(segment.names) == list(segment.live_names) == STRANGE
    assert segment.root_ids.tolist() == [3] * 5 and segment.live is None
    for i in range(5):
        _, size, words, norms = picture(i)
        assert tuple(segment.sizes[i]) == size
        np.testing.assert_array_equal(segment.words_of(i), words)
        np.testing.assert_array_equal(segment.channel_of("norm", i), dequantise_channel(norms))
    segment.check(20, 4)
    for arguments in ((21, 4), (20, 3)):
        with pytest.raises(FormatError, match="Expected"):
            segment.check(*arguments)
    # The arrays are the file's own: nothing was copied.
    arrays = (segment.sizes, segment.maps.shapes, segment.maps.marks, segment.maps.channels["norm"])
    assert not any(one.flags.owndata for one in arrays)


def test_copy_of_the_names(tmp_path):
    entry = write(tmp_path, STRANGE)
    path = tmp_path / "00000001.names.h5"
    assert file_digest(path)["digest"] == entry["names_digest"]
    names, root_ids = read_names(path)
    assert list(names) == STRANGE and root_ids.tolist() == [3] * 5
    names, root_ids = read_names(tmp_path / "00000001.h5", "segment", 3)
    assert list(names) == STRANGE and root_ids.tolist() == [3] * 5


def test_another_vocabulary(tmp_path):
    with pytest.raises(VocabularyMismatch, match="with vocabulary w, it was made with v"):
        Segment.read(tmp_path, write(tmp_path, ["a"]), "w")


def test_merge(tmp_path):
    (tmp_path / "b").mkdir()
    entries = [write(tmp_path, ["a", "b", "c"])]
    entries += [write(tmp_path / "b", ["d", "e"], root_id=0, first_id=7)]
    parts = [Segment.read(f, e, "v") for f, e in zip([tmp_path, tmp_path / "b"], entries)]
    live = np.array([True, False, True])
    object.__setattr__(parts[0], "live", live)
    entry = Segment.merge(tmp_path / "00000009.h5", parts, "v")
    merged = Segment.read(tmp_path, entry, "v")
    assert list(merged.names) == ["a", "c", "d", "e"] and merged.root_ids.tolist() == [3, 3, 0, 0]
    assert merged.columns["ids"].tolist() == [0, 2, 7, 8]
    for i, number in enumerate([0, 2, 0, 1]):
        np.testing.assert_array_equal(merged.words_of(i), picture(number)[2])
        norms = dequantise_channel(picture(number)[3])
        np.testing.assert_array_equal(merged.channel_of("norm", i), norms)
        assert tuple(merged.sizes[i]) == picture(number)[1]
    maps = [picture(number)[2] for number in (0, 2, 0, 1)]
    df = (BagOfWords(20).encode_many(maps) > 0).sum(axis=0)
    assert merged.postings.document_frequencies().tolist() == df.tolist()[0]
    merged.check(20, 4)


def write_salient(folder, names):
    batch = Batch()
    for number, name in enumerate(names):
        _, size, words, norms = picture(number)
        batch.append(name, size, words, norms, others={"saliency": 255 - norms})
    bags = BagOfWords(20).encode_many(batch.maps)
    columns = make_columns(batch.sizes, batch.facts, 0, 0, [])
    return Segment.write(folder / "00000001.h5", batch, bags, "v", columns)


def test_a_further_channel(tmp_path):
    """It stands beside the norms, and goes through a merge."""
    entry = write_salient(tmp_path, ["a", "b", "c"])
    segment = Segment.read(tmp_path, entry, "v")
    merged = Segment.read(tmp_path, Segment.merge(tmp_path / "2.h5", [segment] * 2, "v"), "v")
    for one, numbers in ((segment, (0, 1, 2)), (merged, (0, 1, 2, 0, 1, 2))):
        one.maps.check(20)
        for i, number in enumerate(numbers):
            norms = picture(number)[3]
            np.testing.assert_array_equal(one.channel_of("norm", i), dequantise_channel(norms))
            saliency = dequantise_channel(255 - norms)
            np.testing.assert_array_equal(one.channel_of("saliency", i), saliency)


def test_a_channel_that_is_not_there(tmp_path):
    (tmp_path / "b").mkdir()
    plain = Segment.read(tmp_path, write(tmp_path, ["a"]), "v")
    salient = Segment.read(tmp_path / "b", write_salient(tmp_path / "b", ["b"]), "v")
    with pytest.raises(FormatError, match="00000001.h5 is damaged: It has no saliency of its im"):
        plain.channel_of("saliency", 0)
    for parts in ([plain, salient], [salient, plain]):
        with pytest.raises(FormatError, match="to have the same channels"):
            Segment.merge(tmp_path / "2.h5", parts, "v")


@pytest.mark.parametrize("value", [np.zeros(5, np.uint8), np.zeros((99, 1)), np.zeros(1, np.int64)])
def test_a_channel_of_another_form(tmp_path, value):
    entry = write_salient(tmp_path, ["a", "b"])
    with forged(tmp_path / "00000001.h5", entry) as file:
        del file["maps/saliency"]
        file["maps/saliency"] = value
    with pytest.raises(FormatError, match="their saliency are of another number or kind"):
        Segment.read(tmp_path, entry, "v")


def test_a_flip_in_a_channel_is_noticed(tmp_path):
    entry = write_salient(tmp_path, ["a", "b", "c"])
    path = tmp_path / "00000001.h5"
    with h5py.File(path) as file:
        place = file["maps/saliency"].id.get_offset()
    flip(path, place)
    segment = Segment.read(tmp_path, entry, "v")
    segment.channel_of("norm", 0)
    with pytest.raises(FormatError):
        segment.channel_of("saliency", 0)
    with pytest.raises(FormatError):
        segment.check(20, 4)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("sizes", np.zeros((3, 2), np.int64), "its sizes are of another number or kind"),
        ("sizes", np.zeros((2, 2), np.int32), "its sizes are of another number or kind"),
        ("root_ids", np.zeros((3, 1), np.int32), "its root_ids are of another number or kind"),
        ("maps/norms", np.zeros((5, 1), np.uint8), "their norms are of another number or kind"),
        ("maps/norms", np.zeros(5, np.uint8), "Expected maps that lie one behind the other"),
        ("maps/cell_words", np.zeros(5, np.int32), "their cell_words are of another number"),
        ("maps/cell_words", np.zeros(1, np.uint16), "maps that lie one behind the other"),
        ("maps/marks", np.zeros(1, np.uint8), "Expected maps that lie one behind the other"),
        ("maps/shapes", np.full((3, 2), -1, np.int32), "maps that lie one behind the other"),
        ("maps/shapes", np.full((3, 2), 2**30, np.int32), "maps that lie one behind the other"),
        ("maps/offsets", np.array([0, 9, 5, 6]), "Expected maps that lie one behind the other"),
        ("maps/word_offsets", np.array([0, 9, 5, 6]), "maps that lie one behind the other"),
        ("maps/shapes", None, "00000001.h5 is damaged .*shapes"),
        ("postings/values", None, "00000001.h5 is damaged .*values"),
        ("maps/marks", None, "00000001.h5 is damaged .*marks"),
        ("names", np.zeros(5, np.int16), "its names do not fit together"),
        ("postings/run_lengths", np.zeros(2, np.uint16), "its posting lists do not fit together"),
        ("postings/run_codes", None, "00000001.h5 is damaged .*run_codes"),
    ],
)
def test_parts_that_do_not_fit(tmp_path, name, value, message):
    entry = write(tmp_path, ["a", "b", "c"])
    with forged(tmp_path / "00000001.h5", entry) as file:
        del file[name]
        if value is not None:
            file[name] = value
    with pytest.raises(FormatError, match=message):
        Segment.read(tmp_path, entry, "v").words_of(0)  # where maps lie is looked at when needed


def test_map_that_cannot_be_unpacked(tmp_path):
    entry = write(tmp_path, ["a", "b"])
    with forged(tmp_path / "00000001.h5", entry) as file:
        file["maps/marks"][0] = 0b11
    segment = Segment.read(tmp_path, entry, "v")
    segment.words_of(1)
    with pytest.raises(FormatError, match="00000001.h5 is damaged: .* image 0 cannot be unpacked"):
        segment.words_of(0)
    with pytest.raises(FormatError, match="image 0 cannot be unpacked"):
        segment.check(20, 4)


@pytest.mark.parametrize(("n_words", "word"), [(20, 20), (20, 65_535), (70_000, -1)])
def test_words_that_the_vocabulary_has_not(tmp_path, n_words, word):
    entry = write(tmp_path, ["a", "b"], n_words)
    with forged(tmp_path / "00000001.h5", entry) as file:
        file["maps/cell_words"][0] = word
    segment = Segment.read(tmp_path, entry, "v")
    segment.words_of(1)
    with pytest.raises(FormatError, match="Image 0 holds words that the vocabulary has not"):
        segment.words_of(0)
    with pytest.raises(FormatError, match=f"Expected cells of {n_words} words"):
        segment.check(n_words, 4)
