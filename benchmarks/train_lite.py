"""Train blcf-lite: distillation from four networks, seeded and resumable.

    python benchmarks/train_lite.py PHOTOGRAPHS ... --teachers FOLDER --work FOLDER

The photographs go through rounds. A round makes one canvas of every photograph, lets the teachers
look at it once, keeps what they say in the work folder, and shows it to the student several times
under other light, noise and size. After each round the state is written: a run that was stopped
goes on with the round it was in, and ends with the same weights.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from blcf.images import read_image
from blcf.learning.distillation import Batch, DistillationLoss
from blcf.learning.student import Student, export
from blcf.learning.teachers import TAUGHT, Targets, Teachers
from blcf.learning.views import disturb, make_canvas

MARGIN, SIDE = 16, 224  # what the student sees, and what the teachers see around it
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) * 255
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) * 255
SIDES = (160, 192, 224, 224, 224, 224, 256, 288)  # of the student's pictures, drawn by the batch


def main() -> None:
    """Train, round by round."""
    options = read_options()
    torch.manual_seed(options.seed)
    options.work.mkdir(parents=True, exist_ok=True)
    paths = sorted(
        path for root in options.photographs for path in root.rglob("*.*")
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp")
    )
    photographs = [shrunk(read_image(path)) for path in tqdm(paths, desc="reading")]
    print(f"{len(photographs):,} photographs, {sum(p.nbytes for p in photographs) / 1e9:.1f} GB")
    teachers = Teachers(options.teachers, margin=MARGIN)
    targets = learn_targets(photographs, teachers, options)
    run = Run(options, len(photographs))
    while run.round < options.rounds:
        canvases, said = make_round(photographs, teachers, targets, run.round, options)
        run.learn(canvases, said)
        run.save()


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", nargs="+", type=Path)
    parser.add_argument("--teachers", type=Path, required=True, help="folder of their weights")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--passes", type=int, default=5, help="over the canvases of a round")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--decay-rounds", type=int, default=6, help="at the end, to nothing")
    parser.add_argument("--relation", type=float, default=1.0)
    parser.add_argument("--norm", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def shrunk(image: np.ndarray, side: int = 384) -> np.ndarray:
    """A photograph of no more pixels than are of use."""
    from blcf.images import resize_image

    return resize_image(image, side) if max(image.shape) > side else image


def learn_targets(photographs, teachers, options) -> Targets:
    """Whitening and mean norm of every teacher, from one canvas of every fourth photograph."""
    maps: dict[str, list[torch.Tensor]] = {}
    numbers = range(0, len(photographs), 4)
    for numbers in tqdm(list(batched(list(numbers), 32)), desc="targets"):
        rngs = [np.random.default_rng([options.seed, 0, number]) for number in numbers]
        canvases = [
            make_canvas(photographs, number, SIDE + 2 * MARGIN, rng)
            for number, rng in zip(numbers, rngs)
        ]
        for name, values in teachers(np.stack(canvases)).items():
            maps.setdefault(name, []).append(values[:, :, ::2, ::2])
    return Targets().fit({name: torch.cat(values) for name, values in maps.items()})


def batched(items, size):
    """Lists of some items, the last one perhaps shorter."""
    return [items[first : first + size] for first in range(0, len(items), size)]


def make_round(photographs, teachers, targets, number, options):
    """Canvases of a round, and what the teachers say of them."""
    n, side = len(photographs), SIDE + 2 * MARGIN
    canvases = np.empty((n, SIDE, SIDE, 3), np.uint8)
    said = {}
    for numbers in tqdm(batched(list(range(n)), 32), desc=f"round {number}: teachers"):
        made = np.stack([
            make_canvas(
                photographs, each, side, np.random.default_rng([options.seed, number + 1, each])
            )
            for each in numbers
        ])
        canvases[numbers] = made[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
        for name, values in teachers(made).items():
            directions, norms = targets.transform(name, values)
            if name not in said:
                said[name] = (
                    np.empty((n, *directions.shape[1:]), np.float16),
                    np.empty((n, *norms.shape[1:]), np.float16),
                )
            said[name][0][numbers], said[name][1][numbers] = directions, norms
    return canvases, said


class Run:
    """Student, optimiser, and how far they are."""

    def __init__(self, options, n_photographs):
        self.options, self.round, self.step = options, 0, 0
        self.per_round = n_photographs * options.passes // options.batch
        deep = [each for each in TAUGHT if each.stride == 16]
        self.student = Student(128 * len(deep), 128 * (len(TAUGHT) - len(deep)))
        self.student.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.student)
        self.loss = DistillationLoss(TAUGHT, relation=options.relation, norm=options.norm)
        kernels = [p for p in self.student.parameters() if p.ndim > 1]
        others = [p for p in self.student.parameters() if p.ndim <= 1]
        groups = [{"params": kernels, "weight_decay": 0.02}, {"params": others, "weight_decay": 0}]
        self.optimiser = torch.optim.AdamW(groups, lr=options.rate)
        self.path = options.work / "state.pt"
        if self.path.is_file():
            state = torch.load(self.path, weights_only=True)
            for name in ("student", "average", "loss", "optimiser"):
                getattr(self, name).load_state_dict(state[name])
            self.round, self.step = state["round"], state["step"]
            self.loss.whitening.n_calls = state["n_calls"]
            print(f"going on with round {self.round}")

    def rate(self) -> float:
        """Warm up, stay, and fall in a straight line at the end."""
        options = self.options
        start = (options.rounds - options.decay_rounds) * self.per_round
        end = options.rounds * self.per_round
        fall = 1 - max(0, self.step - start) / max(1, end - start)
        return options.rate * min(1.0, (self.step + 1) / 300) * max(fall, 0.005)

    def learn(self, canvases, said) -> None:
        """Some passes over the canvases of a round."""
        options = self.options
        rng = np.random.default_rng([options.seed, 1_000_000 + self.round])
        torch.manual_seed(options.seed * 1_000 + self.round)
        self.student.train()
        order = np.concatenate([rng.permutation(len(canvases)) for _ in range(options.passes)])
        began, parts = time.monotonic(), []
        bar = tqdm(batched(order, options.batch)[: self.per_round], desc=f"round {self.round}")
        for numbers in bar:
            for group in self.optimiser.param_groups:
                group["lr"] = self.rate()
            batch = make_batch(canvases, said, numbers, rng)
            loss, each = self.loss(self.student, batch)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.student.parameters(), 2.0)
            self.optimiser.step()
            self.step += 1
            self.follow()
            parts.append(each)
            if len(parts) % 50 == 0:
                bar.set_postfix(loss=f"{np.mean([sum(p.values()) for p in parts[-50:]]):.4f}")
        means = {name: round(float(np.mean([p[name] for p in parts])), 5) for name in parts[0]}
        record = {"round": self.round, "step": self.step, "rate": self.rate(), **means}
        record["seconds"] = round(time.monotonic() - began, 1)
        with open(options.work / "record.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        print(json.dumps(record), flush=True)
        self.round += 1

    @torch.no_grad()
    def follow(self) -> None:
        """The average of the weights of the last thousand steps or so."""
        keep = min(0.999, (1 + self.step) / (20 + self.step))
        states = self.average.state_dict().values(), self.student.state_dict().values()
        for mine, its in zip(*states):
            if mine.dtype.is_floating_point:
                mine.mul_(keep).add_(its, alpha=1 - keep)

    def save(self) -> None:
        """The state, and the network as it runs."""
        state = {"round": self.round, "step": self.step, "n_calls": self.loss.whitening.n_calls}
        for name in ("student", "average", "loss", "optimiser"):
            state[name] = getattr(self, name).state_dict()
        torch.save(state, self.path.with_suffix(".new"))
        self.path.with_suffix(".new").replace(self.path)
        network = export(self.average.eval())
        torch.save(network.state_dict(), self.options.work / f"lite-{self.round:03d}.pth")


def make_batch(canvases, said, numbers, rng) -> Batch:
    """Pictures disturbed, perhaps mirrored, perhaps of another size; targets follow."""
    pixels = np.stack([disturb(canvases[number], rng) for number in numbers])
    mirrored = torch.from_numpy(rng.random(len(numbers)) < 0.5)
    side = int(rng.choice(SIDES))
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    images[mirrored] = images[mirrored].flip(-1)
    if side != SIDE:
        images = functional.interpolate(
            images, (side, side), mode="bilinear", antialias=True, align_corners=False
        )
    images = ((images - MEAN) / STD).contiguous(memory_format=torch.channels_last)
    directions, norms = {}, {}
    for taught in TAUGHT:
        values, lengths = (torch.from_numpy(array[numbers]).float() for array in said[taught.name])
        values[mirrored], lengths[mirrored] = values[mirrored].flip(-1), lengths[mirrored].flip(-1)
        if side != SIDE:
            n_cells = side // taught.stride
            values, lengths = (
                functional.interpolate(maps, (n_cells, n_cells), mode="bilinear")
                for maps in (values, lengths[:, None])
            )
            lengths = lengths[:, 0]
        directions[taught.name], norms[taught.name] = values, lengths
    return Batch(images, directions, norms)


if __name__ == "__main__":
    main()
