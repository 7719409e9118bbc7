"""The measuring protocols of the data sets, each under its own name.

All of them drop the junk from the ranking first. Positives that are not ranked are not found.

"revisited" is three settings, as ``compute_map`` of revisitop has them: medium (all positives),
hard and easy, in which the positives of the other kind are junk. AP is the trapezoidal one.
Precision at k looks at the first min(k, p) pictures, p the position of the last positive: whoever
has found all is not blamed for what follows. The published program expects rankings of the whole
collection; here positives that are not ranked lie behind all others, so that p >= k.

"trecvid" takes the order it is given. trec_eval orders shots of equal score by name: where that
matters, give the order of `blcf.evaluation.trec_order`. A topic whose ranking is empty has AP 0
and counts in the mean, as with ``trec_eval -c``.

"ilias" tells groups of positives apart, by how large the object is and how much else is in the
picture; of each group the other positives are dropped from the ranking, as its program does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum

from blcf.errors import InvalidInput
from blcf.evaluation.average_precision import (
    average_precision,
    average_precision_at,
    trec_average_precision,
)

__all__ = ["GROUPS", "PROTOCOLS", "Protocol", "protocol", "summarise"]

CUTOFFS = (1, 5, 10)
N_SHOTS = 1000
N_ILIAS, N_GLDV2 = 1000, 100

GROUPS = tuple(f"{what} {number}" for what in ("scale", "clutter") for number in (1, 2, 3, 4))

# What a rule gets: the ranking without junk, the positives, and some of them under names: those
# that are "hard", and the groups of ILIAS.
_Some = Mapping[str, set[str]]
_Rule = Callable[[list[str], set[str], _Some], dict[str, float]]


@dataclass(frozen=True)
class Protocol:
    """How the rankings of a data set are measured.

    Attributes
    ----------
    name : the key in `PROTOCOLS`
    title : one line, with the source
    measures : the names of the figures of a query, the main one first
    """

    name: str
    title: str
    measures: tuple[str, ...]
    _rule: _Rule = field(repr=False, compare=False)

    def measure(
        self,
        ranked: Sequence[str],
        positives: Collection[str],
        junk: Collection[str] = (),
        hard: Collection[str] = (),
        groups: Mapping[str, Collection[str]] | None = None,
    ) -> dict[str, float]:
        """The figures of one query.

        Parameters
        ----------
        ranked : names, best first, each once; shots for TRECVID, see
            `blcf.evaluation.rank_groups`
        positives : names that should be found
        junk : names that count neither way
        hard : the positives that are hard; only the revisited sets tell them apart
        groups : {name of a group: positives in it}; only ILIAS has them (`GROUPS`)

        Returns
        -------
        {measure: figure}, in the order of `measures`. A measure for which the query has no
        positives is absent.

        Raises
        ------
        InvalidInput
            A text where names are expected, a name that is ranked twice, or a hard name that is
            no positive.

        Examples
        --------
        >>> PROTOCOLS["oxford"].measure(["x", "junk", "a", "b"], {"a", "b"}, {"junk"})
        {'AP': 0.41666666666666663}
        >>> PROTOCOLS["ukbench"].measure(["a", "x", "b", "c", "d"], {"a", "b", "c", "d"})
        {'top 4': 3.0}
        """
        ranked = _names(ranked, "ranked")
        relevant, ignored = set(_names(positives, "positives")), set(_names(junk, "junk"))
        some = {"hard": set(_names(hard, "hard"))}
        some |= {name: set(_names(one, name)) for name, one in (groups or {}).items()}
        for name, one in some.items():
            if not one <= relevant:
                raise InvalidInput(
                    f"Expected every {name} name among the positives, "
                    f"{min(one - relevant)!r} is not."
                )
        if len(set(ranked)) < len(ranked):
            twice = Counter(ranked).most_common(1)[0][0]
            raise InvalidInput(
                f"Expected each name once in the ranking, {twice!r} comes twice. "
                "Make frames a ranking of shots by blcf.evaluation.rank_groups."
            )
        if not relevant:
            return {}
        return self._rule([name for name in ranked if name not in ignored], relevant, some)


def _names(names: Collection[str], what: str) -> list[str]:
    iterable = isinstance(names, Iterable) and not isinstance(names, str)
    listed = list(names) if iterable else []
    if not iterable or not all(isinstance(name, str) for name in listed):
        raise InvalidInput(f"Expected {what} to be a list or set of names, got {names!r:.80}.")
    return listed


def _trapezoid(ranked: list[str], positives: set[str], some: _Some) -> dict[str, float]:
    return {"AP": average_precision(ranked, positives)}


def _revisited(ranked: list[str], positives: set[str], some: _Some) -> dict[str, float]:
    figures = {}
    for setting, wanted in _settings(positives, some["hard"]).items():
        if not wanted:
            continue
        others = positives - wanted
        kept = [name for name in ranked if name not in others]
        figures[f"AP {setting}"] = average_precision(kept, wanted)
        found = [place for place, name in enumerate(kept, start=1) if name in wanted]
        for k in CUTOFFS:
            n_seen = min(k, found[-1]) if len(found) == len(wanted) else k
            figures[f"P@{k} {setting}"] = sum(place <= n_seen for place in found) / n_seen
    return {name: figures[name] for name in _REVISITED if name in figures}


def _settings(positives: set[str], hard: set[str]) -> dict[str, set[str]]:
    return {"medium": positives, "hard": hard, "easy": positives - hard}


_SETTINGS = tuple(_settings(set(), set()))
_REVISITED = tuple(f"AP {setting}" for setting in _SETTINGS) + tuple(
    f"P@{k} {setting}" for setting in _SETTINGS for k in CUTOFFS
)


def _top_4(ranked: list[str], positives: set[str], some: _Some) -> dict[str, float]:
    return {"top 4": float(sum(name in positives for name in ranked[:4]))}


def _trec_map(ranked: list[str], positives: set[str], some: _Some) -> dict[str, float]:
    return {"AP": trec_average_precision(ranked[:N_SHOTS], positives)}


def _ilias(ranked: list[str], positives: set[str], some: _Some) -> dict[str, float]:
    figures = {"AP": average_precision_at(ranked, positives, N_ILIAS)}
    for group in GROUPS:
        if wanted := some.get(group):
            others = positives - wanted
            kept = [name for name in ranked if name not in others]
            figures[f"AP {group}"] = average_precision_at(kept, wanted, N_ILIAS)
    return figures


def _gldv2(ranked: list[str], positives: set[str], some: _Some) -> dict[str, float]:
    return {"AP": average_precision_at(ranked, positives, N_GLDV2)}


PROTOCOLS: dict[str, Protocol] = {
    one.name: one
    for one in (
        Protocol(
            "oxford",
            "Oxford and Paris: trapezoidal AP, junk dropped, the query picture stays "
            "(Philbin et al., CVPR 2007 and 2008; compute_ap)",
            ("AP",),
            _trapezoid,
        ),
        Protocol(
            "revisited",
            "Revisited Oxford and Paris: trapezoidal AP and precision at 1, 5, 10 of the easy, "
            "medium and hard setting (Radenovic et al., CVPR 2018; revisitop)",
            _REVISITED,
            _revisited,
        ),
        Protocol(
            "holidays",
            "INRIA Holidays: trapezoidal AP, the query picture ignored "
            "(Jegou et al., ECCV 2008; holidays_map.py)",
            ("AP",),
            _trapezoid,
        ),
        Protocol(
            "ukbench",
            "UKBench: how many of the group's 4 pictures, the query among them, are the first 4 "
            "(Nister & Stewenius, CVPR 2006)",
            ("top 4",),
            _top_4,
        ),
        Protocol(
            "instre",
            "INSTRE: trapezoidal AP, as Oxford (Wang & Jiang, TOMM 2015; Iscen et al., CVPR 2017)",
            ("AP",),
            _trapezoid,
        ),
        Protocol(
            "trecvid",
            "TRECVID instance search: non-interpolated AP of the first 1,000 shots "
            "(trec_eval's map; Over et al., TRECVID 2013)",
            ("AP",),
            _trec_map,
        ),
        Protocol(
            "ilias",
            "ILIAS: AP of the first 1,000, over min(1,000, positives); also of the positives of "
            "each group of scale and clutter (Kordopatis-Zilos et al., CVPR 2025)",
            ("AP", *(f"AP {group}" for group in GROUPS)),
            _ilias,
        ),
        Protocol(
            "gldv2",
            "Google Landmarks v2, retrieval: AP of the first 100, over min(100, positives) "
            "(Weyand et al., CVPR 2020)",
            ("AP",),
            _gldv2,
        ),
    )
}


def protocol(name: str) -> Protocol:
    """The protocol of a name.

    Raises
    ------
    InvalidInput
        No protocol of this name.

    Examples
    --------
    >>> protocol("trecvid").measures
    ('AP',)
    """
    if not isinstance(name, str) or name not in PROTOCOLS:
        raise InvalidInput(f"Expected a protocol of {', '.join(PROTOCOLS)}; got {name!r}.")
    return PROTOCOLS[name]


def summarise(per_query: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each measure over the queries that have it.

    Parameters
    ----------
    per_query : what `Protocol.measure` gave for each query; queries without positives count not

    Returns
    -------
    {measure: mean}; the mean of "AP" is what papers call mAP, 0..1

    Raises
    ------
    InvalidInput
        No query has a figure.

    Examples
    --------
    >>> summarise([{"AP": 1.0}, {"AP": 0.5}, {}])
    {'AP': 0.75}
    """
    values: dict[str, list[float]] = {}
    for figures in per_query:
        for name, value in figures.items():
            values.setdefault(name, []).append(value)
    if not values:
        raise InvalidInput("Expected the figures of at least one query with positives, got none.")
    return {name: fsum(some) / len(some) for name, some in values.items()}
