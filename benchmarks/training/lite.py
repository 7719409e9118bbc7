"""Train blcf-lite: distillation from three networks, seeded and resumable.

    python -m benchmarks.training.lite PHOTOGRAPHS ... --teachers FOLDER --work FOLDER

The photographs go through rounds. A round draws photographs of every folder, makes two
canvases of each, lets the teachers look at them once, keeps what they say in memory (2 GB), and
shows it to the student several times under other light, noise and size. After each round the state
is written to the work folder: a run that was stopped goes on with the round it was in, and ends
with the same weights. The last round writes blcf/features/blcf-lite.h5 and the first table of
benchmarks/training/README.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path

import h5py
import torch
from tqdm import tqdm

from benchmarks.report import made_by, signature, table, write_section
from blcf.features.lite import PACKAGED, LiteNetwork, read_lite, write_lite
from blcf.images import find_images, read_image, resize_image
from blcf.learning.blending import blended
from blcf.learning.rounds import draw_photographs, learn_targets, make_round
from blcf.learning.teachers import TAUGHT, Teachers
from blcf.learning.training import Training, TrainingSettings

LARGEST = 384  # pixels of a photograph that are of use
COMMAND = "benchmarks.training.lite PHOTOGRAPHS ... --teachers FOLDER --work FOLDER"

# What a stranger should know of the weights; in their file, and on the page.
FACTS = {
    "licence": "MIT",
    "photographs": "Grocery Store Dataset, training part (2,640, MIT); one photograph of each of "
    "1,000 ImageNet classes and BSDS500 (research use); no labels were used, but the order of "
    "files, in which those of a product follow each other, decides which are in a batch",
    "teachers": "SqueezeNet 1.1 fire9, fire8 and fire5 (BSD-2), MobileNetV2 features.14.conv.0 and "
    "EfficientNet-Lite2 blocks.4 (Apache-2.0), all trained on ImageNet, in front of their last "
    "activations",
}


def main() -> None:
    """Train, round by round."""
    default = TrainingSettings()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", nargs="+", type=Path, help="folders")
    parser.add_argument("--teachers", type=Path, required=True, help="folder of their weights")
    parser.add_argument("--work", type=Path, required=True, help="for the state")
    parser.add_argument("--start", type=Path, help="a blcf-lite.h5 to begin with; else at random")
    parser.add_argument(
        "--blend",
        type=float,
        default=1.0,
        help="share of what was learned in the weights that are written, beside those of --start",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    for field in fields(TrainingSettings):
        name, value = field.name.replace("_", "-"), getattr(default, field.name)
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"default: {value}")
    options = parser.parse_args()
    settings = TrainingSettings(**{name: getattr(options, name) for name in asdict(default)})
    if not 0 < options.blend <= 1 or (options.blend < 1 and options.start is None):
        parser.error("--blend is above 0 and at most 1, and needs --start")

    options.work.mkdir(parents=True, exist_ok=True)
    images = [find_images(folder) for folder in options.photographs]
    sizes = [len(each.names) for each in images]
    paths = [each.path(name) for each in images for name in each.names]
    photographs = [read_image(path) for path in tqdm(paths, desc="reading")]
    photographs = [
        resize_image(image, LARGEST) if max(image.shape) > LARGEST else image
        for image in photographs
    ]
    teachers = Teachers(options.teachers, device=options.device)
    targets = learn_targets(photographs, teachers, settings.seed)
    start = options.work / "start.h5"
    if options.start is not None and not start.exists():
        shutil.copyfile(options.start, start)  # it may be the file that is written at the end
    training = Training(settings, device=options.device)
    state, record = options.work / "state.pt", options.work / "record.jsonl"
    if state.is_file():
        training.resume(state)
        print(f"going on with round {training.round}")
    while training.round < settings.rounds:
        began, number = time.monotonic(), training.round
        bar = partial(tqdm, desc=f"round {number}: teachers")
        made = make_round(
            *(photographs, teachers, targets, number, settings.seed),
            chosen=draw_photographs(sizes, settings.photographs, number, settings.seed),
            views=settings.views,
            bar=bar,
        )
        if start.exists() and not training.step:
            network = LiteNetwork()
            network.load_state_dict(read_lite(start))
            training.begin(network, made)
        means = training.learn(made, partial(tqdm, desc=f"round {number}"))
        row = {"round": number, "step": training.step, **means}
        row["seconds"] = round(time.monotonic() - began)
        with open(record, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        training.save(state)
        torch.save(training.network().state_dict(), options.work / f"lite-{number + 1:03d}.pth")
    facts, network = {**FACTS, "settings": shown(settings)}, training.network()
    if start.exists():
        facts["settings"] += f", blend {options.blend:g}"
        facts = continued(start, facts)
        network.load_state_dict(blended(read_lite(start), network.state_dict(), options.blend))
    rows = [json.loads(line) for line in record.read_text("utf-8").splitlines()]
    text = markdown(rows, facts, len(photographs))
    write_lite(PACKAGED, network, facts)
    write_section("training", "blcf-lite", text)


def continued(start: Path, facts: dict[str, str]) -> dict[str, str]:
    """Facts of a training that began with the weights of a file: those of both."""
    with h5py.File(start) as file:
        before = {name: bytes(file.attrs[name]).decode() for name in ("settings", "teachers")}
    return {
        **facts,
        "settings": f"{before['settings']}; then {facts['settings']}",
        "teachers": f"{facts['teachers']}; before that {before['teachers']}",
    }


def shown(settings: TrainingSettings) -> str:
    """Settings in a line."""
    return ", ".join(f"{name} {value}" for name, value in asdict(settings).items())


def markdown(rows: list[dict], facts: dict[str, str], n_photographs: int) -> str:
    """The section of the page: data, licence, settings, time, losses."""
    shares = {each.name: each.share for each in TAUGHT}
    numbers = {len(rows) * part // 5 for part in range(5)} | {len(rows) - 1}
    shown = [rows[number] for number in sorted(numbers)]
    names = [each.name for each in TAUGHT]
    lines = [
        [f"{row['round'] + 1}", *(f"{1 - row[name] / shares[name]:.3f}" for name in names)]
        + [f"{row['relation']:.3f}", f"{row['norm']:.4f}"]
        for row in shown
    ]
    hours = sum(row["seconds"] for row in rows) / 3600
    return "\n\n".join(
        [
            f"{n_photographs:,} photographs, {facts['settings']}. {hours:.1f} hours, while other "
            "work went on.",
            f"**Photographs**: {facts['photographs']}. **Teachers**: {facts['teachers']}. "
            f"**Licence of the weights**: {facts['licence']}.",
            "Mean cosine between what a linear map of the student's features predicts and the "
            "whitened features of each teacher, over the pictures of a round (disturbed, mirrored, "
            "resized; before they are learned from), and the two other losses:",
            table(["round", *names, "relation", "norm"], lines),
            signature(made_by(COMMAND)),
        ]
    )


if __name__ == "__main__":
    main()
