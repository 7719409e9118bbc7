"""The rankings of an evaluation as a TREC run file, in little memory."""

from __future__ import annotations

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import numpy as np

from blcf.checks import check_integer
from blcf.datasets import TrueQuery
from blcf.errors import InvalidInput
from blcf.evaluation import write_run
from blcf.outputs import open_output
from blcf.records import Ranking

__all__ = ["RunFile"]


class RunFile:
    """Collects the rankings of one kind of query: a `sink` of `blcf.measuring.evaluator.evaluate`.

    A hit takes 8 bytes until it is written, the 10,200 whole rankings of UKBench 0.8 GB; in a
    `Ranking` it takes 20, as a line of text some 100.

    Parameters
    ----------
    mode : "LS" or "GS", the kind of query; rankings of the other are passed over
    n_hits : of each ranking, the first; None: all
    """

    def __init__(self, mode: str, n_hits: int | None = None) -> None:
        if n_hits is not None:
            check_integer("n_hits", n_hits, 0)
        self.mode = mode
        self.n_hits = n_hits
        self._numbers: dict[str, int] = {}  # of the names, in the order they came
        self._rankings: list[tuple[str, np.ndarray, np.ndarray]] = []

    def __call__(self, mode: str, query: TrueQuery, ranking: Ranking) -> None:
        """Take a ranking, with its junk."""
        if mode == self.mode:
            self.take(query.name, ranking)

    def take(self, topic: str, ranking: Ranking) -> None:
        """Take the ranking of a topic."""
        scores = ranking.scores[: self.n_hits].astype(np.float32)
        numbers = (
            self._numbers.setdefault(name, len(self._numbers))
            for name in ranking.names[: self.n_hits]
        )
        rows = np.fromiter(numbers, dtype=np.int32, count=len(scores))
        self._rankings.append((topic, rows, scores))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write what was taken; the file appears whole or not at all.

        White space in names, which separates the columns of the file, is written as in URLs (a
        space as %20), and so is %: `urllib.parse.unquote` gives the names back. Readers of run
        files order equal scores by name, not as the search does.

        Raises
        ------
        InvalidInput
            No ranking was taken.
        StorageError
        """
        if not self._rankings:
            raise InvalidInput(
                f"Could not write {path}: no query could be searched with as {self.mode}."
            )
        names = [_quoted(name) for name in self._numbers]
        with open_output(path) as file, TemporaryDirectory() as folder:
            part = Path(folder) / "part.txt"
            for topic, rows, scores in self._rankings:
                ranking = [(names[row], score) for row, score in zip(rows, scores.tolist())]
                write_run(part, {_quoted(topic): ranking}, tag=f"blcf-{self.mode}")
                file.write(part.read_bytes())


def _quoted(name: str) -> str:
    return re.sub(r"[\s%]", lambda one: quote(one[0]), name)
