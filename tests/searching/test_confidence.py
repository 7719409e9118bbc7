"""What a ranking tells of how sure its hits are, on made-up scores and in an engine."""

import pickle

import numpy as np
import pytest
from planted import ONE_SIZE

from blcf.errors import InvalidInput
from blcf.searching import Example, SearchOptions
from blcf.searching.confidence import confidences


def made_up(rng, n_true, n_others=2_000):
    """Scores, and which are true: an exponential tail, and true hits that reach into it."""
    scores = np.concatenate([rng.exponential(0.02, n_others), rng.uniform(0.08, 0.3, n_true)])
    order = np.argsort(-scores, kind="stable")
    return scores[order], order >= n_others


def test_a_confidence_is_the_chance_of_a_hit() -> None:
    rng = np.random.default_rng(0)
    sure, right = [], []
    for _ in range(400):
        scores, is_true = made_up(rng, int(rng.integers(1, 30)))
        sure.append(confidences(scores)[:100])
        right.append(is_true[:100])
    sure, right = np.concatenate(sure), np.concatenate(right)
    bins = (
        (0, 0.05, 0.03),
        (0.05, 0.35, 0.1),
        (0.35, 0.65, 0.2),
        (0.65, 0.95, 0.1),
        (0.95, 2, 0.02),
    )
    for least, most, off in bins:
        chosen = (sure >= least) & (sure < most)
        assert chosen.sum() > 1_000
        assert abs(right[chosen].mean() - sure[chosen].mean()) < off


def test_an_object_that_is_nowhere() -> None:
    rng = np.random.default_rng(1)
    found = [confidences(made_up(rng, 0)[0]) for _ in range(400)]
    for least, most_alarms in ((0.5, 2), (0.9, 0.3), (0.99, 0.06)):
        assert np.mean([np.count_nonzero(one >= least) for one in found]) < most_alarms


def test_what_is_not_told() -> None:
    assert np.isnan(confidences(np.linspace(1, 0.5, 19))).all()
    assert np.isnan(confidences(np.append(np.linspace(1, 0.5, 19), np.zeros(50)))).all()
    assert np.isnan(confidences(np.linspace(1, 0.1, 80), n_alike=10)).all()
    assert confidences(np.zeros(0)).shape == (0,)


def test_bounds_and_order() -> None:
    rng = np.random.default_rng(2)
    for n in (20, 21, 99, 100, 101, 3_000):
        sure = confidences(np.sort(rng.exponential(0.1, n))[::-1])
        assert sure.dtype == np.float32 and sure.shape == (n,)
        assert (0 <= sure).all() and (sure <= 1).all() and (np.diff(sure) <= 0).all()
    alike = confidences(np.full(50, 0.3))
    assert (alike < 0.05).all()
    stands_out = confidences(np.append([0.9], np.full(50, 0.3)))
    assert stands_out[0] == 1 and (stands_out[1:] < 0.05).all()
    huge = confidences(np.append([1e6], np.linspace(2, 1, 40)))
    assert huge[0] == 1


def test_hits_say_how_sure_they_are(planted) -> None:
    engine, example = planted.engine(), Example(planted.path(0))
    hits = engine.search(examples=[example], **{**ONE_SIZE, "k": 5})
    assert all(hit.confidence is None or 0 <= hit.confidence <= 1 for hit in hits)
    told = [one["confidence"] for one in hits.to_dicts()]
    assert told == [hit.confidence and round(hit.confidence, 3) for hit in hits]
    again = pickle.loads(pickle.dumps(hits))
    assert [one.confidence for one in again] == [one.confidence for one in hits]
    assert [one.confidence for one in hits[1:]] == [one.confidence for one in hits][1:]


def test_the_least_confidence(planted, monkeypatch) -> None:
    engine, example = planted.engine(), Example(planted.path(0))
    shown = np.array([1.0, 0.8, 0.8, 0.2, 0.1], np.float32)

    def of(scores, n_alike=None):
        return np.append(shown, np.zeros(len(scores)))[: len(scores)].astype(np.float32)

    monkeypatch.setattr("blcf.searching.expansion.confidences", of)
    whole = engine.search(examples=[example], **{**ONE_SIZE, "k": 4})
    assert len(whole) == 4 and whole[3].confidence == pytest.approx(0.2)
    for least, n in ((0, 4), (0.15, 4), (0.5, 3), (0.81, 1), (1, 1)):
        hits = engine.search(examples=[example], min_confidence=least, **{**ONE_SIZE, "k": 4})
        assert hits.names == whole.names[:n], least
    both = engine.search(
        examples=[example, example], fusion="max", min_confidence=0.5, **{**ONE_SIZE, "k": 4}
    )
    assert [hit.confidence for hit in both] == pytest.approx([1, 0.8, 0.8])
    with pytest.raises(InvalidInput, match="min_confidence to be a number from 0 to 1"):
        SearchOptions(min_confidence=1.5)


def test_a_ranking_too_short_to_tell_loses_nothing(planted, monkeypatch) -> None:
    untold = lambda scores, n: np.full(len(scores), np.nan)  # noqa: E731
    monkeypatch.setattr("blcf.searching.expansion.confidences", untold)
    hits = planted.engine().search(planted.path(0), min_confidence=1, **{**ONE_SIZE, "k": 3})
    assert len(hits) == 3 and hits[0].confidence is None
