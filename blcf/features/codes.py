"""Neural codes: a picture to one vector, the activations of a fully-connected layer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from blcf.bounds import check_bounds
from blcf.boxes import as_box
from blcf.errors import InvalidInput, WeightsError
from blcf.features.networks import cut_network
from blcf.features.part import NetworkPart
from blcf.features.published import torchvision_models
from blcf.images import ImageLike, Large, Loaded, Original, as_image

__all__ = ["CodeFeatures", "check_picture", "crop_image"]

_FITS = ("stretch", "crop")


class CodeFeatures(NetworkPart):
    """Activations of a layer behind the convolutions, where every picture gives one vector.

    Not normalised: `Whitening` is L2, PCA whitening, L2.

    Parameters
    ----------
    network : name of a torchvision classification network, or a ``torch.nn.Module``
    layer : ``fc6``, ``fc7`` (behind the ReLU) or ``fc8`` of VGG and AlexNet; or a node of the
        graph, a submodule or a paper's name of any network, whose output is flattened
        (``pool5``). None takes ``fc6``; of networks without hidden fully-connected layers
        ``flatten``, the average pool in front of the classifier (MobileNetV2: 1,280 values).
        SqueezeNet's ``flatten`` are its 1,000 class scores. A module of your own needs one.
    weights : path of a state dict; None takes torchvision's own (downloaded once)
    input_size : side, in pixels, of the square that pictures are brought to
    fit : how. "stretch" resizes without keeping the aspect ratio (Babenko et al.); "crop" resizes
        the shorter side and takes the square in the middle (Krizhevsky et al., NIPS 2012).
    device, dtype, batch_size : see `ConvFeatures`

    Attributes
    ----------
    n_channels_ : int, length of a code
    node_, preprocessing_, dtype_, weights_, weights_digest_ : see `ConvFeatures`

    Raises
    ------
    InvalidInput, WeightsError
        Unknown network, layer, device or dtype; weights that do not fit, or that have no
        fully-connected layers (torchvision's default of VGG16).

    Notes
    -----
    Sources: Babenko, Slesarev, Chigorin & Lempitsky, "Neural Codes for Image Retrieval",
    ECCV 2014, section 3; Razavian, Azizpour, Sullivan & Carlsson, "CNN Features off-the-shelf",
    CVPR Workshops 2014, section 4. Babenko's L6 and L7 are taken in front of the ReLU, here
    ``classifier.0`` and ``classifier.3`` of VGG (AlexNet ``classifier.1``, ``classifier.4``);
    L5 is ``pool5``, which torchvision has behind the ReLU only. Razavian's codes are behind it,
    as what is called fc6 and fc7 in Caffe.
    """

    kind = "code"  # what a FeatureStore keeps of it

    def __init__(
        self,
        network: str | nn.Module = "vgg16",
        *,
        layer: str | None = None,
        weights: str | os.PathLike[str] | None = None,
        input_size: int = 224,
        fit: str = "stretch",
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 8,
    ):
        self.network = network
        self.layer = layer
        self.weights = weights
        self.input_size = input_size
        self.fit = fit
        self.device = device
        self.dtype = dtype
        self.batch_size = batch_size
        check_bounds("side", input_size, "input_size, in pixels,")
        if fit not in _FITS:
            raise InvalidInput(f"Expected fit to be {' or '.join(_FITS)}, got {fit!r}.")
        self._open()
        self._check_weights()
        self.n_channels_ = self._codes([self._black()]).shape[1]
        self._measure(input_size, input_size)

    def _default_layer(self, network: str, module: nn.Module) -> str:
        return "fc6" if network.startswith(("vgg", "alexnet")) else "flatten"

    def _cut(self, module: nn.Module) -> None:
        layer = _connected_layers(module).get(self.layer_, self.layer_)
        self._part, self.node_ = cut_network(module, layer)

    def _black(self) -> np.ndarray:
        return np.zeros((self.input_size, self.input_size, 3), dtype=np.uint8)

    def _check_weights(self) -> None:
        """See whether torchvision filled the layers with NaN, which the Caffe VGG16 lacks."""
        for name, tensor in self._part.state_dict().items():
            if tensor.is_floating_point() and tensor.numel() and bool(tensor.isnan().all()):
                whole = torchvision_models().VGG16_Weights.IMAGENET1K_V1
                raise WeightsError(
                    f"The weights {self.weights_} have no {name}, which layer {self.layer_} needs "
                    "(all of it is NaN). Pass those of a network with its classifier: for VGG16 "
                    f"get {whole.url}."
                )

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """A picture as the network takes it: uint8 (input_size, input_size, 3).

        Pillow's bilinear filter, as `blcf.images.resize_image`; one that has the size stays as it
        is.
        """
        check_picture(image)
        height, width = image.shape[:2]
        if self.fit == "crop":
            side = min(width, height)
            left, top = (width - side) // 2, (height - side) // 2
            image = image[top : top + side, left : left + side]
        size = (self.input_size, self.input_size)
        if image.shape[:2] == size:
            return image
        return np.array(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))

    @property
    def loaded_bytes(self) -> int:
        """Bytes of what `load` gives of a picture."""
        return 3 * int(self.input_size) ** 2

    def load(self, original: Original, large: Large | None = None) -> Loaded[np.ndarray]:
        """A picture of a source as the network takes it."""
        return original.through(self.prepare)

    def extract(self, image: ImageLike, box: Any = None) -> np.ndarray:
        """The code of one picture, or of the part of it in a box.

        Parameters
        ----------
        image : a picture of any form and size, see `blcf.images.as_image`
        box : float (4,), xyxy, pixels; None takes the whole picture

        Returns
        -------
        float32 (n_channels_,)
        """
        image = as_image(image)
        return self.extract_many([image if box is None else crop_image(image, box)])[0]

    def extract_many(self, images: Sequence[ImageLike]) -> np.ndarray:
        """Codes of pictures of any forms and sizes, in their order: float32 (n, n_channels_)."""
        prepared = [self.prepare(as_image(image)) for image in images]
        codes = np.empty((len(prepared), self.n_channels_), dtype=np.float32)
        for positions in self.batches(prepared):
            codes[positions] = self._codes([prepared[position] for position in positions])
        return codes

    def extract_batch(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Codes of loaded pictures, together: float32 (n, n_channels_)."""
        return self._codes(list(images))

    @torch.inference_mode()
    def _codes(self, images: list[np.ndarray]) -> np.ndarray:
        """Codes (n, n_channels_) of pictures of the right size."""
        outputs = self._outputs(images)
        if not isinstance(outputs, torch.Tensor) or outputs.ndim < 2 or len(outputs) != len(images):
            shape = getattr(outputs, "shape", None)
            found = type(outputs).__name__ if shape is None else str(tuple(shape))
            raise InvalidInput(
                f"Expected layer {self.layer_} of {self.network_} to give (n, d) or (n, d, 1, 1), "
                f"got {found} for {len(images)} pictures. Choose a layer with one vector a picture."
            )
        return self._as_array(outputs.float().flatten(1))

    def describe(self) -> dict[str, Any]:
        """What there is to know of the codes, as plain values."""
        return {
            "network": self.network_,
            "layer": self.layer_,
            "node": self.node_,
            "n_channels": self.n_channels_,
            "input_size": int(self.input_size),
            "fit": self.fit,
            **self._describe(),
        }


def crop_image(image: np.ndarray, box: Any) -> np.ndarray:
    """The pixels that a box touches, at least one: a view of the picture.

    Parameters
    ----------
    image : uint8 (height, width, 3)
    box : float (4,), xyxy, pixels; what sticks out of the picture is cut off

    Raises
    ------
    InvalidInput
        No such picture or box, or a box outside.
    """
    check_picture(image)
    height, width = image.shape[:2]
    x1, y1, x2, y2 = as_box(box, (width, height)).astype(np.float64)
    return image[int(np.floor(y1)) : int(np.ceil(y2)), int(np.floor(x1)) : int(np.ceil(x2))]


def check_picture(image: np.ndarray) -> None:
    """See that a picture is uint8 (height, width, 3)."""
    if (
        not isinstance(image, np.ndarray)
        or image.dtype != np.uint8
        or image.ndim != 3
        or image.shape[2] != 3
        or not image.size
    ):
        kind = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else repr(image)[:80]
        raise InvalidInput(
            f"Expected an RGB picture, uint8 (height, width, 3), got {kind}. "
            "`read_image` returns such arrays."
        )


def _connected_layers(module: nn.Module) -> dict[str, str]:
    """The papers' names of the fully-connected layers of VGG and AlexNet, as in Caffe.

    Counted behind the five groups of convolutions, whatever their number: {"fc6": "classifier.1"}.
    """
    classifier = getattr(module, "classifier", None)
    if not isinstance(classifier, nn.Sequential):
        return {}
    models = torchvision_models()
    if not isinstance(module, (models.VGG, models.AlexNet)):
        return {}
    hidden = [place for place, each in enumerate(classifier) if isinstance(each, nn.ReLU)]
    places = [*hidden, len(classifier) - 1]
    return {f"fc{6 + i}": f"classifier.{place}" for i, place in enumerate(places)}
