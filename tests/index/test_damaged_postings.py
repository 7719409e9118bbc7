"""Damaged posting lists: refused where a search could leave its arrays, named where it cannot."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from blcf.errors import FormatError
from blcf.index.postings import BUFFER, Postings
from blcf.storage import open_h5, write_h5

# Runs: of word 0 twice 1 and once 2, of word 2 once 1 and three times 4.
GOOD = Postings.from_bags(
    sp.csr_matrix(
        np.array([[1, 0, 4, 0], [2, 0, 1, 0], [1, 0, 4, 0], [0, 0, 4, 0]], dtype=np.float32)
    )
)


def many():
    """Lists whose codes take four bytes."""
    tf = np.arange(1, 70_001, dtype=np.float32)
    return Postings.from_bags(sp.csr_matrix((tf, np.arange(tf.size), [0, tf.size])))


def changed(array, *values, at=0):
    array = array.copy()
    array[at : at + len(values)] = values
    return array


def test_the_good_lists():
    GOOD.check()
    assert GOOD.image_ids.tolist() == [0, 2, 1, 1, 0, 2, 3]
    assert GOOD.word_indptr.tolist() == [0, 3, 3, 7, 7]
    assert GOOD.run_indptr.tolist() == [0, 2, 2, 4, 4]
    assert GOOD.run_codes.tolist() == [0, 1, 0, 2] and GOOD.run_lengths.tolist() == [1, 0, 0, 2]
    assert GOOD.values.tolist() == [1, 2, 4]


IMAGES, CODES, LENGTHS = GOOD.image_ids, GOOD.run_codes, GOOD.run_lengths
AS_LONG = "the runs of each posting list to be as long as the list"
ORDERED = "runs of posting lists in ascending order of images"
RISING = "posting lists in ascending order of frequencies"
FINITE = "finite term frequencies > 0"
DAMAGE = {
    "long run": ({"run_lengths": changed(LENGTHS, 2)}, AS_LONG),
    "short run": ({"run_lengths": changed(LENGTHS, 0)}, AS_LONG),
    "longest run": ({"run_lengths": changed(LENGTHS, 65_535, at=3)}, AS_LONG),
    "run of another list": ({"run_indptr": changed(GOOD.run_indptr, 1, at=1)}, AS_LONG),
    "runs of no list": ({"run_indptr": changed(GOOD.run_indptr, 4, at=2)}, AS_LONG),
    "image of another list": ({"word_indptr": changed(GOOD.word_indptr, 2, at=1)}, AS_LONG),
    "images swapped": ({"image_ids": changed(IMAGES, 2, 0, at=4)}, ORDERED),
    "twice the same image in a run": ({"image_ids": changed(IMAGES, 0, at=1)}, ORDERED),
    "twice the same image in a list": (
        {"image_ids": changed(IMAGES, 0, at=2)},
        "every image once in a posting list",
    ),
    "image that is not there": (
        {"image_ids": changed(IMAGES, 4, at=6)},
        "postings of 4 images, got one of image 4",
    ),
    "largest image": (
        {"image_ids": changed(IMAGES, 65_535, at=1)},
        "postings of 4 images, got one of image 65535",
    ),
    "fewer images": ({"n_images": 3}, "postings of 3 images, got one of image 3"),
    "codes swapped": ({"run_codes": changed(CODES, 1, 0)}, RISING),
    "twice the same code": ({"run_codes": changed(CODES, 0, at=1)}, RISING),
    "code beyond the table": (
        {"run_codes": changed(CODES, 3, at=3)},
        "a frequency for every run",
    ),
    "short table": ({"values": GOOD.values[:2]}, "a frequency for every run"),
    "falling table": ({"values": GOOD.values[[1, 0, 2]]}, FINITE),
    "twice the same frequency": ({"values": changed(GOOD.values, 2)}, FINITE),
    **{
        f"frequency {tf}": ({"values": changed(GOOD.values, tf, at=at)}, FINITE)
        for tf, at in [(-1, 0), (0, 0), (np.nan, 1), (np.nan, 2), (np.inf, 2)]
    },
}


@pytest.mark.parametrize("case", DAMAGE)
def test_check_names_the_damage(case):
    changes, message = DAMAGE[case]
    with pytest.raises(FormatError, match=f"Expected {message}"):
        replace(GOOD, **changes).check()


def test_values_of_no_image_are_no_damage():
    """A merge may leave them behind."""
    values = np.array([1, 2, 4, 9], dtype=np.float32)
    replace(GOOD, values=values).check()
    empty = sp.csr_matrix((0, 4), dtype=np.float32)
    replace(Postings.from_bags(empty), values=values).check()


def write(postings, path):
    with write_h5(path, "postings", 1) as file:
        postings.write(file)


def read(path):
    with open_h5(path, "postings", 1) as file:
        return Postings.read(file)


ENDS, RUN_ENDS = GOOD.word_indptr, GOOD.run_indptr
UNFIT = {
    "negative number of images": {"n_images": -1},
    "too many images": {"n_images": BUFFER + 1},
    "no lists": {"word_indptr": ENDS[:0]},
    "no lists and no runs": {"word_indptr": ENDS[:0], "run_indptr": ENDS[:0]},
    "images in a column": {"image_ids": IMAGES[:, None]},
    "signed images": {"image_ids": IMAGES.astype(np.int16)},
    "few images": {"image_ids": IMAGES[:-1]},
    "many images": {"image_ids": np.append(IMAGES, IMAGES)},
    "few codes": {"run_codes": CODES[:-1]},
    "few codes and lengths": {"run_codes": CODES[:-1], "run_lengths": LENGTHS[:-1]},
    "few lengths": {"run_lengths": LENGTHS[:-1]},
    "many lengths": {"run_lengths": np.append(LENGTHS, LENGTHS)},
    "wide codes": {"run_codes": CODES.astype(np.uint32)},
    "narrow codes": {"run_codes": CODES.astype(np.uint8)},
    "wide lengths": {"run_lengths": LENGTHS.astype(np.int64)},
    "lengths in a column": {"run_lengths": LENGTHS[:, None]},
    "wide values": {"values": GOOD.values.astype(np.float64)},
    "more values than codes": {"values": np.arange(1, 70_001, dtype=np.float32)},
    "values in a column": {"values": GOOD.values[:, None]},
    "few ends of runs": {"run_indptr": RUN_ENDS[[0, 1, 2, 4]]},
    "few ends": {"word_indptr": ENDS[[0, 1, 2, 4]]},
    **{
        f"{what} of {name}": {name: array}
        for name, ends in (("word_indptr", ENDS), ("run_indptr", RUN_ENDS))
        for what, array in {
            "late beginning": changed(ends, 1),
            "early beginning": changed(ends, -1),
            "early end": changed(ends, ends[-1] - 1, at=4),
            "late end": changed(ends, 9_999, at=4),
            "high end": changed(ends, 9_999, at=2),
            "negative end": changed(ends, -5, at=2),
            "wide end": ends.astype(np.int64),
        }.items()
    },
}


def overwrite(path, changes):
    with h5py.File(path, "r+") as file:
        for name, value in changes.items():
            if name in file.attrs:
                file.attrs[name] = value
            else:
                del file[name]
                file[name] = value


@pytest.mark.parametrize("case", UNFIT)
def test_lists_that_a_search_could_leave_are_not_read(case, tmp_path):
    path = tmp_path / "postings.h5"
    write(GOOD, path)
    overwrite(path, UNFIT[case])
    with pytest.raises(FormatError, match="postings.h5 is damaged: its posting lists do not fit"):
        read(path)


def test_codes_of_four_bytes_stay_in_the_table(tmp_path):
    path, sound = tmp_path / "postings.h5", many()
    write(sound, path)
    np.testing.assert_array_equal(read(path).run_codes, sound.run_codes)
    for codes in (changed(sound.run_codes, 70_000, at=9), sound.run_codes.astype(np.uint16)):
        overwrite(path, {"run_codes": codes})
        with pytest.raises(FormatError, match="its posting lists do not fit together"):
            read(path)


def test_two_byte_codes_beyond_the_table_weigh_nothing(tmp_path):
    """Looking at all of them when a file is opened would read it: there is a place for each."""
    path = tmp_path / "postings.h5"
    write(replace(GOOD, run_codes=changed(CODES, 65_535, at=1)), path)
    postings = read(path)
    assert postings._table.size == postings._roots.size == BUFFER
    assert postings.squared_norms(np.ones(4), False).tolist() == [17, 1, 17, 16]
    with pytest.raises(FormatError, match="a frequency for every run"):
        postings.check()


@pytest.mark.parametrize("name", ["image_ids", "run_codes", "run_lengths", "values"])
def test_a_missing_array(name, tmp_path):
    path = tmp_path / "postings.h5"
    write(GOOD, path)
    with h5py.File(path, "r+") as file:
        del file[name]
    with pytest.raises(FormatError, match=f"postings.h5 is damaged .*{name}"):
        read(path)
