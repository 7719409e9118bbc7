"""Every public name is documented, every example runs, README shows the commands that there are."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

import blcf
from blcf.cli import main

README = Path(__file__).resolve().parents[1] / "README.md"
MODULES = ["blcf"] + [
    module.name
    for module in pkgutil.walk_packages(blcf.__path__, "blcf.")
    if not module.name.endswith("__main__")
]


@pytest.fixture(scope="module")
def readme() -> str:
    if not README.is_file():
        pytest.skip(f"README is not written yet: {README}")
    return README.read_text("utf-8")


def public_names(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """What a module offers that can have a docstring: functions, classes and their methods."""
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        if not inspect.isroutine(value) and not inspect.isclass(value):
            continue  # a constant
        yield name, value
        if inspect.isclass(value):
            for attribute, member in vars(value).items():
                if isinstance(member, (classmethod, staticmethod)):
                    member = member.__func__
                if attribute.startswith("_") or not (
                    inspect.isroutine(member) or isinstance(member, property)
                ):
                    continue
                yield f"{name}.{attribute}", member


@pytest.mark.parametrize("name", blcf.__all__)
def test_a_public_name_resolves_and_is_documented(name: str) -> None:
    value = getattr(blcf, name)
    assert name in dir(blcf)
    if name != "__version__":
        assert inspect.getdoc(value)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'blcf' has no attribute 'SearchEngin'"):
        getattr(blcf, "SearchEngin")


def test_the_lazy_names_are_those_a_type_checker_sees() -> None:
    tree = ast.parse(Path(str(blcf.__file__)).read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(seen) == set(blcf.__all__) - {"__version__"}
    for name, module in seen.items():
        assert getattr(importlib.import_module(str(module)), name) is getattr(blcf, name)


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_has_a_docstring(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} does not say its idea"
    assert [where for where, value in public_names(module) if not inspect.getdoc(value)] == []


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # an example that writes a file leaves nothing here
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert not failed


def commands(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The commands that `blcf --help` lists."""
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out.split("commands:")[1]
    return re.findall(r"^    (\w[\w-]*)\s", listed, re.MULTILINE)


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"index", "search", "info", "evaluate"} <= set(commands(capsys))


def test_readme_shows_every_command(readme: str, capsys: pytest.CaptureFixture[str]) -> None:
    missing = [name for name in commands(capsys) if not re.search(rf"\bblcf {name}\b", readme)]
    assert missing == []


def test_readme_shows_no_command_that_is_not(
    readme: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = "".join(re.findall(r"```(?:sh|bash|console|shell)\n(.*?)```", readme, re.DOTALL))
    shown = set(re.findall(r"^(?:\$ )?blcf ([a-z][\w-]*)", shell, re.MULTILINE))
    assert shown <= set(commands(capsys))


PYTHON = r"```python\n(.*?)```"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The folder that README's Python is run in: frames, a query, a ground truth."""
    whole = Image.fromarray(load_sample_images().images[0])  # 640 x 427 pixels
    other = Image.fromarray(load_sample_images().images[1])
    (tmp_path / "frames" / "2019").mkdir(parents=True)
    for number in range(1, 13):
        source, move = (whole, 8 * number) if number < 7 else (other, 6 * number)
        frame = source.crop((move, move, move + 480, move + 340))
        frame.save(tmp_path / "frames" / "2019" / f"frame_{number:04d}.jpg")
    whole.save(tmp_path / "query.jpg")
    Image.new("L", whole.size, 255).save(tmp_path / "mask.png")
    for name, picture in (("a", whole), ("b", whole), ("c", other)):
        picture.crop((100, 60, 400, 300)).save(tmp_path / f"{name}.jpg")
    shown = [f"frames/2019/frame_{number:04d}.jpg" for number in range(2, 7)]
    query = {"query": "query.jpg", "object": "the roof", "positives": shown, "junk": []}
    truth = {"queries": [{**query, "box": box} for box in ([120, 80, 420, 310], None)]}
    (tmp_path / "gt.json").write_text(json.dumps(truth), "utf-8")
    return tmp_path


def test_readme_python_runs(
    readme: str,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its blocks one after another, as a reader types them."""
    for library in ("pandas", "pyarrow", "qdrant_edge"):
        pytest.importorskip(library)
    monkeypatch.chdir(pictures)
    known: dict[str, Any] = {}
    for number, block in enumerate(re.findall(PYTHON, readme, re.DOTALL), start=1):
        exec(compile(block, f"README.md, block {number}", "exec"), known)
    assert all((pictures / f"{name}.png").is_file() for name in ("hits", "why", "worst"))
    # The truth beside the collection is understood: nothing counts as not found.
    assert known["ls"].mean_average_precision > 0.5 and known["gs"].results
    assert not [one.message for one in caplog.records if "not in the collection" in one.message]
    assert known["hits"].names and known["many"][2].names and known["ranking"].names
    assert known["search"].n_images == 2
