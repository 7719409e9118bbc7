"""A search over HTTP is the engine's: its hits, moments, CSV, evidence."""

from __future__ import annotations

import base64
import csv
import io

import numpy as np
import pytest
import tiles
from PIL import Image

from blcf import Example

SEARCH = "/api/collections/scenes/search"
BOX = [16.0, 16.0, 96.0, 80.0]


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def ranked(hits) -> list:
    return [(one["name"], one["score"], one["box"]) for one in hits.to_dicts()]


def answered(response) -> list:
    assert response.status_code == 200, response.text
    return [(one["name"], one["score"], one["box"]) for one in response.json()["hits"]]


@pytest.fixture
def engine(served):
    return served.hosting["scenes"].engine


@pytest.mark.parametrize("source", ["id", "upload", "image", "raw"])
def test_the_hits_are_those_of_the_engine(served, engine, source):
    path, options = served.path(3), {"k": 5, "query_scales": [1, 0.5]}
    content = path.read_bytes()
    if source == "raw":
        where = "&".join(f"{one}" for one in ("k=5", "query_scales=1,0.5", "box=16,16,96,80"))
        response = served.post(f"{SEARCH}?{where}", content=content)
    else:
        example = {"box": BOX}
        if source == "id":
            example["id"] = served.pictures[3]["id"]
        elif source == "upload":
            example["upload"] = served.post("/api/uploads", content=content).json()["upload"]
        else:
            example["image"] = text(content)
        response = served.search({"examples": [example], **options})
    if source == "id":
        expected = engine.search(frame="first/03.png", box=BOX, k=5, query_scales=(1, 0.5))
    else:
        expected = engine.search(path, box=BOX, k=5, query_scales=(1, 0.5))
    assert answered(response) == ranked(expected) and len(expected) == 5
    body = response.json()
    assert body["moments"] is None and body["searched"] == 12 and body["seconds"] > 0
    first = body["hits"][0]
    assert first["rank"] == 1 and first["width"] == first["height"] == 128
    assert first["boxes"] == [first["box"]] and first["reranked"] is True


def test_regions_and_several_examples(served, engine):
    polygon = [[16, 16], [96, 16], [96, 80]]
    mask = np.zeros((128, 128), np.uint8)
    mask[16:80, 16:96] = 255
    examples = [
        {"id": served.pictures[0]["id"], "polygon": polygon, "how": "soft"},
        {"image": text(served.path(1).read_bytes()), "mask": text(png(mask))},
    ]
    negatives = [{"id": served.pictures[9]["id"]}]
    response = served.search({"examples": examples, "negatives": negatives, "fusion": "max"})
    expected = engine.search(
        examples=[
            Example(frame="first/00.png", polygon=polygon, how="soft"),
            Example(served.path(1), mask=mask > 0),
        ],
        negatives=[Example(frame="second/09.png")],
        fusion="max",
    )
    assert answered(response) == ranked(expected)


def test_where(served, engine):
    body = {"examples": [{"id": served.pictures[7]["id"]}], "where": "camera = 'A'"}
    response = served.search(body)
    assert answered(response) == ranked(engine.search(frame="second/07.png", where="camera = 'A'"))
    assert response.json()["searched"] == 6


def test_csv(served, engine):
    body = {"examples": [{"id": served.pictures[3]["id"], "box": BOX}], "k": 4}
    response = served.search(body, f"{SEARCH}?format=csv")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(response.text)))
    expected = engine.search(frame="first/03.png", box=BOX, k=4)
    assert [row["name"] for row in rows] == expected.names
    assert rows[0]["query"] == "first/03.png" and rows[0]["query_x1"] == "16.0"


def test_evidence_sums_to_one(served):
    picture = served.pictures[3]["id"]
    body = {"examples": [{"id": picture, "box": BOX}], "k": 3}
    hits = served.search(body).json()["hits"]
    for hit in hits:
        response = served.post("/api/collections/scenes/evidence", json={**body, "id": hit["id"]})
        why = response.json()
        assert why["score"] == hit["score"] and why["box"] == hit["box"]
        heat = why["picture"]["heat"]
        assert (heat["rows"], heat["columns"]) == (8, 8) and len(heat["values"]) == 64
        assert sum(heat["values"]) == pytest.approx(1, abs=1e-3)
        (query,) = why["query"]
        assert (query["width"], query["height"]) == (128, 128)
        best = why["matches"][0]
        assert best["query"] == 0 and len(best["box"]) == len(best["query_box"]) == 4
        assert 0 < best["share"] <= 1 and "words in common" in why["says"]
    other = served.pictures[9]["id"]
    response = served.post("/api/collections/scenes/evidence", json={**body, "id": other})
    assert response.status_code == 404 and "not among the 3 hits" in response.json()["error"]


def test_near_duplicates_are_grouped(served, engine):
    body = {"examples": [{"id": served.pictures[3]["id"]}], "group": "near", "k": 3}
    answer = served.search(body).json()
    expected = engine.search(frame="first/03.png", k=1000).group("near")[:3]
    assert [one["hit"]["name"] for one in answer["moments"]] == [one.name for one in expected]
    assert [one["name"] for one in answer["hits"]] == [one.name for one in expected]
    assert answer["moments"][0]["n"] == len(expected[0].hits)


def test_a_mask_may_be_bytes(planted):
    mask = np.zeros((128, 128), np.uint8)
    mask[32:96, 32:96] = 255
    engine = planted.engine()
    given = engine.search(planted.picture, mask=png(mask), query_scales=(1,))
    assert ranked(given) == ranked(engine.search(planted.picture, mask=mask, query_scales=(1,)))
    assert tiles.TILE == 16
