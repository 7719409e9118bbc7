"""Every public name is documented, every example runs, README shows the commands that there are."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

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


def test_readme_python_compiles_and_names_what_there_is(readme: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert blocks
    for block in blocks:
        code = doctest.script_from_examples(block) if ">>>" in block else block
        tree = ast.parse(code, "README.md")
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "blcf":
                module = importlib.import_module(str(node.module))
                absent = [each.name for each in node.names if not hasattr(module, each.name)]
                assert absent == [], f"README imports {absent} from {node.module}"
