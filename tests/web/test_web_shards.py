"""The page of a collection in shards says what that of one in one piece says."""

from __future__ import annotations

import archive
import numpy as np
import pytest
import tiles
from web_serving import LIMITS, TOKEN, client_of

from blcf.collection import Collection
from blcf.web import Hosting, create_app


@pytest.fixture
def made(tmp_path):
    made = archive.make_archive(archive.make_source(tmp_path / "a.blcf", 30), tmp_path, 3)
    archive.change(made)
    with made.merge() as whole:
        made.frame = list(whole.names)[3]
    return made


def test_the_page(made):
    answers = []
    for path in (made.path, made.whole):
        hosting = Hosting([tiles.reopen(path)], LIMITS)
        hosting.load()
        (name,) = hosting.hosted
        with client_of(create_app(hosting, TOKEN, port=8765, load=False)) as client:
            base = f"/api/collections/{name}"
            pages = client.get(f"{base}/pictures", params={"limit": 100}).json()["pictures"]
            one = next(each for each in pages if each["name"] == made.frame)
            picture = client.get(f"{base}/pictures/{one['id']}").json()
            body = {"examples": [{"id": one["id"]}], "k": 9, "group": "video"}
            found = client.post(f"{base}/search", json={**body, "where": "camera = 'A'"}).json()
            hit = found["hits"][1]["id"]
            why = client.post(f"{base}/evidence", json={**body, "id": hit}).json()
            films = client.get(f"{base}/pictures", params={"film": "film1.mkv"}).json()
            answers.append(
                [pages, picture, found["hits"], found["moments"], found["searched"], why]
            )
            assert films["pictures"] and found["missing_shards"] == []
            if path == made.path:
                archive.append(made.shards[0], [200])
                later = client.post(f"{base}/search", json=body).json()
                assert later["generation"] > found["generation"]
                assert later["searched"] == found_pictures(made)
                with Collection.open(made.shards[0]) as shard, shard.writing():
                    shard.remove([archive.name_of(200)])
    assert _without_ids(answers[0]) == _without_ids(answers[1])


def found_pictures(made):
    with tiles.reopen(made.path) as engine:
        return len(engine)


def _without_ids(answer):
    """Ids may be others."""
    if isinstance(answer, dict):
        return {key: _without_ids(one) for key, one in answer.items() if key != "id"}
    if isinstance(answer, list):
        return [_without_ids(one) for one in answer]
    return round(answer, 4) if isinstance(answer, float) and np.isfinite(answer) else answer
