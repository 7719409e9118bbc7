"""Which device is meant, how much room it has, and what is said where it has none."""

from __future__ import annotations

import pytest
import torch

from blcf.devices import free_memory, memory_said, numbered, usable_device
from blcf.errors import InvalidInput, OutOfMemory


def test_the_device_that_is_meant(monkeypatch):
    assert usable_device("cpu") == "cpu"
    for there, meant in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert usable_device("auto") == meant
    for wrong in ("tpu?", "meta", "cuda:99"):
        with pytest.raises(InvalidInput, match="cannot be used .*Try device='cpu'"):
            usable_device(wrong)


def test_a_device_with_its_number():
    assert numbered("cpu") == torch.device("cpu")
    if torch.cuda.is_available():
        assert numbered("cuda") == torch.device("cuda", torch.cuda.current_device())


def test_what_torch_keeps_of_earlier_work_is_free(monkeypatch):
    """It is not of the driver's free memory: a second k-means thought there was no room."""
    for name, found in (
        ("mem_get_info", (10, 100)),
        ("memory_reserved", 60),
        ("memory_allocated", 20),
    ):
        monkeypatch.setattr(torch.cuda, name, lambda device, found=found: found)
    assert free_memory(torch.device("cuda", 0)) == 50


def test_too_little_memory_is_a_sentence():
    with pytest.raises(OutOfMemory, match=r"Not enough memory for it \(CUDA out\)\. Take less\.$"):
        with memory_said("it", "Take less."):
            raise torch.cuda.OutOfMemoryError("CUDA out\nof memory")
    with pytest.raises(RuntimeError, match="another"):
        with memory_said("it", "Take less."):
            raise RuntimeError("another")
