"""Devices of torch: which one is meant, and how much room there is on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from blcf.errors import InvalidInput, OutOfMemory

__all__ = ["free_memory", "memory_said", "numbered", "usable_device"]


def usable_device(device: str) -> str:
    """The device that "auto" means (CUDA where there is one), or the one that is named, tried.

    Raises
    ------
    InvalidInput
        It cannot be used here.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise InvalidInput(
            f"Device {device!r} cannot be used ({str(error).splitlines()[0]}). Try device='cpu'."
        ) from error
    return device


def numbered(device: str) -> torch.device:
    """A device with its number: "cuda" is the calling thread's current GPU, cuda:0 as a rule.

    Without one, another thread would take its own current GPU for it, and ``mem_get_info`` of torch
    2.4 refuses it.
    """
    return torch.empty(0, device=device).device


def free_memory(device: torch.device) -> int:
    """Bytes that can be allocated on a GPU: what is free, and what torch keeps of earlier work."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


@contextmanager
def memory_said(what: str, advice: str) -> Iterator[None]:
    """Say it in a sentence of ours where a device runs out of memory meanwhile.

    Parameters
    ----------
    what : for which there is not enough
    advice : what to do

    Raises
    ------
    OutOfMemory
    """
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:  # all devices', by its name in torch 2.4
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise OutOfMemory(f"Not enough memory for {what} ({reason}). {advice}") from error
