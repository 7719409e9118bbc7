"""Every published table beside our figures, as far as the data sets at hand allow.

    python benchmarks/reproduce.py --data oxford5k=FOLDER paris6k=FOLDER --work FOLDER

Data sets are given by name and folder, in the layout in which they are published (see
`blcf.datasets.read_dataset`); `--distractors FOLDER` makes Oxford105k and Paris106k of the first
two. A folder of pictures without a ground truth (or several of one name) can be learned on. A name
that no table has (your own set, with a gt.json) runs through every row too. `--weights vgg16=FILE`
takes weights from a file; `--network squeezenet1_1` puts another network in the place of the
published one.

Before anything runs it says what each system needs: pictures to go through the network, time, disk
(`--plan`: that alone). What was extracted, indexed or measured is kept in the work folder: a run
that was stopped goes on. Writes benchmarks/results/reproduce-*.json and the section "Published
tables" of benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from conditions import Conditions, Row, read_conditions
from report import machine, table, write_section
from reproduce_data import DataSet, Needs, Task
from reproduce_systems import Laboratory

from blcf.datasets import KINDS, read_dataset
from blcf.errors import BlcfError, DatasetNotFound, InvalidInput, WeightsError
from blcf.images import find_images

HERE = Path(__file__).resolve().parent
WITH_DISTRACTORS = {"oxford5k": "oxford105k", "paris6k": "paris106k"}

Cell = dict[str, Any]  # status, and figure, published, result where there are such


def open_set(name: str, paths: list[str], distractors: str | None = None) -> DataSet:
    """A data set, or folders of pictures that are only learned from."""
    if len(paths) > 1:
        root = os.path.commonpath([os.path.abspath(path) for path in paths])
        return DataSet(name, tuple(find_images(path, root) for path in paths))
    (path,) = paths
    try:
        options = {} if distractors is None else {"distractors": distractors}
        known = {larger: smaller for smaller, larger in WITH_DISTRACTORS.items()}.get(name, name)
        truth = read_dataset(path, kind=known if known in KINDS else None, **options)
    except DatasetNotFound:
        if distractors is not None or name in WITH_DISTRACTORS:
            raise
        return DataSet(name, (find_images(path),))
    if truth.images:
        return DataSet(name, truth.images, truth)
    folder = truth.path.parent
    images = folder / "images"
    return DataSet(name, (find_images(images if images.is_dir() else folder),), truth)


def tasks_of(
    conditions: Conditions, row: Row, columns: list[str], network: str | None
) -> dict[str, Task]:
    """{data set: task} of a row."""
    tasks = {}
    for name in columns if row.system else []:
        system = conditions.systems[row.system].on_set(name, conditions.sets)
        if row.learned_on:
            system = replace(system, learned_on=row.learned_on)
        if network is not None:
            system = system.with_network(network, conditions.networks[network])
        tasks[name] = Task(system, name, row.queries, row.search)
    return tasks


def status(conditions: Conditions, row: Row, name: str, figure: float, network: str | None) -> str:
    """How a figure of ours stands beside the published one."""
    published = row.published.get(name)
    if published is None:
        return ""
    if network is not None:
        return "[other network]"
    off = round(figure, 3) - published
    return "[OK]" if abs(off) <= conditions.tolerance(row) + 1e-9 else f"[off by {off:+.3f}]"


def run_row(
    conditions: Conditions,
    row: Row,
    tasks: dict[str, Task],
    columns: list[str],
    outcomes: dict[str, Cell],
    network: str | None,
) -> dict[str, Cell]:
    """{column: cell} of a row, from what the tasks gave."""
    cells: dict[str, Cell] = {}
    for name in columns:
        published = row.published.get(name)
        cell: Cell = {} if published is None else {"published": published}
        if row.because:
            cells[name] = {**cell, "status": f"[{row.because}]"} if cell else {}
            continue
        outcome = outcomes[tasks[name].key]
        if "figure" in outcome:
            said = status(conditions, row, name, outcome["figure"], network)
            cell |= {"figure": round(outcome["figure"], 4), "status": said, "result": outcome}
        else:
            cell["status"] = f"[{outcome['status']}]"
        cells[name] = cell
    return cells


def show(cell: Cell) -> str:
    """A cell in words: ours, published, status."""
    parts = []
    if "figure" in cell:
        parts.append(f"{cell['figure']:.3f}")
    if "published" in cell:
        parts.append(f"({cell['published']:.3f})")
    if cell.get("status"):
        parts.append(cell["status"])
    return " ".join(parts)


def markdown(conditions: Conditions, tables: dict[str, dict], networks: str) -> str:
    """The section for benchmarks/README.md."""
    parts = [
        f"Ours, (published), and how they compare; mAP by the protocol of each set; {networks}. "
        "[OK]: within the tolerance of the table. [no data]: the set is not at hand."
    ]
    for name, rows in tables.items():
        columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
        lines = [
            [row, *(show(cells.get(one, {})) for one in columns)] for row, cells in rows.items()
        ]
        parts += [f"**{conditions.tables[name].title}**", table(["system", *columns], lines)]
    parts.append(
        f"`python benchmarks/reproduce.py`, {time.strftime('%Y-%m-%d')}, {machine()}"
    )
    return "\n\n".join(parts)


def say(text: str) -> None:
    """A message on stderr."""
    print(text, file=sys.stderr, flush=True)


def plan(laboratory: Laboratory, groups: dict[tuple, list[Task]]) -> dict[str, str]:
    """Say what each system needs; {task key: why it cannot run}."""
    blocked: dict[str, str] = {}
    total, counted = Needs(), set[Path]()
    say("what is needed (system, data set: pictures through the network, time, disk):")
    for (label, name, *_), tasks in groups.items():
        reason = laboratory.missing(tasks[0])
        if not reason:
            try:
                needs = laboratory.needs(tasks[0], counted)
            except WeightsError as error:
                reason = "no weights"
                say(f"  {label}, {name}: {error}")
            except BlcfError as error:
                reason = f"not possible: {error}"
                say(f"  {label}, {name}: {error}")
        if reason:
            blocked.update({task.key: reason for task in tasks})
            continue
        total += needs
        say(
            f"  {label}, {name}: {needs.pictures:,} pictures, {needs.seconds / 60:.1f} min, "
            f"{needs.bytes / 2**30:.2f} GB; {len(tasks)} figures"
        )
    say(
        f"in all {total.pictures:,} pictures, about {total.seconds / 60:.0f} min of the network "
        f"(vocabularies, whitening and searches come to that), {total.bytes / 2**30:.1f} GB of disk"
    )
    return blocked


def pairs_of(values: list[str], option: str) -> dict[str, list[str]]:
    """{name: paths} of NAME=PATH."""
    pairs: dict[str, list[str]] = {}
    for value in values:
        name, equals, path = value.partition("=")
        if not (name and equals and path):
            raise InvalidInput(f"Expected {option} NAME=PATH, got {value!r}.")
        pairs.setdefault(name, []).append(path)
    return pairs


def open_sets(options: argparse.Namespace) -> dict[str, DataSet]:
    """All data sets that were given, those with distractors among them."""
    sets = {}
    for name, paths in pairs_of(options.data, "--data").items():
        sets[name] = open_set(name, paths)
        if options.distractors and name in WITH_DISTRACTORS:
            larger = WITH_DISTRACTORS[name]
            sets[larger] = open_set(larger, paths, options.distractors)
    return sets


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", nargs="+", required=True, metavar="NAME=PATH", help="data sets")
    add("--distractors", metavar="FOLDER", help="the 100,000 pictures of Oxford105k, Paris106k")
    add("--weights", nargs="*", default=[], metavar="NETWORK=FILE", help="weights of networks")
    add("--work", type=Path, required=True, help="folder for features, collections, figures")
    add("--network", help="in the place of the published ones")
    add("--learn-on", default="", metavar="NAME", help="set for the whitening of sets of your own")
    add("--tables", nargs="*", help="only these")
    add("--plan", action="store_true", help="say what is needed, run nothing")
    add("--section", default="Published tables", help="of benchmarks/README.md; empty: none")
    return parser.parse_args()


def main() -> int:
    """Plan, run, report."""
    options = parse()
    try:
        return reproduce(options)
    except BlcfError as error:
        say(f"reproduce: {error}")
        return 2


def reproduce(options: argparse.Namespace) -> int:
    """All that was asked for."""
    conditions = read_conditions()
    if options.network is not None and options.network not in conditions.networks:
        known = ", ".join(conditions.networks)
        raise InvalidInput(f"Expected --network of {known}, got {options.network!r}.")
    unknown = set(options.tables or []) - conditions.tables.keys()
    if unknown:
        known = ", ".join(conditions.tables)
        raise InvalidInput(f"Expected tables of {known}, got {min(unknown)!r}.")
    sets = open_sets(options)
    weights = {
        name: Path(paths[-1]) for name, paths in pairs_of(options.weights, "--weights").items()
    }
    laboratory = Laboratory(options.work, sets, weights, options.learn_on)
    others = [name for name, one in sets.items() if one.truth and name not in conditions.sets]
    chosen = [row for row in conditions.rows if row.table in (options.tables or conditions.tables)]
    columns = {row.table: [*conditions.tables[row.table].sets, *others] for row in chosen}
    tasks = [tasks_of(conditions, row, columns[row.table], options.network) for row in chosen]
    groups: dict[tuple, list[Task]] = {}
    for task in (one for by_set in tasks for one in by_set.values()):
        system = task.system
        group = (system.name, task.set, system.layer, system.side, system.learned_on)
        if all(task.key != other.key for other in groups.setdefault(group, [])):
            groups[group].append(task)
    blocked = plan(laboratory, groups)
    if options.plan:
        return 0
    outcomes: dict[str, Cell] = {key: {"status": reason} for key, reason in blocked.items()}
    for (label, name, *_), mine in groups.items():
        if mine[0].key in blocked:
            continue
        say(f"{label}, {name}")
        try:
            outcomes |= laboratory.run(mine, lambda text: say(f"  {text}"))
        except BlcfError as error:  # the other systems still run
            say(f"  {error}")
            outcomes |= {task.key: {"status": f"failed: {error}"} for task in mine}
    tables: dict[str, dict] = {}
    for row, by_set in zip(chosen, tasks):
        cells = run_row(conditions, row, by_set, columns[row.table], outcomes, options.network)
        tables.setdefault(row.table, {})[row.row] = cells
        shown = [f"{name} {show(cell)}" for name, cell in cells.items() if cell]
        print(f"{row.table:8s}  {row.row:40s}  {'  '.join(shown)}")
    suffix = f"-{options.network}" if options.network else ""
    for name, rows in tables.items():
        path = HERE / "results" / f"reproduce-{name}{suffix}.json"
        path.write_text(json.dumps(rows, indent=1) + "\n")
    if options.section:
        networks = options.network or "the published networks"
        section = markdown(conditions, tables, networks)
        write_section(HERE / "README.md", options.section, section)
    return 0


if __name__ == "__main__":
    sys.exit(main())
