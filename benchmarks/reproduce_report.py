"""What the runs of published tables gave, as cells, lines and Markdown."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from conditions import Conditions, Row
from report import machine, table, write_section
from reproduce_data import Task

__all__ = ["Cell", "run_row", "show", "status", "write_readme"]

TITLE = "Published tables"

Cell = dict[str, Any]  # status, and figure, published, result where there are such


def status(conditions: Conditions, row: Row, name: str, figure: float, network: str | None) -> str:
    """How a figure of ours stands beside the published one."""
    published = row.published.get(name)
    if published is None:
        return ""
    if network is not None:
        return "[other network]"
    off = round(figure, 3) - published
    return "[OK]" if abs(off) <= conditions.tolerance(row) + 1e-9 else f"[off by {off:+.3f}]"


def remarks(task: Task, outcome: Cell) -> list[str]:
    """What must be known to read a figure."""
    said = []
    if outcome["mode"] != task.queries:
        said.append("[whole queries]")  # there are no boxes
    if outcome["skipped"]:
        said.append(f"[{len(outcome['skipped'])} query pictures cannot be read]")
    if task.system.learned_on == "other" and outcome.get("learned on") == task.set:
        said.append("[whitened on itself]")
    return said


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
            said = [status(conditions, row, name, outcome["figure"], network)]
            text = " ".join(one for one in [*said, *remarks(tasks[name], outcome)] if one)
            cell |= {"figure": round(outcome["figure"], 4), "status": text, "result": outcome}
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
        "[OK]: within the tolerance of the table. [no data]: the set is not at hand. [whole "
        "queries]: its queries have no boxes."
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


def write_readme(
    conditions: Conditions, folder: Path, suffix: str, network: str | None
) -> None:
    """The section of one network, from the results of all tables that there are."""
    kept = {}
    for name in conditions.tables:
        path = folder / "results" / f"reproduce-{name}{suffix}.json"
        if path.exists():
            kept[name] = json.loads(path.read_text())
    title = f"{TITLE}, {network}" if network else TITLE
    section = markdown(conditions, kept, network or "the published networks")
    write_section(folder / "README.md", title, section)
