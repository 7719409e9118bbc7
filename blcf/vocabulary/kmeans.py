"""k-means for large vocabularies: seeded, in blocks, resumable, near looks between exact ones.

What an iteration costs is the product of every feature with every word. Measured on real local
features (benchmarks/kmeans.md), three things save most of it:

* A look among the 64 words nearest to a feature's present word finds most moves, at a tenth of the
  time of an exact look or less; exact looks in between find the rest.
* Words go past the mean of their features, by .8 of the way they came (over-relaxation): one
  iteration does the work of two. The last one puts them at the means.
* Products in bfloat16 where the processor has it: their two best words are scored in float32.

On a GPU all looks are exact: there a product with all words costs less than choosing some
(`blcf.vocabulary.on_device`).

What lost: growing parts of the sample in early iterations (they settle in worse places: inertia
1.5 % higher for the time), a step past the mean by its whole length (it never settles).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from blcf.devices import memory_said
from blcf.errors import InvalidInput
from blcf.processor import multiplies_bfloat16
from blcf.vocabulary.assigner import resolve_assignment
from blcf.vocabulary.checkpoint import State, read_checkpoint, write_checkpoint
from blcf.vocabulary.looks import N_NEAR, Look
from blcf.vocabulary.looks import look as look_here
from blcf.vocabulary.moving import move_words
from blcf.vocabulary.on_device import DeviceSteps, multiplies_bfloat16_on
from blcf.vocabulary.rows import Rows

__all__ = ["MAX_ITER", "KMeansResult", "kmeans"]

logger = logging.getLogger(__name__)

MAX_ITER = 14

# Near looks between two exact ones; with fewer words than 16 times `N_NEAR`, all are exact.
_N_BETWEEN = 2

# How far past the mean words go, as a share of the way they came.
_PAST = 0.8


@dataclass(frozen=True, eq=False)
class KMeansResult:
    """What k-means found.

    Attributes
    ----------
    centroids : float32 (n_words, n_components)
    counts : int64 (n_words,), how many features each word had at the last look
    inertia_history : float (n_iter,), mean squared distance of a feature to its word at the
        start of each iteration
    looks : str (n_iter,), how each iteration looked for the words: "exact", "near" (among the
        neighbours of the word that a feature had) or "two-level"
    n_reseeded : how many empty words were given a new place, in all
    """

    centroids: np.ndarray
    counts: np.ndarray
    inertia_history: list[float]
    looks: list[str]
    n_reseeded: int


def kmeans(
    sample: np.ndarray,
    n_words: int,
    *,
    max_iter: int = MAX_ITER,
    tol: float = 1e-3,
    max_features_per_word: int | None = None,
    random_state: int = 0,
    device: str = "cpu",
    precision: str = "auto",
    checkpoint: Path | None = None,
    on_iteration: Callable[[int, float], None] | None = None,
    look: Look | None = None,
) -> KMeansResult:
    """k-means from a random start.

    The first words are features drawn at random. A word without features is placed on the feature
    that lies farthest from its own word.

    Parameters
    ----------
    sample : float (n, n_components), n >= n_words; float32 is read in place, from a memory map too
    max_iter : iterations at most
    tol : stop when an exact look finds the inertia lower by less than this share
    max_features_per_word : how much of the sample is used, None for all of it
    precision : "float32" or "bfloat16", of the products on the CPU, see
        `blcf.vocabulary.assignment.nearest_words`; "auto" takes bfloat16 where the processor
        multiplies it and all features are of length 1, as whitened ones are
    checkpoint : file that is written after each iteration; where it is there and of the same
        sample and parameters, the run goes on from it, with the same result
    on_iteration : called with (iteration, inertia)
    look : finds the words of the features on the CPU; None: `blcf.vocabulary.looks.look`

    Raises
    ------
    InvalidInput
        Fewer (distinct) features than words; features that are not finite.
    OutOfMemory
        The device has not enough.

    Notes
    -----
    Memory, beside the sample: three times the words, 12 bytes a feature, and in two levels the
    words once more.
    """
    sample = np.asanyarray(sample)
    if sample.ndim != 2 or not 1 <= n_words <= len(sample):
        raise InvalidInput(
            f"Expected at least as many sampled features as words ({n_words}), got shape "
            f"{sample.shape}. Ask for fewer words or add pictures."
        )
    if max_iter < 1:
        raise InvalidInput(f"Expected max_iter to be 1 or more, got {max_iter!r}.")
    n_most = None if max_features_per_word is None else n_words * max(1, max_features_per_word)
    rows = Rows(sample, n_most, random_state)
    at_home = device.startswith("cpu")
    if precision == "auto":
        of_length_1 = bool((np.abs(rows.squared_lengths - 1) < 1e-3).all())
        has_low = multiplies_bfloat16() if at_home else multiplies_bfloat16_on(device)
        precision = "bfloat16" if of_length_1 and has_low else "float32"
    parameters = (n_words, max_iter, tol, random_state, device, precision)
    digest = f"{rows.digest()} {parameters}"
    state, shape = None, (n_words, sample.shape[1])
    if checkpoint is not None:
        state = read_checkpoint(checkpoint, digest, shape, len(rows))
    if state is None:
        state = State(rows.first_distinct(n_words))
    else:
        logger.info("resuming k-means after %d iterations", len(state.looks))
    said = partial(
        memory_said,
        f"k-means of {len(rows):,} features on {device}",
        "Take device='cpu' (--device cpu), or fewer words.",
    )
    steps = None
    if not at_home and not state.is_done:
        with said():
            steps = DeviceSteps(rows, state.centroids, device, precision)
    while not state.is_done:
        if steps is None:
            _iterate(rows, state, max_iter, tol, device, precision, look or look_here)
        else:
            with said():
                _iterate_on_device(steps, state, max_iter, tol, checkpoint is not None)
        if checkpoint is not None:
            write_checkpoint(checkpoint, state, digest)
        if on_iteration is not None:
            on_iteration(len(state.looks) - 1, state.inertia_history[-1])
    counts = np.bincount(state.words, minlength=n_words)
    return KMeansResult(
        state.centroids, counts, state.inertia_history, state.looks, state.n_reseeded
    )


def _iterate(
    rows: Rows,
    state: State,
    max_iter: int,
    tol: float,
    device: str,
    precision: str,
    look: Look,
) -> None:
    """One look for the words of all features, and one move of the words."""
    kind = _kind_of_look(state, device)
    state.words, distances = look(kind, rows, state.centroids, state.words, device, precision)
    history = state.inertia_history
    history.append(float(distances.mean(dtype=np.float64)))
    state.looks.append(kind)
    state.is_done = _is_settled(state, tol) or len(history) == max_iter
    state.n_reseeded += move_words(
        rows.sample,
        rows.places,
        state.words,
        distances,
        0 if state.is_done else _PAST,
        state.centroids,
    )


def _iterate_on_device(
    steps: DeviceSteps, state: State, max_iter: int, tol: float, is_kept: bool
) -> None:
    """`_iterate` by exact looks; the state is brought home where it is kept, and at the end."""
    state.inertia_history.append(steps.look())
    state.looks.append("exact")
    state.is_done = _is_settled(state, tol) or len(state.looks) == max_iter
    state.n_reseeded += steps.move(0 if state.is_done else _PAST)
    if is_kept or state.is_done:
        state.centroids = steps.centroids.cpu().numpy()
        state.words = steps.words.to(torch.int32).cpu().numpy()


def _is_settled(state: State, tol: float) -> bool:
    history = state.inertia_history
    if state.looks[-1] == "near" or len(history) < 2:
        return False
    return history[-2] - history[-1] <= tol * history[-2]


def _kind_of_look(state: State, device: str) -> str:
    n_words = len(state.centroids)
    if resolve_assignment("auto", n_words, device) == "two_level":
        return "two-level"
    if n_words < 16 * N_NEAR or "exact" not in state.looks[max(0, len(state.looks) - _N_BETWEEN) :]:
        return "exact"
    return "near"
