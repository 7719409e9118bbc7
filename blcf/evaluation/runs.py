"""TREC's text files: runs (rankings of topics) and qrels (what is relevant to them).

::

    run     9069 Q0 shot12_345 1 0.8125 blcf      topic, Q0, shot, rank, score, tag
    qrels   9069 0 shot12_345 1                   topic, iteration, shot, relevance

Columns are separated by white space. As trec_eval does, a reader of runs ignores the ranks: it
sorts by score, and shots of equal score by name, descending (see `trec_order`). Non-interpolated
AP of rankings with ties therefore differs between the order of a search and that of a run file.
"""

from __future__ import annotations

import codecs
import errno
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from blcf.errors import DatasetNotFound, FormatError, InvalidInput
from blcf.outputs import open_output
from blcf.storage import open_plain

__all__ = ["read_qrels", "read_run", "trec_order", "write_qrels", "write_run"]

_PathLike = str | os.PathLike[str]
_RUN = "topic Q0 shot rank score tag"
_QRELS = "topic 0 shot relevance"
_RELEVANCE = re.compile(r"[+-]?[0-9]{1,9}")
_MARKS = re.compile(rb"(?:\s*" + codecs.BOM_UTF8 + rb")+")  # joined files have one in the middle


def trec_order(rows: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    """Sort (name, score) as trec_eval does: score descending, then name descending.

    Scores compare as float32, which trec_eval reads them into, names by their bytes in UTF-8
    (strcmp).

    Examples
    --------
    >>> trec_order([("a", 0.5), ("c", 0.25), ("b", 0.5)])
    [('b', 0.5), ('a', 0.5), ('c', 0.25)]
    """
    return sorted(rows, key=_trec_key, reverse=True)


def _trec_key(row: tuple[str, float]) -> tuple[np.float32, bytes]:
    name, score = row
    if not isinstance(name, str) or not math.isfinite(_number(score)):
        raise InvalidInput(
            f"Expected a name and a finite score, got {name!r:.80} and {score!r:.20}."
        )
    with np.errstate(over="ignore"):
        return np.float32(score), _encoded(name)


def write_run(
    path: _PathLike,
    rankings: Mapping[str, Sequence[tuple[str, float]]],
    tag: str = "blcf",
) -> None:
    """Write rankings as a run file, which appears whole or not at all.

    Scores are written in full: equal ones stay equal, and others do not become so (trec_eval reads
    them into float32). A topic with an empty ranking has no line.

    Parameters
    ----------
    rankings : {topic: [(name, score), ...]}, scores descending
    tag : name of the run

    Raises
    ------
    InvalidInput
        A name, topic or tag is empty or has white space, a name comes twice for a topic, a score
        is not finite or higher than the one before it.
    StorageError
        The file system refused.
    """
    _column(tag, "the tag")
    lines = []
    for topic, rows in rankings.items():
        _topic(topic)
        last, seen = math.inf, set()
        for rank, row in enumerate(rows, start=1):
            if not isinstance(row, Sequence) or isinstance(row, str) or len(row) != 2:
                raise InvalidInput(f"Expected (name, score) for topic {topic}, got {row!r:.80}.")
            name, score = row[0], _number(row[1])
            _column(name, f"a name of topic {topic}")
            if not score <= last or math.isinf(score):
                raise InvalidInput(
                    f"Expected the scores of topic {topic} to be finite and descending, {name} "
                    f"has {score} at rank {rank}. Readers of run files sort by score: give scores "
                    "that say the order, len(ranking) - rank for instance."
                )
            if name in seen:
                raise InvalidInput(f"Expected each name once for topic {topic}, got {name} twice.")
            seen.add(name)
            last = score
            lines.append(f"{topic} Q0 {name} {rank} {score!r} {tag}\n")
    _write(Path(path), lines)


def read_run(path: _PathLike) -> dict[str, list[tuple[str, float]]]:
    """Read a run file: {topic: [(name, score), ...]}, sorted by `trec_order`.

    Raises
    ------
    DatasetNotFound
        No file there.
    FormatError
        A line is not of the form, or a name comes twice for a topic.
    """
    runs: dict[str, dict[str, float]] = {}
    for number, (topic, _, name, _, score, _) in _rows(path, _RUN):
        ranking = runs.setdefault(topic, {})
        if name in ranking:
            raise FormatError(f"{path}, line {number}: {name} comes twice for topic {topic}.")
        ranking[name] = _number(score) if "_" not in score else math.nan
        if not math.isfinite(ranking[name]):
            raise FormatError(
                f"{path}, line {number}: expected the score to be a finite number, "
                f"got {score!r:.40}."
            )
    return {topic: trec_order(ranking.items()) for topic, ranking in runs.items()}


def write_qrels(path: _PathLike, qrels: Mapping[str, Mapping[str, int]]) -> None:
    """Write {topic: {name: relevance}} as a qrels file, which appears whole or not at all.

    Raises
    ------
    InvalidInput
        A topic or name is empty or has white space, or a relevance is no whole number.
    StorageError
        The file system refused.
    """
    lines: list[str] = []
    for topic, judged in qrels.items():
        _topic(topic)
        for name, relevance in judged.items():
            _column(name, f"a name of topic {topic}")
            if not isinstance(relevance, Integral):
                raise InvalidInput(
                    f"Expected a whole number for the relevance of {name} to topic {topic}, "
                    f"got {relevance!r}."
                )
            lines.append(f"{topic} 0 {name} {int(relevance)}\n")
    _write(Path(path), lines)


def read_qrels(path: _PathLike) -> dict[str, dict[str, int]]:
    """Read a qrels file: {topic: {name: relevance}}, in the order of the file.

    Relevance > 0 is relevant; 0 is not; below 0 was not judged, which counts as not relevant.

    Raises
    ------
    DatasetNotFound
        No file there.
    FormatError
        A line is not of the form, or a name is judged twice for a topic, and differently.
    """
    qrels: dict[str, dict[str, int]] = {}
    for number, (topic, _, name, text) in _rows(path, _QRELS):
        if not _RELEVANCE.fullmatch(text):
            raise FormatError(
                f"{path}, line {number}: expected the relevance to be a whole number, "
                f"got {text!r:.40}."
            )
        relevance = int(text)
        if qrels.setdefault(topic, {}).setdefault(name, relevance) != relevance:
            raise FormatError(
                f"{path}, line {number}: {name} is judged twice for topic {topic}: "
                f"{qrels[topic][name]}, then {relevance}."
            )
    return qrels


def _rows(path: _PathLike, form: str) -> Iterator[tuple[int, list[str]]]:
    """Number and columns of each line that is not blank."""
    try:
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with open_plain(path) as file:
            content = file.read()
    except OSError as error:
        raise DatasetNotFound(f"No file to read at {path} ({error.strerror}).") from error
    # Bytes, as trec_eval: no white space of other alphabets inside a name splits it.
    for number, line in enumerate(content.splitlines(), start=1):
        if mark := _MARKS.match(line):
            line = line[mark.end() :]
        columns = [column.decode("utf-8", "surrogateescape") for column in line.split()]
        # More columns are refused too: white space inside a name would shift the score.
        if columns and len(columns) != len(form.split()):
            raise FormatError(
                f'{path}, line {number}: expected "{form}", got {len(columns)} columns.'
            )
        if columns:
            yield number, columns


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):  # the last: a whole number of 400 digits
        return math.nan


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _topic(topic: str) -> None:
    """Check that a topic can begin a line."""
    _column(topic, "a topic")
    if topic.startswith("\ufeff"):
        raise InvalidInput(
            f"Expected a topic without a byte order mark before it, got {topic!r:.80}. Readers "
            "take it for the beginning of a file: write topic.lstrip('\\ufeff')."
        )


def _column(text: str, what: str) -> None:
    """Check that a text can be one column of a line."""
    try:
        fits = [_encoded(text)] == _encoded(text).split()
    except (AttributeError, UnicodeEncodeError):
        fits = False
    if not fits:
        raise InvalidInput(
            f"Expected {what} to be text without white space, got {text!r}. White space separates "
            "the columns of TREC files: write a name without, name.replace(' ', '_') for instance."
        )


def _write(path: Path, lines: list[str]) -> None:
    with open_output(path) as file:
        file.write(_encoded("".join(lines)))
