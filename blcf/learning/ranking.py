"""Learning to rank: epochs of mined tuples, seeded, and resumable after each of them.

An epoch draws queries and a pool, embeds them with the network as it is, mines the hardest
negatives, and learns from the tuples one by one; gradients of a batch of tuples are summed before
a step, so that one tuple is in memory. Batch normalisation keeps its statistics throughout: those
of single pictures are none. Of the folder of a run, `state.pt` is where it goes on and
`record.jsonl` says loss and validation mAP of each epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from blcf.errors import Diverged
from blcf.learning.embedding import Pictures, embed, mean_average_precision, vectors_of
from blcf.learning.heads import GeMHead
from blcf.learning.mining import hard_positives
from blcf.learning.ranking_settings import RankingSettings
from blcf.learning.run_folder import RunState, no_state, read_state, run_epochs, write_state
from blcf.learning.sampling import (
    Tuples,
    mine_tuples,
    sample_matches,
    sample_pairs,
    sample_pool,
)
from blcf.learning.tuple_losses import TUPLE_LOSSES
from blcf.learning.vectors import as_classes, as_pairs
from blcf.storage import array_digest

__all__ = ["RankingTraining"]

_POWER_RATE = 10  # times the rate, of GeM's power
_GROWTH = 10  # times the first epoch's mean loss, or the margin: more is called diverging
_MAY_CHANGE = ("epochs", "rate")  # when a run goes on


class RankingTraining:
    """A network, its optimiser, and how far they are.

    Parameters
    ----------
    network : pixels float32 (n, 3, h, w) to vectors (n, d) of length 1: convolutions and a head
    settings : `RankingSettings`
    device : where it learns

    Attributes
    ----------
    epoch : how many are done
    record : what each of them gave: epoch, loss (the mean of a tuple), rate, seconds, mAP
    """

    def __init__(self, network: nn.Module, settings: RankingSettings, *, device: str = "cpu"):
        self.settings, self.device = settings, torch.device(device)
        self.network = network.to(self.device)
        self.epoch, self.record = 0, list[dict[str, Any]]()
        powers = {id(one.p) for one in network.modules() if isinstance(one, GeMHead)}
        learned = [one for one in network.parameters() if one.requires_grad]
        groups = [
            {"params": [one for one in learned if id(one) not in powers], "factor": 1},
            {"params": [one for one in learned if id(one) in powers], "factor": _POWER_RATE},
        ]
        groups[1]["weight_decay"] = 0.0
        self.optimiser = torch.optim.Adam(
            [group for group in groups if group["params"]],
            lr=settings.rate,
            weight_decay=settings.weight_decay,
        )
        self._learns_from = ""

    @property
    def rate(self) -> float:
        """The rate of the epoch that is next."""
        return self.settings.rate * math.exp(-self.settings.decay * self.epoch)

    def run(
        self,
        pictures: Pictures,
        classes: np.ndarray,
        folder: Path,
        *,
        validation: tuple[Pictures, np.ndarray] | None = None,
        reach: np.ndarray | None = None,
        bar: Callable[[Any], Any] = iter,
    ) -> list[dict[str, Any]]:
        """Learn until all epochs are done, from where the state in a folder is; give the record.

        Parameters
        ----------
        pictures, classes : what is learned from; int (n,), the thing that each picture shows
        folder : made where there is none
        validation : pictures and classes of other things, whose mAP is measured after each epoch
        reach : int (n, 2), (query, match), the pairs that are learned from, such as those whose
            keypoints agree (`blcf.learning.cleaning`); None: all pairs of a class
        bar : wraps the iteration over pictures and over tuples

        Raises
        ------
        Diverged
            Network and folder are as they were after the last epoch that was good.
        FormatError
            The state in the folder is none of this training.
        """
        classes = as_classes(classes, len(pictures), "classes")
        learned = classes
        if reach is not None:
            reach = as_pairs(reach, len(classes))
            learned = np.append(classes, reach)
        self._learns_from = array_digest(learned)

        def one_epoch() -> dict[str, Any]:
            began, rate = time.monotonic(), self.rate
            loss = self.learn(pictures, classes, reach=reach, bar=bar)
            entry = {"epoch": self.epoch, "loss": loss, "rate": rate}
            if validation is not None:
                positions = range(len(validation[0]))
                rows = embed(self.network, validation[0], positions, device=self.device, bar=bar)
                entry["mAP"] = mean_average_precision(rows, validation[1])
            return entry | {"seconds": round(time.monotonic() - began, 3)}

        return run_epochs(self, self.settings.epochs, folder, one_epoch)

    def learn(
        self,
        pictures: Pictures,
        classes: np.ndarray,
        *,
        reach: np.ndarray | None = None,
        bar: Callable[[Any], Any] = iter,
    ) -> float:
        """One epoch: mine, then learn; gives the mean loss of a tuple."""
        settings = self.settings
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(settings.seed * 1_000_003 + self.epoch)  # dropout, if there is some
            tuples = self._mine(pictures, classes, reach, bar)
            self.network.train()
            for module in self.network.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
            for group in self.optimiser.param_groups:
                group["lr"] = self.rate * group["factor"]
            losses = []
            self.optimiser.zero_grad(set_to_none=True)
            for number, row in enumerate(bar(tuples.rows.tolist()), start=1):
                losses.append(self._descend(pictures, row))
                if number % settings.batch == 0 or number == len(tuples):
                    self.optimiser.step()
                    self.optimiser.zero_grad(set_to_none=True)
        loss = float(np.mean(losses))
        self._check(loss)
        self.epoch += 1
        return loss

    def _mine(
        self,
        pictures: Pictures,
        classes: np.ndarray,
        reach: np.ndarray | None,
        bar: Callable[[Any], Any],
    ) -> Tuples:
        """Queries, positives and the hardest negatives of the epoch that is next."""
        settings = self.settings
        rng = np.random.default_rng([settings.seed, self.epoch])
        if settings.n_positives == 1 and reach is None:
            pairs = sample_pairs(classes, settings.n_queries, rng)
        else:
            n_each = settings.n_positives
            pairs = sample_matches(classes, settings.n_queries, n_each, rng, reach)
        pool = sample_pool(len(classes), settings.n_pool, rng)
        seen = pairs if settings.n_positives > 1 else pairs[:, 0]
        needed = np.unique(np.append(seen, pool))
        vectors = embed(self.network, pictures, needed.tolist(), device=self.device, bar=bar)
        if not np.isfinite(vectors).all():
            raise Diverged(f"Expected finite vectors, got NaN or infinity at epoch {self.epoch}.")
        if settings.n_positives > 1:
            hardest = needed[hard_positives(vectors, np.searchsorted(needed, pairs))]
            drawn = list(dict.fromkeys(pairs[:, 0].tolist()))  # in this order they are learned from
            pairs = hardest[np.searchsorted(hardest[:, 0], drawn)]
        queries, others = (np.searchsorted(needed, each) for each in (pairs[:, 0], pool))
        return mine_tuples(
            pairs, vectors[queries], pool, vectors[others], classes, settings.n_negatives
        )

    def _descend(self, pictures: Pictures, row: list[int]) -> float:
        """Add the gradients of a tuple; gives its loss."""
        vectors = vectors_of(self.network, pictures, row, self.device)
        loss = TUPLE_LOSSES[self.settings.loss](vectors, self.settings.margin)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Diverged(f"Expected a finite loss, got {value} in epoch {self.epoch}.")
        loss.backward()
        return value

    def _check(self, loss: float) -> None:
        """Raise `Diverged` where the epoch that just ended is none to go on from."""
        if not all(bool(one.isfinite().all()) for one in self.network.parameters()):
            raise Diverged(f"Expected finite weights, got others in epoch {self.epoch}.")
        most = _GROWTH * max(self.settings.margin, *(one["loss"] for one in self.record[:1]), 0)
        if loss > most:
            raise Diverged(
                f"Expected a loss of at most {most:g}, ten times the first epoch's or the margin, "
                f"got {loss:g} in epoch {self.epoch}."
            )

    def save(self, path: Path) -> None:
        """Write the state; the file appears whole or not at all."""
        parts = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        state = RunState(self.settings, self._learns_from, self.epoch, self.record, parts)
        write_state(path, state)

    def resume(self, path: Path) -> None:
        """Go on from a state; `FormatError` where it is none of this training."""
        state = read_state(path, self.settings, self._learns_from, may_change=_MAY_CHANGE)
        try:
            self.network.load_state_dict(state.parts["network"])
            self.optimiser.load_state_dict(state.parts["optimiser"])
        except Exception as error:
            raise no_state(path, f"another network: {type(error).__name__}") from error
        self.epoch, self.record = state.epoch, state.record
