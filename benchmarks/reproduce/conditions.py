"""What conditions.toml holds: the published tables, their rows, and the systems that make them.

``[tables.NAME]``: `title`, `sets` (columns), `tolerance`. ``[systems.NAME]``: `kind` ("blcf",
"descriptor", "codes" or "crops"), `network`, `layer`, `side`, and what the kind needs; ``on.SET``
changes some of it for a data set, ``on.others`` for sets that no table names. ``[[rows]]``:
`table`, `row`, `system` (or `because`, where no run of ours makes it; with `trained`, but that of
a file of this name), `queries` ("GS", "LS" or
"crop"), `search`, `published` figures by data set, and `tolerance` or `learned_on` where they are
not those of the table or the system.
``[networks.NAME]``: `layers` of a network that stands in for the published one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from blcf.errors import FormatError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["TRAINED", "Conditions", "Row", "System", "Table", "read_conditions"]

HERE = Path(__file__).resolve().parent
QUERIES = ("GS", "LS", "crop")  # whole, cells of the box, the picture cut along the box
TRAINED = "trained"  # the system of rows that a trained network makes
KINDS = ("blcf", "descriptor", "codes", "crops")


@dataclass(frozen=True)
class Table:
    """A published table: its title, its columns, and how near our figures must come."""

    name: str
    title: str
    sets: tuple[str, ...]
    tolerance: float


@dataclass(frozen=True)
class System:
    """How a system looks at pictures and ranks them.

    `settings` and `search` are those of the engine; `descriptor` and `options` name an estimator
    of `blcf.descriptors` and its keywords; `learned_on` says where its whitening comes from: the
    pictures "itself", the "other" set of the pair Oxford and Paris, or a set by name.
    """

    name: str
    kind: str
    network: str
    layer: str
    side: int = 224
    settings: dict[str, Any] = field(default_factory=dict)
    search: dict[str, Any] = field(default_factory=dict)
    descriptor: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    learned_on: str = "itself"
    on: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def file(self) -> str:
        """The file of a trained network, "" where it is none."""
        return self.options.get("file", "")

    def with_file(self, name: str, path: Path) -> System:
        """The system of a trained network: what its file says.

        Raises
        ------
        FormatError
            The file is none of a network with a head.
        """
        from blcf.features.network_file import read_network_file  # late: a plan needs no torch
        from blcf.features.networks import default_layer

        content = read_network_file(path)
        if "head" not in content.facts:
            raise FormatError(f"Expected {path} to hold a network with a head, it has none.")
        side = content.facts.get("side", "")
        return replace(
            self,
            name=name,
            network=content.network,
            layer=content.layer or default_layer(content.network),
            side=int(side) if side.isdecimal() else self.side,
            options={"file": str(path)},
        )

    def with_network(self, network: str, layers: dict[str, str]) -> System:
        """The system with another network, at the layer that stands for its own."""
        return replace(self, network=network, layer=layers.get(self.layer, layers["others"]))

    def on_set(self, name: str, known: set[str]) -> System:
        """The system as it is on one data set."""
        changes = self.on.get(name, {} if name in known else self.on.get("others", {}))
        joined: dict[str, Any] = {
            key: {**getattr(self, key), **value} if isinstance(value, dict) else value
            for key, value in changes.items()
        }
        return replace(self, **joined)


@dataclass(frozen=True)
class Row:
    """A row of a table: who makes it, and what was published.

    `trained` names the file of a trained network with its descriptor that makes a row in place of
    a system, where it is given.
    """

    table: str
    row: str
    published: dict[str, float]
    system: str = ""
    because: str = ""
    queries: str = "GS"
    search: dict[str, Any] = field(default_factory=dict)
    tolerance: float | None = None
    learned_on: str = ""
    note: str = ""
    trained: str = ""


@dataclass(frozen=True)
class Conditions:
    """All tables, systems and rows."""

    tables: dict[str, Table]
    systems: dict[str, System]
    rows: tuple[Row, ...]
    networks: dict[str, dict[str, str]]

    @property
    def sets(self) -> set[str]:
        """Data sets that some table names."""
        return {name for table in self.tables.values() for name in table.sets}

    def tolerance(self, row: Row) -> float:
        """How near our figure must come to the published one."""
        return self.tables[row.table].tolerance if row.tolerance is None else row.tolerance


def read_conditions(path: Path = HERE / "conditions.toml") -> Conditions:
    """Read and check the file.

    Raises
    ------
    FormatError
        A key that is unknown or missing, a row of an unknown table, system or data set.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise FormatError(f"Expected {path} to be TOML: {error}.") from error
    tables, systems = (
        {
            name: _make(kind, f"{path.name}, {part}.{name}", {**values, "name": name})
            for name, values in content.get(part, {}).items()
        }
        for part, kind in (("tables", Table), ("systems", System))
    )
    tables = {name: replace(table, sets=tuple(table.sets)) for name, table in tables.items()}
    rows = tuple(
        _make(Row, f"{path.name}, row {number}", values)
        for number, values in enumerate(content.get("rows", []), start=1)
    )
    networks = {name: one["layers"] for name, one in content.get("networks", {}).items()}
    conditions = Conditions(tables, systems, rows, networks)
    for number, row in enumerate(rows, start=1):
        _check_row(conditions, row, f"{path.name}, row {number} ({row.row})")
    for system in systems.values():
        if system.kind not in KINDS:
            raise FormatError(
                f"{path.name}, systems.{system.name}: expected a kind of {', '.join(KINDS)}, got "
                f"{system.kind!r}."
            )
    return conditions


def _make(kind: type, where: str, values: dict[str, Any]) -> Any:
    unknown = values.keys() - {each.name for each in fields(kind)}
    if unknown:
        raise FormatError(f"{where}: unknown key {min(unknown)!r}.")
    try:
        return kind(**values)
    except TypeError as error:
        raise FormatError(f"{where}: {error}.") from error


def _check_row(conditions: Conditions, row: Row, where: str) -> None:
    if row.table not in conditions.tables:
        raise FormatError(f"{where}: there is no table {row.table!r}.")
    if bool(row.system) == bool(row.because):
        raise FormatError(f"{where}: expected a system, or because, one of the two.")
    if row.system and row.system not in conditions.systems:
        raise FormatError(f"{where}: there is no system {row.system!r}.")
    if row.trained and (row.system or TRAINED not in conditions.systems):
        raise FormatError(f"{where}: a trained row has no system, and needs systems.{TRAINED}.")
    if row.queries not in QUERIES:
        raise FormatError(
            f"{where}: expected queries of {', '.join(QUERIES)}, got {row.queries!r}."
        )
    for name, figure in row.published.items():
        if name not in conditions.tables[row.table].sets or not 0 <= figure <= 1:
            raise FormatError(f"{where}: no column {name!r} in its table, or a bad figure.")
