"""When parts are merged: few remain, in order, and an image is rewritten seldom."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blcf.index import merging
from blcf.index.merging import plan_merge

many = settings(max_examples=200, derandomize=True, database=None, deadline=None)


@pytest.mark.parametrize(
    ("n_live", "expected"),
    [
        ([], None),
        ([5], None),
        ([5] * 7, None),
        ([5] * 8, (0, 8)),
        ([32_768, 5, *[5] * 7], (1, 9)),
        ([600, *[64] * 7], None),
        ([600, *[64] * 8], (1, 9)),
        ([4_096, *[512] * 3, *[64] * 4], None),  # few of each tier
        ([5_000, *[1] * 7] * 4, (0, 32)),  # few of each tier, but they cannot be merged alone
        ([30_000, *[4_000] * 7], None),  # would be too large together
        ([30_000, *[4_000] * 8], (1, 9)),
        ([20_000, *[4_096] * 7], (0, 4)),  # up to the largest
        ([32_768] * 100, None),
        ([40_000] * 20, None),
    ],
)
def test_plan(n_live, expected):
    assert plan_merge(n_live, [0] * len(n_live)) == expected


@pytest.mark.parametrize(
    ("n_live", "n_removed", "expected"),
    [
        ([10], [10], None),
        ([10], [11], (0, 1)),
        ([0], [1], (0, 1)),
        ([10, 4, 0], [10, 5, 1], (1, 2)),
    ],
)
def test_half_removed(n_live, n_removed, expected):
    assert plan_merge(n_live, n_removed) == expected


def merged(parts, rewritten):
    """Parts, [live, removed] each, merged until there is nothing to merge."""
    n_steps = 0
    while (span := plan_merge([p[0] for p in parts], [p[1] for p in parts])) is not None:
        first, last = span
        n_live = sum(p[0] for p in parts[first:last])
        assert 0 <= first < last <= len(parts)
        assert n_live <= merging.LARGEST or last == first + 1
        assert last > first + 1 or parts[first][1] > 0, "nothing would change"
        rewritten[0] += n_live
        parts = [*parts[:first], *([[n_live, 0]] if n_live else []), *parts[last:]]
        n_steps += 1
        assert n_steps < 1_000, "it never ends"
    return parts


batches = st.lists(st.sampled_from([1, 2, 7, 30, 100, 256, 1_000, 5_000, 32_768]), max_size=80)


@many
@given(batches)
def test_parts_stay_few(sizes):
    parts = []
    for size in sizes:
        parts = merged([*parts, [size, 0]], [0])
        n_images = sum(live for live, _ in parts)
        bound = n_images / merging.LARGEST * 2 + merging.FACTOR * len(merging.TIERS)
        assert len(parts) <= bound
    assert sum(live for live, _ in parts) == sum(sizes)


@many
@given(batches, st.lists(st.tuples(st.integers(0, 100), st.integers(1, 3_000)), max_size=40))
def test_removals_end_in_merges_that_end(sizes, removals):
    parts = merged([[size, 0] for size in sizes], [0])
    for place, n in removals:
        if parts:
            live, removed = parts[place % len(parts)]
            n = min(n, live)
            parts[place % len(parts)] = [live - n, removed + n]
            parts = merged(parts, [0])
    assert all(removed <= live for live, removed in parts)


# Within the first tier, from 1 to 64, it takes some more.
@pytest.mark.parametrize(("size", "n_times"), [(1, 9), (16, 5), (64, 5), (256, 5), (1_000, 5)])
def test_an_image_is_rewritten_about_once_per_tier(size, n_times):
    parts, rewritten, n_images = [], [0], 0
    while n_images < 40_000 and len(parts) < 1_000:
        parts = merged([*parts, [size, 0]], rewritten)
        n_images += size
    assert rewritten[0] <= n_times * n_images
    assert len(parts) <= 2 + merging.FACTOR * len(merging.TIERS)
