"""What the runs of published tables gave, as cells, lines and Markdown."""

from __future__ import annotations

from typing import Any

from benchmarks.report import (
    keep_results,
    made_by,
    read_results,
    signature,
    table,
    write_section,
)
from benchmarks.reproduce.conditions import Conditions, Row
from benchmarks.reproduce.data import Task

__all__ = ["Cell", "keep_tables", "markdown", "run_row", "show", "status", "write_page"]

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
        if not tasks:
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


def results_name(table: str, network: str | None) -> str:
    """Under which name the results of a table are kept."""
    return "-".join(["reproduce", table, *([network] if network else [])])


def keep_tables(tables: dict[str, dict[str, dict[str, Cell]]], network: str | None) -> None:
    """Write what the rows of tables gave: {table: {row: {column: cell}}}."""
    command = "benchmarks.reproduce --data NAME=FOLDER ... --work FOLDER"
    command += f" --network {network}" if network else ""
    for name, rows in tables.items():
        keep_results(results_name(name, network), {**made_by(command), "rows": rows})


def markdown(conditions: Conditions, network: str | None) -> str:
    """The section of the page: of one network, all tables that there are results of."""
    found = {name: read_results(results_name(name, network)) for name in conditions.tables}
    tables = {name: results for name, results in found.items() if results}
    networks = network or "the published networks"
    parts = [
        f"Ours, (published), and how they compare; mAP by the protocol of each set; {networks}. "
        "[OK]: within the tolerance of the table. [no data]: the set is not at hand. [whole "
        "queries]: its queries have no boxes."
    ]
    for name, results in tables.items():
        rows = results["rows"]
        columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
        lines = [
            [row, *(show(cells.get(one, {})) for one in columns)] for row, cells in rows.items()
        ]
        parts += [f"**{conditions.tables[name].title}**", table(["system", *columns], lines)]
    made = dict.fromkeys(signature(results) for results in tables.values())
    return "\n\n".join([*parts, "; ".join(made)])


def write_page(conditions: Conditions, network: str | None) -> None:
    """The section of one network."""
    title = f"{TITLE}, {network}" if network else TITLE
    write_section("reproduce", title, markdown(conditions, network))
