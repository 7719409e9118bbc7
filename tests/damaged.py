"""A made-up collection to damage, the kinds of damage, and what a damaged one must still do."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from made_up import DESCRIPTION, append, name

from blcf.cli import main
from blcf.collection import Collection, check_collection
from blcf.errors import BlcfError
from blcf.index.blocks import SUMS, write_sums
from blcf.storage import file_digest

DATASETS = ["names", "name_offsets", "name_hashes", "name_order", "root_ids", "sizes"]
DATASETS += [f"maps/{name}" for name in ("shapes", "offsets", "marks", "cell_words", "norms")]
LISTS = ["image_ids", "word_indptr", "run_indptr", "run_codes", "run_lengths", "values"]
LISTS = [f"postings/{one}" for one in LISTS]

LEFT = [i for i in range(12) if i != 5]
FIRST_AND_LAST = [0, 1, 2, 3, 9, 10, 11]


def some_collection(folder):
    """Segments of 4, 5 and 3 images, the second with a removed one; a model and statistics."""
    made = Collection.create(folder / "some.blcf", DESCRIPTION)
    with made.writing():
        (made.path / "model.h5").write_bytes(b"whitening and vocabulary")
        made.commit(model={"file": "model.h5", "n_words": 20})
        append(made, range(4))
        append(made, range(4, 9))
        append(made, range(9, 12))
        made.remove([name(5)])
        made.write_statistics(np.arange(20), np.arange(11))
        made.record_skipped({"bad.jpg": "no picture"}, [], "/pictures")
    return made


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)


@contextmanager
def forged(path, entry):
    """Change a segment as somebody could who makes check sums that fit its manifest's `entry`."""
    with h5py.File(path, "r+") as file:
        yield file
        del file[SUMS]
        write_sums(file)
    entry.update(file_digest(path))


def content_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def only(report):
    assert len(report.damages) == 1, report.damages
    return report.damages[0]


def places_of_datasets(path):
    """Bytes in the middle of every dataset, and of the file's own structure."""
    places = {}
    with h5py.File(path) as file:
        sets = [file[one] for one in DATASETS] + list(file["postings"].values())
        for one in sets:
            if one.size:
                n_bytes = one.size * one.dtype.itemsize
                places[one.name] = (one.id.get_offset(), n_bytes)
    return places


def assert_that_it_opens_safely(path):
    """Opened without a check, a damaged collection gives an error of ours or other figures."""
    try:
        opened = Collection.open(path)
        list(opened.names()), opened.find(["folder/1.jpg"])
        for i in range(opened.n_images):
            opened.size(i), opened.norms(i), opened.image_path(i), opened.root_of(i)
            assert opened.words(i).size == 0 or opened.words(i).max() < 20
    except BlcfError:
        pass


def uses(path):
    """All that can be done with a collection, each refused in a sentence or done."""

    def write():
        opened = Collection.open(path)
        with opened.writing():
            append(opened, [40, 41])
            opened.remove(["folder/1.jpg"])
            opened.compact()
            opened.write_statistics(np.arange(20), np.arange(opened.n_images))
            opened.record_skipped({"bad2.jpg": "no"}, [], "/pictures")
            opened.training_folder(), opened.drop_training()

    yield lambda: check_collection(path)
    yield lambda: Collection.open(path).skipped()
    yield lambda: Collection.open(path).read_statistics()
    yield write
    yield lambda: check_collection(path, repair=True)
    yield write


def check_command(*arguments):
    """Exit status of `blcf check`; its messages go to this test's stderr, and to no later one's."""
    log = logging.getLogger("blcf")
    before = log.handlers[:]
    try:
        return main(["check", *map(str, arguments)])
    finally:
        log.handlers[:] = before


def damage_flip(path):
    flip(path, path.stat().st_size // 2)


def damage_cut(path):
    path.write_bytes(path.read_bytes()[:-2])


def damage_empty(path):
    path.write_bytes(b"")


def damage_longer(path):
    path.write_bytes(path.read_bytes() + b"more")


DAMAGES = [damage_flip, damage_cut, damage_empty, damage_longer, Path.unlink]
