"""What the extractors share: a network up to one layer, with its weights, on a device."""

from __future__ import annotations

import copy
import os
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from blcf.devices import numbered, usable_device
from blcf.errors import InvalidInput, OutOfMemory
from blcf.features.depthwise import plan_no_depthwise
from blcf.features.fusing import fuse_network, largest_activation
from blcf.features.network_file import Preprocessing, is_network_file
from blcf.features.networks import build_network, cut_network
from blcf.features.shared_parts import SharedPart
from blcf.features.weights import digest_tensors, load_weights, put_weights
from blcf.forking import use_threads
from blcf.printing import shown
from blcf.processor import multiplies_bfloat16

__all__ = ["NetworkPart", "choose_dtype"]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

# The largest activation of a batch on the CPU. Larger blocks glibc takes afresh from the system,
# page by page: VGG16 takes 95 ms a picture in batches of 8, 86 in batches of 2, 74 one by one
# (bfloat16). SqueezeNet is fastest with 2 to 8 pictures, MobileNetV2 with 2 to 6.
_LARGEST_ACTIVATION = 16 << 20
_MOST_ON_DEVICE = 64  # pictures of a batch; a GPU is not busy with few


class NetworkPart:
    """A network up to one layer: pictures of one shape go in, what the layer gives comes out.

    The base of `ConvFeatures` and `CodeFeatures`, which say how pictures are resized and what is
    made of the layer's output. `network`, `layer`, `weights`, `device`, `dtype` and `batch_size`
    are theirs, and described there.
    """

    network: str | nn.Module
    layer: str | None
    weights: str | os.PathLike[str] | None
    device: str
    dtype: str
    batch_size: int

    n_channels_: int
    _part: nn.Module  # the network up to the layer
    preprocessing_: Preprocessing

    def __repr__(self) -> str:
        layer = f"{self.layer_} of {self.network_}"
        place = f"{self.dtype_} on {self._device}"
        return shown(self, f"{layer}, {self.n_channels_:,} channels, {place}")

    def _open(self) -> None:
        """Build the network, load its weights, and bring both to the device."""
        if self.dtype != "auto" and self.dtype not in _DTYPES:
            known = ", ".join(["auto", *_DTYPES])
            raise InvalidInput(f"Expected a dtype of {known}, got {self.dtype!r}.")
        if not isinstance(self.batch_size, (int, np.integer)) or self.batch_size < 1:
            raise InvalidInput(f"Expected batch_size to be at least 1, got {self.batch_size!r}.")
        if isinstance(self.network, nn.Module):
            self._take_module(self.network)
        else:
            self._load(self.network)
        self._device = numbered(usable_device(self.device))
        self.dtype_ = self.dtype if self.dtype != "auto" else choose_dtype(self._device)
        self._dtype = _DTYPES[self.dtype_]
        self.weights_digest_ = digest_tensors(self._part)
        self._part.requires_grad_(False)
        if self._device.type == "cpu":
            self._part = fuse_network(self._part, self._dtype)
            _keep_freed_memory()
        self._part.to(device=self._device, dtype=self._dtype)
        self._part.to(memory_format=torch.channels_last)
        if self._device.type == "cuda":
            plan_no_depthwise(self._part)
        mean, std = self.preprocessing_.mean, self.preprocessing_.std
        self._mean = torch.tensor(mean, device=self._device).view(1, 3, 1, 1) * 255
        self._std = torch.tensor(std, device=self._device).view(1, 3, 1, 1) * 255

    def _take_module(self, module: nn.Module) -> None:
        if self.layer is None:
            raise InvalidInput("A module of your own needs layer=...: the node to take maps from.")
        if self.weights is not None:
            raise InvalidInput("A module of your own brings its weights: leave weights=None.")
        self.layer_ = self.layer
        # A copy: eval mode, dtype and device are ours, the module stays as its owner had it.
        self._cut(copy.deepcopy(module).eval().cpu().float())
        self.network_ = f"module {type(module).__name__}"
        self.weights_, self.preprocessing_ = "its own", Preprocessing()

    def _load(self, network: str) -> None:
        module = build_network(network)
        weights = None
        if self.weights is not None and is_network_file(self.weights):
            weights = load_weights(network, self.weights)
        layer = self.layer or (weights.layer if weights is not None else None)
        self.network_, self.layer_ = network, layer or self._default_layer(network, module)
        self._cut(module)  # before a download: a layer that is none is said at once
        if weights is None:
            weights = load_weights(network, self.weights)
        put_weights(self._part, weights)
        self.weights_, self.preprocessing_ = weights.source, weights.preprocessing

    def _cut(self, module: nn.Module) -> None:
        self._part, self.node_ = cut_network(module, self.layer_)

    def _default_layer(self, network: str, module: nn.Module) -> str:
        raise NotImplementedError

    @property
    def is_elsewhere(self) -> bool:
        """Whether it computes on another device than the processor."""
        return self._device.type != "cpu"

    @property
    def n_at_once(self) -> int:
        """How many batches are best computed at the same time, each by one thread."""
        return torch.get_num_threads() if self._device.type == "cpu" else 1

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
            n_batch = self.n_together(height, width)
            starts = range(0, len(positions), n_batch)
            found += [positions[start : start + n_batch] for start in starts]
        return sorted(found)

    def n_together(self, height: int, width: int) -> int:
        """How many pictures of a size go through the network together, at most."""
        if self._device.type == "cpu":
            n_most = int(_LARGEST_ACTIVATION / (self._bytes_per_pixel * height * width))
        else:  # about the memory of 8 of side 768
            n_most = int(self.batch_size * (768 / max(height, width)) ** 2)
            return max(1, min(_MOST_ON_DEVICE, n_most))
        return max(1, min(self.batch_size, n_most))

    def _measure(self, height: int, width: int) -> None:
        """Learn how large activations are."""
        if self._device.type == "cpu":
            inputs = self._inputs([np.zeros((height, width, 3), dtype=np.uint8)])
            self._bytes_per_pixel = largest_activation(self._part, inputs) / (height * width)

    def _inputs(self, images: list[np.ndarray]) -> torch.Tensor:
        """Pictures of one shape as the network takes them: (n, 3, height, width)."""
        if self._device.type == "cuda":  # from pinned memory, which nothing waits for
            stacked = torch.empty(
                (len(images), *images[0].shape), dtype=torch.uint8, pin_memory=True
            )
            np.stack(images, out=stacked.numpy())
            pixels = stacked.to(self._device, non_blocking=True)  # (n, height, width, 3)
        else:
            pixels = torch.from_numpy(np.stack(images)).to(self._device)
        pixels = pixels.permute(0, 3, 1, 2).float()  # channels last in memory
        return pixels.sub_(self._mean).div_(self._std).to(self._dtype)

    @torch.inference_mode()
    def _outputs(self, images: list[np.ndarray]) -> Any:
        """What the layer gives for pictures of one shape, a tensor if the layer is a usual one."""
        use_threads()
        inputs = self._inputs(images)
        height, width = images[0].shape[:2]
        try:
            return self._part(inputs)["map"]
        except (RuntimeError, AssertionError, ValueError, TypeError, IndexError) as error:
            # Whatever the network's own code raises at a size it cannot take.
            reason = (str(error) or type(error).__name__).splitlines()[0]
            if isinstance(error, torch.cuda.OutOfMemoryError) or "allocate memory" in reason:
                raise OutOfMemory(
                    f"Not enough memory for {len(images)} pictures of {width}x{height} pixels at "
                    f"once ({reason}). Use a smaller side, a smaller batch_size or device='cpu'."
                ) from error
            raise InvalidInput(
                f"{self.network_} could not take a picture of {width}x{height} pixels up to layer "
                f"{self.layer_} ({reason}). Try a larger side."
            ) from error

    def _as_array(self, outputs: torch.Tensor) -> np.ndarray:
        """Float32 outputs of the layer as an array, if all of them are finite."""
        # A sum is finite unless a term is not, or it overflows: a tenth of the time of isfinite.
        if not bool(outputs.sum().isfinite()) and not bool(outputs.isfinite().all()):
            raise InvalidInput(
                f"Layer {self.layer_} of {self.network_} gave values that are not finite in "
                f"{self.dtype_}. Use dtype='float32' or 'bfloat16', and check the weights."
            )
        return outputs.contiguous().cpu().numpy()

    def _describe(self) -> dict[str, Any]:
        """What is said of the weights and their preprocessing, as plain values.

        And of networks that are run as they are, how pictures are placed under their cells.
        """
        part = self._part
        placing = {}
        if isinstance(part, SharedPart) and (part.multiple, part.lead) != (1, 0):
            placing = {"placing": [part.multiple, part.stride, part.lead]}
        return {
            **placing,
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


def choose_dtype(device: torch.device) -> str:
    """bfloat16 where the device has instructions for it: elsewhere it is emulated, and slow."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.get_device_capability(device) >= (8, 0) else "float32"
    return "bfloat16" if device.type == "cpu" and multiplies_bfloat16() else "float32"
