"""What the scripts share: the machine in words, results on the disk, tables, sections of pages."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WIDTH = 320  # characters of a line of a results file: a configuration and its figures


def machine() -> str:
    """Processor, cores and Python, in words."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":")[1].strip() if names else model
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def made_by(command: str) -> dict[str, str]:
    """The first entries of results: the command that made them, the day, the machine."""
    date = time.strftime("%Y-%m-%d")
    return {"command": f"python -m {command}", "date": date, "machine": machine()}


def signature(results: dict[str, Any]) -> str:
    """The last line of a section: what `made_by` says."""
    return f"`{results['command']}`, {results['date']}, {results['machine']}"


def results_path(name: str) -> Path:
    """The file that keeps the results of a name."""
    return HERE / "results" / f"{name}.json"


def page_path(question: str) -> Path:
    """The page of a question: beside its script, or in its folder."""
    folder = HERE / question
    return folder / "README.md" if folder.is_dir() else HERE / f"{question}.md"


def read_results(name: str) -> dict[str, Any]:
    """The results that are kept under a name; {} where there are none."""
    path = results_path(name)
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def keep_results(name: str, results: dict[str, Any]) -> None:
    """Write results, as many values a line as fit into `WIDTH`."""
    results_path(name).write_text(_folded(results) + "\n", "utf-8")


def _folded(value: Any, depth: int = 0) -> str:
    line = json.dumps(value)
    if len(line) + depth <= WIDTH or not isinstance(value, (dict, list)):
        return line
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {_folded(one, depth + 1)}" for key, one in value.items()]
    else:
        items = [_folded(one, depth + 1) for one in value]
    margin = "\n" + " " * depth
    return line[0] + margin + " " + f",{margin} ".join(items) + margin + line[-1]


def keep_rows(name: str, results: dict[str, Any], networks: Sequence[str]) -> None:
    """Write results, with the rows that the file has of what was not measured this time.

    Parameters
    ----------
    results : what `made_by` says, and lists of rows, each with its "network" and "set"; the rows
        of other networks and sets are added, and "made", when and where those of each network were
    networks : that were measured
    """

    def key_of(row: dict) -> tuple:
        return row["network"], row["set"]

    made = {name: f"{results['date']}, {results['machine']}" for name in networks}
    before = read_results(name)
    for key, rows in before.items():
        if isinstance(rows, list) and rows and "network" in rows[0]:
            measured = {key_of(row) for row in results[key]}
            others = [row for row in rows if key_of(row) not in measured]
            then = f"{before['date']}, {before['machine']}"
            made |= {
                row["network"]: before.get("made", {}).get(row["network"], then)
                for row in others
                if row["network"] not in networks
            }
            results[key] = results[key] + others
    results["made"] = made
    keep_results(name, results)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_section(question: str, title: str, text: str) -> None:
    """Replace what the page of a question has between a section's two marks, or append it."""
    first, last = f"<!-- {title}: written by a script -->", f"<!-- end of {title} -->"
    path = page_path(question)
    content = path.read_text("utf-8") if path.exists() else ""
    section = f"{first}\n\n{text}\n\n{last}"
    if first in content:
        before, rest = content.split(first)
        content = before + section + rest.split(last)[1]
    else:
        heading = f"{content.rstrip()}\n\n## {title}" if content else f"# {title}"
        content = f"{heading}\n\n{section}\n"
    path.write_text(content, "utf-8")
