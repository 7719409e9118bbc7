"""Operations of torch whose results do not depend on the number of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch

from blcf.threads import in_order, one_openmp_thread

__all__ = ["alone"]

T = TypeVar("T")
R = TypeVar("R")


def alone(call: Callable[[T], R], items: Iterable[T], device: str = "cpu") -> Iterator[R]:
    """The results of a call with each item, in order, each computed by one thread.

    As many threads as torch is set to compute at once; on another device than the CPU items come
    one after another. Products are oneDNN's or numpy's: torch's own are MKL's, which shares them
    among threads all the same.
    """
    n_threads = torch.get_num_threads() if device == "cpu" else 1

    def compute(item: T) -> R:
        torch.get_num_threads()  # torch sets a new thread's number when it is first asked
        with one_openmp_thread(), torch.inference_mode():
            return call(item)

    return in_order(call if n_threads == 1 else compute, items, n_threads)
