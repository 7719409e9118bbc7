"""Learning words on a cluster: workers draw the sample, and look for the words of its features.

What they give comes together in the order of the pictures, in the process that asks; whitening, and
the means that words move to, are its own work, a thousandth of the whole. So the words are those of
one machine, whatever the number of workers: sums of floats are made in one order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from blcf.adding.sample import Drawn
from blcf.distributed.dealing import some_of
from blcf.distributed.jobs import Done, Job, Work
from blcf.distributed.worker import How, draw_part, look_at_rows, named
from blcf.errors import BlcfError, ClusterError
from blcf.images import Source
from blcf.progress import tqdm
from blcf.vocabulary.rows import Rows

__all__ = ["ClusterDraw", "ClusterLook"]

_DRAWN = 32  # pictures of a job: 4 MB of features come back
_ROWS = 16_384  # features of a job: 8 MB
_TRIES = 3  # with other workers, after Dask's own


class ClusterDraw:
    """Draws the sample on workers; a `blcf.adding.sample.Draw`.

    Parameters
    ----------
    work : of the cluster
    how : pictures are indexed
    own : a future of `Own`
    progress : whether to draw a progress bar on stderr
    """

    def __init__(self, work: Work, how: How, own: Any, progress: bool):
        self._work = work
        self._how, self._own, self._progress = how, own, progress

    def __call__(
        self, images: Source, names: Sequence[str], numbers: Sequence[int], n_features: int
    ) -> Iterator[Drawn]:
        """What is drawn from the pictures, in their order."""
        bounds = range(0, len(names), _DRAWN)
        jobs = (
            Job(
                named,
                (
                    draw_part,
                    self._how,
                    self._own,
                    some_of(images, numbers[first : first + _DRAWN]),
                    list(numbers[first : first + _DRAWN]),
                    n_features,
                ),
                what=first,
            )
            for first in bounds
        )
        waiting: dict[int, list[Drawn]] = {}
        expected = 0
        bar = tqdm(
            total=len(names),
            desc="sampling pictures",
            unit=" picture",
            disable=not self._progress,
            mininterval=0.5,
        )
        with bar:
            for done in self._work.run(jobs):
                first = done.job.what
                waiting[first] = self._drawn(done, min(_DRAWN, len(names) - first))
                while expected in waiting:
                    drawn = waiting.pop(expected)
                    expected += _DRAWN
                    yield from drawn
                    bar.update(len(drawn))

    def _drawn(self, done: Done, n: int) -> list[Drawn]:
        if done.error is None:
            return done.value
        if isinstance(done.error, BlcfError):
            raise done.error
        # It killed its workers: which picture it was is found when they are indexed.
        return [Drawn(None, reason=f"{type(done.error).__name__}: {done.error}")] * n


class ClusterLook:
    """Looks for the words of features on workers; a `blcf.vocabulary.looks.Look`.

    The features are sent once. Each job is as long as any other, so that a look of many workers
    gives what a look of one gives.
    """

    def __init__(self, work: Work):
        self._work = work
        self._sent: dict[int, Any] = {}
        self._of: Rows | None = None

    def __call__(
        self,
        kind: str,
        rows: Rows,
        centroids: np.ndarray,
        words: np.ndarray,
        device: str,
        precision: str,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The word of each row that counts, and the squared distance to it."""
        if self._of is not rows:
            self._of, self._sent = rows, {}
        found, distances = np.empty(len(rows), np.int32), np.empty(len(rows), np.float32)
        left = list(range(0, len(rows), _ROWS))
        error: BaseException | None = None
        for _ in range(_TRIES):
            shared = self._work.keep(centroids.copy())
            jobs = (self._job(first, kind, shared, words, precision) for first in left)
            again = []
            for done in self._work.run(jobs):
                first = done.job.what
                if done.error is None:
                    part = slice(first, first + _ROWS)
                    found[part], distances[part] = done.value
                elif isinstance(done.error, BlcfError) and not isinstance(done.error, ClusterError):
                    raise done.error
                else:
                    error = done.error
                    again.append(first)
                    self._sent.pop(first, None)
            left = again
            if not left:
                return found, distances
        raise ClusterError(
            f"An iteration of k-means failed {_TRIES} times ({type(error).__name__}: {error}). "
            "Look at the workers, and run the same again: it goes on from the iteration before."
        ) from error

    def _job(self, first: int, kind: str, shared: Any, words: np.ndarray, precision: str) -> Job:
        assert self._of is not None
        part = slice(first, first + _ROWS)
        if first not in self._sent:
            features = self._of.sample[self._of.places[part]]
            self._sent[first] = self._work.keep(features)
        mine = words[part].copy()
        return Job(look_at_rows, (kind, self._sent[first], shared, mine, precision), what=first)
