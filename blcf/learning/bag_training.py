"""Learning for the bag of words: local features by which pictures of one thing share words.

A step looks at views of several pictures of several classes. Their cells are whitened, as in a
collection; bags of them are compared in a smooth form (`blcf.learning.bag_losses`), and pictures of
a class must be more like one another than like the others. Nothing local is supervised: what tells
classes apart becomes a word of its own, and what does not loses its norm, which weights cells in a
collection as well.

The whitening is that of the features the network begins with, and stays (as in Tolias, Jenicek &
Chum, ECCV 2020), though a collection will learn its own. On composed scenes a bag had an mAP of .55
before, .68 after six epochs with it, .67 with one that followed the features every 25 steps, .57
every 5, .45 every step: what it follows it undoes, making little of what has become large.
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from blcf.errors import Diverged, InvalidInput
from blcf.features.whitening import Whitening
from blcf.learning.bag_losses import (
    contrastive_softmax_loss,
    kept_features_loss,
    soft_bag_similarities,
)
from blcf.learning.bag_settings import BagSettings
from blcf.learning.feature_rows import feature_rows
from blcf.learning.heads import WhiteningLayer
from blcf.learning.held_out import MOST_MEASURED, cell_norms, measure_held_out
from blcf.learning.local_network import LocalNetwork
from blcf.learning.photographs import Batch, Photographs
from blcf.learning.run_folder import STATE, RunState, no_state, read_state, run_epochs, write_state
from blcf.learning.sampling import sample_batches
from blcf.learning.vectors import as_classes
from blcf.storage import array_digest
from blcf.threads import one_openmp_thread

__all__ = ["BagTraining"]

_LAST_RATE = 0.03  # times the rate, in the last step
_LONGEST = 2.0  # gradients of all weights together are cut to this length
_WHITENED, _AT_ONCE = 256, 16  # photographs the whitening is learned from
_UNREADABLE = "Expected photographs that can be read, two of one class in a batch, got none."
_GROWTH = 2.0  # times the first epoch's mean loss: more is called diverging


class BagTraining:
    """A network, the whitening it began with, the optimiser, and how far they are.

    Parameters
    ----------
    network : to learn on from its weights
    settings : `BagSettings`
    device : where it learns

    Attributes
    ----------
    whitening : of the cells, learned when a run begins
    epoch, step : how many are done
    record : what each epoch gave: epoch, loss, rate, seconds, and mAP of classes that are held out
    """

    def __init__(self, network: LocalNetwork, settings: BagSettings, *, device: str = "cpu"):
        self.network, self.settings, self.device = network, settings, torch.device(device)
        network.to(self.device)
        self._before = copy.deepcopy(network).eval().requires_grad_(False)
        self.whitening: WhiteningLayer | None = None
        self.epoch = self.step = 0
        self.record: list[dict[str, Any]] = []
        self.optimiser = torch.optim.AdamW(
            [one for one in network.parameters() if one.requires_grad],
            lr=settings.rate,
            weight_decay=settings.weight_decay,
        )
        self._learns_from = ""

    def run(
        self,
        photographs: Photographs,
        classes: np.ndarray,
        folder: Path,
        *,
        bar: Callable[[Any], Any] = iter,
    ) -> list[dict[str, Any]]:
        """Learn until all epochs are done, from where the state in a folder is; give the record.

        The same weights come of it whether it was killed in between or not.

        Parameters
        ----------
        photographs, classes : what is learned from; int (n,), the thing that each shows
        folder : made where there is none
        bar : wraps the iteration over steps

        Raises
        ------
        Diverged
            Network and folder are as they were after the last epoch that was good.
        FormatError
            The state in the folder is none of this training.
        InvalidInput
            Classes that teach nothing; no photograph can be read.
        """
        classes = as_classes(classes, len(photographs), "classes")
        others = photographs.others.names if photographs.others is not None else []
        names = "\n".join([*photographs.names, *others]).encode("utf-8", "surrogateescape")
        self._learns_from = array_digest(np.frombuffer(names + classes.tobytes(), np.uint8))
        learned, held = self._deal(classes)
        batches = self._batches(classes, learned, 0)
        if not batches:
            raise InvalidInput(
                f"Expected pictures of two classes or more, two of one at least, got "
                f"{len(learned)} pictures that teach nothing. Label others, or hold out fewer."
            )
        n_steps = len(batches) * self.settings.epochs  # the epochs have one number of batches

        def one_epoch() -> dict[str, Any]:
            began = time.monotonic()
            loss = self.learn(photographs, classes, learned, n_steps, bar)
            entry = {"epoch": self.epoch, "loss": loss, "rate": self._rate(n_steps)}
            if len(held) and self.whitening is not None:
                entry["mAP"] = measure_held_out(
                    self.network, self.whitening, photographs, classes, held, self.settings
                )
            return entry | {"seconds": round(time.monotonic() - began, 3)}

        with _threads():
            if not (folder / STATE).exists():
                self._take(self._first_whitening(photographs, learned))
            return run_epochs(self, self.settings.epochs, folder, one_epoch)

    def _first_whitening(self, photographs: Photographs, learned: np.ndarray) -> Whitening:
        """The whitening of the features as they are, from some of the photographs."""
        chosen = learned[:: -(-len(learned) // _WHITENED)]
        parts = [chosen[first : first + _AT_ONCE] for first in range(0, len(chosen), _AT_ONCE)]
        rows = []
        self.network.eval()
        with torch.inference_mode():
            for batch in photographs.batches(parts, None):
                if len(batch.views):
                    maps = self.network(torch.from_numpy(batch.views).to(self.device))
                    rows.append(feature_rows(maps).cpu().numpy())
        if not rows:
            raise InvalidInput(_UNREADABLE)
        sample = np.concatenate(rows)
        return Whitening(min(self.settings.n_components, self.network.n_channels)).fit(sample)

    def _take(self, whitening: Whitening) -> None:
        self.whitening = WhiteningLayer(whitening).requires_grad_(False).to(self.device)

    def _deal(self, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions to learn from, and of classes that are held out."""
        known = np.unique(classes)
        n_held = round(self.settings.held_out * len(known))
        drawn = np.random.default_rng([self.settings.seed, 1]).permutation(known)[:n_held]
        is_held = np.isin(classes, drawn)
        held = np.flatnonzero(is_held)
        return np.flatnonzero(~is_held), held[:: -(-len(held) // MOST_MEASURED) or 1]

    def _batches(self, classes: np.ndarray, learned: np.ndarray, epoch: int) -> list[np.ndarray]:
        settings = self.settings
        seed = np.random.default_rng([settings.seed, 2, epoch])
        dealt = sample_batches(classes[learned], settings.n_groups, settings.n_each, seed)
        return [learned[one] for one in dealt]

    def _rate(self, n_steps: int) -> float:
        """The rate of the next step: it warms up, and falls as a cosine."""
        done = min(1.0, self.step / max(1, n_steps))
        falls = _LAST_RATE + (1 - _LAST_RATE) * (1 + math.cos(math.pi * done)) / 2
        return self.settings.rate * falls * min(1.0, (self.step + 1) / (self.settings.warm_up + 1))

    def learn(
        self,
        photographs: Photographs,
        classes: np.ndarray,
        learned: np.ndarray,
        n_steps: int,
        bar: Callable[[Any], Any] = iter,
    ) -> float:
        """One epoch; gives the mean loss of a step."""
        settings = self.settings
        batches = self._batches(classes, learned, self.epoch)
        seeds = [settings.seed, 3, self.epoch]
        losses = []
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + self.epoch)
        self.network.train()
        made = photographs.batches(batches, seeds, settings.n_canvases if settings.keep else 0)
        for _, batch in zip(bar(range(len(batches))), made):
            loss = self._descend(batch, classes[batch.positions], self._rate(n_steps), generator)
            if loss is not None:
                losses.append(loss)
            self.step += 1
        if not losses:
            raise InvalidInput(_UNREADABLE)
        mean = float(np.mean(losses))
        self._check(mean)
        self.epoch += 1
        return mean

    def _descend(
        self, batch: Batch, classes: np.ndarray, rate: float, generator: torch.Generator
    ) -> float | None:
        """A step; gives its loss, None where the batch teaches nothing."""
        _, counts = np.unique(classes, return_counts=True)
        if len(counts) < 2 or counts.max() < 2:
            return None
        if self.whitening is None:
            raise InvalidInput("Expected a whitening, got none yet: call `run`.")
        settings = self.settings
        pixels = torch.from_numpy(np.concatenate([batch.views, batch.canvases])).to(self.device)
        cells = self.network(pixels).flatten(2).transpose(1, 2)  # (n, h * w, C)
        features, norms = self.whitening(cells), cell_norms(cells)
        n = len(batch.views)
        chosen = _drawn_cells(n, cells.shape[1], settings.n_cells, generator).to(self.device)
        loss = contrastive_softmax_loss(
            self._similarities(features[:n], norms[:n], chosen),
            torch.from_numpy(classes).to(self.device),
            temperature=settings.temperature,
        )
        if len(pixels) > n:
            with torch.no_grad():
                cells = self._before(pixels[n:]).flatten(2).transpose(1, 2)
                before, norms_before = self.whitening(cells), cell_norms(cells)
            kept = kept_features_loss(features[n:], norms[n:], before, norms_before)
            loss = loss + settings.keep * kept
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Diverged(f"Expected a finite loss, got {value} in epoch {self.epoch}.")
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), _LONGEST)
        self.optimiser.step()
        return value

    def _similarities(
        self, features: torch.Tensor, norms: torch.Tensor, chosen: torch.Tensor
    ) -> torch.Tensor:
        rows = torch.take_along_dim(features, chosen[:, :, None], dim=1)
        weights = torch.take_along_dim(norms, chosen, dim=1)
        return soft_bag_similarities(rows, weights, width=self.settings.width)

    def _check(self, loss: float) -> None:
        """Raise `Diverged` where the epoch that just ended is none to go on from."""
        if not all(bool(one.isfinite().all()) for one in self.network.parameters()):
            raise Diverged(f"Expected finite weights, got others in epoch {self.epoch}.")
        first = self.record[0]["loss"] if self.record else math.inf
        if loss > _GROWTH * first:
            raise Diverged(
                f"Expected a loss of at most {_GROWTH * first:.3g}, twice the first epoch's, got "
                f"{loss:.3g} in epoch {self.epoch}."
            )

    def save(self, path: Path) -> None:
        """Write the state; the file appears whole or not at all."""
        parts = {
            "begins_with": self.network.begins_with,
            "step": self.step,
            "network": self.network.state_dict(),
            "whitening": self.whitening.state_dict() if self.whitening is not None else {},
            "optimiser": self.optimiser.state_dict(),
        }
        write_state(
            path, RunState(self.settings, self._learns_from, self.epoch, self.record, parts)
        )

    def resume(self, path: Path) -> None:
        """Go on from a state; `FormatError` where it is none of this training."""
        state = read_state(path, self.settings, self._learns_from)
        if state.parts.get("begins_with") != self.network.begins_with:
            raise no_state(path, "it began with other weights")
        try:
            for name in ("network", "optimiser"):
                getattr(self, name).load_state_dict(state.parts[name])
            self.step = int(state.parts["step"])
            kept = {name: one.cpu().numpy() for name, one in state.parts["whitening"].items()}
            self._take(Whitening.from_parts(-kept["shift"], kept["linear.weight"].T))
        except Exception as error:
            raise no_state(path, f"another network: {type(error).__name__}") from error
        self.epoch, self.record = state.epoch, state.record


def _drawn_cells(n: int, n_cells: int, n_drawn: int, generator: torch.Generator) -> torch.Tensor:
    """Different cells of each picture, drawn at random: int64 (n, n_drawn or all)."""
    return torch.rand(n, n_cells, generator=generator).argsort(1)[:, :n_drawn]


@contextmanager
def _threads() -> Iterator[None]:
    """One thread for the network on two cores: the other one makes views.

    Where anything else runs, two threads wait for each other: a step of 32 pictures took 2.7 s with
    two and .3 s with one beside two other programs.
    """
    with one_openmp_thread() if (os.cpu_count() or 1) <= 2 else nullcontext():
        yield
