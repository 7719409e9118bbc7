"""A collection of six made-up pictures, whose facts are changed, damaged and read at once."""

from __future__ import annotations

import pytest
from made_up import DESCRIPTION, append

from blcf.collection import Collection
from blcf.index import merging


@pytest.fixture
def collection(tmp_path):
    made = Collection.create(tmp_path / "some.blcf", DESCRIPTION)
    with made.writing():
        append(made, range(6))
    return made


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(merging, "FACTOR", 3)
    monkeypatch.setattr(merging, "TIERS", (3, 9, 24))
    monkeypatch.setattr(merging, "LARGEST", 24)
