"""Every published table beside our figures, as far as the data sets at hand allow.

    python -m benchmarks.reproduce --data oxford5k=FOLDER paris6k=FOLDER --work FOLDER

Data sets are given by name and folder, in the layout in which they are published (see
`blcf.datasets.read_dataset`); `--distractors FOLDER` makes Oxford105k and Paris106k of the first
two. A folder of pictures without a ground truth (or several of one name) can be learned on. A name
that no table has (your own set, with a gt.json) runs through every row too. `--weights vgg16=FILE`
takes weights from a file, `--trained NAME=FILE` a trained network with its descriptor (NAME as in
conditions.toml) for a row that needs one; `--network squeezenet1_1` puts another network in the
place of the published one.

Before anything runs it measures on some pictures what each system needs, and says so: pictures to
go through the network, time, disk and memory. `--plan` tells from the tables alone what a run would
do; it opens no network and no data set, and writes nothing. What was extracted, indexed or measured
is kept in the work folder: a run that was stopped goes on, and what changed since is made again.
Writes benchmarks/results/reproduce-*.json and, of all tables that are there, a section of
benchmarks/reproduce/README.md for each network. Exit status: 0 done, 2 a mistake in the call, 3
some row failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from benchmarks.reproduce.conditions import TRAINED, Conditions, Row, read_conditions
from benchmarks.reproduce.data import KNOWN, WITH_DISTRACTORS, DataSet, Needs, Task, open_set
from benchmarks.reproduce.plan import say_plan
from benchmarks.reproduce.report import Cell, keep_tables, run_row, show, write_page
from blcf.errors import BlcfError, InvalidInput, WeightsError

if TYPE_CHECKING:
    from benchmarks.reproduce.systems import Laboratory


def tasks_of(
    conditions: Conditions,
    row: Row,
    columns: list[str],
    network: str | None,
    trained: dict[str, Path],
) -> dict[str, Task]:
    """{data set: task} of a row."""
    tasks = {}
    is_trained = row.trained in trained
    for name in columns if row.system or is_trained else []:
        system = conditions.systems[row.system or TRAINED].on_set(name, conditions.sets)
        if is_trained:
            system = system.with_file(row.trained, trained[row.trained])
        if row.learned_on:
            system = replace(system, learned_on=row.learned_on)
        if network is not None and not is_trained:
            system = system.with_network(network, conditions.networks[network])
        tasks[name] = Task(system, name, row.queries, row.search)
    return tasks


def say(text: str) -> None:
    """A message on stderr."""
    print(text, file=sys.stderr, flush=True)


def groups_of(tasks: list[dict[str, Task]]) -> dict[tuple, list[Task]]:
    """Tasks that share features: those of one system on one set; each figure once."""
    groups: dict[tuple, list[Task]] = {}
    for task in (one for by_set in tasks for one in by_set.values()):
        system = task.system
        group = (system.name, task.set, system.layer, system.side, system.learned_on)
        if all(task.key != other.key for other in groups.setdefault(group, [])):
            groups[group].append(task)
    return groups


def say_needs(laboratory: Laboratory, groups: dict[tuple, list[Task]]) -> dict[str, str]:
    """Measure and say what each system needs; {task key: why it cannot run}."""
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
        say(f"  {label}, {name}: {words_of(needs)}; {len(tasks)} figure{'s' * (len(tasks) > 1)}")
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


def folders_of(options: argparse.Namespace) -> dict[str, list[str]]:
    """{data set: its folders}, those with distractors among them."""
    folders = {}
    for name, paths in pairs_of(options.data, "--data").items():
        folders[name] = list(dict.fromkeys(paths))
        if len(folders[name]) > 1 and name in KNOWN:
            raise InvalidInput(f"Expected one folder for {name}, got {len(folders[name])}.")
        if options.distractors and name in WITH_DISTRACTORS:
            if "ilias" in folders and len(folders.keys() & WITH_DISTRACTORS.keys()) > 1:
                raise InvalidInput(
                    "Expected --distractors of one kind: those of ILIAS are not those of Oxford "
                    "and Paris. Run ILIAS by itself."
                )
            folders[WITH_DISTRACTORS[name]] = folders[name]
    return folders


def open_sets(options: argparse.Namespace, folders: dict[str, list[str]]) -> dict[str, DataSet]:
    """All data sets that were given."""
    sets = {}
    for name, paths in folders.items():
        larger = options.distractors and name in WITH_DISTRACTORS.values()
        sets[name] = open_set(name, paths, options.distractors if larger else None)
        if sets[name].truth is None:
            n_pictures = len(sets[name].paths)
            say(f"{name}: {n_pictures:,} pictures, no ground truth: only learned from")
    return sets


def weights_of(options: argparse.Namespace, conditions: Conditions) -> dict[str, Path]:
    """{network: file of its weights}."""
    given = pairs_of(options.weights, "--weights")
    found = {name: Path(paths[-1]) for name, paths in given.items()}
    networks = {system.network for system in conditions.systems.values()} | {options.network}
    if not found.keys() <= networks:
        known, other = ", ".join(sorted(filter(None, networks))), min(found.keys() - networks)
        raise InvalidInput(f"Expected --weights of {known}, got {other!r}.")
    return found


def trained_of(options: argparse.Namespace, conditions: Conditions) -> dict[str, Path]:
    """{name in the tables: file of a trained network}."""
    given = pairs_of(options.trained, "--trained")
    known = {row.trained for row in conditions.rows if row.trained}
    if not given.keys() <= known:
        other = min(given.keys() - known)
        raise InvalidInput(f"Expected --trained of {', '.join(sorted(known))}, got {other!r}.")
    return {name: Path(paths[-1]) for name, paths in given.items()}


def check(options: argparse.Namespace, conditions: Conditions, folders: dict) -> None:
    """Refuse names that nothing has."""
    if options.network is not None and options.network not in conditions.networks:
        known = ", ".join(conditions.networks)
        raise InvalidInput(f"Expected --network of {known}, got {options.network!r}.")
    unknown = set(options.tables or []) - conditions.tables.keys()
    if unknown:
        known = ", ".join(conditions.tables)
        raise InvalidInput(f"Expected tables of {known}, got {min(unknown)!r}.")
    if options.learn_on and options.learn_on not in folders:
        raise InvalidInput(f"Expected --learn-on to be one of {', '.join(folders)}.")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", nargs="+", required=True, metavar="NAME=PATH", help="data sets")
    add(
        "--distractors",
        metavar="FOLDER",
        help="the 100,000 pictures of Oxford105k, Paris106k; or, without those two, those of ILIAS",
    )
    add("--weights", nargs="*", default=[], metavar="NETWORK=FILE", help="weights of networks")
    add(
        "--trained",
        nargs="*",
        default=[],
        metavar="NAME=FILE",
        help="trained networks with their descriptor, as benchmarks.learning.dir writes them",
    )
    add("--work", type=Path, required=True, help="folder for features, collections, figures")
    add("--network", help="in the place of the published ones")
    add("--learn-on", default="", metavar="NAME", help="set for the whitening of sets of your own")
    add("--tables", nargs="*", help="only these")
    add("--plan", action="store_true", help="say what a run would do; run nothing")
    add("--no-readme", action="store_true", help="leave the page as it is")
    return parser.parse_args()


def main() -> int:
    """Plan, or run and report."""
    options = parse()
    try:
        conditions, folders = read_conditions(), folders_of(options)
        check(options, conditions, folders)
        weights = weights_of(options, conditions)
        if options.plan:
            return plan(options, conditions, folders, weights)
        options.work.mkdir(parents=True, exist_ok=True)
        with FileLock(options.work / "reproduce.lock", timeout=0):
            return reproduce(options, conditions, folders, weights)
    except Timeout:
        say(f"reproduce: another run is working in {options.work}: wait, or take another folder.")
    except (BlcfError, OSError) as error:
        say(f"reproduce: {error}")
    except KeyboardInterrupt:
        say("reproduce: interrupted; what was measured is kept")
        return 130
    return 2


def columns_of(conditions: Conditions, rows: list[Row], others: list[str]) -> dict[str, list[str]]:
    """{table: its data sets, and those of one's own}."""
    return {row.table: [*conditions.tables[row.table].sets, *others] for row in rows}


def plan(
    options: argparse.Namespace, conditions: Conditions, folders: dict, weights: dict[str, Path]
) -> int:
    """Say what a run would do."""
    learned = {options.learn_on, *(row.learned_on for row in conditions.rows)}
    others = [name for name in folders if name not in conditions.sets | learned]
    rows, trained = chosen_rows(options, conditions), trained_of(options, conditions)
    columns = columns_of(conditions, rows, others)
    tasks = [
        tasks_of(conditions, row, columns[row.table], options.network, trained) for row in rows
    ]
    given = {name: [Path(path) for path in paths] for name, paths in folders.items()}
    for name in WITH_DISTRACTORS.values() & given.keys() if options.distractors else ():
        given[name].append(Path(options.distractors))
    say_plan(groups_of(tasks), given, weights, options.learn_on, say)
    return 0


def chosen_rows(options: argparse.Namespace, conditions: Conditions) -> list[Row]:
    """The rows of the tables that are to be run."""
    return [row for row in conditions.rows if row.table in (options.tables or conditions.tables)]


def reproduce(
    options: argparse.Namespace, conditions: Conditions, folders: dict, weights: dict[str, Path]
) -> int:
    """Run, and write what was found."""
    from benchmarks.reproduce.systems import Laboratory  # late: a plan imports no network

    sets = open_sets(options, folders)
    laboratory = Laboratory(options.work, sets, weights, options.learn_on)
    others = [name for name, one in sets.items() if one.truth and name not in conditions.sets]
    chosen, trained = chosen_rows(options, conditions), trained_of(options, conditions)
    columns = columns_of(conditions, chosen, others)
    tasks = [
        tasks_of(conditions, row, columns[row.table], options.network, trained) for row in chosen
    ]
    groups = groups_of(tasks)
    blocked = say_needs(laboratory, groups)
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
    keep_tables(tables, options.network)
    if not options.no_readme:
        write_page(conditions, options.network)
    failed = any(one.get("status") == "failed" for one in outcomes.values())
    return 3 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
