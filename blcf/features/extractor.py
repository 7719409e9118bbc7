"""Local convolutional features: pictures to feature maps, by one layer of a network."""

from __future__ import annotations

import copy
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from blcf.errors import InvalidInput, OutOfMemory
from blcf.features.networks import build_network, cut_network, default_layer
from blcf.features.weights import Preprocessing, digest_tensors, load_weights, put_weights
from blcf.images import resize_image

__all__ = ["ConvFeatures"]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class ConvFeatures:
    """Feature maps of one layer of a convolutional network.

    Parameters
    ----------
    network : name of a torchvision classification network, or a ``torch.nn.Module``
    layer : a node of the network's graph (``features.25``), a submodule, or a paper's name
        (``conv5_1``: after the ReLU, as in Caffe); None takes the family's default of stride 16.
        A module of your own needs one.
    weights : path of a state dict; None takes torchvision's own (downloaded once)
    side : longer side, in pixels, to which pictures are resized; their aspect ratio is kept.
        The paper: 336 for Oxford and Paris, 384 for TRECVID INS (Mohedano et al., ICMR 2016,
        section 5).
    device : "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1", "mps"
    dtype : "auto", "float32", "bfloat16" or "float16", the arithmetic of the network; "auto" is
        bfloat16 where the device multiplies it in hardware, float32 elsewhere. Not part of a
        collection: features differ by a hundredth, rankings hardly (benchmarks/README.md,
        "Extraction").
    batch_size : pictures of equal shape that go through the network together

    Attributes
    ----------
    node_ : name of the node in the graph
    n_channels_ : int
    preprocessing_ : `Preprocessing`, what belongs to the weights
    dtype_ : the arithmetic that was chosen
    weights_, weights_digest_ : where the weights came from, and their digest

    Raises
    ------
    InvalidInput, WeightsError
        Unknown network, layer, device or dtype; weights that do not fit.
    """

    def __init__(
        self,
        network: str | nn.Module = "vgg16",
        *,
        layer: str | None = None,
        weights: str | os.PathLike[str] | None = None,
        side: int = 384,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 8,
    ):
        self.network = network
        self.layer = layer
        self.weights = weights
        self.side = side
        self.device = device
        self.dtype = dtype
        self.batch_size = batch_size
        self._check()
        if isinstance(network, nn.Module):
            self._take_module(network)
        else:
            self._load(network)
        self._device = torch.device(_choose_device(device))
        self.dtype_ = dtype if dtype != "auto" else _choose_dtype(self._device)
        self._dtype = _DTYPES[self.dtype_]
        self.weights_digest_ = digest_tensors(self._part)
        self._part.to(device=self._device, dtype=self._dtype)
        self._part.to(memory_format=torch.channels_last)
        self._part.requires_grad_(False)
        mean, std = self.preprocessing_.mean, self.preprocessing_.std
        self._mean = torch.tensor(mean, device=self._device).view(1, 3, 1, 1) * 255
        self._std = torch.tensor(std, device=self._device).view(1, 3, 1, 1) * 255
        self._probe()

    def _check(self) -> None:
        if not isinstance(self.side, (int, np.integer)) or not 32 <= self.side <= 8192:
            raise InvalidInput(f"Expected side, in pixels, from 32 to 8192, got {self.side!r}.")
        if self.dtype != "auto" and self.dtype not in _DTYPES:
            known = ", ".join(["auto", *_DTYPES])
            raise InvalidInput(f"Expected a dtype of {known}, got {self.dtype!r}.")
        if not isinstance(self.batch_size, (int, np.integer)) or self.batch_size < 1:
            raise InvalidInput(f"Expected batch_size to be at least 1, got {self.batch_size!r}.")

    def _take_module(self, module: nn.Module) -> None:
        if self.layer is None:
            raise InvalidInput("A module of your own needs layer=...: the node to take maps from.")
        if self.weights is not None:
            raise InvalidInput("A module of your own brings its weights: leave weights=None.")
        self.layer_ = self.layer
        # A copy: eval mode, dtype and device are ours, the module stays as its owner had it.
        self._part, self.node_ = cut_network(copy.deepcopy(module).eval(), self.layer)
        self.network_ = f"module {type(module).__name__}"
        self.weights_, self.preprocessing_ = "its own", Preprocessing()

    def _load(self, network: str) -> None:
        module = build_network(network)
        self.network_, self.layer_ = network, self.layer or default_layer(network)
        self._part, self.node_ = cut_network(module, self.layer_)
        weights = load_weights(network, self.weights)
        put_weights(self._part, weights)
        self.weights_, self.preprocessing_ = weights.source, weights.preprocessing

    def extract(self, image: np.ndarray, side: int | None = None) -> np.ndarray:
        """The feature map of one picture.

        Parameters
        ----------
        image : uint8 (height, width, 3) RGB, of any size
        side : another longer side than the extractor's, pixels

        Returns
        -------
        float32 (C, h, w)
        """
        return self._forward([resize_image(image, side or self.side)])[0]

    def extract_many(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Feature maps of pictures, in their order: a list of float32 (C, h, w).

        Pictures are resized here (one that has the size already is taken as it is), and those of
        equal shape share a batch.
        """
        resized = [resize_image(image, self.side) for image in images]
        by_shape = defaultdict(list)
        for position, image in enumerate(resized):
            by_shape[image.shape].append(position)
        maps: list[Any] = [None] * len(resized)
        # Large pictures in smaller batches: a batch takes about the memory of 8 of side 768.
        n_batch = max(1, int(self.batch_size * min(1.0, (768 / self.side) ** 2)))
        for positions in by_shape.values():
            for first in range(0, len(positions), n_batch):
                batch = positions[first : first + n_batch]
                for position, feature_map in zip(batch, self._forward([resized[p] for p in batch])):
                    maps[position] = feature_map
        return maps

    def _probe(self) -> None:
        """Learn the number of channels, and on which axis they are, from pictures of two sizes."""
        self._channels_last, shapes = False, []
        for height, width in ((128, 96), (192, 224)):
            shapes.append(self._run([np.zeros((height, width, 3), dtype=np.uint8)]).shape[1:])
        same = [axis for axis in range(3) if shapes[0][axis] == shapes[1][axis]]
        if same == [0, 1, 2] and shapes[0][1:] == (1, 1):  # pooled to one cell
            same = [0]
        if same not in ([0], [2]):
            raise InvalidInput(
                f"Expected layer {self.layer_} of {self.network_} to give maps whose height and "
                f"width follow the picture's, got {tuple(shapes[0])} and {tuple(shapes[1])}. "
                "Choose a convolutional layer."
            )
        self._channels_last = same == [2]  # transformers keep the channels on the last axis
        self.n_channels_ = int(shapes[0][same[0]])

    def _forward(self, images: list[np.ndarray]) -> np.ndarray:
        """Feature maps (n, C, h, w) of pictures of one shape."""
        maps = self._run(images)
        if self._channels_last:
            maps = maps.permute(0, 3, 1, 2)
        if not bool(maps.isfinite().all()):
            raise InvalidInput(
                f"Layer {self.layer_} of {self.network_} gave values that are not finite in "
                f"{self.dtype_}. Use dtype='float32' or 'bfloat16', and check the weights."
            )
        return maps.contiguous().cpu().numpy()

    @torch.inference_mode()
    def _run(self, images: list[np.ndarray]) -> torch.Tensor:
        """What the layer gives for pictures of one shape: float32 (n, ., ., .)."""
        pixels = torch.from_numpy(np.stack(images)).to(self._device)  # (n, height, width, 3)
        pixels = pixels.permute(0, 3, 1, 2).float()  # channels last in memory
        inputs = ((pixels - self._mean) / self._std).to(self._dtype)
        height, width = images[0].shape[:2]
        try:
            maps = self._part(inputs)["map"]
        except (RuntimeError, AssertionError, ValueError, TypeError, IndexError) as error:
            # Whatever the network's own code raises at a size it cannot take.
            reason = (str(error) or type(error).__name__).splitlines()[0]
            if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in reason:
                raise OutOfMemory(
                    f"Not enough memory for {len(images)} pictures of {width}x{height} pixels at "
                    f"once ({reason}). Use a smaller side, a smaller batch_size or device='cpu'."
                ) from error
            raise InvalidInput(
                f"{self.network_} could not take a picture of {width}x{height} pixels up to layer "
                f"{self.layer_} ({reason}). Try a larger side."
            ) from error
        if not isinstance(maps, torch.Tensor) or maps.ndim != 4:
            shape = tuple(maps.shape) if isinstance(maps, torch.Tensor) else type(maps).__name__
            raise InvalidInput(
                f"Expected layer {self.layer_} of {self.network_} to give maps of shape "
                f"(n, C, h, w), got {shape}. Choose a convolutional layer."
            )
        return maps.float()

    def describe(self) -> dict[str, Any]:
        """What a collection records of its features, as plain values."""
        return {
            "network": self.network_,
            "layer": self.layer_,
            "node": self.node_,
            "n_channels": self.n_channels_,
            "side": int(self.side),
            "weights": self.weights_,
            "weights_digest": self.weights_digest_,
            "mean": list(self.preprocessing_.mean),
            "std": list(self.preprocessing_.std),
        }


def _choose_device(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise InvalidInput(
            f"Device {device!r} cannot be used ({str(error).splitlines()[0]}). Try device='cpu'."
        ) from error
    return device


def _choose_dtype(device: torch.device) -> str:
    """bfloat16 where the device has instructions for it: elsewhere it is emulated, and slow."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.get_device_capability(device) >= (8, 0) else "float32"
    if device.type != "cpu":
        return "float32"
    try:
        flags = set(Path("/proc/cpuinfo").read_text("utf-8", "replace").split())
    except OSError:  # no Linux
        return "float32"
    return "bfloat16" if flags & {"avx512_bf16", "amx_bf16", "bf16"} else "float32"
