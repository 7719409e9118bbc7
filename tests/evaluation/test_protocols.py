"""Every protocol by hand, and what it refuses."""

from __future__ import annotations

import dataclasses

import pytest

from blcf.errors import InvalidInput
from blcf.evaluation import (
    PROTOCOLS,
    average_precision_at,
    micro_average_precision,
    protocol,
    summarise,
)

TRAPEZOIDAL = ["oxford", "holidays", "instre"]
SETTINGS = ["medium", "hard", "easy"]
REVISITED = [f"AP {setting}" for setting in SETTINGS] + [
    f"P@{k} {setting}" for setting in SETTINGS for k in (1, 5, 10)
]


def figures(name, ranked, positives, junk="", hard=""):
    """A letter is a picture."""
    return protocol(name).measure(list(ranked), set(positives), set(junk), set(hard))


def test_the_names():
    names = "oxford revisited holidays ukbench instre trecvid ilias gldv2"
    assert list(PROTOCOLS) == names.split()
    for name, one in PROTOCOLS.items():
        assert protocol(name) is one and one.name == name
        assert "\n" not in one.title and "(" in one.title
    for name in (*TRAPEZOIDAL, "trecvid"):
        assert protocol(name).measures == ("AP",)
    assert protocol("gldv2").measures == ("AP",) and len(protocol("ilias").measures) == 9
    assert protocol("ukbench").measures == ("top 4",)
    assert list(protocol("revisited").measures) == REVISITED


@pytest.mark.parametrize("name", TRAPEZOIDAL)
@pytest.mark.parametrize(
    ("ranked", "positives", "junk", "ap"),
    [
        ("ab", "ab", "", 1),
        ("xa", "a", "", 1 / 4),
        ("jxak", "a", "jk", 1 / 4),
        ("jakb", "ab", "jk", 1),  # Holidays: the query is first, and left out
        ("axb", "ab", "", 1 / 2 + (1 / 2 + 2 / 3) / 4),
        ("axy", "ab", "", 1 / 2),  # b is not ranked
        ("", "a", "", 0),
    ],
)
def test_trapezoidal(name, ranked, positives, junk, ap):
    assert figures(name, ranked, positives, junk) == {"AP": pytest.approx(ap, abs=1e-15)}


def test_holidays_by_hand():
    """A query with two positives, third and fifth behind the query: (0 + 1/3 + 1/4 + 2/5) / 4."""
    found = figures("holidays", "qxyazb", "ab", "q")
    assert found["AP"] == pytest.approx((0 + 1 / 3 + 1 / 4 + 2 / 5) / 4, abs=1e-15)


@pytest.mark.parametrize(
    ("ranked", "n"), [("abcdx", 4), ("axbycd", 2), ("xyzwabcd", 0), ("ba", 2), ("jabcd", 4)]
)
def test_ukbench(ranked, n):
    assert figures("ukbench", ranked, "abcd", "j") == {"top 4": n}


@pytest.mark.parametrize(
    ("ranked", "relevant", "ap"),
    [
        ("ab", "ab", 1),
        ("xa", "a", 1 / 2),
        ("axby", "ab", (1 + 2 / 3) / 2),
        ("axby", "abcd", (1 + 2 / 3) / 4),  # c and d are not ranked
        ("xyz", "a", 0),
        ("", "a", 0),
    ],
)
def test_trecvid(ranked, relevant, ap):
    assert figures("trecvid", ranked, relevant) == {"AP": pytest.approx(ap, abs=1e-15)}


def test_trecvid_looks_at_1000_shots():
    shots = [f"shot{i}_1" for i in range(1, 1200)]
    measure = protocol("trecvid").measure
    assert measure(shots, {"shot1000_1"}) == {"AP": 1 / 1000}
    assert measure(shots, {"shot1001_1"}) == {"AP": 0}
    assert measure(shots, {"shot1_1", "shot1001_1"}) == {"AP": 1 / 2}
    assert measure(shots, {"shot1001_1"}, {"shot7_1"}) == {"AP": 1 / 1000}  # junk takes no place


def test_revisited_by_hand():
    """e, f easy, h hard, j junk; xejhf: medium xehf, hard xh (e, f, j dropped), easy xef."""
    found = figures("revisited", "xejhf", "efh", "j", "h")
    assert list(found) == REVISITED
    expected = {
        "AP medium": ((0 + 1 / 2) + (1 / 2 + 2 / 3) + (2 / 3 + 3 / 4)) / 6,
        "AP hard": (0 + 1 / 2) / 2,
        "AP easy": ((0 + 1 / 2) + (1 / 2 + 2 / 3)) / 4,
        "P@1 medium": 0,
        "P@5 medium": 3 / 4,  # the last positive is fourth
        "P@10 medium": 3 / 4,
        "P@1 hard": 0,
        "P@5 hard": 1 / 2,
        "P@10 hard": 1 / 2,
        "P@1 easy": 0,
        "P@5 easy": 2 / 3,
        "P@10 easy": 2 / 3,
    }
    assert found == pytest.approx(expected, abs=1e-15)


def test_revisited_positives_not_ranked_lie_behind_all():
    found = figures("revisited", "axyz", "ab")
    assert found["P@1 medium"] == 1
    assert found["P@5 medium"] == 1 / 5 and found["P@10 medium"] == 1 / 10
    assert figures("revisited", "", "a")["P@10 easy"] == 0


def test_revisited_settings_without_positives_are_absent():
    only_easy = figures("revisited", "ab", "a")
    assert [name for name in only_easy if name.startswith("AP")] == ["AP medium", "AP easy"]
    only_hard = figures("revisited", "ab", "a", hard="a")
    assert [name for name in only_hard if name.startswith("AP")] == ["AP medium", "AP hard"]
    assert len(only_easy) == len(only_hard) == 8
    mean = summarise([only_easy, only_hard])
    assert mean["AP medium"] == mean["AP easy"] == mean["AP hard"] == 1
    assert next(iter(mean)) == "AP medium"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_positives_no_figures(name):
    assert figures(name, "ab", "", "a") == {}
    assert figures(name, "", "") == {}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_what_is_refused(name):
    measure = protocol(name).measure
    with pytest.raises(InvalidInput, match="each name once in the ranking, 'a' comes twice"):
        measure(["b", "a", "a"], {"b"})
    with pytest.raises(InvalidInput, match="every hard name among the positives, 'h' is not"):
        measure(["a"], {"a"}, (), {"h"})
    for wrong in ("ab", None, 3, [1, 2], [None]):
        with pytest.raises(InvalidInput, match="Expected ranked to be a list or set of names"):
            measure(wrong, {"a"})
        with pytest.raises(InvalidInput, match="Expected positives to be a list or set of names"):
            measure(["a"], wrong)
        with pytest.raises(InvalidInput, match="Expected junk to be a list or set of names"):
            measure(["a"], ["a"], wrong)


@pytest.mark.parametrize("name", ["Oxford", "", None, 3, ["oxford"]])
def test_unknown_protocol(name):
    known = "oxford, revisited, holidays, ukbench, instre, trecvid, ilias, gldv2"
    with pytest.raises(InvalidInput, match=f"Expected a protocol of {known}; got"):
        protocol(name)


def test_protocols_are_read_only():
    with pytest.raises(dataclasses.FrozenInstanceError):
        protocol("oxford").name = "other"
    assert "_rule" not in repr(protocol("oxford"))


def test_summarise():
    rows = [{"AP": 0.25}, {"AP": 0.75, "P": 1.0}, {}]
    assert summarise(rows) == {"AP": 0.5, "P": 1}
    for nothing in ([], [{}], [{}, {}]):
        with pytest.raises(InvalidInput, match="at least one query with positives, got none"):
            summarise(nothing)


@pytest.mark.parametrize(
    ("ranked", "positives", "k", "ap"),
    [
        ("ab", "ab", 2, 1),
        ("ab", "abc", 2, 1),  # two places, both right
        ("xa", "a", 1, 0),
        ("xaab", "ab", 4, None),  # a name twice
        ("xab", "ab", 3, (1 / 2 + 2 / 3) / 2),
        ("a", "ab", 9, 1 / 2),  # b is not ranked
    ],
)
def test_the_first_k(ranked, positives, k, ap):
    if ap is None:
        with pytest.raises(InvalidInput, match="'a' comes twice"):
            average_precision_at(ranked, set(positives), k)
    else:
        assert average_precision_at(ranked, set(positives), k) == pytest.approx(ap, abs=1e-15)
    with pytest.raises(InvalidInput, match="Expected k to be at least 1, got 0"):
        average_precision_at(ranked, set(positives), 0)


def test_groups_of_ilias_by_hand():
    """Of a group the other positives are not in the ranking; absent groups have no figure."""
    groups = {"scale 1": {"a"}, "scale 4": {"b"}, "clutter 2": {"a", "b"}}
    found = protocol("ilias").measure(["b", "x", "a"], {"a", "b"}, groups=groups)
    assert found == {
        "AP": pytest.approx((1 + 2 / 3) / 2),
        "AP scale 1": 1 / 2,
        "AP scale 4": 1,
        "AP clutter 2": pytest.approx((1 + 2 / 3) / 2),
    }
    with pytest.raises(InvalidInput, match="every scale 1 name among the positives, 'c' is not"):
        protocol("ilias").measure(["b"], {"b"}, groups={"scale 1": {"c"}})


def test_micro_average_precision_refuses():
    with pytest.raises(InvalidInput, match="at least one query that has a label"):
        micro_average_precision({}, {"q": []})
    with pytest.raises(InvalidInput, match="queries of the truth, got 'r'"):
        micro_average_precision({"r": ("a", 1.0)}, {"q": ["a"]})
