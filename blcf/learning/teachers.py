"""The teachers of blcf-lite: networks trained on ImageNet, and what of their layers is taught.

What a student shall predict of a layer is what BLCF would make of it: the local features,
L2-normalised, PCA-whitened and L2-normalised again (cosines between them are the layer's opinion
of what looks alike), and their L2 norms, which weight the cells of a picture.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from blcf.errors import WeightsError
from blcf.features import Whitening
from blcf.features.network_file import Preprocessing
from blcf.features.networks import cut_layers
from blcf.features.part import choose_dtype
from blcf.features.published import torchvision_models
from blcf.features.weights import load_weights, put_weights

__all__ = ["TAUGHT", "MobileNetV1", "Taught", "Teachers"]


@dataclass(frozen=True)
class Taught:
    """One layer that is taught.

    Attributes
    ----------
    name : of the target
    network, layer : whose activations they are
    stride : pixels from cell to cell
    first : pixel of the network's input at which the first cell looks, its middle; measured, as
        the mean place where maps of photographs change when a small patch of them does
    share : of the loss
    """

    name: str
    network: str
    layer: str
    stride: int
    first: int
    share: float


# By their padding alone the cells of MobileNetV2 would look at 0 and those of MobileNetV1 at 15.
TAUGHT = (
    Taught("fire9", "squeezenet1_1", "fire9", 16, 15, 0.35),
    Taught("fire8", "squeezenet1_1", "fire8", 16, 15, 0.25),
    Taught("mobilenet_v2", "mobilenet_v2", "features.14.conv.0", 16, -4, 0.25),
    Taught("mobilenet_v1", "mobilenet_v1", "conv_pw_11", 16, 7, 0.15),
    Taught("fire5", "squeezenet1_1", "fire5", 8, 7, 0.2),
)


class _SamePadding(nn.Module):
    """A convolution with ReLU6 whose zeros lie as TensorFlow's SAME puts them."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray, stride: int, groups: int):
        super().__init__()
        n_channels, n_each, kernel, _ = weight.shape
        self.stride, self.kernel = stride, kernel
        self.conv = nn.Conv2d(n_each * groups, n_channels, kernel, stride, groups=groups)
        tensors = {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}
        self.conv.load_state_dict(tensors)

    def forward(self, maps):  # noqa: D102 (torch's own contract)
        sides = []
        for size in (maps.shape[-1], maps.shape[-2]):
            zeros = max((-(-size // self.stride) - 1) * self.stride + self.kernel - size, 0)
            sides += [zeros // 2, zeros - zeros // 2]
        return functional.relu6(self.conv(functional.pad(maps, sides)))


class MobileNetV1(nn.Module):
    """MobileNetV1 1.0 up to conv_pw_11, from folded float weights and their list of operations.

    Parameters
    ----------
    folder : holds ``mobilenet_v1_float.npz`` and ``mobilenet_v1_ops.json``
    """

    preprocessing = Preprocessing((128 / 255,) * 3, (128 / 255,) * 3)  # (x - 128) / 128

    def __init__(self, folder: Path):
        super().__init__()
        operations = json.loads((folder / "mobilenet_v1_ops.json").read_text("utf-8"))["ops"]
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        with np.load(folder / "mobilenet_v1_float.npz", allow_pickle=False) as arrays:
            for operation in operations:
                if operation["op"] not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
                    break
                weight = arrays[f"{operation['w']}.weight"]
                bias = arrays[f"{operation['w']}.bias"]
                number, half = divmod(len(layers) + 1, 2)
                name = f"conv_{'pw' if half else 'dw'}_{number}" if layers else "conv"
                groups = operation.get("groups", 1)
                layers[name] = _SamePadding(weight, bias, operation["stride"], groups)
                if name == "conv_pw_11":
                    break
        self.layers = nn.Sequential(layers)

    def forward(self, pixels):  # noqa: D102 (torch's own contract)
        return self.layers(pixels)


class Teachers:
    """Every taught layer, over pictures of one size.

    Parameters
    ----------
    folder : with the weights: ``squeezenet1_1_features.pth``, ``mobilenet_v2.pth``,
        ``mobilenet_v1_float.npz`` and ``mobilenet_v1_ops.json``
    taught : the layers
    margin : pixels of a canvas on each side of what the student sees; 16 at least
    device, dtype : of the arithmetic; None: bfloat16 where the device has instructions for it

    Raises
    ------
    WeightsError
        A file is missing.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        taught: Sequence[Taught] = TAUGHT,
        *,
        margin: int = 16,
        device: str = "cpu",
        dtype: torch.dtype | None = None,
    ):
        self.taught, self.margin = tuple(taught), margin
        self.device = torch.device(device)
        self.dtype = dtype or getattr(torch, choose_dtype(self.device))
        self._networks = {}
        for name in dict.fromkeys(each.network for each in taught):
            layers = [each.layer for each in taught if each.network == name]
            part, preprocessing = _open(Path(folder), name, layers)
            mean = torch.tensor(preprocessing.mean).view(1, 3, 1, 1) * 255
            std = torch.tensor(preprocessing.std).view(1, 3, 1, 1) * 255
            part = part.eval().requires_grad_(False).to(self.device, self.dtype)
            part = part.to(memory_format=torch.channels_last)
            self._networks[name] = part, mean.to(self.device), std.to(self.device)

    @torch.inference_mode()
    def __call__(self, canvases: np.ndarray) -> dict[str, torch.Tensor]:
        """Maps on the student's grid.

        Parameters
        ----------
        canvases : uint8 (n, side, side, 3)

        Returns
        -------
        {name: float32 (n, C, h, w)}: cell (i, j) looks at the pixel of the canvas
        ``margin + stride * (i + 0.5) - 0.5``, to half a pixel at stride 16 and to the mean of two
        neighbours at stride 8; h, w are (side - 2 margin) // stride
        """
        side = canvases.shape[1]
        pixels = torch.from_numpy(canvases).to(self.device).permute(0, 3, 1, 2).float()
        found: dict[str, torch.Tensor] = {}
        for name, (part, mean, std) in self._networks.items():
            layers = [each for each in self.taught if each.network == name]
            start, skip = self.margin + 8 - layers[0].first, 0
            if start >= 16:  # see more of the canvas, and leave out the cells at the border
                start, skip = start - 16, 1
            end = start + (side - start) // 16 * 16  # SAME padding of an odd size moves the cells
            inputs = ((pixels[:, :, start:end, start:end] - mean) / std).to(self.dtype)
            maps = part(inputs.contiguous(memory_format=torch.channels_last))
            for each in layers:
                n_cells = (side - 2 * self.margin) // each.stride
                values = maps[each.layer].float()
                if each.stride == 8:  # half a cell off: the mean of two neighbours either way
                    values = functional.avg_pool2d(values, 2, 1)
                found[each.name] = values[:, :, skip : skip + n_cells, skip : skip + n_cells]
        return found


def _open(folder: Path, network: str, layers: Sequence[str]) -> tuple[nn.Module, Preprocessing]:
    """A network that gives the maps of some layers, and its preprocessing."""
    if network == "mobilenet_v1":
        if not (folder / "mobilenet_v1_float.npz").is_file():
            raise WeightsError(f"No mobilenet_v1_float.npz in {folder}. Name the weights' folder.")
        module = MobileNetV1(folder)
        return _Named(module, layers[0]), module.preprocessing
    file = {"squeezenet1_1": "squeezenet1_1_features.pth"}.get(network, f"{network}.pth")
    weights = load_weights(network, folder / file)
    part = cut_layers(torchvision_models().get_model(network, weights=None).eval(), layers)
    put_weights(part, weights)
    return part, weights.preprocessing


class _Named(nn.Module):
    """A network whose output is called by the name of its last layer."""

    def __init__(self, module: nn.Module, layer: str):
        super().__init__()
        self.module, self.layer = module, layer

    def forward(self, pixels):  # noqa: D102 (torch's own contract)
        return {self.layer: self.module(pixels)}


class Targets:
    """What is taught of each layer, learned from a sample of maps.

    Attributes
    ----------
    whitenings_ : {name: `Whitening`}
    scales_ : {name: mean L2 norm of a local feature}
    """

    def __init__(self, n_components: int = 128):
        self.n_components = n_components

    def fit(self, maps: Mapping[str, torch.Tensor]) -> Targets:
        """Learn from maps of a sample of pictures, {name: (n, C, h, w)}."""
        self.whitenings_, self.scales_ = {}, {}
        for name, values in maps.items():
            rows = values.permute(0, 2, 3, 1).reshape(-1, values.shape[1]).numpy()
            self.whitenings_[name] = Whitening(self.n_components).fit(rows)
            self.scales_[name] = float(np.linalg.norm(rows, axis=1).mean())
        return self

    def transform(self, name: str, values: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Directions float16 (n, n_components, h, w), of length 1, and relative norms (n, h, w)."""
        n, n_channels, h, w = values.shape
        rows = values.permute(0, 2, 3, 1).reshape(-1, n_channels).cpu().numpy()
        directions = self.whitenings_[name].transform(rows).reshape(n, h, w, -1)
        norms = np.linalg.norm(rows, axis=1).reshape(n, h, w) / self.scales_[name]
        return directions.transpose(0, 3, 1, 2).astype(np.float16), norms.astype(np.float16)
