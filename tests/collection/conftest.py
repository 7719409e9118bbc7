"""A collection of six made-up pictures, whose facts are changed, damaged and read at once."""

from __future__ import annotations

import pytest
from made_up import collection_of

from blcf.index import merging


@pytest.fixture
def collection(tmp_path):
    return collection_of(tmp_path, range(6))


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(merging, "FACTOR", 3)
    monkeypatch.setattr(merging, "TIERS", (3, 9, 24))
    monkeypatch.setattr(merging, "LARGEST", 24)
