"""Lists, facts, neighbours and pictures of what is served."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

PICTURES = "/api/collections/scenes/pictures"


def names(answer) -> list:
    return [one["name"] for one in answer["pictures"]]


def opened(response) -> Image.Image:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/jpeg"
    return Image.open(io.BytesIO(response.content))


def test_health_and_collections(served):
    health = served.get("/api/health").json()
    assert health["status"] == "ready" and health["done"] == 1
    assert health["collections"] == [{"collection": "scenes", "status": "ready", "reason": None}]
    (one,) = served.get("/api/collections").json()
    assert (one["collection"], one["pictures"], one["side"], one["films"]) == ("scenes", 12, 128, 0)
    columns = {column["name"]: column["type"] for column in one["columns"]}
    assert columns["width"] == "integer" and columns["camera"] == "any" and "id" not in columns


def test_browse(served):
    answer = served.get(PICTURES).json()
    assert names(answer)[::11] == ["first/00.png", "second/11.png"] and answer["total"] == 12
    assert answer["folders"] == [
        {"name": "first", "pictures": 6},
        {"name": "second", "pictures": 6},
    ]
    assert answer["films"] == [] and answer["next"] is None
    first = answer["pictures"][0]
    assert {**first, "id": ""} == {
        **{"id": "", "name": "first/00.png", "width": 128, "height": 128},
        **{"film": None, "time": None, "shot": None},
    }
    below = served.get(PICTURES, params={"folder": "second"}).json()
    assert names(below) == [f"second/{n:02d}.png" for n in range(6, 12)] and not below["folders"]


def test_pages(served):
    found, after = [], None
    for _ in range(3):
        params = {"limit": 5, **({"after": after} if after else {})}
        answer = served.get(PICTURES, params=params).json()
        found, after = found + names(answer), answer["next"]
        assert answer["total"] == 12
    assert len(found) == 12 and found == sorted(found) and after is None


def test_browse_where(served):
    answer = served.get(PICTURES, params={"where": "camera = 'A' AND name LIKE '%3.png'"}).json()
    assert names(answer) == ["first/03.png"] and answer["total"] == 1
    assert answer["folders"] == [{"name": "first", "pictures": 1}]


def test_a_picture_its_facts_and_neighbours(served):
    pictures = served.pictures
    answer = served.get(f"{PICTURES}/{pictures[2]['id']}").json()
    assert answer["facts"]["camera"] == "A" and answer["facts"]["width"] == 128
    assert answer["before"] == pictures[:2] and answer["after"] == pictures[3:9]
    assert answer["name"] == "first/02.png"
    last = served.get(f"{PICTURES}/{pictures[11]['id']}").json()
    assert last["before"] == pictures[5:11] and last["after"] == []


def test_pictures(served):
    picture = served.pictures[4]["id"]
    shown = opened(served.get(f"{PICTURES}/{picture}/image"))
    assert shown.size == (128, 128)
    expected = np.asarray(Image.open(served.path(4)).convert("RGB")).astype(int)
    assert (
        abs(np.asarray(shown.convert("RGB")).astype(int) - expected).mean() < 8
    )  # colours at half the size
    for side in (160, 320, 640):
        response = served.get(f"{PICTURES}/{picture}/thumbnail", params={"side": side})
        assert opened(response).size == (128, 128)  # never made larger


@pytest.mark.parametrize("kind", ["thumbnail", "image"])
def test_what_a_browser_has_is_not_sent_again(served, kind):
    address = f"{PICTURES}/{served.pictures[4]['id']}/{kind}"
    first = served.get(address)
    assert first.headers["cache-control"] == "private, no-cache"
    again = served.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304 and not again.content
    other = served.get(f"{PICTURES}/{served.pictures[5]['id']}/{kind}")
    assert other.headers["etag"] != first.headers["etag"]


def test_a_picture_that_is_gone(served):
    path, address = served.path(8), f"{PICTURES}/{served.pictures[8]['id']}"
    kept = path.rename(path.with_suffix(".kept"))
    try:
        for kind in ("thumbnail", "image"):
            response = served.get(f"{address}/{kind}")
            assert response.status_code == 404
            assert (
                "second/08.png cannot be shown: there is no such file" in response.json()["error"]
            )
        assert served.get(address).status_code == 200  # what is known of it is
    finally:
        kept.rename(path)
    assert served.get(f"{address}/image").status_code == 200


def test_uploads_are_shown_upright(served):
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(file, "JPEG", exif=exif)
    answer = served.post("/api/uploads", content=file.getvalue()).json()
    assert (answer["width"], answer["height"]) == (40, 60)
    shown = served.get(f"/api/uploads/{answer['upload']}")
    assert opened(shown).size == (40, 60) and "immutable" in shown.headers["cache-control"]
    tag = {"If-None-Match": shown.headers["etag"]}
    assert served.get(f"/api/uploads/{answer['upload']}", headers=tag).status_code == 304
    assert served.post("/api/uploads", content=file.getvalue()).json() == answer


def test_the_page(served):
    response = served.get("/")
    assert response.status_code == 200 and response.headers["content-type"].startswith("text/html")
    again = served.get("/", headers={"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304
    assert served.get("/page/index.html").content == response.content
    assert served.client.head("/").status_code == 200
