"""Make the .ipynb files from the .py files beside this one: executed, with small pictures.

    python notebooks/execute.py [1 ...]

Each script in percent format is executed from an empty state by this interpreter, in a folder that
is removed afterwards. What it shows becomes a JPEG where that is smaller, at most `WIDTH` pixels
wide, and the picture of the cell that is tagged "picture" is written to ``pictures/`` too.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import jupytext
import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

__all__ = ["FOLDER", "execute", "first_picture", "read_script", "scripts", "shrink_pictures"]

FOLDER = Path(__file__).resolve().parent
WIDTH, QUALITY = 900, 70  # of a picture in a notebook: pixels, of JPEG
COVER_WIDTH = 640  # of the picture in README.md, pixels
SECONDS = 300  # of a cell, at most: one that hangs is an error


class _ThisPython(KernelSpecManager):
    """The one kernel that there is: the interpreter that runs this, whatever else is installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        arguments = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(
            argv=[*arguments, "--HistoryManager.enabled=False"],
            display_name="Python 3",
            language="python",
        )


def scripts() -> list[Path]:
    """The notebooks in percent format, in their order."""
    return sorted(FOLDER.glob("[0-9]*.py"))


def read_script(path: Path) -> NotebookNode:
    """A script as a notebook that was not executed; the same text gives the same bytes."""
    notebook = jupytext.read(path)
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number:02d}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = nbformat.from_dict(
        {
            "jupytext": {"formats": "ipynb,py:percent"},
            "kernelspec": kernel,
            "language_info": {"name": "python", "file_extension": ".py"},
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def execute(notebook: NotebookNode) -> NotebookNode:
    """Execute a notebook, from an empty state, in place; an error in a cell is raised."""
    metadata = notebook.metadata.copy()
    with TemporaryDirectory() as folder:
        asyncio.run(_execute_in(folder, notebook))
    notebook.metadata = metadata
    return notebook


async def _execute_in(folder: str, notebook: NotebookNode) -> None:
    # The checkout comes first, and nothing of the user's settings of IPython counts.
    path = os.pathsep.join([str(FOLDER.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "IPYTHONDIR": str(Path(folder, "ipython"))}
    manager = AsyncKernelManager(
        kernel_spec_manager=_ThisPython(),
        kernel_name="python3",
        connection_file=str(Path(folder, "kernel.json")),
        transport="ipc" if os.name == "posix" else "tcp",  # no open port where that is known
    )
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=SECONDS,
        record_timing=False,
        coalesce_streams=True,  # how a stream comes in parts is a matter of time
        resources={"metadata": {"path": folder}},
    )
    try:
        await client.async_execute(env=environment)
    finally:
        await manager.shutdown_kernel(now=True)  # the client leaves the kernel of another's manager


def shrink_pictures(notebook: NotebookNode) -> NotebookNode:
    """Replace each PNG by one of at most `WIDTH` pixels, or a JPEG where that is smaller."""
    for data in _shown(notebook):
        if "image/png" not in data:
            continue
        picture = Image.open(io.BytesIO(base64.b64decode(data.pop("image/png")))).convert("RGB")
        picture.thumbnail((WIDTH, 4 * WIDTH), Image.Resampling.LANCZOS)
        forms = {
            "image/jpeg": _encoded(picture, "JPEG", quality=QUALITY),
            "image/png": _encoded(picture, "PNG", optimize=True),
        }
        kind = min(forms, key=lambda one: len(forms[one]))
        data[kind] = base64.b64encode(forms[kind]).decode()
    return notebook


def first_picture(notebook: NotebookNode) -> Image.Image:
    """The picture of the cell that is tagged "picture"."""
    (cell,) = (one for one in notebook.cells if "picture" in one.metadata.get("tags", []))
    for output in cell.outputs:
        for kind in ("image/png", "image/jpeg"):
            if kind in output.get("data", {}):
                data = base64.b64decode(output.data[kind])
                return Image.open(io.BytesIO(data)).convert("RGB")
    raise ValueError(f"the cell tagged picture shows none: {cell.source[:60]!r}")


def _shown(notebook: NotebookNode) -> list[NotebookNode]:
    """What cells show: each in several forms, by their MIME types."""
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", [])]
    return [one.data for one in outputs if "data" in one]


def _encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    written = io.BytesIO()
    picture.save(written, form, **options)
    return written.getvalue()


def write(path: Path) -> None:
    """Execute a script, write its notebook and its picture."""
    notebook = shrink_pictures(execute(read_script(path)))
    picture = first_picture(notebook)
    picture.thumbnail((COVER_WIDTH, COVER_WIDTH), Image.Resampling.LANCZOS)
    (FOLDER / "pictures").mkdir(exist_ok=True)
    picture.save(FOLDER / "pictures" / f"{path.stem}.jpg", quality=QUALITY, optimize=True)
    nbformat.write(notebook, path.with_suffix(".ipynb"))


def main() -> None:
    """Execute the notebooks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="beginnings of their names, as 1; all without")
    names = parser.parse_args().names
    for path in scripts():
        if not names or path.name.startswith(tuple(names)):
            start = time.perf_counter()
            write(path)
            n_bytes = path.with_suffix(".ipynb").stat().st_size
            print(f"{path.stem}: {time.perf_counter() - start:.0f} s, {n_bytes / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
