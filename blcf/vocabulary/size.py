"""How many words a vocabulary has, and the seed that they start from."""

from __future__ import annotations

from typing import Any

from blcf.bounds import is_integer
from blcf.errors import InvalidInput

__all__ = [
    "LARGEST_AUTO",
    "SAMPLED_PER_WORD",
    "auto_n_words",
    "check_n_words",
    "check_random_state",
]

# n_words="auto", measured in benchmarks/accuracy.md; the largest is the paper's.
LARGEST_AUTO = 25_000
FEATURES_PER_WORD = 150
LEAST_AUTO = 128  # for the 79 of ten shelves: mean IoU .79 in place of .71, mAP the same

# How many local features a word k-means looks at: more cost time and gain nothing.
SAMPLED_PER_WORD = 20


def auto_n_words(n_features: int) -> int:
    """The rule behind ``n_words="auto"``: one word per 150 local features, at most 25,000.

    At least 128, or one per 20 features where these are fewer.
    """
    least = max(1, min(LEAST_AUTO, n_features // SAMPLED_PER_WORD))
    return max(least, min(LARGEST_AUTO, n_features // FEATURES_PER_WORD))


def check_n_words(n_words: Any) -> int | str:
    """Give back a number of words or "auto", or raise `InvalidInput`."""
    if n_words == "auto":
        return "auto"
    if is_integer(n_words) and n_words > 0:
        return int(n_words)
    raise InvalidInput(f"Expected n_words to be a positive integer or 'auto', got {n_words!r}.")


def check_random_state(random_state: Any) -> None:
    """Raise `InvalidInput` unless it is an integer, of Python or numpy."""
    if not is_integer(random_state):
        raise InvalidInput(f"Expected random_state to be an integer, got {random_state!r}.")
