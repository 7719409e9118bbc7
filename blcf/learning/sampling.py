"""The tuples of an epoch: a query, a picture of the same thing, and pictures of other things."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blcf.checks import check_integer
from blcf.errors import InvalidInput
from blcf.learning.mining import hard_negatives
from blcf.learning.vectors import as_classes, as_pairs, as_vectors, groups_of

__all__ = [
    "Tuples",
    "mine_tuples",
    "sample_batches",
    "sample_matches",
    "sample_pairs",
    "sample_pool",
    "sample_tuples",
]


@dataclass(frozen=True, eq=False)
class Tuples:
    """What an epoch learns from; positions among the pictures.

    Attributes
    ----------
    queries, positives : int64 (n,)
    negatives : int64 (n, n_negatives), each of another class than the query and one another
    """

    queries: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def rows(self) -> np.ndarray:
        """Query, positive, negatives of each: int64 (n, 2 + n_negatives)."""
        return np.column_stack([self.queries, self.positives, self.negatives])


def sample_pairs(
    classes: np.ndarray, n_queries: int, random_state: int | np.random.Generator
) -> np.ndarray:
    """Queries of an epoch, each with a match, drawn at random.

    Parameters
    ----------
    classes : int (n,)
    n_queries : no picture is a query twice; where fewer have a match, all that do
    random_state : seed or generator

    Returns
    -------
    int64 (n_pairs, 2), (query, positive), in the order in which they were drawn

    Raises
    ------
    InvalidInput
        No two pictures of one class.
    """
    classes = as_classes(classes, None, "classes")
    check_integer("n_queries", n_queries, 1)
    rng = np.random.default_rng(random_state)
    groups = groups_of(classes)
    able = np.flatnonzero([len(groups[its]) > 1 for its in classes.tolist()])
    if not len(able):
        raise InvalidInput(
            f"Expected at least two pictures of one class, got {len(classes)} pictures of "
            f"{len(groups)} classes."
        )
    queries = rng.permutation(able)[:n_queries].tolist()
    pairs = []
    for query in queries:
        group = groups[int(classes[query])]
        position = int(rng.integers(len(group) - 1))  # of the group without the query
        positive = int(group[position])
        pairs.append((query, positive if positive < query else int(group[position + 1])))
    return np.array(pairs, dtype=np.int64)


def sample_matches(
    classes: np.ndarray,
    n_queries: int,
    n_matches: int,
    random_state: int | np.random.Generator,
    reach: np.ndarray | None = None,
) -> np.ndarray:
    """Queries of an epoch, each with several matches drawn at random, to choose among.

    Parameters
    ----------
    classes, n_queries, random_state : see `sample_pairs`
    n_matches : of a query, at most
    reach : int (n_pairs, 2), (query, match): only these are drawn, such as pairs whose keypoints
        agree; None: all pairs of a class

    Returns
    -------
    int64 (m, 2), (query, match), those of a query together, in the order in which it was drawn

    Raises
    ------
    InvalidInput
        No two pictures of one class; pairs that are of two classes, or of no picture.
    """
    check_integer("n_matches", n_matches, 1)
    classes = as_classes(classes, None, "classes")
    rng = np.random.default_rng(random_state)
    if reach is None:
        queries = sample_pairs(classes, n_queries, rng)[:, 0]
        groups = groups_of(classes)
        of_class = {int(one): groups[int(classes[one])] for one in queries}
        matches = {one: group[group != one] for one, group in of_class.items()}
    else:
        reach = as_pairs(reach, len(classes))
        if not len(reach) or (classes[reach[:, 0]] != classes[reach[:, 1]]).any():
            raise InvalidInput(
                f"Expected pairs of one class each within reach, got {len(reach)} pairs, some of "
                "two classes or none at all."
            )
        queries = rng.permutation(np.unique(reach[:, 0]))[:n_queries]
        matches = {int(one): np.unique(reach[reach[:, 0] == one, 1]) for one in queries}
    drawn = [
        (query, int(match))
        for query in queries.tolist()
        for match in rng.permutation(matches[query])[:n_matches]
    ]
    return np.array(drawn, dtype=np.int64).reshape(-1, 2)


def sample_pool(n: int, n_pool: int, random_state: int | np.random.Generator) -> np.ndarray:
    """A random pool to mine negatives from: int64 (min(n, n_pool),), ascending positions."""
    check_integer("n", n, 1)
    check_integer("n_pool", n_pool, 1)
    return np.sort(np.random.default_rng(random_state).permutation(n)[:n_pool])


def sample_tuples(
    classes: np.ndarray,
    n_queries: int,
    n_negatives: int,
    random_state: int | np.random.Generator,
) -> Tuples:
    """Tuples with negatives drawn at random: a class first, then a picture of it.

    Parameters
    ----------
    classes : int (n,)
    n_queries : see `sample_pairs`
    n_negatives : of each query, of as many classes
    random_state : seed or generator

    Raises
    ------
    InvalidInput
        No two pictures of one class; fewer than n_negatives classes beside a query's.
    """
    rng = np.random.default_rng(random_state)
    check_integer("n_negatives", n_negatives, 1)
    pairs = sample_pairs(classes, n_queries, rng)
    groups = groups_of(np.asarray(classes))
    known = np.array(list(groups))
    if len(known) <= n_negatives:
        raise InvalidInput(
            f"Expected more than {n_negatives} classes for as many negatives of a query, got "
            f"{len(known)}."
        )
    negatives = np.empty((len(pairs), n_negatives), dtype=np.int64)
    for row, query in zip(negatives, pairs[:, 0]):
        others = known[known != classes[query]]
        drawn = rng.permutation(others)[:n_negatives].tolist()
        row[:] = [groups[its][rng.integers(len(groups[its]))] for its in drawn]
    return Tuples(pairs[:, 0], pairs[:, 1], negatives)


def sample_batches(
    classes: np.ndarray, n_groups: int, n_each: int, random_state: int | np.random.Generator
) -> list[np.ndarray]:
    """Batches of an epoch, in which pictures of one class stand together, several classes in each.

    The pictures of a class are dealt into groups, the last of which is filled up with others of
    the class, where it has as many; the picture of a class that has no other stands twice, as two
    views of it will be alike. Groups are dealt into batches, one of every class before the second
    of any. Every picture is in an epoch, few are in it twice.

    Parameters
    ----------
    classes : int (n,)
    n_groups : groups of a batch
    n_each : pictures of a group
    random_state : seed or generator

    Returns
    -------
    list of int64 (up to n_groups * n_each,), positions; a last batch of one class is left out
    """
    classes = as_classes(classes, None, "classes")
    check_integer("n_groups", n_groups, 1)
    check_integer("n_each", n_each, 1)
    rng = np.random.default_rng(random_state)
    rounds: dict[int, list[np.ndarray]] = {}
    for group in groups_of(classes).values():
        order = rng.permutation(group if len(group) > 1 or n_each == 1 else group.repeat(2))
        n_short = -len(order) % n_each
        order = np.append(order, rng.permutation(order[: len(order) + n_short - n_each])[:n_short])
        for number, first in enumerate(range(0, len(order), n_each)):
            rounds.setdefault(number, []).append(order[first : first + n_each])
    dealt = [one[place] for one in rounds.values() for place in rng.permutation(len(one))]
    batches = [
        np.concatenate(dealt[first : first + n_groups]) for first in range(0, len(dealt), n_groups)
    ]
    return [one for one in batches if len(np.unique(classes[one])) > 1]


def mine_tuples(
    pairs: np.ndarray,
    query_vectors: np.ndarray,
    pool: np.ndarray,
    pool_vectors: np.ndarray,
    classes: np.ndarray,
    n_negatives: int = 5,
) -> Tuples:
    """Tuples with the hardest negatives of a pool.

    Parameters
    ----------
    pairs : int (n_pairs, 2), (query, positive), see `sample_pairs`
    query_vectors : float (n_pairs, d), of the queries
    pool : int (n_pool,), positions, see `sample_pool`
    pool_vectors : float (n_pool, d)
    classes : int (n,), of all pictures
    n_negatives : of each query

    Raises
    ------
    InvalidInput
        See `blcf.learning.mining.hard_negatives`.
    """
    query_vectors = as_vectors(query_vectors, "the queries")
    found = hard_negatives(
        query_vectors, pool_vectors, classes[pairs[:, 0]], classes[pool], n_negatives
    )
    return Tuples(pairs[:, 0], pairs[:, 1], pool[found])
