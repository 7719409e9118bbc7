"""What each command says when it is interrupted is true of it."""

from __future__ import annotations

import json

import pytest

from blcf import SearchEngine

KEPT = "; what was committed is kept"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["index", "c.blcf", "frames"], f"{KEPT}, the same command continues"),
        (["add", "c.blcf", "frames"], f"{KEPT}, the same command continues"),
        (["remove", "c.blcf", "été 1/00.png"], KEPT),
        (["compact", "c.blcf"], KEPT),
        (["check", "c.blcf"], KEPT),
        (["search", "c.blcf", "q.png"], ""),
        (["evaluate", "c.blcf", "gt.json"], ""),
        (["info", "c.blcf"], ""),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_the_message(place, call, monkeypatch, command, message):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.chdir(place)
    monkeypatch.setattr(SearchEngine, "open", interrupt)
    monkeypatch.setattr("blcf.cli.commands.check_collection", interrupt)
    query = {"query": "frames/été 1/00.png", "positives": ["été 1/01.png"]}
    (place / "gt.json").write_text(json.dumps({"queries": [query]}))
    assert call(*command) == (130, "", f"blcf: interrupted{message}\n")
