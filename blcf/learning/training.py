"""Training of blcf-lite: rounds of distillation, seeded and resumable."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from blcf.errors import FormatError
from blcf.features.lite import LiteNetwork
from blcf.learning.distillation import Batch, DistillationLoss
from blcf.learning.first_heads import solve_heads
from blcf.learning.rounds import Round, batched
from blcf.learning.student import Student, export, unfold
from blcf.learning.teachers import TAUGHT, Taught

__all__ = ["Training", "TrainingSettings"]

_N_COMPONENTS = 128  # of each teacher's whitened features
_WARM_UP = 300  # steps
_SOLVED_BY = 1600  # canvases that the first heads are solved by
_PARTS = ("student", "average", "loss", "optimiser")


@dataclass(frozen=True)
class TrainingSettings:
    """How blcf-lite is trained.

    Attributes
    ----------
    rounds, passes : of training, and over the canvases of a round
    batch : pictures a step in the last rounds; half as many before: the first steps gain by their
        number (100 s on two cores, loss 1.96 with batches of 32, 1.72 of 16, 1.67 of 8)
    rate : of AdamW, after a warm-up of 300 steps
    decay_rounds : the last ones, in which the rate falls in a straight line
    relation, norm : weights of two losses, see `DistillationLoss`
    photographs : of every folder in a round, at most, in pairs that are drawn anew each time; 0:
        all
    views : canvases of a photograph in a round
    together : canvases that follow one another and are in one batch: two views of two photographs
        that are neighbours in their folder, often of one thing, so that the second loss compares
        what a search will compare
    seed : of every choice
    """

    rounds: int = 12
    passes: int = 4
    batch: int = 16
    rate: float = 2e-3
    decay_rounds: int = 7
    relation: float = 2.0
    norm: float = 2.0
    photographs: int = 516
    views: int = 2
    together: int = 4
    seed: int = 0


class Training:
    """Student, its running average, the optimiser, and how far they are.

    Parameters
    ----------
    settings : `TrainingSettings`
    taught : the layers of the teachers
    device : of the student
    """

    def __init__(
        self,
        settings: TrainingSettings,
        *,
        taught: Sequence[Taught] = TAUGHT,
        device: str = "cpu",
    ):
        torch.manual_seed(settings.seed)
        self.settings, self.taught, self.device = settings, tuple(taught), torch.device(device)
        self.round, self.step = 0, 0
        n_deep = sum(each.stride == 16 for each in taught)
        self.student = Student(_N_COMPONENTS * n_deep, _N_COMPONENTS * (len(taught) - n_deep))
        self.student.to(self.device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.student)
        self.loss = DistillationLoss(taught, relation=settings.relation, norm=settings.norm)
        self.loss.to(self.device)
        kernels = [each for each in self.student.parameters() if each.ndim > 1]
        others = [each for each in self.student.parameters() if each.ndim <= 1]
        groups = [{"params": kernels, "weight_decay": 0.02}, {"params": others, "weight_decay": 0}]
        self.optimiser = torch.optim.AdamW(groups, lr=settings.rate)

    def begin(self, network: LiteNetwork, made: Round) -> None:
        """Begin with the weights of a network instead of random ones.

        The heads are those that predict best from it: random ones would undo at first what was
        learned.
        """
        pixels = made.batch(np.arange(min(64, len(made.canvases))), (), np.random.default_rng(0))
        unfold(network, self.student.cpu(), pixels.pixels)
        self.student.to(self.device)
        solve_heads(self.student, self._some_batches(made), self.taught)
        self.average.load_state_dict(self.student.state_dict())

    def _some_batches(self, made: Round) -> Iterator[Batch]:
        rng = np.random.default_rng(1)
        for numbers in batched(rng.permutation(len(made.canvases))[:_SOLVED_BY], 32):
            yield made.batch(numbers, self.taught, rng).to(self.device)

    def rate(self, done: float = 0.0) -> float:
        """The rate of the next step: warm up, stay, and fall in a straight line at the end.

        Parameters
        ----------
        done : share of this round
        """
        settings = self.settings
        left = (settings.rounds - self.round - done) / max(1, settings.decay_rounds)
        return settings.rate * min(1.0, (self.step + 1) / _WARM_UP) * min(1.0, max(left, 0.005))

    def learn(self, made: Round, bar=iter) -> dict[str, float]:
        """Some passes over the canvases of a round; gives the mean of every part of the loss."""
        settings = self.settings
        rng = np.random.default_rng([settings.seed, 1_000_000 + self.round])
        torch.manual_seed(settings.seed * 1_000 + self.round)
        self.student.train()
        n = len(made.canvases)
        order = np.concatenate([self._order(n, rng) for _ in range(settings.passes)])
        is_early = self.round < settings.rounds - settings.decay_rounds
        size = max(1, settings.batch // 2 if is_early else settings.batch)
        batches = [part for part in batched(order, size) if len(part) == size or n < size]
        record = []
        for number, numbers in enumerate(bar(batches)):
            for group in self.optimiser.param_groups:
                group["lr"] = self.rate(number / len(batches))
            loss, parts = self.loss(
                self.student, made.batch(numbers, self.taught, rng).to(self.device)
            )
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.student.parameters(), 2.0)
            self.optimiser.step()
            self.step += 1
            self._follow()
            record.append(parts)
        self.round += 1
        return {name: float(np.mean([parts[name] for parts in record])) for name in record[0]}

    def _order(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """A permutation of canvases that leaves some together, other ones each time."""
        together, views = self.settings.together, self.settings.views
        # Where photographs are drawn, in pairs, the groups stay whole.
        step = together if self.settings.photographs else views
        numbers = np.roll(np.arange(n), step * int(rng.integers(n)))
        groups = list(batched(numbers, together))
        return np.concatenate([groups[each] for each in rng.permutation(len(groups))])

    @torch.no_grad()
    def _follow(self) -> None:
        """The average of the weights of the last thousand steps or so."""
        keep = min(0.999, (1 + self.step) / (20 + self.step))
        states = self.average.state_dict().values(), self.student.state_dict().values()
        for mine, its in zip(*states):
            if mine.dtype.is_floating_point:
                mine.mul_(keep).add_(its, alpha=1 - keep)

    def network(self) -> LiteNetwork:
        """The averaged student as the plain network."""
        return export(copy.deepcopy(self.average).cpu().eval())

    def save(self, path: Path) -> None:
        """Write the state; the file appears whole or not at all."""
        state: dict[str, Any] = {
            "round": self.round,
            "step": self.step,
            "n_calls": self.loss.whitening.n_calls,
            "taught": [each.name for each in self.taught],
        }
        state |= {name: getattr(self, name).state_dict() for name in _PARTS}
        new = path.with_name(f".{path.name}.new")
        torch.save(state, new)
        new.replace(path)

    def resume(self, path: Path) -> None:
        """Go on from a state; `FormatError` where it is none of this training."""
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            if state["taught"] != [each.name for each in self.taught]:
                raise ValueError(f"of {', '.join(state['taught'])}")
            for name in _PARTS:
                getattr(self, name).load_state_dict(state[name])
            self.round, self.step = int(state["round"]), int(state["step"])
            self.loss.whitening.n_calls = int(state["n_calls"])
        except Exception as error:  # damaged bytes can make torch.load raise anything
            raise FormatError(
                f"{path} is no state of this training ({type(error).__name__}). "
                "Choose another work folder."
            ) from error
