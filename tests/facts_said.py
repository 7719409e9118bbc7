"""Facts of made-up pictures: said, and read again."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from made_up import append_batch, name, picture

from blcf.collection import Batch


def annotate(collection, facts):
    with collection.writing():
        collection.annotate({name(number): one for number, one in facts.items()})


def said(collection, column):
    """What is said of each picture, by its number of `made_up`."""
    found = {}
    for image_id, one in enumerate(collection.names()):
        value = collection.facts_of(image_id).get(column)
        if value is not None:
            found[one] = value
    return found


def rows_in(path):
    with closing(sqlite3.connect(path / "facts.sqlite")) as connection:
        return connection.execute("SELECT * FROM pictures ORDER BY id").fetchall()


def append_said(collection, facts, numbers=None):
    batch = Batch()
    for number in numbers or facts:
        batch.append(*picture(number), given=facts.get(number))
    append_batch(collection, batch)
