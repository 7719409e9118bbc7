"""Bring a store up to date with a collection: what is new goes in, what is gone goes out."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.index import InvertedFile
from blcf.progress import tqdm
from blcf.qdrant.head import Epoch, Head
from blcf.qdrant.packing import pack_bag
from blcf.qdrant.stores import ABOUT, Payload, PointStore

__all__ = ["Pictures", "Published", "publish", "state_of", "weight_changes"]

BATCH = 256  # points that are written at once: some megabytes of JSON

# Vectors are weighed anew where the norm of one has changed by more, relative to another's. It
# costs time alone: a search looks at every picture whose score could be changed so much.
DRIFT = 1.1


@dataclass(frozen=True, eq=False)
class Pictures:
    """What is published.

    Attributes
    ----------
    lists : the inverted file of the pictures
    ids : int64 (n_images,), the ids that they keep for ever, in its order
    rows : {column: value} of each, plain values, in its order; names and facts
    model : what the words were made with, see `Head`
    """

    lists: InvertedFile
    ids: np.ndarray
    rows: Iterable[Mapping[str, Any]]
    model: Mapping[str, Any]


@dataclass(frozen=True)
class Published:
    """What was done.

    Attributes
    ----------
    n_new : pictures that were not there
    n_weighed : that were there, and were sent again as the weights of words had changed by too much
    n_changed : that were there, and were sent again as they have other words now
    n_described : whose facts or names alone were sent
    n_removed : that were taken out
    n_kept : that were as they are
    """

    n_new: int = 0
    n_weighed: int = 0
    n_changed: int = 0
    n_described: int = 0
    n_removed: int = 0
    n_kept: int = 0

    @property
    def n_sent(self) -> int:
        """How many vectors were written."""
        return self.n_new + self.n_weighed + self.n_changed


def state_of(lists: InvertedFile, ids: np.ndarray, model: Mapping[str, Any]) -> str:
    """A digest of which pictures there are, in their order, and of how they are weighed."""
    digest = hashlib.blake2b(digest_size=16)
    how = [lists.idf, lists.sqrt, lists.n_words, model.get("vocabulary_digest")]
    digest.update(json.dumps(how).encode())
    digest.update(np.ascontiguousarray(ids, dtype="<i8").tobytes())
    return digest.hexdigest()


def weight_changes(lists: InvertedFile, epoch: Epoch) -> np.ndarray | None:
    """What turns a dot product with a vector of an epoch into a score of now: float64 (n_images,).

    None where words have no weight in the vectors and have one now: they cannot be used.
    """
    weighing = epoch.weighing(lists)
    if ((weighing.idf_ == 0) & (lists.idf_ > 0)).any():
        return None
    made, now = weighing.norms_, lists.norms_
    return np.divide(made, now, out=np.ones_like(made), where=now > 0)


def publish(store: PointStore, pictures: Pictures, *, progress: bool = False) -> Published:
    """Write what a store lacks, and take out what it should not hold.

    Points are compared with the pictures by ids and check sums, so that the same call goes on
    where one was interrupted. Vectors stay as they are weighed while `weight_changes` are within
    `DRIFT`; beyond, and where there is nothing to keep, a new epoch begins and all are sent.

    Raises
    ------
    FormatError, StorageError
    VocabularyMismatch
        The store holds pictures of another vocabulary.
    """
    lists, model = pictures.lists, pictures.model
    said = store.head()
    head = None if said is None else Head.from_dict(said, store.place)
    if head is not None:
        head.check_model(model, store.place)
    state = state_of(lists, pictures.ids, model)
    epoch = _epoch(lists, head)
    held = {number: about for number, about in store.held()}
    gone = np.setdiff1d(np.fromiter(held, np.int64, len(held)), pictures.ids).tolist()
    n_left = len(held) - len(gone)
    is_same = head is not None and head.epoch.number == epoch.number
    sender = _Sender(store, Head(state, False, epoch, model))
    if gone or not is_same or head is None or head.state != state or not head.is_whole:
        sender.begin()
    for first in range(0, len(gone), BATCH):
        store.delete(gone[first : first + BATCH])
    total, n_before = lists.n_images, n_left
    with tqdm(total=total, desc="exporting", unit="picture", disable=not progress) as bar:
        weighing = epoch.weighing(lists)
        for ids, bags, rows in _batches(pictures):
            sender.take(ids, bags, rows, held, weighing)
            bar.update(len(ids))
    sender.end()
    done = sender.counts
    return Published(
        done["new"],
        done["weighed"],
        done["changed"],
        done["described"],
        len(gone),
        n_before - done["weighed"] - done["changed"] - done["described"],
    )


def _epoch(lists: InvertedFile, head: Head | None) -> Epoch:
    """The epoch of the store, or a new one where it cannot be kept."""
    if head is None:
        return Epoch.of(lists, 1)
    if head.epoch.fits(lists):
        changes = weight_changes(lists, head.epoch)
        if changes is not None and (
            not changes.size or changes.max() <= DRIFT * changes.min(initial=np.inf)
        ):
            return head.epoch
    return Epoch.of(lists, head.epoch.number + 1)


def _batches(
    pictures: Pictures,
) -> Iterator[tuple[list[int], sp.csr_matrix, list[Mapping[str, Any]]]]:
    """Ids, bags and rows of some pictures at a time, in order."""
    rows, first = iter(pictures.rows), 0
    for bags in pictures.lists.bags():
        for start in range(0, bags.shape[0], BATCH):
            some = bags[start : start + BATCH]
            n = some.shape[0]
            yield pictures.ids[first : first + n].tolist(), some, [next(rows) for _ in range(n)]
            first += n


@dataclass
class _Sender:
    """Sends what differs, and says first that the store is not whole."""

    store: PointStore
    head: Head
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("new", "weighed", "changed", "described"), 0)
    )
    has_begun: bool = False

    def begin(self) -> None:
        if not self.has_begun:
            self.store.write_head(self.head.to_dict())
            self.has_begun = True

    def end(self) -> None:
        if self.has_begun:
            self.store.settle()
            head = self.head
            self.store.write_head(Head(head.state, True, head.epoch, head.model).to_dict())

    def take(
        self,
        ids: Sequence[int],
        bags: sp.csr_matrix,
        rows: Sequence[Mapping[str, Any]],
        held: Mapping[int, Payload],
        weighing: InvertedFile,
    ) -> None:
        """Pictures of which some may be there."""
        payloads = [self._payload(bags, place, row) for place, row in enumerate(rows)]
        sent: list[int] = []
        described: list[int] = []
        for place, (number, payload) in enumerate(zip(ids, payloads)):
            reason = _difference(held.get(number), payload[ABOUT])
            if reason:
                self.counts[reason] += 1
                (described if reason == "described" else sent).append(place)
        if sent:
            self.begin()
            vectors = weighing.weigh(bags[sent]).astype(np.float32)
            vectors.eliminate_zeros()
            self.store.put([ids[one] for one in sent], vectors, [payloads[one] for one in sent])
        if described:
            self.begin()
            wanted = [payloads[one] for one in described]
            self.store.describe([ids[one] for one in described], wanted)

    def _payload(self, bags: sp.csr_matrix, place: int, row: Mapping[str, Any]) -> dict[str, Any]:
        """A picture's payload; check sums say whether it is what is there."""
        part = slice(bags.indptr[place], bags.indptr[place + 1])
        words = zlib.crc32(bags.data[part].tobytes(), zlib.crc32(bags.indices[part].tobytes()))
        facts = zlib.crc32(json.dumps(row, sort_keys=True).encode())
        about: dict[str, Any] = {"epoch": self.head.epoch.number, "words": words, "facts": facts}
        about["bag"] = pack_bag(bags.indices[part], bags.data[part])
        return {**row, ABOUT: about}


def _difference(held: Payload | None, now: Payload) -> str:
    """Why a point is written, by the name of its count; "" for no reason."""
    if held is None:
        return "new"
    if held.get("words") != now["words"]:
        return "changed"
    if held.get("epoch") != now["epoch"]:
        return "weighed"
    return "" if held.get("facts") == now["facts"] else "described"
