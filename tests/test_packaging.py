"""What is shipped: wheel and source archive, their licences, types, extras and version."""

from __future__ import annotations

import configparser
import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import blcf

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("blcf", "tests", "benchmarks", "notebooks", ".ci")
LEARNED = ("blcf/features/blcf-lite.h5", "blcf/adding/generic.h5")

# The hooks that pip calls, in this environment: nothing is downloaded.
BUILD = """
from setuptools import build_meta
build_meta.build_wheel("dist")
build_meta.build_sdist("dist")
"""

CALLER = """
from blcf import SearchEngine
engine = SearchEngine.open("frames.blcf")
reveal_type(engine)
hits = engine.search("query.jpg", box=(0, 0, 9, 9))
reveal_type(hits)
reveal_type([hit for hit in hits])
reveal_type([hit.score for hit in hits])
"""


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, built: what an earlier build left in it would come along."""
    copy = tmp_path_factory.mktemp("source") / "blcf"
    copy.mkdir()
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text("utf-8").split()]
    left_out = shutil.ignore_patterns(*ignored)
    for folder in FOLDERS:
        if (ROOT / folder).is_dir():
            shutil.copytree(ROOT / folder, copy / folder, ignore=left_out)
    files = {path.name for path in ROOT.iterdir() if path.is_file()} - {".git"}
    for name in files - left_out(str(ROOT), sorted(files)):
        shutil.copy(ROOT / name, copy)
    done = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=copy, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return copy


@pytest.fixture(scope="session")
def wheel(source: Path) -> zipfile.ZipFile:
    (path,) = (source / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


def files_of(source: Path, *folders: str) -> set[str]:
    """The files below some folders of the copy."""
    return {
        path.relative_to(source).as_posix()
        for folder in folders
        for path in (source / folder).rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="session")
def setup() -> configparser.ConfigParser:
    """The project's setup.cfg."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", "utf-8")
    return parser


def test_the_wheel_holds_the_package_and_its_licences(source: Path, wheel: zipfile.ZipFile) -> None:
    about = f"blcf-{blcf.__version__}.dist-info"
    names = {name for name in wheel.namelist() if not name.startswith(f"{about}/")}
    assert names == files_of(source, "blcf")
    assert {"blcf/py.typed", *LEARNED} <= names
    for path in LEARNED:
        assert wheel.getinfo(path).file_size == (source / path).stat().st_size
    licences = {
        Path(name).name: wheel.read(name).decode()
        for name in wheel.namelist()
        if name.startswith(f"{about}/") and "LICENSE" in name
    }
    assert licences["LICENSE"] == (ROOT / "LICENSE").read_text("utf-8")
    assert all(Path(path).name in licences["LICENSE-WEIGHTS.md"] for path in LEARNED)


def test_the_command_of_the_wheel_is_there(
    wheel: zipfile.ZipFile, setup: configparser.ConfigParser
) -> None:
    declared = setup["options.entry_points"]["console_scripts"].strip()
    (path,) = [name for name in wheel.namelist() if name.endswith("/entry_points.txt")]
    parser = configparser.ConfigParser()
    parser.read_string(wheel.read(path).decode())
    assert dict(parser["console_scripts"]) == dict([declared.split(" = ")])
    module, function = declared.split(" = ")[1].split(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_the_source_archive_can_be_tested(source: Path) -> None:
    (path,) = (source / "dist").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {member.name.split("/", 1)[1] for member in archive.getmembers() if member.isfile()}
    assert files_of(source, *FOLDERS) <= names
    for path in source.iterdir():
        if path.is_file():
            assert path.name in names
    assert not [name for name in names if "__pycache__" in name or name.startswith("build/")]


def test_the_version_has_one_home(setup: configparser.ConfigParser) -> None:
    assert setup["metadata"]["version"] == "attr: blcf.__version__"
    assert not re.search(r"^version", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## \[(.+?)\]", changes, re.MULTILINE)
    assert headings[:2] == ["Unreleased", blcf.__version__]


def test_readme_says_what_each_extra_brings(setup: configparser.ConfigParser) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    shown = dict(re.findall(r"^\| `(\w+)` \| .+ \| (.+) \|$", readme, re.MULTILINE))
    declared = {
        extra: {re.split("[^A-Za-z0-9_-]", line)[0] for line in lines.split("\n") if line}
        for extra, lines in setup["options.extras_require"].items()
    }
    assert {extra: set(packages.split(", ")) for extra, packages in shown.items()} == declared


@pytest.mark.skipif(
    importlib.util.find_spec("mypy") is None,
    reason="mypy comes with the extra lint: pip install '.[test,lint]'",
)
def test_a_type_checker_sees_the_types_of_the_installed_package(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    builder = venv.EnvBuilder(with_pip=False)
    builder.create(tmp_path / "venv")
    python = builder.ensure_directories(tmp_path / "venv").env_exe
    ask = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    wheel.extractall(subprocess.check_output(ask, text=True, timeout=60).strip())
    (tmp_path / "caller.py").write_text(CALLER, "utf-8")
    command = [sys.executable, "-m", "mypy", "--python-executable", python, "caller.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall('Revealed type is "(.+)"', done.stdout)
    short = [re.sub(r"[\w.]+\.(\w+)", r"\1", each) for each in found]
    assert short == ["SearchEngine", "Hits", "list[Hit]", "list[float]"]
