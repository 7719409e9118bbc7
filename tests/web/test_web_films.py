"""Frames of films: lists, neighbours in time, moments, the film itself in parts."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
import tiles
from PIL import Image
from web_asking import BEARER, ask
from web_serving import LIMITS, TOKEN, Served, client_of

pytest.importorskip("av", reason="films need PyAV, the extra video")

from footage import write_numbered  # noqa: E402

from blcf.collection.snapshot import Snapshot  # noqa: E402
from blcf.web import Hosting, create_app  # noqa: E402
from blcf.web.films import part_of  # noqa: E402
from blcf.web.refusals import Refusal  # noqa: E402

PICTURES = "/api/collections/films/pictures"


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    write_numbered(folder / "day1" / "a.mp4", 100, shot=lambda n: n // 50)
    write_numbered(folder / "b.mp4", 50, shot=lambda n: 7)
    engine = tiles.create(folder / "films.blcf")
    engine.add(folder, every=0.4, progress=False)
    hosting = Hosting([engine], LIMITS)
    hosting.load()
    with client_of(create_app(hosting, TOKEN, port=8765, load=False)) as client:
        yield Served(folder, hosting, client)


def test_lists(films):
    (one,) = films.get("/api/collections").json()
    assert one["films"] == 2 and one["pictures"] == 15
    answer = films.get(PICTURES).json()
    assert [one["film"] for one in answer["films"]] == ["b.mp4", "day1/a.mp4"]
    assert answer["films"][1] == {"film": "day1/a.mp4", "frames": 10, "first": 0.0, "last": 3.6}
    frames = films.get(PICTURES, params={"film": "day1/a.mp4"}).json()
    assert [one["time"] for one in frames["pictures"]] == [n / 2.5 for n in range(10)]
    assert frames["films"] == frames["folders"] == [] and frames["total"] == 10
    below = films.get(PICTURES, params={"folder": "day1"}).json()
    assert [one["film"] for one in below["films"]] == ["day1/a.mp4"]


def test_neighbours_are_those_in_time(films):
    frames = films.get(PICTURES, params={"film": "day1/a.mp4"}).json()["pictures"]
    answer = films.get(f"{PICTURES}/{frames[3]['id']}").json()
    assert answer["before"] == frames[:3] and answer["after"] == frames[4:]
    assert answer["facts"]["video"] == "day1/a.mp4"


def test_frames_are_shown(films):
    frame = films.get(PICTURES, params={"film": "b.mp4"}).json()["pictures"][1]
    response = films.get(f"{PICTURES}/{frame['id']}/thumbnail")
    assert Image.open(io.BytesIO(response.content)).size == (frame["width"], frame["height"])


@pytest.mark.parametrize("group", ["shot", "video"])
def test_moments(films, group):
    frame = films.get(PICTURES, params={"film": "day1/a.mp4"}).json()["pictures"][1]
    body = {"examples": [{"id": frame["id"]}], "group": group, "k": 5, "rerank": False}
    answer = films.search(body, "/api/collections/films/search").json()
    engine = films.hosting["films"].engine
    expected = engine.search(frame=frame["name"], k=1000, rerank=False).group(group)[:5]
    shown = [(one["score"], one["first"], one["last"], one["span"]) for one in answer["moments"]]
    assert shown == [(round(one.score, 6), one.first, one.last, one.span) for one in expected]
    first = answer["moments"][0]
    assert first["hit"]["film"] == "day1/a.mp4" and first["n"] == len(first["hits"])
    csv = films.search(body, "/api/collections/films/search?format=csv").text
    assert csv.splitlines()[0].endswith("video,shot,first,last,n")


def test_a_film_comes_whole_and_in_parts(films):
    frame = films.get(PICTURES, params={"film": "b.mp4"}).json()["pictures"][0]["id"]
    content, address = (films.folder / "b.mp4").read_bytes(), f"{PICTURES}/{frame}/film"
    whole = films.get(address)
    assert whole.status_code == 200 and whole.content == content
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["accept-ranges"] == "bytes"
    for wanted, first, last in (
        *(("bytes=0-99", 0, 100), ("bytes=100-", 100, len(content)), ("bytes=-50", -50, None)),
        ("bytes=5-999999999", 5, len(content)),
    ):
        part = films.get(address, headers={"Range": wanted})
        assert part.status_code == 206 and part.content == content[first:last]
        begin = first % len(content)
        shown = f"bytes {begin}-{begin + len(part.content) - 1}/{len(content)}"
        assert part.headers["content-range"] == shown
    head = films.client.head(address)
    assert head.headers["content-length"] == str(len(content)) and not head.content
    tag = whole.headers["etag"]
    assert films.get(address, headers={"If-None-Match": tag}).status_code == 304
    both = {"Range": "bytes=0-9", "If-Range": tag}
    assert films.get(address, headers=both).status_code == 206
    assert films.get(address, headers={**both, "If-Range": '"older"'}).content == content


@pytest.mark.parametrize(
    "wanted",
    ["bytes=9-1", "bytes=999999999999-", "bytes=-0", "bytes=-", "bytes=0-1,5-9", "pages=1-2", "x"]
    + ["bytes=" + "9" * 400 + "-", "bytes=1-" + "9" * 400, "bytes=a-b", "", "bytes= 1-2"],
)
def test_parts_that_are_none(films, wanted):
    with pytest.raises(Refusal, match="Expected a Range"):
        part_of(wanted, 1000)
    frame = films.get(PICTURES, params={"film": "b.mp4"}).json()["pictures"][0]["id"]
    app = films.client.app
    answered = ask(app, "GET", f"{PICTURES}/{frame}/film", {**BEARER, "range": wanted})
    assert answered.status == 416 and answered.headers["content-range"].startswith("bytes */")


def test_a_film_that_is_gone_or_a_link_to_elsewhere(films, monkeypatch):
    frames = films.get(PICTURES, params={"film": "day1/a.mp4"}).json()["pictures"]
    film, address = films.folder / "day1" / "a.mp4", f"{PICTURES}/{frames[0]['id']}"
    kept = film.rename(film.with_name("kept"))
    try:
        for kind in ("film", "thumbnail", "image"):
            response = films.get(f"{address}/{kind}")
            assert response.status_code == 404 and "a.mp4" in response.json()["error"], kind
    finally:
        kept.rename(film)
    assert films.get(f"{address}/film").status_code == 200


@pytest.mark.parametrize(
    "place",
    ["/etc/passwd@00:00:01.000", "FOLDER/../secret.mp4@00:00:01.000", "FOLDER/b.mp4", "/dev/zero"]
    + ["FOLDER@00:00:01.000", "FOLDER/pipe.mp4@00:00:01.000", "FOLDER/no\0.mp4@00:00:01.000", None],
)
def test_what_a_stranger_calls_a_film_is_not_sent(films, monkeypatch, place):
    """A collection may say that its pictures lie anywhere: of films, no other file is opened."""
    if not (films.folder / "pipe.mp4").exists():
        os.mkfifo(films.folder / "pipe.mp4")
    (films.folder.parent / "secret.mp4").write_bytes(b"secret")
    there = None if place is None else Path(place.replace("FOLDER", str(films.folder)))
    monkeypatch.setattr(Snapshot, "image_path", lambda snapshot, number: there)
    frame = films.get(PICTURES, params={"film": "b.mp4"}).json()["pictures"][0]["id"]
    for kind in ("film", "image", "thumbnail"):
        answered = films.get(f"{PICTURES}/{frame}/{kind}")
        if kind != "film" and answered.status_code == 200:  # decoded, and encoded anew
            assert answered.headers["content-type"] == "image/jpeg"
            continue
        assert answered.status_code == 404 and answered.json()["error"], (kind, place)
