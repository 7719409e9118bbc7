"""The folder of a training: where it goes on, and what each epoch gave.

``state.pt`` appears whole or not at all after each epoch; ``record.jsonl`` is for whoever looks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from blcf.errors import Diverged, FormatError
from blcf.storage import replace_file, write_file

__all__ = ["RECORD", "STATE", "RunState", "no_state", "read_state", "run_epochs", "write_state"]

STATE, RECORD = "state.pt", "record.jsonl"

Record = list[dict[str, Any]]


@dataclass(frozen=True)
class RunState:
    """How far a training is.

    Attributes
    ----------
    settings : a dataclass of settings
    learns_from : digest of what it learns from
    epoch : how many are done
    record : what each of them gave
    parts : what else is needed to go on: state dicts, numbers
    """

    settings: Any
    learns_from: str
    epoch: int
    record: Record
    parts: Mapping[str, Any]


def write_state(path: Path, state: RunState) -> None:
    """Write a state; the file appears whole or not at all."""
    content = {
        "settings": asdict(state.settings),
        "learns_from": state.learns_from,
        "epoch": state.epoch,
        "record": state.record,
        **state.parts,
    }
    with replace_file(path) as new:
        torch.save(content, new)


def read_state(
    path: Path,
    settings: Any,
    learns_from: str,
    *,
    may_change: Sequence[str] = (),
) -> RunState:
    """Read the state of a training that has these settings; its tensors are of the CPU.

    Parameters
    ----------
    settings, learns_from : what they must be; "" is not compared
    may_change : settings that may be others

    Raises
    ------
    FormatError
        It is damaged, or of another training; the message says what differs.
    """
    try:
        # At home: what loads them copies them to where it is. AdamW's counts of steps stay there,
        # as on a GPU it would wait for each of them in every step.
        content = torch.load(path, map_location="cpu", weights_only=True)
        before = dict(content.pop("settings"))
        epoch, record = int(content.pop("epoch")), list(content.pop("record"))
        learned_from = str(content.pop("learns_from"))
    except Exception as error:  # damaged bytes can make torch.load raise anything
        raise no_state(path, type(error).__name__) from error
    for name, value in asdict(settings).items():
        if name not in may_change and before.get(name) != value:
            raise no_state(path, f"{name} was {before.get(name)!r}, and is {value!r}")
    if learned_from and learns_from and learned_from != learns_from:
        raise no_state(path, "the classes of the pictures were other ones")
    return RunState(settings, learned_from, epoch, record, content)


def no_state(path: Path, why: str) -> FormatError:
    """The error for a state that nothing can go on from."""
    return FormatError(f"{path} is no state of this training ({why}). Choose another folder.")


def run_epochs(
    training: Any, n_epochs: int, folder: Path, epoch: Callable[[], dict[str, Any]]
) -> Record:
    """Epochs until all are done, from where the state in a folder is.

    Parameters
    ----------
    training : has `epoch`, `record`, `save(path)`, `resume(path)`, and `settings` with a `rate`
    n_epochs : in all
    folder : made where there is none
    epoch : learns for one epoch, adds 1 to `training.epoch`, and gives its entry of the record

    Raises
    ------
    Diverged
        Training and folder are as they were after the last epoch that was good.
    FormatError
        The state in the folder is none of this training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / STATE
    if state.exists():
        training.resume(state)
    else:
        training.save(state)
    _write(folder, training.record)  # a run may have been killed between the two files
    while training.epoch < n_epochs:
        try:
            entry = epoch()
        except Diverged as error:
            training.resume(state)
            raise Diverged(
                f"{error} {state} has the state after {training.epoch} epochs: go on with a rate "
                f"less than {training.settings.rate:g}."
            ) from error
        training.record.append(entry)
        training.save(state)
        _write(folder, training.record)
    return training.record


def _write(folder: Path, record: Record) -> None:
    lines = "".join(json.dumps(entry) + "\n" for entry in record)
    write_file(folder / RECORD, lines.encode())
