"""What the benchmark scripts share: the machine in words, tables, sections of README.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path


def machine() -> str:
    """Processor, cores and Python, in words."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":")[1].strip() if names else model
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


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
