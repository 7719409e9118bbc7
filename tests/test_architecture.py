"""The floors of the house: imports go down only, and each heavy library has one home."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import blcf

HOUSE = Path(blcf.__file__).parent
MODULES = {
    ".".join(path.relative_to(HOUSE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(HOUSE.rglob("*.py"))
}

# Parts of the house (folder or file below blcf/) by floor; "" is blcf/__init__.py.
FLOORS = [
    "errors bounds boxes records weighed_maps matches outputs storage processor printing estimator "
    "forking checks progress threads devices",
    "kernels",
    "images features vocabulary bags index rerank expansion datasets evaluation visualization",
    "collection descriptors learning pages qdrant",
    "adding searching measuring sharded",
    "engine exporting",
    "demo teaching web distributed",
    "cli __main__",
]
FLOOR_OF = {part: floor for floor, parts in enumerate(FLOORS) for part in parts.split()} | {"": 6}
ROOMS = ("adding", "searching", "measuring")
MAY_MEET = {
    ("features", "images"),
    ("datasets", "images"),
    ("learning", "descriptors"),  # a head is the descriptor of its name, on the same regions
    ("learning", "collection"),  # labels are facts of pictures
    ("measuring", "searching"),
    ("sharded", "searching"),
    ("web", ""),  # the version
    ("distributed", ""),  # the version, which workers must have
}

COMPILING = "blcf.kernels.compiling"

HOMES = {
    "torch": (
        "blcf.devices",  # imported late
        "blcf.features",
        "blcf.vocabulary",
        "blcf.learning",
        "blcf.index.device_lists",  # both imported late
        "blcf.index.torch_products",
    ),
    "torchvision": ("blcf.features.published", "blcf.features.tracer"),  # imported late
    "timm": ("blcf.features.timm_networks",),  # imported late
    "safetensors": ("blcf.features.weights",),  # imported late
    "numba": ("blcf.kernels",),
    "h5py": (
        "blcf.storage",
        "blcf.index",
        "blcf.collection",
        "blcf.features.whitening",
        "blcf.vocabulary.stored",
        "blcf.vocabulary.vocabulary",
    ),
    "matplotlib": ("blcf.visualization", "blcf.cli"),  # the command line asks if it is there
    "cv2": ("blcf.rerank.transforms",),  # imported late
    "av": ("blcf.images.video", "blcf.images.clips", "blcf.images.exact_clips"),  # imported late
    "pillow_heif": ("blcf.images.heif",),  # imported late
    "scenedetect": ("blcf.images.shots",),  # imported late
    "tqdm": ("blcf.progress",),
    "dask": ("blcf.distributed",),  # imported late
    "distributed": ("blcf.distributed",),  # imported late
    "starlette": ("blcf.web",),
    "uvicorn": ("blcf.web.server",),
    "qdrant_edge": ("blcf.qdrant.edge",),  # imported late
    "qdrant_client": ("blcf.qdrant.server",),  # imported late
    "pyarrow": ("blcf.exporting",),  # imported late
    "sqlite3": (
        "blcf.collection.facts_file",
        "blcf.collection.facts_table",
        "blcf.collection.where",
    ),
    # imported late
    "pandas": (
        "blcf.searching.hits",
        "blcf.searching.moments",
        "blcf.searching.table",
        "blcf.measuring.evaluation",  # for a type checker
        "blcf.engine.search_engine",  # for a type checker
    ),
    "sklearn": ("blcf.estimator", "blcf.expansion.discriminative"),  # imported late
}
# Say in their signatures that a network may be a torch module.
TYPED = ("collection", "engine", "distributed")


@dataclass(frozen=True)
class Import:
    """One imported module: where, what, and whether only a type checker sees it."""

    module: str
    imported: str
    line: int
    for_types: bool
    inside_function: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.imported}"


def imported_names(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The modules that a statement imports; `from blcf import boxes` imports blcf.boxes."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert not node.level, f"line {node.lineno}: relative import"
    both = [f"{node.module}.{alias.name}" for alias in node.names]
    return [name if name in MODULES else str(node.module) for name in both]


def imports_of(module: str, tree: ast.Module) -> list[Import]:
    """Every import of a module, also those inside functions and under TYPE_CHECKING."""
    found: list[Import] = []

    def visit(node: ast.AST, for_types: bool, inside: bool) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = imported_names(node)
            found.extend(Import(module, name, node.lineno, for_types, inside) for name in names)
        guard = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        inside |= isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for field, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    visit(child, for_types or (guard and field == "body"), inside)

    visit(tree, False, False)
    return found


TREES = {module: ast.parse(path.read_text("utf-8")) for module, path in MODULES.items()}
IMPORTS = [each for module, tree in TREES.items() for each in imports_of(module, tree)]


def part_of(module: str) -> str:
    """The folder or file below blcf/ that a module belongs to."""
    return (module.split(".") + [""])[1]


def at_home(module: str, homes: tuple[str, ...]) -> bool:
    return any(module == home or module.startswith(f"{home}.") for home in homes)


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter, in the folder that holds blcf/."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=HOUSE.parent, capture_output=True, text=True, timeout=120)


def test_the_parser_of_imports_sees_all() -> None:
    code = """
import numpy as np, torch.nn
from blcf import boxes, SearchEngine
if TYPE_CHECKING:
    import h5py
else:
    import tqdm
def f():
    from blcf.errors import BlcfError
"""
    found = imports_of("some", ast.parse(code))
    assert [(i.imported, i.for_types, i.inside_function) for i in found] == [
        ("numpy", False, False),
        ("torch.nn", False, False),
        ("blcf.boxes", False, False),
        ("blcf", False, False),
        ("h5py", True, False),
        ("tqdm", False, False),
        ("blcf.errors", False, True),
    ]


def test_every_part_has_a_floor() -> None:
    parts = {part_of(module) for module in MODULES}
    assert len(parts) > 10 and parts <= set(FLOOR_OF)


def test_imports_go_down_only() -> None:
    offenders = []
    for each in IMPORTS:
        if not at_home(each.imported, ("blcf",)):
            continue
        source, target = part_of(each.module), part_of(each.imported)
        # From the root comes the version; the public names are for those outside.
        down = FLOOR_OF[source] > FLOOR_OF[target] or (FLOOR_OF[source] == FLOOR_OF[target] == 0)
        met = (source, target) in MAY_MEET or (source, target) == ("__main__", "cli")
        if source != target and not down and not met:
            offenders.append(str(each))
    assert not offenders


def circles(uses: dict[str, set[str]]) -> list[str]:
    """The first circle of modules that use each other, or nothing."""
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert set(circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}


def test_no_modules_import_each_other() -> None:
    """Not for a type checker and not late, either: whoever reads one of them has to read all."""
    uses: dict[str, set[str]] = {module: set() for module in MODULES}
    for each in IMPORTS:
        if each.imported in uses and each.imported != each.module:
            uses[each.module].add(each.imported)
    assert sum(map(len, uses.values())) > 500
    assert circles(uses) == []


def test_the_ground_floor_has_no_cycle() -> None:
    uses: dict[str, set[str]] = {part: set() for part in FLOORS[0].split()}
    for each in IMPORTS:
        user, used = part_of(each.module), part_of(each.imported)
        if user in uses and used in uses and user != used:
            uses[user].add(used)
    assert not uses["errors"]
    assert circles(uses) == []


def test_nothing_below_the_door_knows_the_engine() -> None:
    offenders = [
        str(each)
        for each in IMPORTS
        if part_of(each.imported) == "engine" and FLOOR_OF[part_of(each.module)] < 5
    ]
    assert FLOOR_OF["engine"] == 5 and not offenders
    named = [
        f"{module}:{node.lineno}"
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name)
        and node.id in ("SearchEngine", "Searches")
        and FLOOR_OF[part_of(module)] < 5
    ]
    assert not named


def test_the_door_offers_the_engine_alone() -> None:
    import blcf.engine

    assert blcf.engine.__all__ == ["SearchEngine"]


def test_kernels_import_numpy_and_numba_only() -> None:
    allowed = {"__future__", "numpy", "numba", "llvmlite", "math", "blcf"}  # llvmlite: numba's
    offenders = [
        str(each)
        for each in IMPORTS
        if part_of(each.module) == "kernels"
        and each.module != COMPILING
        and each.imported.split(".")[0] not in allowed
    ]
    assert not offenders


def test_only_one_file_asks_numba_to_compile() -> None:
    """numba would keep compiled code beside the source, or fail where it cannot."""
    offenders = [
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module == "numba"
        and {alias.name for alias in node.names} & {"jit", "njit"}
    ]
    assert offenders == [COMPILING]


@pytest.mark.parametrize("library", HOMES)
def test_a_heavy_library_has_one_home(library: str) -> None:
    offenders = [
        str(each)
        for each in IMPORTS
        if each.imported.split(".")[0] == library
        and not at_home(each.module, HOMES[library])
        and not (library == "torch" and each.for_types and part_of(each.module) in TYPED)
    ]
    assert not offenders


def test_pictures_are_opened_in_images_alone() -> None:
    """Others ask a source for an original, or give what they got to `as_image`."""
    readers = {"read_image", "read_resized", "read_through", "decode_image", "read_size"}
    found = [
        f"{module}:{node.lineno} takes {alias.name}"
        for module, path in MODULES.items()
        if not module.startswith("blcf.images")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("blcf.images")
        for alias in node.names
        if alias.name in readers
    ]
    assert found == []


def test_torchvision_is_imported_late() -> None:
    """Where a network of it is asked for: blcf-lite needs none."""
    found = [
        each
        for each in IMPORTS
        if each.imported == "blcf.features.tracer"
        or (each.imported.split(".")[0] == "torchvision" and each.module != "blcf.features.tracer")
    ]
    assert found and all(each.inside_function for each in found)


def test_dask_is_imported_late() -> None:
    """Whoever searches shards in one process needs none."""
    found = [each for each in IMPORTS if each.imported.split(".")[0] in ("dask", "distributed")]
    assert found and all(each.inside_function or each.for_types for each in found)


def test_the_command_line_imports_matplotlib_late() -> None:
    found = [i for i in IMPORTS if part_of(i.module) == "cli" and "matplotlib" in i.imported]
    assert all(each.inside_function for each in found)


def forbidden(module: str, node: ast.AST) -> str:
    """What a node does that no file of the house may do, or ""."""
    called = ""
    if isinstance(node, ast.Call):
        function = node.func
        if isinstance(function, ast.Name):
            called = function.id
        elif isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            called = f"{function.value.id}.{function.attr}"
    if called in ("eval", "exec", "pickle.load", "pickle.loads", "pickle.dump", "pickle.dumps"):
        return called
    if called == "print" and part_of(module) != "cli":
        return called
    if called in ("sys.exit", "exit", "quit", "os._exit") and part_of(module) != "__main__":
        return called
    if isinstance(node, ast.ExceptHandler) and node.type is None:
        return "bare except"
    return ""


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("eval('1')", "eval"),
        ("pickle.load(f)", "pickle.load"),
        ("print(1)", "print"),
        ("sys.exit(1)", "sys.exit"),
        ("try:\n    pass\nexcept:\n    pass", "bare except"),
        ("module.eval()", ""),  # torch's
    ],
)
def test_the_search_for_the_forbidden_finds_it(code: str, what: str) -> None:
    found = [forbidden("blcf.boxes", node) for node in ast.walk(ast.parse(code))]
    assert [each for each in found if each] == [what] * bool(what)


def test_nothing_forbidden() -> None:
    offenders = [
        f"{module}:{getattr(node, 'lineno', 0)}: {forbidden(module, node)}"
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if forbidden(module, node)
    ]
    offenders += [
        str(each)
        for each in IMPORTS
        if each.imported.split(".")[0] in ("pickle", "shelve", "marshal", "joblib", "dill")
    ]
    assert not offenders


def test_what_was_learned_is_set_by_its_own_class_alone() -> None:
    # ``whitening.mean_ = ...`` from outside; `from_parts` makes what was learned elsewhere. What a
    # class method calls ``made`` is of its class.
    benchmarks = HOUSE.parent / "benchmarks"
    paths = [*MODULES.values(), *sorted(benchmarks.rglob("*.py"))]
    offenders = []
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_set = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
            owner = ast.unparse(node.value) if is_set else ""
            if is_set and node.attr.endswith("_") and owner not in ("self", "made"):
                offenders.append(f"{path}:{node.lineno} sets {ast.unparse(node)}")
    assert len(paths) > len(MODULES) and not offenders


def test_files_are_short_and_named() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}
    assert not {name: length for name, length in lengths.items() if length > 320}
    rooms = {name: n for name, n in lengths.items() if part_of(name) in ROOMS}
    assert len(rooms) > 25 and not {name: n for name, n in rooms.items() if n > 300}
    assert not [path for path in HOUSE.rglob("*") if path.stem in ("utils", "util", "helpers")]


def test_importing_blcf_loads_no_heavy_library_and_changes_nothing() -> None:
    code = """
import logging, sys, warnings
before = list(warnings.filters), logging.root.handlers[:], logging.root.level
import blcf
blcf.__version__, dir(blcf)
assert before == (list(warnings.filters), logging.root.handlers[:], logging.root.level)
assert not logging.getLogger("blcf").handlers
heavy = "torch torchvision numba h5py matplotlib sklearn scipy numpy tqdm PIL cv2 av".split()
print([name for name in heavy if name in sys.modules])
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]" and not done.stderr


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_the_command_line_answers_without_torch(argument: str) -> None:
    code = """
import sys
from blcf.cli import main
try:
    main(sys.argv[1:])
finally:
    heavy = ("torch", "torchvision", "matplotlib", "sklearn", "cv2", "av", "scenedetect")
    print([name for name in heavy if name in sys.modules], file=sys.stderr)
"""
    done = run_python(code, argument)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "[]"
    assert "blcf" in done.stdout
