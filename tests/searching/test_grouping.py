"""Hits that belong together: by shot, by film, and as near-duplicates, beside plain twins."""

from __future__ import annotations

import pickle
from itertools import groupby

import footage
import numpy as np
import pytest
import scipy.sparse as sp
import tiles

from blcf.errors import InvalidInput
from blcf.evaluation import read_run, write_run
from blcf.searching.grouping import film_keys, group_rows, near_keys
from blcf.searching.pictures import InFilm

ONE_SIZE = {"query_scales": (1,)}


def plain_near(vectors, similarity):
    """The definition of `near_keys`, word by word."""
    dense, keys = vectors.toarray(), []
    for row, vector in enumerate(dense):
        first = [n for n in range(row) if keys[n] == n and dense[n] @ vector >= similarity - 1e-12]
        keys.append(first[0] if first else row)
    return keys


@pytest.mark.parametrize("seed", range(20))
def test_near_duplicates_are_those_of_the_definition(seed):
    rng = np.random.default_rng(seed)
    dense = rng.integers(0, 3, (rng.integers(1, 30), 6)).astype(float)
    lengths = np.linalg.norm(dense, axis=1, keepdims=True)
    vectors = sp.csr_matrix(np.divide(dense, lengths, out=dense, where=lengths > 0))
    for similarity in (0.0, 0.5, 0.8, 0.95, 1.0):
        if similarity:
            assert near_keys(vectors, similarity) == plain_near(vectors, similarity)
        else:  # nothing in common is a cosine of 0 all the same
            assert len(near_keys(vectors, similarity)) == vectors.shape[0]


def test_groups_keep_the_order_of_their_best():
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 5, 40).tolist()
    groups = group_rows(keys)
    assert [rows[0] for rows in groups] == sorted(rows[0] for rows in groups)
    assert sorted(sum(groups, [])) == list(range(40))
    by_key = groupby(sorted(range(40), key=lambda row: keys[row]), key=lambda row: keys[row])
    assert sorted(groups) == sorted(sorted(rows) for _, rows in by_key)


def test_frames_without_a_shot_and_pictures_stay_alone():
    places = [InFilm("a", 1, 0), InFilm("", 0, -1), InFilm("a", 2, -1), InFilm("a", 3, 0)]
    assert group_rows(film_keys(places, "shot")) == [[0, 3], [1], [2]]
    assert group_rows(film_keys(places, "video")) == [[0, 2, 3], [1]]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """A film of four shots of three seconds each, the first again in the last, and pictures."""
    pytest.importorskip("av", reason="films need PyAV (blcf[video])")
    pytest.importorskip("scenedetect", reason="shots need PySceneDetect (blcf[video])")
    folder = tmp_path_factory.mktemp("moments")
    maps = tiles.planted_scenes()[0]
    frames = []
    for shot in (0, 6, 7, 0):
        frames += [tiles.paint(maps[shot])] * 24
    footage.write_film(folder / "f" / "film.mkv", frames, codec="ffv1", rate=8, pixel_format="bgr0")
    for number in range(12):
        tiles.save(folder / "f" / f"{number:02d}.png", maps[number])
    engine = tiles.create(folder / "c.blcf")
    engine.add(folder / "f", every=0.5, progress=False)
    assert len(engine) == 12 + 24
    return engine


@pytest.fixture(scope="module")
def hits(engine):
    picture = tiles.paint(tiles.planted_scenes()[0][0])
    return engine.search(picture, box=(0, 0, 128, 128), k=100, **ONE_SIZE)


def test_shots_become_moments(engine, hits):
    moments = hits.group("shot")
    assert sorted(sum(moments.rows, [])) == list(range(len(hits)))
    assert [one.score for one in moments] == sorted((one.score for one in moments), reverse=True)
    shots = {(one.shot, one.first, one.last) for one in moments if one.name == "film.mkv"}
    assert shots == {(n, 3.0 * n, 3.0 * n + 2.5) for n in range(4)}
    for moment in moments:
        assert moment.score == max(moment.hits.scores)
        assert moment.best.name == moment.hits.names[0]
        for hit in moment.hits:
            facts = engine.facts(hit.name)
            assert facts["video"] == (moment.name if moment.shot is not None else None)
            assert facts["shot"] == moment.shot and hit.time == facts["time"]
    alone = [one for one in moments if one.shot is None]
    assert len(alone) == 12 and all(one.span == "-" and len(one.hits) == 1 for one in alone)
    tops = {one.span for one in moments[:3]}
    assert tops == {"-", "00:00.0-00:02.5", "00:09.0-00:11.5"}


def test_films_and_near_duplicates(hits):
    films = hits.group("video")
    (film,) = [one for one in films if one.name == "film.mkv"]
    assert len(films) == 13 and len(film.hits) == 24
    assert (film.first, film.last, film.shot) == (0.0, 11.5, None)
    near = hits.group("near", similarity=0.999)
    vectors = hits.answer.pictures.vectors(hits.ids.tolist())
    assert near.rows == group_rows(plain_near(vectors, 0.999)) and len(near) < 13
    assert len(near[0].hits) >= 13  # the scene, wherever it was seen
    assert near[0].name == near[0].best.name
    assert near[0].first is None and near[0].span == "-"  # of a film, and of a picture
    assert len(hits.group("near", similarity=1e-9)) < len(near)


def test_moments_are_shown(hits, tmp_path):
    moments = hits.group("shot")
    text = repr(moments).splitlines()
    assert text[0] == f"{len(moments)} moments of {len(hits)} images"
    assert any("film.mkv  00:00.0-00:02.5  1.0000" in line for line in text)
    assert "film.mkv@" in moments._repr_html_()
    moments.plot(tmp_path / "m.png", 3)
    moments.best.plot_evidence(0)
    assert moments.best[0].evidence().score == pytest.approx(moments[0].score)
    assert moments[1:3].best.names == moments.best.names[1:3]
    rows = moments.to_dicts()
    assert [row["rank"] for row in rows] == list(range(1, len(moments) + 1))
    for row, moment in zip(rows, moments):
        assert (row["first"], row["last"], row["shot"]) == (moment.first, moment.last, moment.shot)
        assert [one["name"] for one in row["members"]] == moment.hits.names
    pytest.importorskip("pandas")
    table = moments.to_pandas()
    assert table["n"].sum() == len(hits) and table["video"].tolist() == [r["video"] for r in rows]
    assert hits[:0].group("near").to_dicts() == [] == hits[:0].group("shot").to_dicts()


def test_a_run_file_of_shots(hits, tmp_path):
    ranking = hits.group("shot").ranking()
    assert len(set(ranking.names)) == len(ranking) and "film.mkv@shot3" in ranking.names
    rows = list(zip(ranking.names, ranking.scores.tolist()))
    write_run(tmp_path / "run.txt", {"9099": rows})
    assert sorted(read_run(tmp_path / "run.txt")["9099"]) == sorted(rows)


def test_what_cannot_be_grouped(hits):
    with pytest.raises(InvalidInput, match="by to be one of shot, video, near"):
        hits.group("shots")
    with pytest.raises(InvalidInput, match="similarity to be a number from 0 to 1"):
        hits.group("near", similarity=2)
    again = pickle.loads(pickle.dumps(hits))
    with pytest.raises(InvalidInput, match="these were pickled. Group them before"):
        again.group()
    assert hits[3:5].take([1, 0]).names == hits.names[3:5][::-1]
