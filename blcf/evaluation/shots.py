"""From a ranking of frames to one of shots, or of any other groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from blcf.bounds import is_integer
from blcf.errors import InvalidInput

__all__ = ["rank_groups"]


def rank_groups(
    names: Sequence[str],
    scores: Sequence[float] | np.ndarray,
    group_of: Mapping[str, str] | Callable[[str], str],
    k: int | None = None,
) -> tuple[list[str], np.ndarray]:
    """Rank groups by the best score among their members.

    Groups with equal scores are in the order in which they first appear in `names`.

    Parameters
    ----------
    names : frames, in any order
    scores : (n,), of each frame, the higher the better
    group_of : the shot of a frame
    k : how many groups at most; None for all. TRECVID takes 1,000

    Returns
    -------
    groups : list of str, best first
    scores : (n_groups,), descending, of the dtype of the given ones

    Raises
    ------
    InvalidInput
        As many scores as names are not given, a score is NaN, a frame has no group, or `k` is
        no positive number.

    Notes
    -----
    Source: Mohedano et al., ICMR 2016, on TRECVID INS.

    Examples
    --------
    >>> frames = ["shot1_2/3.jpg", "shot7_1/0.jpg", "shot1_2/9.jpg"]
    >>> groups, scores = rank_groups(frames, [0.3, 0.5, 0.75], lambda name: name.split("/")[0])
    >>> groups, scores.tolist()
    (['shot1_2', 'shot7_1'], [0.75, 0.5])
    """
    if k is not None and (not is_integer(k) or k < 1):
        raise InvalidInput(f"Expected k to be a number of groups >= 1, got {k!r}.")
    try:
        scores = np.asarray(scores)
    except ValueError:  # rows of different lengths
        scores = np.asarray(scores, dtype=object)
    if scores.shape != (len(names),) or scores.dtype.kind not in "fiu":
        raise InvalidInput(
            f"Expected a score of each of {len(names)} frames, got shape {scores.shape}, "
            f"dtype {scores.dtype}."
        )
    if np.isnan(scores).any():
        raise InvalidInput(f"Expected scores, got NaN for {names[int(np.isnan(scores).argmax())]}.")
    find = group_of if callable(group_of) else group_of.__getitem__
    best: dict[str, int] = {}  # in the order of first appearance
    for position, name in enumerate(names):
        try:
            group = find(name)
        except (KeyError, IndexError, ValueError) as error:
            raise InvalidInput(f"Expected a group of every frame, {name!r} has none.") from error
        if group not in best or scores[position] > scores[best[group]]:
            best[group] = position
    order = sorted(best, key=lambda group: -scores[best[group]].item())[:k]
    return order, scores[[best[group] for group in order]]
