"""The plan of a source: read where an earlier run left one, or made of what the shards know."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from blcf.distributed.dealing import Plan, deal, n_of_part
from blcf.distributed.shard_jobs import Seen
from blcf.errors import FormatError
from blcf.images import Source
from blcf.storage import Member, read_json

__all__ = ["make_plan", "read_plan"]

logger = logging.getLogger(__name__)


def read_plan(path: Member) -> Plan | None:
    """The plan of a run that was interrupted; None where there is none, or a damaged one.

    Raises
    ------
    StorageError
    """
    if not path.exists():
        return None
    try:
        return Plan.from_dict(read_json(path))
    except (FormatError, KeyError, TypeError, ValueError, AttributeError) as error:
        logger.warning("%s is damaged, a new plan is made: %s", path, error)
        return None


def make_plan(
    images: Source, digest: str, replace: bool, n_shards: int, seen: Sequence[Seen] | None
) -> Plan:
    """What is to be done with the pictures of a source.

    Parameters
    ----------
    digest : `source_digest`
    replace : whether pictures that are held are indexed again, in the shards where they are
    seen : what each shard knows of them; None: nothing, they are new
    """
    n_images = len(images)
    new, sizes, first, known = np.arange(n_images), [0] * n_shards, 0, (0, 0, 0)
    fixed: dict[int, np.ndarray] = {}
    if seen is not None:
        sizes = [one.n_images for one in seen]
        first = max(one.next_id for one in seen)
        held, left_out = (np.zeros(n_images, dtype=bool) for _ in range(2))
        owner = np.full(n_images, -1)
        for number, one in enumerate(seen):
            left_out[one.dropped] = True
            owner[one.dropped] = owner[one.skipped] = number
        for number, one in enumerate(seen):
            held[one.held] = True
            owner[one.held] = number
        wanted = np.ones(n_images, dtype=bool) if replace else ~(held | left_out)
        new = np.flatnonzero(wanted & (owner < 0))
        fixed = {number: np.flatnonzero(wanted & (owner == number)) for number in range(n_shards)}
        n_present = int(np.count_nonzero(held & ~wanted))
        known = n_present, sum(one.n_changed for one in seen), sum(one.n_gone for one in seen)
    runs = deal(images.names, new, fixed, sizes)
    part = n_of_part(sum(last - begin for _, begin, last in runs), n_shards)
    return Plan(digest, [first], n_images, part, runs, {}, known)
