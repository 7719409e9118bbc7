"""Protocols against twins of the published programs, trec_eval itself, and what always holds."""

from __future__ import annotations

import random

import oracle_evaluation as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blcf.evaluation import PROTOCOLS, micro_average_precision, protocol, trec_order
from blcf.evaluation.protocols import GROUPS


def oxford_query(folder, name):
    """Positives and junk of one of Oxford's 55 queries."""
    good, ok, junk = (
        set((folder / f"{name}_{kind}.txt").read_text("utf-8").split())
        for kind in ("good", "ok", "junk")
    )
    return good | ok, junk


def partly_good(names, positives, rng, quality):
    """A random ranking in which positives score higher, cut somewhere."""
    scores = {name: rng.random() + quality * (name in positives) for name in names}
    ranked = sorted(names, key=lambda name: -scores[name])
    return ranked[: rng.choice([len(names), 1000, 100])]


def test_oxford_on_the_real_ground_truth(data):
    folder = data / "oxford5k_gt"
    queries = sorted(path.name[: -len("_query.txt")] for path in folder.glob("*_query.txt"))
    assert len(queries) == 55
    names = [f"{i:05d}" for i in range(5063)]
    rng = random.Random(0)
    perfect = []
    for query in queries:
        positives, junk = oxford_query(folder, query)
        assert positives | junk <= set(names) and positives and not positives & junk
        rest = [name for name in names if name not in positives]
        perfect.append(protocol("oxford").measure(sorted(positives) + rest, positives, junk)["AP"])
        for quality in (0, 0.3, 0.9):
            ranked = partly_good(names, positives | junk, rng, quality)
            found = protocol("oxford").measure(ranked, positives, junk)["AP"]
            assert found == pytest.approx(oracle.oxford(ranked, positives, junk), abs=1e-6)
    assert perfect == pytest.approx([1] * 55, abs=1e-12)


def random_truth(rng):
    """A small collection: all its names ranked, easy, hard and junk."""
    names = [f"{i}" for i in range(rng.randint(1, 30))]
    kinds = {name: rng.choice("xxxehj") for name in names}
    easy, hard, junk = ({name for name in names if kinds[name] == kind} for kind in "ehj")
    return rng.sample(names, len(names)), easy, hard, junk


def test_revisited_is_the_published_program():
    rng = random.Random(1)
    for _ in range(300):
        ranked, easy, hard, junk = random_truth(rng)
        found = protocol("revisited").measure(ranked, easy | hard, junk, hard)
        assert found == pytest.approx(oracle.revisited(ranked, easy, hard, junk), abs=1e-12)


def test_holidays_is_the_published_program():
    rng = random.Random(2)
    for _ in range(300):
        ranked, easy, hard, _ = random_truth(rng)
        positives = easy | hard
        query = next((name for name in ranked if name not in positives), "the query")
        if positives:
            found = protocol("holidays").measure(ranked, positives, {query})
            expected = oracle.holidays(ranked, query, positives)
            assert found == {"AP": pytest.approx(expected, abs=1e-12)}


def random_run(rng, n_shots, n_topics=3):
    """Scores with ties, and relevance, of some topics: the two dictionaries of trec_eval."""
    shots = [f"shot{i}_{i % 7}" for i in range(n_shots)]
    run, qrels = {}, {}
    for topic in range(9069, 9069 + n_topics):
        ranked = rng.sample(shots, rng.randint(1, n_shots))
        run[f"{topic}"] = {shot: float(rng.randint(0, n_shots)) for shot in ranked}
        qrels[f"{topic}"] = {shot: rng.choice([-1, 0, 0, 0, 1]) for shot in shots[::2]}
        qrels[f"{topic}"][shots[0]] = 1
    return run, qrels


def measured(run, qrels):
    """{topic: AP} by the protocol."""
    return {
        topic: protocol("trecvid").measure(
            [name for name, _ in trec_order(run[topic].items())],
            {name for name, relevance in judged.items() if relevance > 0},
        )["AP"]
        for topic, judged in qrels.items()
    }


SIZES = [1, 2, 5, 20, 60, 300] * 4


def test_trecvid_is_its_twin():
    rng = random.Random(3)
    for n_shots in (*SIZES, 1500):
        run, qrels = random_run(rng, n_shots)
        for topic, ap in measured(run, qrels).items():
            relevant = {name for name, relevance in qrels[topic].items() if relevance > 0}
            assert ap == pytest.approx(oracle.trec_map(run[topic], relevant), abs=1e-12)


def test_trecvid_is_the_map_of_trec_eval():
    pytrec_eval = pytest.importorskip("pytrec_eval")
    rng = random.Random(4)
    for n_shots in SIZES:  # below 1,000: there is no cut in this measure of it
        run, qrels = random_run(rng, n_shots)
        theirs = pytrec_eval.RelevanceEvaluator(qrels, {"map"}).evaluate(run)
        assert {topic: each["map"] for topic, each in theirs.items()} == pytest.approx(
            measured(run, qrels), abs=1e-12
        )


def test_trecvid_is_the_ap_of_ir_measures():
    ir_measures = pytest.importorskip("ir_measures")
    rng = random.Random(5)
    for n_shots in (*SIZES, 1500):
        run, qrels = random_run(rng, n_shots)
        theirs = ir_measures.iter_calc([ir_measures.AP @ 1000], qrels, run)
        assert {each.query_id: each.value for each in theirs} == pytest.approx(
            measured(run, qrels), abs=1e-12
        )


def test_ilias_is_the_published_program():
    rng = random.Random(6)
    for n_names in (3, 30, 400, 2500):
        for _ in range(8):
            names = [f"{i}" for i in range(n_names)]
            positives = set(rng.sample(names, rng.randint(1, n_names)))
            groups = {group: set[str]() for group in GROUPS}
            for name in positives:
                for what in ("scale", "clutter"):
                    groups[f"{what} {rng.choice((1, 2, 4))}"].add(name)
            ranked = rng.sample(names, rng.randint(0, n_names))
            found = protocol("ilias").measure(ranked, positives, groups=groups)
            assert found == pytest.approx(oracle.ilias(ranked, positives, groups), abs=1e-12)


def test_gldv2_is_the_published_program():
    rng = random.Random(7)
    for n_names in SIZES:
        names = [f"{i}" for i in range(n_names)]
        positives = set(rng.sample(names, rng.randint(1, n_names)))
        ranked = rng.sample(names, rng.randint(0, n_names))
        found = protocol("gldv2").measure(ranked, positives)
        assert found == {"AP": pytest.approx(oracle.gldv2(ranked, positives), abs=1e-12)}


def test_micro_average_precision_is_the_published_program():
    rng = random.Random(8)
    for n_queries in SIZES:
        names = [f"q{i}" for i in range(n_queries)]
        truth = {name: rng.sample("abcd", rng.choice((0, 0, 1, 2))) for name in names}
        truth[names[0]] = ["a"]
        rows = [
            (name, rng.choice("abcd"), rng.randint(0, 9) / 8)
            for name in rng.sample(names, rng.randint(0, n_queries))
        ]
        predictions = {query: (label, score) for query, label, score in rows}
        found = micro_average_precision(predictions, truth)
        assert found == pytest.approx(oracle.micro_ap(rows, truth), abs=1e-12)


LETTERS = "abcdefghijklmnop"


@st.composite
def queries(draw):
    """Ranked, positives, junk and hard; some positives are not ranked."""
    kinds = {name: draw(st.sampled_from("xxehj")) for name in LETTERS}
    easy, hard, junk = ({name for name in LETTERS if kinds[name] == kind} for kind in "ehj")
    ranked = draw(st.permutations(LETTERS))[: draw(st.integers(0, len(LETTERS)))]
    return ranked, easy | hard, junk, hard


@pytest.mark.parametrize("name", PROTOCOLS)
@settings(max_examples=60, deadline=None)
@given(query=queries(), seed=st.integers(0, 2**32))
def test_what_always_holds(name, query, seed):
    ranked, positives, junk, hard = query
    one, rng = protocol(name), random.Random(seed)
    found = one.measure(ranked, positives, junk, hard)
    best = 4 if name == "ukbench" else 1
    assert all(0 <= value <= best + 1e-12 for value in found.values())
    assert list(found) == [measure for measure in one.measures if measure in found]
    assert bool(found) == bool(positives)

    # Junk takes no place, wherever it is.
    kept = [other for other in ranked if other not in junk]
    assert one.measure(kept, positives, junk, hard) == found
    more = list(kept)
    for other in ("junk 1", "junk 2"):
        more.insert(rng.randint(0, len(more)), other)
    assert one.measure(more, positives, {"junk 1", "junk 2"}, hard) == found

    # Behind the last positive, order does not matter (precision at k: nor what there is).
    last = max((place for place, other in enumerate(kept) if other in positives), default=-1)
    tail = kept[last + 1 :]
    rng.shuffle(tail)
    assert one.measure(kept[: last + 1] + tail, positives, (), hard) == found

    # A positive that changes places with a negative before it makes no figure of it worse.
    for place in range(1, len(kept)):
        if kept[place] in positives and kept[place - 1] not in positives:
            better = list(kept)
            better[place - 1 : place + 1] = kept[place], kept[place - 1]
            after = one.measure(better, positives, (), hard)
            assert all(after[key] >= found[key] - 1e-12 for key in found if key[:2] != "P@")
