"""Notebooks as they are stored: pairs that say the same, executed, small, of public names only."""

from __future__ import annotations

import ast
import base64
import importlib
import io
import json
import pkgutil
import re

import nbformat
import pytest
from execute import FOLDER, first_picture, read_script, scripts, shrink_pictures
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

import blcf

MOST_BYTES = 600_000  # of a notebook
MOST_PICTURE_BYTES = 80_000

each_script = pytest.mark.parametrize("path", scripts(), ids=lambda path: path.stem)


def stored(path):
    return nbformat.read(path.with_suffix(".ipynb"), as_version=4)


def test_there_is_a_notebook_of_every_script_and_a_picture_of_every_notebook():
    stems = [path.stem for path in scripts()]
    assert [stem[0] for stem in stems] == [f"{n}" for n in range(1, len(stems) + 1)] and stems
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == stems
    assert sorted(path.name for path in (FOLDER / "pictures").iterdir()) == [
        f"{stem}.jpg" for stem in stems
    ]


@each_script
def test_a_pair_has_the_same_cells(path):
    script, notebook = read_script(path), stored(path)
    assert [(cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells] == [
        (cell.cell_type, cell.source, cell.metadata) for cell in script.cells
    ], f"run python notebooks/execute.py {path.name[0]}"
    assert notebook.metadata == script.metadata


@each_script
def test_a_notebook_is_executed_in_order_without_errors(path):
    notebook = stored(path)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {
        "stream",
        "execute_result",
        "display_data",
    }
    assert {output.name for output in outputs if output.output_type == "stream"} <= {"stdout"}


@each_script
def test_a_notebook_is_small_and_names_no_place_of_this_machine(path):
    assert path.with_suffix(".ipynb").stat().st_size < MOST_BYTES
    picture = FOLDER / "pictures" / f"{path.stem}.jpg"
    assert picture.stat().st_size < MOST_PICTURE_BYTES
    for cell in stored(path).cells:
        written = [
            value
            for output in cell.get("outputs", [])
            for kind, value in {**output.get("data", {}), "text": output.get("text", "")}.items()
            if not kind.startswith("image/")
        ]
        assert not re.search(r"/(tmp|home|root|usr|var|Users)/| at 0x", json.dumps(written))


@each_script
def test_the_first_cell_says_what_it_is_about(path):
    first = read_script(path).cells[0]
    assert first.cell_type == "markdown" and first.source.startswith(f"# {path.name[0]}. ")


@pytest.mark.parametrize("page", [FOLDER / "README.md", FOLDER.parent / "README.md"], ids=str)
def test_both_readmes_show_every_notebook(page):
    text = page.read_text("utf-8")
    for path in scripts():
        for target in (f"{path.stem}.ipynb", f"pictures/{path.stem}.jpg"):
            (link,) = {one for one in re.findall(r"\(([^)]*)\)", text) if one.endswith(target)}
            assert (page.parent / link).is_file()


PUBLIC = {"blcf"} | {
    f"blcf.{module.name}"
    for module in pkgutil.iter_modules(blcf.__path__)
    if not module.name.startswith("_")
}


def not_public(code):
    """The names that code takes from inside of blcf, and private names of anything."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [
                alias.name
                for alias in node.names
                if alias.name.startswith("blcf.") and alias.name not in PUBLIC
            ]
        elif isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "blcf":
            module = importlib.import_module(str(node.module))
            public = module.__all__ if node.module in PUBLIC else []
            found += [f"{node.module}.{one.name}" for one in node.names if one.name not in public]
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            found.append(node.attr)
    return found


@each_script
def test_a_notebook_uses_public_names_only(path):
    assert not_public(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("from blcf import SearchEngine, Vocabulary", []),
        ("from blcf.boxes import iou", []),
        ("from blcf.demo import write_scenes", []),
        ("from blcf.demo.scenes import paste", ["blcf.demo.scenes.paste"]),
        ("from blcf.rerank import voting", ["blcf.rerank.voting"]),
        ("import blcf.searching.hits", ["blcf.searching.hits"]),
        ("engine._searcher", ["_searcher"]),
    ],
)
def test_the_search_for_names_that_are_not_public(code, found):
    assert not_public(code) == found


def test_the_same_script_gives_the_same_bytes():
    path, *_ = scripts()
    first, second = (nbformat.writes(read_script(path)) for _ in range(2))
    assert first == second


def png(width, height):
    """A picture of noise, which JPEG stores in fewer bytes, in base64."""
    written = io.BytesIO()
    Image.effect_noise((width, height), 80).convert("RGB").save(written, "PNG")
    return base64.b64encode(written.getvalue()).decode()


def test_pictures_become_small():
    outputs = [
        new_output("display_data", {"image/png": png(1000, 200), "text/plain": "<Figure>"}),
        new_output("stream", text="nothing to shrink"),
    ]
    cell = new_code_cell("draw()", outputs=outputs, metadata={"tags": ["picture"]})
    notebook = shrink_pictures(new_notebook(cells=[new_code_cell("1"), cell]))
    data = notebook.cells[1].outputs[0].data
    assert set(data) == {"image/jpeg", "text/plain"}
    assert first_picture(notebook).size == (900, 180)


def test_the_cell_of_the_picture_has_to_show_one():
    cell = new_code_cell("1", metadata={"tags": ["picture"]})
    with pytest.raises(ValueError, match="shows none"):
        first_picture(new_notebook(cells=[cell]))


def test_notebooks_are_executed_elsewhere():
    """The folder of the notebooks holds them, their pictures, a page and the program."""
    names = {path.name for path in FOLDER.iterdir() if path.name[0] not in "._"}
    made = {f"{path.stem}{end}" for path in scripts() for end in (".py", ".ipynb")}
    assert names == made | {"README.md", "execute.py", "pictures"}
