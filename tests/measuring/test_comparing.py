"""Two evaluations: which of their queries are the same, and the test over these."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blcf.datasets import GroundTruth, TrueExample, TrueQuery
from blcf.errors import FormatError, InvalidInput
from blcf.evaluation import paired_test
from blcf.measuring.comparison import check_comparable, compare, read_evaluations

NAMES = [f"{number:02d}.png" for number in range(12)]


def truth_of(planted, rows) -> GroundTruth:
    """Of (name, object, number of the picture, positives)."""
    queries = [
        TrueQuery(
            name,
            thing,
            (TrueExample(planted.path(number), np.array([0, 0, 64, 64], dtype=np.float32)),),
            frozenset(NAMES[i] for i in positives),
        )
        for name, thing, number, positives in rows
    ]
    return GroundTruth(Path("gt.json"), queries)


ROWS = [
    ("0001", "it", 0, [1, 2, 3]),
    ("0002", "it", 4, [6, 7]),
    ("0003", "that", 4, [8, 10, 11]),
    ("0004", "all", 9, [3]),
]


def evaluated(planted, rows, **options):
    how = {"query_scales": (1,), "rerank": False, "progress": False}
    return planted.engine().evaluate(truth_of(planted, rows), **{**how, **options})


def test_a_comparison_pairs_the_queries(planted, tmp_path):
    base = evaluated(planted, ROWS)
    other = evaluated(planted, ROWS[::-1], expand="local")
    (tmp_path / "other.json").write_text(json.dumps([one.to_dict() for one in other]))
    read = read_evaluations(tmp_path / "other.json")
    check_comparable(read, truth_of(planted, ROWS), ["LS", "GS"], None)
    for one, theirs in zip(base, other):
        expected = paired_test(np.round(one.values(), 6), np.round(theirs.values()[::-1], 6))
        assert compare(one, theirs) == compare(one, read[one.mode]) == expected
        same = compare(one, one)
        assert same.difference == 0 and (same.wins, same.losses) == (0, 0)
    with pytest.raises(InvalidInput, match="by one protocol, got oxford and instre"):
        compare(base[0], evaluated(planted, ROWS, protocol="instre")[0])


def test_a_query_that_was_taken_out_renumbers_the_others(planted, tmp_path):
    """They are the same by their labels."""
    fewer = [(old[0], *new[1:]) for old, new in zip(ROWS, ROWS[1:])]
    whole, part = evaluated(planted, ROWS), evaluated(planted, fewer)
    (tmp_path / "other.json").write_text(json.dumps([one.to_dict() for one in whole]))
    read = read_evaluations(tmp_path / "other.json")
    check_comparable(read, truth_of(planted, fewer), ["LS"], None)
    for one, other in zip(part, whole):
        for test in (compare(one, other), compare(other, one)):
            assert (test.n_queries, test.difference, test.wins, test.losses) == (3, 0, 0, 0)


def test_queries_of_one_label_are_known_by_name(planted):
    """Two boxes in one picture: which is which, only the name says."""
    rows = [(name, "it", 0, positives) for name, _, _, positives in ROWS]
    one = evaluated(planted, rows)[0]
    assert len(set(one.names)) == 1 and len(set(one.values())) > 1
    turned = replace(one, results=one.results[::-1])
    test = compare(one, turned)
    assert (test.n_queries, test.wins, test.losses) == (4, 0, 0)
    assert compare(one, replace(one, results=one.results[1:3])).n_queries == 2
    with pytest.raises(InvalidInput, match="two queries or more, got 1 and 1"):
        compare(one, replace(one, results=one.results[:1]))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"mode": 3}, "the mode to be LS or GS, got 3"),
        ({"mode": ["LS"]}, "the mode to be LS or GS"),
        ({"mode": "ls"}, "the mode to be LS or GS, got 'ls'"),
        ({"protocol": "voc"}, "got 'voc'"),
        ({"per_query": [{"name": "1", "query": "a", "AP": float("nan")}]}, "got nan for a"),
        ({"per_query": [{"name": "1", "query": "a", "AP": float("-inf")}]}, "got -inf for a"),
        ({"per_query": [{"name": "1", "query": "a", "AP": 10**400}]}, "OverflowError"),
    ],
)
def test_files_that_are_refused(tmp_path, row, message):
    path = tmp_path / "other.json"
    good = {"mode": "LS", "protocol": "oxford", "per_query": []}
    path.write_text(json.dumps([{**good, **row}]))
    with pytest.raises(FormatError, match=message) as caught:
        read_evaluations(path)
    assert not str(caught.value).endswith("..")
