"""The manifests of shards as one, and what a film of a shard is called among those of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from blcf.sharded.coordinator import Epoch

__all__ = ["joined_manifest"]


def joined_manifest(epoch: Epoch) -> tuple[dict[str, Any], list[np.ndarray]]:
    """One manifest of all, and of each shard the numbers of its films there."""
    said = [None if state is None else state.manifest for state in epoch.states]
    there = [one for one in said if one is not None]
    films = {film: number for number, film in enumerate(_distinct(there, "videos"))}
    prefixes: dict[str, list[str]] = {}
    for one in there:
        for root, them in one["prefixes"].items():
            prefixes[root] = list(dict.fromkeys([*prefixes.get(root, []), *them]))
    manifest = {
        **there[0],
        "generation": sum(int(one["generation"]) for one in there),
        "videos": [*films],
        "roots": _distinct(there, "roots"),
        "prefixes": prefixes,
        "segments": [],
        "digest": epoch.name,
    }
    numbers = [
        np.array([] if one is None else [films[film] for film in one["videos"]], dtype=np.int64)
        for one in said
    ]
    return manifest, numbers


def _distinct(manifests: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(value for one in manifests for value in one[key]))
