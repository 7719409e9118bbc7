"""Evidence: it sums to the score, however that was made, and names cells that show the word."""

from __future__ import annotations

import numpy as np
import pytest
import tiles
from planted import ONE_SIZE

from blcf.errors import InvalidInput
from blcf.records import Ranking
from blcf.searching import explanation
from blcf.searching.options import SearchOptions
from blcf.searching.queries import Example

RANKED = [{"rerank": False}, *({"windows": one} for one in ("votes", "grid", "all", "coarse"))]
WAYS = [
    *RANKED,
    *({**one, "keep_whole": False} for one in RANKED[1:]),
    {"windows": "votes", "pyramid": True},
    {"windows": "grid", "pyramid": True, "shares": (1, 2, 4)},
    {"windows": "votes", "pyramid": True, "keep_whole": False},
    *(
        {"windows": "grid", "expand": expand, "expand_by": by, "guard": "none", "n_expand": 4}
        for expand in ("global", "local")
        for by in ("average", "alpha", "svm")
    ),
    {"expand": "local", "expand_by": "svm", "rounds": 2, "guard": "none"},
    {"expand": "local", "guard": "scores", "rounds": 2, "keep_whole": False},
    {"expand": "global", "rerank": False},
    {"expand": "local", "guard": "none", "rerank_again": False},
    {"expand": "local", "windows": "coarse"},
    {"query_flip": True, "query_scales": (1, 0.5), "pyramid": True},
    {"query_side": 64, "n_boxes": 3},
]
INDEXES = [
    {},
    {"idf": False, "sqrt": False},
    {"weighting": "norm", "idf": False},
    {"weighting": "center", "sqrt": False},
    {"weighting": "linear", "idf": False},
    {"weighting": "saliency", "saliency": tiles.redness},
]


def text(options):
    named = {key: getattr(value, "__name__", value) for key, value in options.items()}
    return ",".join(f"{key}={value}" for key, value in named.items()) or "plain"


@pytest.fixture
def unscaled(monkeypatch):
    """Evidence before it is scaled to its score: what makes the score, not what is made to fit."""
    monkeypatch.setattr(explanation, "scaled", lambda evidence, score: evidence)


def check(engine, hits, evidence, hit, fused=False):
    """Cells show the word they are said to show, and count.

    Of rankings that were fused, only the views of one example are asked for words.
    """
    views = [view for query in hits.asked.queries for view in query.views]
    assert evidence.query_shapes == tuple(view.assignment_map.shape for view in views)
    words = engine.collection.words(int(hits.ids[hits.names.index(hit.name)]))
    assert evidence.image_shape == words.shape
    np.testing.assert_array_equal(words[tuple(evidence.image_cells.T[::-1])], evidence.words)
    asked = set(evidence.query_cells[:, 0].tolist()) if fused else range(len(views))
    maps = [views[one].assignment_map[views[one].weights > 0] for one in asked if one >= 0]
    shown = set(np.concatenate([*maps, []]).tolist())
    for word, (number, x, y) in zip(evidence.words.tolist(), evidence.query_cells.tolist()):
        if number < 0:
            assert word not in shown
        else:
            assert views[number].assignment_map[y, x] == word and views[number].weights[y, x] > 0
    assert (np.diff(evidence.contributions) <= 0).all() and evidence.contributions.all()


@pytest.mark.parametrize("settings", INDEXES, ids=text)
@pytest.mark.parametrize("options", WAYS, ids=text)
def test_evidence_sums_to_the_score(planted, unscaled, options, settings):
    engine = planted.engine(**settings)
    for searched in (
        {"image": planted.picture, "box": planted.box},
        {"frame": "02.png", "polygon": [(10, 0), (120, 60), (30, 128)], "how": "soft"},
    ):
        hits = engine.search(**searched, **{**ONE_SIZE, **options})
        for hit in hits:
            evidence = hit.evidence()
            assert evidence.score == pytest.approx(hit.score, abs=2e-5)
            check(engine, hits, evidence, hit)


EXAMPLES = [Example(frame="00.png", box=(0, 0, 64, 128)), Example(frame="08.png")]
SEVERAL = [
    {"fusion": fusion, "negatives": negatives, "negatives_by": by, **options}
    for fusion in ("average", "max")
    for negatives, by in (
        ([], "rocchio"),
        ([Example(frame="09.png")], "rocchio"),
        ([Example(frame="09.png"), Example(frame="10.png")], "svm"),
    )
    for options in ({"rerank": False}, {}, {"windows": "grid"})
]


@pytest.mark.parametrize("settings", INDEXES[:3], ids=text)
@pytest.mark.parametrize("options", SEVERAL)
def test_evidence_of_several_examples(planted, unscaled, options, settings):
    engine = planted.engine(**settings)
    looks = {"query_scales": (1, 0.5), "query_flip": True, "k": 12}
    hits = engine.search(planted.picture, planted.box, examples=EXAMPLES, **looks, **options)
    for hit in hits:
        evidence = hit.evidence()
        assert evidence.score == pytest.approx(hit.score, abs=2e-5)
        check(engine, hits, evidence, hit, options["fusion"] == "max")
        if options["fusion"] == "max":  # the words of one example made the score
            view = set(evidence.query_cells[:, 0].tolist()) - {-1}
            assert view <= {0, 1} or view <= {2, 3} or view in ({4}, {5}), "of the best example"


def test_hits_that_were_not_looked_at_score_no_more_than_those_that_were(planted):
    """The cap of keep_whole=False lowers scores; the evidence follows."""
    options = {"depth": 3, "keep_whole": False, "windows": "grid", **ONE_SIZE}
    hits = planted.engine(idf=False).search(planted.path(7), (0, 0, 80, 80), **options)
    whole = planted.engine(idf=False).search(
        planted.path(7), (0, 0, 80, 80), rerank=False, **ONE_SIZE
    )
    assert hits.names[3:] == whole.names[3:] and (hits.scores[3:] <= hits.scores[2]).all()
    for hit in hits:
        assert hit.evidence().score == pytest.approx(hit.score, abs=1e-6)


def test_approximate_scores_have_evidence(planted):
    options = {"approximate": 0.5, "rerank": False, **ONE_SIZE}
    for hit in planted.engine(idf=False).search(planted.path(0), **options):
        assert hit.evidence().score == pytest.approx(hit.score, abs=1e-6)


def test_slices_keep_the_evidence_of_their_rows(planted):
    engine = planted.engine(weighting="norm", idf=False)
    hits = engine.search(planted.path(7), k=12)
    scores = [hit.evidence().score for hit in hits]
    np.testing.assert_allclose(scores, hits.scores, rtol=1e-5)
    for part in (slice(3, 9), slice(None, None, -1), slice(10, 2, -3), slice(5, 5)):
        cut = hits[part]
        assert [hit.evidence().score for hit in cut] == scores[part]
        assert [hit.name for hit in cut] == hits.names[part] and cut.paths == hits.paths[part]
        assert [hit.evidence().score for hit in cut[1:3]] == scores[part][1:3]
        for mine, other in zip(cut, [hits[row] for row in range(12)[part]]):
            np.testing.assert_array_equal(mine.boxes, other.boxes)


def test_a_bare_ranking_has_no_evidence(planted):
    ranking = planted.engine().searcher.search(
        planted.engine().describe(planted.path(0)), SearchOptions()
    )
    assert type(ranking) is Ranking
    with pytest.raises(InvalidInput, match="Expected a hit of SearchEngine.search"):
        ranking[0].evidence()


def test_evidence_is_drawn(planted, tmp_path):
    engine = planted.engine(weighting="norm", idf=False)
    query = engine.describe(planted.picture, planted.box, scales=(1, 0.5))
    ways = {
        "picture": engine.search(planted.picture, planted.box),
        "frame": engine.search(frame="03.png", mask=np.eye(128, dtype=bool)),
        "several": engine.search(planted.path(1), examples=EXAMPLES, query_flip=True, fusion="max"),
        "pyramid": engine.search(planted.picture, pyramid=True),
        "no picture": engine.search_query(query, SearchOptions()),
    }
    for name, hits in ways.items():
        for row in (0, -1):
            hits[1:].plot_evidence(row, tmp_path / f"{name}{row}.png")
            assert (tmp_path / f"{name}{row}.png").stat().st_size > 5000
    with pytest.raises(InvalidInput, match="Expected a hit from 0 to 2, got 3"):
        ways["frame"][:3].plot_evidence(3)


def test_a_word_is_shown_where_it_is_in_every_view(planted):
    """The object's first tile, in two sizes of a query and in the image."""
    tiles_of_query = np.full((8, 8), 8)
    tiles_of_query[0, 0] = 3
    hits = planted.engine().search(
        tiles.paint(tiles_of_query), query_scales=(1, 2), rerank=False, k=6
    )
    evidence = hits[0].evidence()
    word = hits.asked.queries[0].views[0].assignment_map[0, 0]
    mine = evidence.query_cells[evidence.words == word]
    assert set(map(tuple, mine.tolist())) >= {(0, 0, 0), (1, 0, 0), (1, 1, 1)}
    found = np.unique(evidence.image_cells[evidence.words == word], axis=0)
    y, x = np.nonzero(planted.maps[int(hits.ids[0])] == 3)
    assert found.tolist() == sorted(map(list, zip(x.tolist(), y.tolist())))
