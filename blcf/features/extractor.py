"""Local convolutional features: pictures to feature maps, by one layer of a network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from blcf.bounds import check_bounds
from blcf.errors import InvalidInput
from blcf.features.networks import default_layer
from blcf.features.part import NetworkPart
from blcf.features.signed import SIGNED, split_layer
from blcf.images import ImageLike, Large, Loaded, Original, as_image, resize_image

__all__ = ["ConvFeatures"]


class ConvFeatures(NetworkPart):
    """Feature maps of one layer of a network, convolutional or a transformer of patches.

    Parameters
    ----------
    network : ``blcf-lite``, which the package carries, the name of a torchvision classification
        network, ``timm:NAME`` (extra ``timm``), or a ``torch.nn.Module``
    layer : a node of the network's graph (``features.25``), a submodule, or a paper's name
        (``conv5_1``: after the ReLU, as in Caffe); with ``:signed`` behind it (``fire9:signed``)
        what is in front of its last activation, with both signs and the length of the positive
        part (`blcf.features.signed`); None takes that which the weights were trained
        for, or else the family's default of stride 16. A module of your own needs one. Of timm's
        networks, and of those that torch.fx cannot trace, a submodule, at its first call.
    weights : path of a state dict (``.safetensors`` too), or of a network that ``blcf train``
        wrote; None takes torchvision's or timm's own (downloaded once)
    side : longer side, in pixels, to which pictures are resized; their aspect ratio is kept.
        The paper: 336 for Oxford and Paris, 384 for TRECVID INS (Mohedano et al., ICMR 2016,
        section 5).
    device : "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1", "mps"
    dtype : "auto", "float32", "bfloat16" or "float16", the arithmetic of the network; "auto" is
        bfloat16 where the device multiplies it in hardware, float32 elsewhere. Not part of a
        collection: features differ by a hundredth, rankings hardly (benchmarks/extraction.md).
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

    kind = "feature map"  # what a FeatureStore keeps of it

    def __init__(
        self,
        network: str | nn.Module = "blcf-lite",
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
        check_bounds("side", side, "side, in pixels,")
        self._open()
        self._probe()

    def _default_layer(self, network: str, module: nn.Module) -> str:
        return default_layer(network, module)

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """A picture, uint8 (height, width, 3), as the network takes it: resized."""
        return resize_image(image, self.side)

    @property
    def loaded_bytes(self) -> int:
        """Bytes of what `load` gives of a picture, at most."""
        return 3 * int(self.side) ** 2

    def load(self, original: Original, large: Large | None = None) -> Loaded[np.ndarray]:
        """A picture of a source, resized; `large` is entered while a large one is decoded."""
        return original.resized(self.side, large)

    def extract(self, image: ImageLike, side: int | None = None) -> np.ndarray:
        """The feature map of one picture.

        Parameters
        ----------
        image : a picture of any form and size, see `blcf.images.as_image`
        side : another longer side than the extractor's, pixels

        Returns
        -------
        float32 (C, h, w)
        """
        return self.extract_many([image], side)[0]

    def extract_many(
        self, images: Sequence[ImageLike], side: int | None = None
    ) -> list[np.ndarray]:
        """Feature maps of pictures, in their order: a list of float32 (C, h, w).

        Pictures are resized here, and those of equal shape share a batch. The parameters are those
        of `extract`.
        """
        return self.extract_resized(
            [resize_image(as_image(image), side or self.side) for image in images]
        )

    def extract_resized(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Feature maps of pictures that have their sizes, uint8 (height, width, 3), in their order.

        Those of equal shape share a batch. Maps are those of each picture alone; on the CPU to the
        last bit, as far as was measured (blcf-lite, float32 and bfloat16, sides 134 to 538).
        """
        maps: list[Any] = [None] * len(images)
        for positions in self.batches(images):
            for position, each in zip(positions, self._forward([images[p] for p in positions])):
                maps[position] = each
        return maps

    def extract_batch(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Feature maps of pictures that become of one shape, together: float32 (n, C, h, w)."""
        resized = [self.prepare(image) for image in images]
        shapes = sorted({image.shape[:2] for image in resized})
        if len(shapes) != 1:
            raise InvalidInput(
                "Expected pictures of one shape (height, width) when resized, got "
                f"{', '.join(map(str, shapes)) or 'no picture'}. extract_many takes any."
            )
        return self._forward(resized)

    def extract_on_device(self, images: Sequence[np.ndarray]) -> torch.Tensor:
        """`extract_batch` of resized pictures, on the device: nothing waits for the result, and
        whether it is finite is not looked at."""
        maps = self._run(list(images))
        return (maps.permute(0, 3, 1, 2) if self._channels_last else maps).contiguous()

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
        if self._channels_last and split_layer(self.layer_)[1]:
            raise InvalidInput(
                f"Expected maps (n, channels, height, width) in front of the activation, got those "
                f"of {self.layer_!r} of {self.network_} with the channels last. Leave {SIGNED!r} "
                "away."
            )
        self.n_channels_ = int(shapes[0][same[0]])
        self._measure(128, 96)

    def _forward(self, images: list[np.ndarray]) -> np.ndarray:
        """Feature maps (n, C, h, w) of pictures of one shape."""
        maps = self._run(images)
        if self._channels_last:
            maps = maps.permute(0, 3, 1, 2)
        return self._as_array(maps)

    @torch.inference_mode()
    def _run(self, images: list[np.ndarray]) -> torch.Tensor:
        """What the layer gives for pictures of one shape: float32 (n, ., ., .)."""
        maps = self._outputs(images)
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
            **self._describe(),
        }
