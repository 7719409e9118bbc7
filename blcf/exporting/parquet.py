"""A collection, or dense vectors, as Parquet: what any program of tables reads."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from blcf.checks import needs
from blcf.collection.facts import Fact
from blcf.errors import InvalidInput
from blcf.exporting.exported import Engine, Exported, as_text
from blcf.index import FlatIndex
from blcf.outputs import is_device, open_output
from blcf.storage import refusals

if TYPE_CHECKING:
    import pyarrow

__all__ = ["is_parquet_file", "write_descriptors", "write_parquet"]

FORMAT_VERSION = 1
ROWS, ROWS_OF_PART = 4096, 131_072  # of a row group, and of a file of a folder
NAME_BYTES, WORDS, TF, UNIT = "name.bytes", "bag.words", "bag.tf", "bag.tfidf_l2"

_Path = str | os.PathLike[str]


def is_parquet_file(path: _Path) -> bool:
    """Whether a path is written to as one file, by its ending; else as a folder of files."""
    return os.fspath(path).lower().endswith((".parquet", ".pq")) or is_device(path)


def write_parquet(engine: Engine, path: _Path) -> int:
    """Write a row per picture of a collection, in the order of insertion; gives how many.

    Columns:

    - those of `write_picture_list`; a name that is no valid UTF-8 is shown with U+FFFD, and
      ``name.bytes`` holds it (null for all others);
    - ``bag.words``, list of int32, ascending, and ``bag.tf``, list of float32: raw term
      frequencies, as they are stored;
    - ``bag.tfidf_l2``, list of float32: ``g(tf) * idf``, L2-normalised, by which a search ranks: g
      is the root where the metadata say so, idf ``log(n_images / df)``, from their statistics.

    The schema's metadata, ``blcf``, is JSON: format version, network, layer, digests, n_words,
    n_images, idf, sqrt, and df, in how many pictures each word occurs.

    Parameters
    ----------
    engine : a `blcf.SearchEngine`
    path : ending in .parquet one file; else a folder, new or empty, of files of 131,072 pictures
        each. Either appears whole or not at all. Some 4,096 pictures are in memory at a time.

    Raises
    ------
    InvalidInput, FormatError, StorageError
    """
    exported = Exported.of(engine)
    arrow = _arrow()
    schema = _schema(arrow, exported)
    return _write(path, schema, _tables(exported, schema))


def write_descriptors(index: FlatIndex, path: _Path, about: Mapping[str, Any] | None = None) -> int:
    """Write dense vectors, a row per image: ``name``, and ``descriptor``, L2-normalised.

    Parameters
    ----------
    index : `FlatIndex`, or ``index_`` of a `blcf.descriptors.DescriptorSearch`
    path : see `write_parquet`; a descriptor is a list of a fixed size, float32
    about : plain values for the metadata

    Returns
    -------
    int, how many
    """
    arrow, n, size = _arrow(), index.n_images, index.n_components
    said = {"format_version": FORMAT_VERSION, "n_components": size, **(about or {})}
    fields = [
        arrow.field("name", arrow.string()),
        arrow.field(NAME_BYTES, arrow.binary()),
        arrow.field("descriptor", arrow.list_(arrow.float32(), size)),
    ]
    schema = arrow.schema(fields, metadata={"blcf": json.dumps(said)})

    def tables() -> Iterator[pyarrow.Table]:
        for first in range(0, n, ROWS):
            ids = np.arange(first, min(first + ROWS, n))
            names = [index.name(int(number)) for number in ids]
            flat = arrow.array(index.vectors(ids).ravel(), type=arrow.float32())
            vectors = arrow.FixedSizeListArray.from_arrays(flat, size)
            columns = [arrow.array(map(as_text, names), arrow.string()), _bytes(arrow, names)]
            yield arrow.Table.from_arrays([*columns, vectors], schema=schema)

    return _write(path, schema, tables())


def _arrow() -> Any:
    with needs("'blcf[tables]'", "A Parquet file"):
        import pyarrow
        import pyarrow.parquet
    return pyarrow


def _schema(arrow: Any, exported: Exported) -> pyarrow.Schema:
    kinds = {"integer": arrow.int64(), "real": arrow.float64(), "text": arrow.string()}
    fields = [arrow.field(name, kinds[kind]) for name, kind in exported.columns.items()]
    fields += [
        arrow.field(NAME_BYTES, arrow.binary()),
        arrow.field(WORDS, arrow.list_(arrow.int32())),
        arrow.field(TF, arrow.list_(arrow.float32())),
        arrow.field(UNIT, arrow.list_(arrow.float32())),
    ]
    lists = exported.lists
    said = {
        "format_version": FORMAT_VERSION,
        **exported.model,
        "n_images": lists.n_images,
        "idf": lists.idf,
        "sqrt": lists.sqrt,
        "df": lists.df.tolist(),
    }
    return arrow.schema(fields, metadata={"blcf": json.dumps(said)})


def _tables(exported: Exported, schema: pyarrow.Schema) -> Iterator[pyarrow.Table]:
    """The rows, some thousands at a time."""
    rows, arrow = exported.rows(), _arrow()
    for bags in exported.lists.bags():
        some = list(islice(rows, bags.shape[0]))
        columns = [_column(arrow, schema.field(name), some) for name in exported.columns]
        columns.append(_bytes(arrow, [str(row["name"]) for row in some]))
        unit = exported.lists.weigh(bags)
        for values, kind in (
            (bags.indices, arrow.int32()),
            (bags.data, arrow.float32()),
            (unit.data.astype(np.float32), arrow.float32()),
        ):
            columns.append(_lists(arrow, bags, values, kind))
        yield arrow.Table.from_arrays(columns, schema=schema)


def _lists(arrow: Any, bags: sp.csr_matrix, values: np.ndarray, kind: Any) -> Any:
    ends = arrow.array(bags.indptr.astype(np.int32))
    return arrow.ListArray.from_arrays(ends, arrow.array(values, type=kind))


def _column(arrow: Any, field: Any, rows: list[dict[str, Fact]]) -> Any:
    values: list[Any] = [row[field.name] for row in rows]
    if field.type == arrow.string():
        values = [None if one is None else as_text(str(one)) for one in values]
    elif field.type == arrow.float64():
        values = [None if one is None else float(one) for one in values]
    return arrow.array(values, type=field.type)


def _bytes(arrow: Any, names: list[str]) -> Any:
    """Names that are no text, as the bytes that they are of."""
    raw = [None if as_text(one) == one else _encoded(one) for one in names]
    return arrow.array(raw, type=arrow.binary())


def _encoded(name: str) -> bytes:
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a pair, which no file name holds
        return name.encode("utf-8", "surrogatepass")


def _write(path: _Path, schema: pyarrow.Schema, tables: Iterable[pyarrow.Table]) -> int:
    """Write tables to a file, or to a folder."""
    if is_parquet_file(path):
        with open_output(path) as file:
            return _write_file(file, schema, tables)
    return _write_folder(Path(path), lambda made: _write_parts(made, schema, tables))


def _write_file(file: Any, schema: pyarrow.Schema, tables: Iterable[pyarrow.Table]) -> int:
    from pyarrow.parquet import ParquetWriter

    n_rows = 0
    with ParquetWriter(file, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)
            n_rows += table.num_rows
    return n_rows


def _write_parts(folder: Path, schema: pyarrow.Schema, tables: Iterable[pyarrow.Table]) -> int:
    rest, n_rows, number = iter(tables), 0, 0
    while True:
        part = _some(rest, ROWS_OF_PART)
        first = next(part, None)
        if first is None and number:
            return n_rows
        with open(folder / f"part-{number:05d}.parquet", "wb") as file:
            n_rows += _write_file(file, schema, [] if first is None else _with(first, part))
        number += 1


def _with(first: Any, others: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from others


def _some(tables: Iterator[Any], n_rows: int) -> Iterator[Any]:
    """Tables until they have some rows."""
    while n_rows > 0 and (table := next(tables, None)) is not None:
        n_rows -= table.num_rows
        yield table


def _write_folder(folder: Path, write: Callable[[Path], int]) -> int:
    """Write a folder that appears whole or not at all."""
    with refusals(folder):
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise InvalidInput(
                f"Expected a new or empty folder, or a file that ends in .parquet, got {folder}, "
                "which holds something. Name another place."
            )
        target = Path(os.path.realpath(folder))
        target.parent.mkdir(parents=True, exist_ok=True)
        made = target.with_name(f".{target.name[:100]}.{secrets.token_hex(5)}.tmp")
        made.mkdir()
        try:
            n_rows = write(made)
            os.replace(made, target)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    return n_rows
