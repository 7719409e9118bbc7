"""3x3 convolutions beside oneDNN, layer by layer: equality first, then time.

    python -m benchmarks.convolution

The layers of VGG16, SqueezeNet 1.1 and blcf-lite that are computed by minimal filtering, up to the
default layer, a picture of 288x384 of random numbers, random weights (time depends on neither), one
thread, as in the engine. Writes benchmarks/results/convolution.json and the table of
benchmarks/convolution.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from benchmarks.report import keep_results, made_by, signature, table, write_section
from blcf.features.fusing import FusedConvolution, fuse_network
from blcf.features.networks import build_network, cut_network, default_layer
from blcf.features.winograd import WinogradConvolution
from blcf.processor import multiplies_bfloat16

HEIGHT, WIDTH = 288, 384
NETWORKS = ("vgg16", "squeezenet1_1", "blcf-lite")
OURS, FLOAT32, BFLOAT16 = "ours", "oneDNN, float32", "oneDNN, bfloat16"
TOLERANCE = 1e-4  # of the largest number of a map


class Layers(fx.Interpreter):
    """Runs a network and keeps what each of our layers was given."""

    def __init__(self, part: fx.GraphModule):
        super().__init__(part)
        self.inputs: dict[str, torch.Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        """A node, its argument kept if it is such a layer."""
        if n.op == "call_module":
            if isinstance(self.module.get_submodule(str(n.target)), WinogradConvolution):
                (self.inputs[str(n.target)],) = self.fetch_args_kwargs_from_env(n)[0]
        return super().run_node(n)


def random_part(network: str) -> fx.GraphModule:
    """A network up to its default layer, with random weights, as the engine runs it."""
    module = build_network(network).to_empty(device="cpu").eval().requires_grad_(False)
    for each in module.modules():
        if isinstance(each, nn.Conv2d):
            nn.init.kaiming_normal_(each.weight)
            nn.init.normal_(each.bias, std=0.1)
    part = fuse_network(cut_network(module, default_layer(network, module))[0], torch.float32)
    return part.to(memory_format=torch.channels_last)


def best_of(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The least milliseconds of each call; they take turns."""
    taken = {name: np.inf for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken[name] = min(taken[name], 1e3 * (time.perf_counter() - start))
    return taken


def measure(layer: WinogradConvolution, given: torch.Tensor, rounds: int) -> dict[str, Any]:
    """One layer: how far both ways are from the exact sums, and their times."""
    n_channels, m = given.shape[1], len(layer.bias)
    plain = nn.Conv2d(n_channels, m, 3, padding=1).requires_grad_(False)
    ours = WinogradConvolution(plain, "relu", [])
    rival = FusedConvolution(plain.to(memory_format=torch.channels_last), "relu")
    calls = {OURS: lambda: ours(given), FLOAT32: lambda: rival(given)}
    exact = nn.functional.conv2d(
        given.double(), plain.weight.double(), plain.bias.double(), padding=1
    ).relu()
    largest = float(exact.max())
    errors = {name: float((call() - exact).abs().max()) / largest for name, call in calls.items()}
    if max(errors.values()) > TOLERANCE:
        raise SystemExit(f"The maps differ, by {errors} of the largest: nothing is timed.")
    if multiplies_bfloat16():
        short = nn.Conv2d(n_channels, m, 3, padding=1).requires_grad_(False).bfloat16()
        short_rival = FusedConvolution(short.to(memory_format=torch.channels_last), "relu")
        short_given = given.bfloat16()
        calls[BFLOAT16] = lambda: short_rival(short_given)
    return {
        "channels": [n_channels, m],
        "map": list(given.shape[2:]),
        "errors": errors,
        "milliseconds": best_of(calls, rounds),
    }


def markdown(results: dict[str, Any]) -> str:
    """The section of the page."""
    names = [FLOAT32, *([BFLOAT16] if BFLOAT16 in results["rows"][0]["milliseconds"] else [])]
    lines, sums = [], {}
    for row in results["rows"]:
        taken, errors = row["milliseconds"], row["errors"]
        for name, one in taken.items():
            total = sums.setdefault(row["network"], {})
            total[name] = total.get(name, 0.0) + one
        lines.append(
            [
                row["network"],
                " to ".join(map(str, row["channels"])),
                "x".join(map(str, row["map"])),
                f"{taken[OURS]:.2f}",
                *(f"{taken[name]:.2f} ({taken[name] / taken[OURS]:.2f}x)" for name in names),
                f"{errors[OURS]:.1e}, {errors[FLOAT32]:.1e}",
            ]
        )
    heads = ["network", "channels", "map", "ours (ms)", *names, "error of both, of the largest"]
    whole = "; ".join(
        f"{network} {total[OURS]:.1f} ms, "
        + ", ".join(f"{name} {total[name] / total[OURS]:.2f} times as long" for name in names)
        for network, total in sums.items()
    )
    return (
        f"Layers of a picture of {HEIGHT}x{WIDTH}, one thread, the least of {results['rounds']} "
        "rounds in which the ways take turns; in brackets how many times as long as ours it "
        "takes.\n\n"
        f"{table(heads, lines)}\n\nAll of a network: {whole}.\n\n{signature(results)}, "
        f"torch {results['torch']}"
    )


@torch.inference_mode()
def main() -> None:
    """Check the maps, take the times, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rows = []
    for network in NETWORKS:
        part = random_part(network)
        layers = Layers(part)
        pixels = torch.randn(1, 3, HEIGHT, WIDTH).contiguous(memory_format=torch.channels_last)
        layers.run(pixels)
        for name, given in layers.inputs.items():
            layer = part.get_submodule(name)
            rows.append({"network": network, **measure(layer, given, options.rounds)})
            print(rows[-1], flush=True)
    results = {**made_by("benchmarks.convolution"), "torch": torch.__version__}
    results |= {"rounds": options.rounds, "rows": rows}
    keep_results("convolution", results)
    write_section("convolution", "Convolution", markdown(results))


if __name__ == "__main__":
    main()
