"""Local convolutional features: pictures to feature maps, by one layer of a network."""

from __future__ import annotations

import copy
import os
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from blcf.errors import InvalidInput, OutOfMemory
from blcf.features.fusing import fuse_network, largest_activation
from blcf.features.networks import build_network, cut_network, default_layer
from blcf.features.weights import Preprocessing, digest_tensors, load_weights, put_weights
from blcf.images import resize_image
from blcf.processor import multiplies_bfloat16

__all__ = ["ConvFeatures"]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

# The largest activation of a batch on the CPU. Larger blocks glibc takes afresh from the system,
# page by page: VGG16 takes 95 ms a picture in batches of 8, 86 in batches of 2, 74 one by one
# (bfloat16). SqueezeNet is fastest with 2 to 8 pictures, MobileNetV2 with 2 to 6.
_LARGEST_ACTIVATION = 16 << 20


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
    batch_size : pictures of equal shape that go through the network together, at most; on the CPU
        fewer where the activations of a layer are large

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

    _part: nn.Module  # the network up to the layer
    preprocessing_: Preprocessing

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
        self._part.requires_grad_(False)
        if self._device.type == "cpu":
            self._part = fuse_network(self._part, self._dtype)
            _keep_freed_memory()
        self._part.to(device=self._device, dtype=self._dtype)
        self._part.to(memory_format=torch.channels_last)
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
        maps: list[Any] = [None] * len(resized)
        for positions in self.batches(resized):
            for position, each in zip(positions, self._forward([resized[p] for p in positions])):
                maps[position] = each
        return maps

    def extract_batch(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Feature maps of pictures that become of one shape, together: float32 (n, C, h, w)."""
        resized = [resize_image(image, self.side) for image in images]
        shapes = sorted({image.shape[:2] for image in resized})
        if len(shapes) != 1:
            raise InvalidInput(
                "Expected pictures of one shape (height, width) when resized, got "
                f"{', '.join(map(str, shapes)) or 'no picture'}. extract_many takes any."
            )
        return self._forward(resized)

    def batches(self, images: Sequence[np.ndarray]) -> list[list[int]]:
        """Which of some resized pictures go through the network together.

        Returns
        -------
        positions of pictures of equal shape, ascending; batches in the order of their first ones
        """
        by_shape = defaultdict(list)
        for position, image in enumerate(images):
            by_shape[image.shape].append(position)
        found = []
        for (height, width, _), positions in by_shape.items():
            n_batch = self._n_batch(height, width)
            starts = range(0, len(positions), n_batch)
            found += [positions[start : start + n_batch] for start in starts]
        return sorted(found)

    def _n_batch(self, height: int, width: int) -> int:
        """How many pictures of a size go through the network together."""
        if self._device.type == "cpu":
            n_most = int(_LARGEST_ACTIVATION / (self._bytes_per_pixel * height * width))
        else:  # about the memory of 8 of side 768
            n_most = int(self.batch_size * (768 / self.side) ** 2)
        return max(1, min(self.batch_size, n_most))

    def _probe(self) -> None:
        """Learn the number of channels, on which axis they are, and the size of activations."""
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
        if self._device.type == "cpu":
            inputs = self._inputs([np.zeros((128, 96, 3), dtype=np.uint8)])
            self._bytes_per_pixel = largest_activation(self._part, inputs) / (128 * 96)

    def _forward(self, images: list[np.ndarray]) -> np.ndarray:
        """Feature maps (n, C, h, w) of pictures of one shape."""
        maps = self._run(images)
        if self._channels_last:
            maps = maps.permute(0, 3, 1, 2)
        # A sum is finite unless a term is not, or it overflows: a tenth of the time of isfinite.
        if not bool(maps.sum().isfinite()) and not bool(maps.isfinite().all()):
            raise InvalidInput(
                f"Layer {self.layer_} of {self.network_} gave values that are not finite in "
                f"{self.dtype_}. Use dtype='float32' or 'bfloat16', and check the weights."
            )
        return maps.contiguous().cpu().numpy()

    def _inputs(self, images: list[np.ndarray]) -> torch.Tensor:
        """Pictures of one shape as the network takes them: (n, 3, height, width)."""
        pixels = torch.from_numpy(np.stack(images)).to(self._device)  # (n, height, width, 3)
        pixels = pixels.permute(0, 3, 1, 2).float()  # channels last in memory
        return pixels.sub_(self._mean).div_(self._std).to(self._dtype)

    @torch.inference_mode()
    def _run(self, images: list[np.ndarray]) -> torch.Tensor:
        """What the layer gives for pictures of one shape: float32 (n, ., ., .)."""
        inputs = self._inputs(images)
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


def _keep_freed_memory() -> None:
    """Let glibc keep freed blocks of the size of activations, instead of giving them back.

    It learns from what a program frees: after a block of nearly 32 MB, the most it learns from,
    blocks up to that size are taken from memory it has already. Elsewhere this does nothing.
    """
    torch.empty((32 << 20) - (64 << 10), dtype=torch.uint8)


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
    return "bfloat16" if device.type == "cpu" and multiplies_bfloat16() else "float32"
