"""What the benchmark scripts share: the machine in words, tables, sections of README.md."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def machine() -> str:
    """Processor, cores and Python, in words."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":")[1].strip() if names else model
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def write_results(path: Path, results: dict[str, Any], networks: Sequence[str]) -> None:
    """Write results to a file, with the rows that it has of what was not measured this time.

    Parameters
    ----------
    results : with "date", "machine" and lists of rows, each with its "network" and "set"; the rows
        of other networks and sets are added, and "made", when and where those of each network were
    networks : that were measured
    """

    def key_of(row: dict) -> tuple:
        return row["network"], row["set"]

    made = {name: f"{results['date']}, {results['machine']}" for name in networks}
    if path.exists():
        before = json.loads(path.read_text("utf-8"))
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
    path.write_text(json.dumps(results, indent=1) + "\n")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_section(path: Path, title: str, text: str) -> None:
    """Replace what a README has between a section's two marks, or append the section."""
    first, last = f"<!-- {title}: written by a script -->", f"<!-- end of {title} -->"
    content = path.read_text() if path.exists() else "# Benchmarks\n"
    section = f"{first}\n\n{text}\n\n{last}"
    if first in content:
        before, rest = content.split(first)
        content = before + section + rest.split(last)[1]
    else:
        content = f"{content.rstrip()}\n\n## {title}\n\n{section}\n"
    path.write_text(content)
