"""What a store says of itself, in a point of its own: whose pictures, weighed with what."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from blcf.errors import FormatError, VocabularyMismatch
from blcf.index import DocumentFrequencies, InvertedFile

__all__ = ["Epoch", "Head"]

FORMAT, VERSION = "blcf bags", 1
MOST_WORDS = 1 << 27


@dataclass(frozen=True, eq=False)
class Epoch:
    """The statistics that the vectors of a store are weighed with.

    Attributes
    ----------
    number : 1 for the first; points say which they are of
    frequencies : of the collection when it began
    idf, sqrt : as of `InvertedFile`
    """

    number: int
    frequencies: DocumentFrequencies
    idf: bool
    sqrt: bool

    @classmethod
    def of(cls, lists: InvertedFile, number: int) -> Epoch:
        """One that begins with what an inverted file weighs with now."""
        return cls(number, lists.frequencies, lists.idf, lists.sqrt)

    def fits(self, lists: InvertedFile) -> bool:
        """Whether vectors are made alike: idf, or none; roots, or none; as many words."""
        mine = self.idf, self.sqrt, self.frequencies.df.size
        return mine == (lists.idf, lists.sqrt, lists.n_words)

    def weighing(self, lists: InvertedFile) -> InvertedFile:
        """The same images, weighed with this epoch; words that were in none as words of one."""
        df = np.maximum(self.frequencies.df, 1)
        at_least_one = DocumentFrequencies(max(self.frequencies.n_images, 1), df)
        return copy(lists).rank_by(at_least_one)

    def to_dict(self) -> dict[str, Any]:
        """As it is written."""
        df = zlib.compress(self.frequencies.df.astype("<i8").tobytes(), 6)
        return {
            "number": self.number,
            "n_images": self.frequencies.n_images,
            "df": base64.b64encode(df).decode("ascii"),  # int64, little-endian, zlib, base64
            "idf": self.idf,
            "sqrt": self.sqrt,
        }

    @classmethod
    def from_dict(cls, said: Any, n_words: int) -> Epoch:
        """As it was written; `ValueError` where it was not."""
        n_images = _value(said, "n_images", int)
        packed = base64.b64decode(_value(said, "df", str), validate=True)
        unpacked = zlib.decompressobj().decompress(packed, 8 * n_words + 1)
        df = np.frombuffer(unpacked, dtype="<i8").astype(np.int64)
        if df.shape != (n_words,) or df.min(initial=0) < 0 or df.max(initial=0) > n_images:
            raise ValueError("its statistics do not fit together")
        kept = _value(said, "idf", bool), _value(said, "sqrt", bool)
        return cls(_value(said, "number", int), DocumentFrequencies(n_images, df), *kept)


@dataclass(frozen=True, eq=False)
class Head:
    """What the store holds.

    Attributes
    ----------
    state : of the collection that was written last, a digest of its pictures
    is_whole : whether all of it was written
    epoch : what the vectors are weighed with
    model : what the words were made with, plain values: ``vocabulary_digest`` and others
    """

    state: str
    is_whole: bool
    epoch: Epoch
    model: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "format": FORMAT,
            "format_version": VERSION,
            "state": self.state,
            "is_whole": self.is_whole,
            "epoch": self.epoch.to_dict(),
            "n_words": int(self.epoch.frequencies.df.size),
            "model": dict(self.model),
        }

    @classmethod
    def from_dict(cls, said: Mapping[str, Any], place: str) -> Head:
        """As it was written.

        Raises
        ------
        FormatError
            Damaged, or of another version.
        """
        version = said.get("format_version")
        if said.get("format") == FORMAT and version != VERSION:
            raise FormatError(
                f"{place} is of format version {version}, this blcf reads {VERSION}. Export to "
                "another place."
            )
        try:
            n_words, model = _value(said, "n_words", int), _value(said, "model", dict)
            if said.get("format") != FORMAT or not 0 < n_words <= MOST_WORDS:
                raise ValueError("it is of another form")
            epoch = Epoch.from_dict(said.get("epoch"), n_words)
            return cls(_value(said, "state", str), _value(said, "is_whole", bool), epoch, model)
        except (ValueError, zlib.error, binascii.Error) as error:
            raise FormatError(
                f"What {place} says of itself is damaged ({error}). Remove it and export again."
            ) from error

    def check_model(self, model: Mapping[str, Any], place: str) -> None:
        """Raise `VocabularyMismatch` where words mean something else in the store."""
        for name in ("vocabulary_digest", "network", "layer"):
            made, now = self.model.get(name), model.get(name)
            if made != now:
                raise VocabularyMismatch(
                    f"{place} holds pictures that were made with {name.replace('_', ' ')} "
                    f"{str(made)[:80]}, the collection was made with {str(now)[:80]}. Export to "
                    "another place, or remove what is there."
                )


def _value(said: Any, name: str, kind: type) -> Any:
    value = said.get(name) if isinstance(said, Mapping) else None
    if type(value) is not kind:
        raise ValueError(f"it says no {name} that can be used")
    return value
