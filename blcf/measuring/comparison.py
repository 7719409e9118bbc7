"""Two settings on the same queries: which is better, and is the difference more than chance?"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from blcf.datasets import GroundTruth
from blcf.errors import DatasetNotFound, FormatError, InvalidInput
from blcf.evaluation import PairedTest, paired_test, protocol
from blcf.measuring.evaluation import Evaluation, label
from blcf.storage import open_plain

__all__ = ["Compared", "check_comparable", "compare", "read_evaluations"]

_Key = tuple[str, str]  # name and label of a query: numbers alone are those of every gt.json


@dataclass(frozen=True)
class Compared:
    """The main figures of another evaluation.

    Attributes
    ----------
    protocol : its name
    figures : {(name, label) of the query: figure}
    """

    protocol: str
    figures: dict[_Key, float]


def read_evaluations(path: str | os.PathLike[str]) -> dict[str, Compared]:
    """Read what ``blcf evaluate --json`` wrote (a list of `Evaluation.to_dict`): {mode: figures}.

    Raises
    ------
    DatasetNotFound
        No file there.
    FormatError
        The file is not of the form.
    """
    try:
        with open_plain(path) as file:
            rows = json.loads(file.read().decode("utf-8"))
        found = {_mode(row): _compared(row) for row in rows}
    except OSError as error:
        raise DatasetNotFound(f"No evaluation at {path} ({error.strerror}).") from error
    except FormatError:  # no plain file; its sentence is complete
        raise
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise FormatError(
            f"Expected {path} to be the result of another blcf evaluate --json, with the figures "
            f"of its queries; {type(error).__name__}: {str(error).rstrip('.')}."
        ) from error
    if not found:
        raise FormatError(f"Expected {path} to hold an evaluation, there is none.")
    return found


def _mode(row: Mapping[str, Any]) -> str:
    if row["mode"] not in ("LS", "GS"):
        raise ValueError(f"expected the mode to be LS or GS, got {row['mode']!r:.80}")
    return row["mode"]


def _compared(row: Mapping[str, Any]) -> Compared:
    measure = protocol(row["protocol"]).measures[0]
    figures = {
        (str(one["name"]), str(one["query"])): float(one[measure])
        for one in row["per_query"]
        if measure in one
    }
    for (_, query), figure in figures.items():
        if not math.isfinite(figure):
            raise ValueError(f"expected finite figures, got {figure} for {query}")
    return Compared(row["protocol"], figures)


def check_comparable(
    others: Mapping[str, Compared], truth: GroundTruth, modes: list[str], protocol: str | None
) -> None:
    """Raise `InvalidInput` unless an evaluation by a truth can be compared with others: before it.

    Parameters
    ----------
    truth, modes : what will be evaluated, see `modes_of`
    protocol : by which, None for that of the truth
    """
    protocol = protocol or truth.protocol
    shared = [others[mode] for mode in modes if mode in others]
    if not shared:
        raise InvalidInput(
            f"Expected an evaluation of the same kind of query ({', '.join(modes)}) to compare "
            f"with, got one of {', '.join(others)}."
        )
    different = [one.protocol for one in shared if one.protocol != protocol]
    if different:
        raise InvalidInput(
            f"Expected an evaluation by the protocol {protocol} to compare with, got one by "
            f"{different[0]}: their figures mean different things."
        )
    mine = [(query.name, label(query)) for query in truth.queries]
    if not any(len(_pairs(mine, one.figures)) > 1 for one in shared):
        raise InvalidInput(
            f"Expected an evaluation of the same queries to compare with: of {len(mine)} queries "
            f"of {truth.path} fewer than two are in it."
        )


def compare(evaluation: Evaluation, other: Evaluation | Compared) -> PairedTest:
    """Paired randomisation test of the main measure, over the queries of both.

    A query is known by its label where no other has the same, else by its name as well: a
    ``gt.json`` numbers its queries anew when one is taken out.

    Parameters
    ----------
    evaluation, other : of the same mode and protocol; the difference is the first's mean less the
        other's

    Raises
    ------
    InvalidInput
        Fewer than two queries are in both, or the protocols differ.
    """
    mine, theirs = Compared(evaluation.protocol.name, _figures(evaluation)), other
    if isinstance(theirs, Evaluation):
        theirs = Compared(theirs.protocol.name, _figures(theirs))
    if mine.protocol != theirs.protocol:
        raise InvalidInput(
            f"Expected two evaluations by one protocol, got {mine.protocol} and {theirs.protocol}."
        )
    both = _pairs(mine.figures, theirs.figures)
    # A figure of a file has six decimals: a seventh is no win.
    return paired_test(
        [round(mine.figures[key], 6) for key, _ in both],
        [round(theirs.figures[key], 6) for _, key in both],
    )


def _pairs(mine: Collection[_Key], theirs: Collection[_Key]) -> list[tuple[_Key, _Key]]:
    """The queries that are in both."""
    ours, others, there = _by_label(mine), _by_label(theirs), set(theirs)
    pairs = []
    for key in mine:
        if key[1] in ours and key[1] in others:
            pairs.append((key, others[key[1]]))
        elif key in there:
            pairs.append((key, key))
    return pairs


def _by_label(keys: Collection[_Key]) -> dict[str, _Key]:
    """{label: query} of the labels that one query has."""
    counts = Counter(label for _, label in keys)
    return {key[1]: key for key in keys if counts[key[1]] == 1}


def _figures(evaluation: Evaluation) -> dict[_Key, float]:
    return {
        (one.query.name, one.label): one.measures[evaluation.measure]
        for one in evaluation.results
        if evaluation.measure in one.measures
    }
