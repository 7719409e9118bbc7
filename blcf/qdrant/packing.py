"""A bag as text: what a payload holds beside the vector, so that scores can be exact."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.errors import FormatError

__all__ = ["pack_bag", "unpack_bags"]


def pack_bag(words: np.ndarray, tf: np.ndarray) -> str:
    """Words, ascending, as int32 differences, then their float32 raw tf; zlib, then base64.

    Half of the bytes of the vector itself (bags of blcf-lite: 3 a posting).
    """
    steps = np.diff(words, prepend=0).astype("<i4")
    return base64.b64encode(zlib.compress(steps.tobytes() + tf.astype("<f4").tobytes(), 1)).decode()


def unpack_bags(texts: Sequence[Any], n_words: int) -> sp.csr_matrix:
    """The bags: CSR float64 (n, n_words), raw tf.

    Raises
    ------
    FormatError
        One is no bag of so many words.
    """
    try:
        parts = [_unpacked(one, 8 * n_words) for one in texts]
        sizes = np.array([len(one) // 8 for one in parts], dtype=np.int64)
        ends = np.concatenate([[0], np.cumsum(sizes)])
        empty = [np.empty(0, "<i4")]
        steps = np.concatenate(empty + [np.frombuffer(a, "<i4", n) for a, n in zip(parts, sizes)])
        tf = np.concatenate(
            [np.empty(0)] + [np.frombuffer(a, "<f4", n, 4 * n) for a, n in zip(parts, sizes)]
        )
        sums = np.concatenate([[0], np.cumsum(steps, dtype=np.int64)])
        words = sums[1:] - np.repeat(sums[ends[:-1]], sizes)
        is_first = np.zeros(words.size, dtype=bool)
        is_first[ends[:-1][sizes > 0]] = True
        if (
            (steps < np.where(is_first, 0, 1)).any()
            or words.max(initial=-1) >= n_words
            or not (np.isfinite(tf) & (tf > 0)).all()
        ):
            raise ValueError("its words do not fit together")
    except (TypeError, ValueError, binascii.Error, zlib.error) as error:
        raise FormatError(
            f"The bag of a picture in Qdrant is damaged ({error}). Remove what is there and "
            "export again."
        ) from error
    shape = sizes.size, n_words
    return sp.csr_matrix((tf.astype(np.float64), words.astype(np.int32), ends), shape=shape)


def _unpacked(text: Any, most: int) -> bytes:
    data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), most + 1)
    if len(data) % 8 or len(data) > most:
        raise ValueError("it is of another length")
    return data
