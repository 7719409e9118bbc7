"""Every published table beside our figures, as far as the data sets at hand allow.

    python benchmarks/reproduce.py --data oxford5k=FOLDER paris6k=FOLDER --work FOLDER

Data sets are given by name and folder, in the layout in which they are published (see
`blcf.datasets.read_dataset`); `--distractors FOLDER` makes Oxford105k and Paris106k of the first
two. A folder of pictures without a ground truth (or several of one name) can be learned on. A name
that no table has (your own set, with a gt.json) runs through every row too. `--weights vgg16=FILE`
takes weights from a file; `--network squeezenet1_1` puts another network in the place of the
published one.

Before anything runs it says what each system needs: pictures to go through the network, time, disk
and memory (`--plan`: that alone). What was extracted, indexed or measured is kept in the work
folder: a run that was stopped goes on, and what changed since is made again. Writes
benchmarks/results/reproduce-*.json and, of all tables that are there, the section "Published
tables" of benchmarks/README.md. Exit status: 0 done, 2 a mistake in the call, 3 some row failed,
130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from conditions import Conditions, Row, read_conditions
from filelock import FileLock, Timeout
from reproduce_data import DataSet, Needs, Task
from reproduce_report import Cell, run_row, show, write_readme
from reproduce_systems import Laboratory

from blcf.datasets import KINDS, read_dataset
from blcf.errors import BlcfError, DatasetNotFound, InvalidInput, WeightsError
from blcf.images import find_images

HERE = Path(__file__).resolve().parent
WITH_DISTRACTORS = {"oxford5k": "oxford105k", "paris6k": "paris106k"}
# The kind of data set that a name stands for.
KNOWN = {name: name for name in KINDS if name != "gt.json"} | {"ins23k": "trecvid"}
KNOWN |= {larger: smaller for smaller, larger in WITH_DISTRACTORS.items()}


def open_set(name: str, paths: list[str], distractors: str | None = None) -> DataSet:
    """A data set, or folders of pictures that are only learned from."""
    paths = list(dict.fromkeys(paths))
    if len(paths) > 1:
        if name in KNOWN:
            raise InvalidInput(f"Expected one folder for {name}, got {len(paths)}.")
        root = os.path.commonpath([os.path.abspath(path) for path in paths])
        return DataSet(name, tuple(find_images(path, root) for path in paths))
    (path,) = paths
    try:
        options = {} if distractors is None else {"distractors": distractors}
        truth = read_dataset(path, kind=KNOWN.get(name), **options)
    except DatasetNotFound:
        if distractors is not None or name in KNOWN:
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
                reason = "not possible"
                say(f"  {label}, {name}: {error}")
        if reason:
            if reason != "no data":
                say(f"  {label}, {name}: {reason}")
            blocked.update({task.key: reason for task in tasks})
            continue
        total += needs
        say(f"  {label}, {name}: {words_of(needs)}; {len(tasks)} figures")
    say(
        f"in all {words_of(total)}, up to {max(total.memory, 1 << 30) / 2**30:.1f} GB of memory; "
        "whitening and the searches by descriptors come on top, seconds to minutes each"
    )
    return blocked


def words_of(needs: Needs) -> str:
    """Pictures, time and disk."""
    seconds = needs.seconds
    time_needed = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
    return f"{needs.pictures:,} pictures, {time_needed}, {needs.bytes / 2**30:.2f} GB of disk"


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
    add("--no-readme", action="store_true", help="leave benchmarks/README.md as it is")
    return parser.parse_args()


def main() -> int:
    """Plan, run, report."""
    options = parse()
    try:
        options.work.mkdir(parents=True, exist_ok=True)
        with FileLock(options.work / "reproduce.lock", timeout=0):
            return reproduce(options)
    except Timeout:
        say(f"reproduce: another run is working in {options.work}: wait, or take another folder.")
    except (BlcfError, OSError) as error:
        say(f"reproduce: {error}")
    except KeyboardInterrupt:
        say("reproduce: interrupted; what was measured is kept")
        return 130
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
    if options.learn_on and options.learn_on not in sets:
        raise InvalidInput(f"Expected --learn-on to be one of {', '.join(sets)}.")
    networks = {system.network for system in conditions.systems.values()} | {options.network}
    if not weights.keys() <= networks:
        known, other = ", ".join(sorted(filter(None, networks))), min(weights.keys() - networks)
        raise InvalidInput(f"Expected --weights of {known}, got {other!r}.")
    for name, one in sets.items():
        if one.truth is None:
            say(f"{name}: {len(one.paths):,} pictures, no ground truth: only learned from")
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
            outcomes |= {task.key: {"status": "failed"} for task in mine}
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
    if not options.no_readme:
        write_readme(conditions, HERE, suffix, options.network)
    failed = any(one.get("status") == "failed" for one in outcomes.values())
    return 3 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
