"""A collection that somebody else changes is taken up between two requests, and none fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import tiles
from web_asking import BEARER, JSON, ask

from blcf.web import Hosting, Limits, create_app

PICTURES = "/api/collections/scenes/pictures"
SEARCH = "/api/collections/scenes/search"
HERE = Path(__file__).resolve().parent

CHANGES = """
import sys
import tiles
path, folder, n = sys.argv[1:]
engine = tiles.reopen(path)
frames = sorted(str(one) for one in __import__("pathlib").Path(folder).rglob("*.png"))
for number in range(int(n)):
    engine.add(frames[number % 12], root=folder, replace=True, progress=False)
    if number % 3 == 1:
        engine.remove([frames[(number + 5) % 12]])
        engine.add(frames[(number + 5) % 12], root=folder, progress=False)
    if number % 4 == 2:
        engine.compact()
"""


@pytest.fixture
def own(own_collection, scenes_collection):
    hosting = Hosting([tiles.reopen(own_collection)], Limits(seconds=30))
    hosting.load()
    app = create_app(hosting, "a token of the tests", port=8765, load=False)
    return own_collection, scenes_collection / "frames", app


def listed(app) -> list[dict]:
    return ask(app, "GET", PICTURES, BEARER).json["pictures"]


def search(app, picture: str):
    return ask(app, "POST", SEARCH, JSON, b'{"examples": [{"id": "%s"}]}' % picture.encode())


def test_what_another_has_committed_is_there_with_the_next_request(own):
    path, frames, app = own
    before = listed(app)
    generation = ask(app, "GET", "/api/collections", BEARER).json[0]["generation"]
    with tiles.reopen(path) as other:
        other.remove(["first/00.png"])
        assert [one["name"] for one in listed(app)] == [one["name"] for one in before[1:]]
        gone = ask(app, "GET", f"{PICTURES}/{before[0]['id']}", BEARER)
        assert gone.status == 404 and "may have been removed" in gone.json["error"]
        found = search(app, before[3]["id"]).json
        assert len(found["hits"]) == 11 and found["generation"] > generation
        other.add(frames / "first" / "00.png", root=frames, progress=False)
        other.compact()
        after = listed(app)
    assert [one["name"] for one in after] == [one["name"] for one in before]
    assert (
        after[1:] == before[1:] and after[0]["id"] != before[0]["id"]
    )  # ids are never given twice
    assert len(search(app, after[0]["id"]).json["hits"]) == 12


def test_evidence_of_a_search_of_before(own):
    path, frames, app = own
    picture = listed(app)[3]["id"]
    hit = search(app, picture).json["hits"][1]
    with tiles.reopen(path) as other:
        other.remove(["second/11.png"])
        other.compact()
    body = b'{"examples": [{"id": "%s"}], "id": "%s"}' % (picture.encode(), hit["id"].encode())
    answered = ask(app, "POST", "/api/collections/scenes/evidence", JSON, body)
    assert answered.status == 200 and answered.json["matches"]


def hammer(app, until: threading.Event, wrong: list) -> int:
    """Requests of every kind until it is over; what fails is noted."""
    n = 0
    while not until.is_set() or n < 3:
        for picture in listed(app)[::4]:
            address = f"{PICTURES}/{picture['id']}"
            for answered in (
                search(app, picture["id"]),
                ask(app, "GET", address, BEARER),
                ask(app, "GET", f"{address}/thumbnail", BEARER),
                ask(app, "GET", f"{PICTURES}?where=camera%20IS%20NULL&limit=2", BEARER),
            ):
                # Its id may be another by now, where it was indexed again.
                if answered.status not in (200, 404):
                    wrong.append(answered)
            n += 1
    return n


def while_hammered(app, change) -> None:
    over, wrong = threading.Event(), []
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(hammer(app, over, wrong))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    try:
        change()
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    assert wrong == [] and len(counts) == 2 and min(counts) >= 3


def test_no_request_fails_while_another_engine_changes_it(own):
    path, frames, app = own

    def change():
        with tiles.reopen(path) as other:
            for number in range(6):
                name = f"first/{number:02d}.png"
                other.add(frames / name, root=frames, replace=True, progress=False)
                other.remove([f"second/{number + 6:02d}.png"])
                if number % 2:
                    other.compact()

    while_hammered(app, change)
    assert len(listed(app)) == 6


@pytest.mark.slow
def test_no_request_fails_while_another_process_changes_it(own):
    path, frames, app = own

    def change():
        command = [sys.executable, "-c", CHANGES, str(path), str(frames), "60"]
        done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr

    while_hammered(app, change)
    assert len(listed(app)) == 12


def test_a_collection_that_goes_away_stays_served(own, caplog):
    path, frames, app = own
    pictures = listed(app)
    (path / "manifest.json").write_text("damaged")
    assert listed(app) == pictures and search(app, pictures[0]["id"]).status == 200
    assert "was not taken up now" in caplog.text
    shutil.rmtree(path)
    assert listed(app) == pictures and search(app, pictures[0]["id"]).status == 200


def test_facts_that_are_damaged_spoil_nothing_else(own, caplog):
    path, frames, app = own
    (path / "facts.sqlite").write_bytes(b"damaged" * 999)
    (one,) = ask(app, "GET", "/api/collections", BEARER).json
    assert "camera" not in [column["name"] for column in one["columns"]]
    assert "is not known" in caplog.text
    picture = listed(app)[0]["id"]
    assert search(app, picture).status == 200
    answered = ask(app, "GET", f"{PICTURES}/{picture}", BEARER)
    assert answered.status == 500 and "is damaged or cannot be read" in answered.json["error"]
    assert str(path) not in answered.json["error"]


def test_another_collection_in_its_place_is_loaded_anew(own, tmp_path):
    path, frames, app = own
    assert search(app, listed(app)[0]["id"]).status == 200
    with tiles.create(tmp_path / "other.blcf", n_words=11) as engine:
        engine.add(frames / "first", progress=False)
    engine = tiles.reopen(tmp_path / "other.blcf")
    expected = engine.search(frame="03.png").to_dicts()
    aside = path.rename(tmp_path / "aside.blcf")
    (tmp_path / "other.blcf").rename(path)
    assert [one["name"] for one in listed(app)] == [f"{number:02d}.png" for number in range(6)]
    end = time.monotonic() + 30
    while (found := search(app, listed(app)[3]["id"])).status == 503:
        assert time.monotonic() < end
    shown = [(one["name"], one["score"]) for one in found.json["hits"]]
    assert shown == [(one["name"], one["score"]) for one in expected] and aside.exists()


def test_a_collection_without_pictures(tmp_path):
    tiles.create(tmp_path / "empty.blcf").close()
    hosting = Hosting([tiles.reopen(tmp_path / "empty.blcf")])
    hosting.load()
    app = create_app(hosting, "a token of the tests", port=8765, load=False)
    assert ask(app, "GET", "/api/collections/empty/pictures", BEARER).json["total"] == 0
    body = b'{"examples": [{"id": "0"}]}'
    answered = ask(app, "POST", "/api/collections/empty/search", JSON, body)
    assert answered.status == 422 and "holds no pictures yet" in answered.json["error"]


def test_names_in_addresses(tmp_path, scenes_collection):
    engines = []
    for folder in ("a/Été 1.blcf", "b/Été 1.blcf", "c/.blcf", "d/x"):
        shutil.copytree(scenes_collection / "scenes.blcf", tmp_path / folder)
        engines.append(tiles.reopen(tmp_path / folder))
    hosting = Hosting(engines)
    assert list(hosting.hosted) == ["t-1", "t-1-2", "blcf", "x"]
    app = create_app(hosting, "a token of the tests", port=8765, load=False)
    assert ask(app, "GET", "/api/collections/t-1-2/pictures", BEARER).json["total"] == 12
