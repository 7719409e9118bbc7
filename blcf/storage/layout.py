"""What lies where in an HDF5 file of plain arrays; nothing of an array is read for it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t

from blcf.errors import FormatError
from blcf.storage.members import Place

__all__ = ["StoredGroup", "layout_of_plain", "plain_layout", "read_layout"]

DEEPEST = 4  # groups in groups
MOST_MEMBERS = 10_000  # groups and datasets of a file
MOST_VALUES = 65_536  # of an attribute

_OF_NUMPY: dict[type, type] = {int: np.integer, float: np.floating, bool: np.bool_, str: bytes}

_CLASSES = (h5t.INTEGER, h5t.FLOAT, h5t.ENUM)  # an enumeration is what h5py makes of bool
_TYPES = {np.dtype(code): h5t.py_create(np.dtype(code)) for code in "?bBhHiIlLqQefd"}


@dataclass(frozen=True)
class _Array:
    """Where an array lies: bytes from the beginning of the file."""

    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int


@dataclass(eq=False)
class StoredGroup:
    """A group of an HDF5 file: values, arrays and groups by name.

    Attributes
    ----------
    path : the file
    name : of the group, "" for the file itself
    values : what h5py calls attributes: numbers, bytes, and short arrays
    mapped : the whole file, uint8 (n_bytes,)
    """

    path: Place
    name: str
    mapped: np.ndarray
    values: dict[str, Any] = field(default_factory=dict)
    _arrays: dict[str, _Array] = field(default_factory=dict)
    _groups: dict[str, StoredGroup] = field(default_factory=dict)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted([*self._arrays, *self._groups]))

    @property
    def n_bytes(self) -> int:
        """Bytes of all arrays in this group and in those below."""
        own = sum(math.prod(one.shape) * one.dtype.itemsize for one in self._arrays.values())
        return own + sum(group.n_bytes for group in self._groups.values())

    @property
    def array_names(self) -> list[str]:
        """Names of the arrays in this group, sorted."""
        return sorted(self._arrays)

    @property
    def group_names(self) -> list[str]:
        """Names of the groups in this one, sorted."""
        return sorted(self._groups)

    def __contains__(self, name: str) -> bool:
        return name in self._arrays or name in self._groups

    def group(self, name: str) -> StoredGroup:
        """A group in this one; `FormatError` where there is none."""
        return self._known(self._groups, name)

    def array(self, name: str) -> np.ndarray:
        """An array over the mapped file, read-only: no byte is read before it is used.

        Raises
        ------
        FormatError
            There is none of this name. The caller checks type and shape.
        """
        found = self._known(self._arrays, name)
        n_bytes = math.prod(found.shape) * found.dtype.itemsize
        content = self.mapped[found.offset : found.offset + n_bytes]
        if found.offset % found.dtype.itemsize:  # not of ours; kernels want their arrays aligned
            content = content.copy()
        return content.view(found.dtype).reshape(found.shape)

    def value(self, name: str, kind: type) -> Any:
        """A value of one of the kinds int, float, bool, str; `FormatError` where there is none."""
        found = self._known(self.values, name)
        if not isinstance(found, _OF_NUMPY[kind]):
            raise self.damaged(f"its {self._full(name)} is of another kind")
        return found.decode("utf-8", "replace") if isinstance(found, bytes) else kind(found)

    def _known(self, members: dict[str, Any], name: str) -> Any:
        if name not in members:
            raise self.damaged(f"it has no {self._full(name)} of the kind that is needed")
        return members[name]

    def _full(self, name: str) -> str:
        return f"{self.name}/{name}" if self.name else name

    def damaged(self, why: str) -> FormatError:
        """The error for what is wrong with the file, a clause."""
        return FormatError(
            f"{self.path} is damaged ({why}). Restore it from a copy, or index again."
        )


def read_layout(file: h5py.File, path: Place, mapped: np.ndarray) -> StoredGroup:
    """The layout of a file.

    Raises
    ------
    FormatError
        There is anything in it but groups, and numbers in arrays that lie in the file.
    Exception
        Whatever HDF5 says of damage.
    """
    root = StoredGroup(path, "", mapped)
    _take_group(root, h5g.open(file.id, b"/"), [0], 0)
    return root


def _take_group(group: StoredGroup, opened: h5g.GroupID, n_members: list[int], depth: int) -> None:
    _take_values(group, opened)
    for name in opened:
        n_members[0] += 1
        if n_members[0] > MOST_MEMBERS or depth > DEEPEST:
            raise group.damaged("it holds more than we write")
        text = name.decode("utf-8", "replace")
        if opened.links.get_info(name).type != h5l.TYPE_HARD:
            raise group.damaged(f"its {group._full(text)} is a link")
        member = h5o.open(opened, name)
        if isinstance(member, h5g.GroupID):
            inner = StoredGroup(group.path, group._full(text), group.mapped)
            group._groups[text] = inner
            _take_group(inner, member, n_members, depth + 1)
        elif isinstance(member, h5d.DatasetID):
            group._arrays[text] = _array(group, text, member)
        else:
            raise group.damaged(f"its {group._full(text)} is neither group nor array")


def _array(group: StoredGroup, name: str, dataset: h5d.DatasetID) -> _Array:
    stored, space = dataset.get_type(), dataset.get_space()
    if stored.get_class() not in _CLASSES or space.get_simple_extent_type() != h5s.SIMPLE:
        raise _no_array(group, name)
    dtype, shape = stored.dtype, space.get_simple_extent_dims()
    if dtype not in _TYPES or not _TYPES[dtype].equal(stored):
        raise _no_array(group, name)
    n_bytes = math.prod(shape) * dtype.itemsize
    if not n_bytes:  # an empty array has no place in the file
        return _Array(dtype, shape, 0)
    # Only what lies in this file in one piece has an offset: not what is in chunks (which alone
    # can be compressed), in other files, in the header, or was never written.
    offset = dataset.get_offset()
    if offset is None:
        raise _no_array(group, name)
    return _within(group, name, _Array(dtype, shape, offset))


def _within(group: StoredGroup, name: str, array: _Array) -> _Array:
    if array.offset + math.prod(array.shape) * array.dtype.itemsize > group.mapped.size:
        raise FormatError(
            f"{group.path} is damaged or cut short: its {group._full(name)} lie behind the end. "
            "Restore it from a copy, or index again."
        )
    return array


def _no_array(group: StoredGroup, name: str) -> FormatError:
    return FormatError(
        f"{group.path} is damaged: its {group._full(name)} are no plain array. "
        "Restore it from a copy, or index again."
    )


def _take_values(group: StoredGroup, opened: h5g.GroupID) -> None:
    for number in range(h5a.get_num_attrs(opened)):
        attribute = h5a.open(opened, index=number)
        name, stored = attribute.name.decode("utf-8", "replace"), attribute.get_type()
        is_text = stored.get_class() == h5t.STRING and not stored.is_variable_str()
        space = attribute.get_space()
        n_values = space.get_simple_extent_npoints()
        if (
            not (is_text or stored.get_class() in _CLASSES)
            or space.get_simple_extent_type() not in (h5s.SCALAR, h5s.SIMPLE)
            or n_values * stored.get_size() > 8 * MOST_VALUES
        ):
            raise group.damaged(f"its {group._full(name)} is no plain value")
        out = np.empty(attribute.shape, dtype=attribute.dtype)
        attribute.read(out)
        group.values[name] = out if out.ndim else out[()]


def plain_layout(group: StoredGroup) -> dict[str, Any]:
    """A layout as plain values for JSON; `layout_of_plain` makes it again without HDF5."""
    return {
        "values": {name: _plain_value(one) for name, one in group.values.items()},
        "arrays": {
            name: [one.dtype.str, list(one.shape), one.offset]
            for name, one in group._arrays.items()
        },
        "groups": {name: plain_layout(one) for name, one in group._groups.items()},
    }


def _plain_value(value: Any) -> list[Any]:
    array = np.asarray(value)
    if array.dtype.kind == "S":
        return ["S", array.item().decode("latin-1")]
    return [array.dtype.str, array.tolist()]


def layout_of_plain(plain: Any, path: Place, mapped: np.ndarray) -> StoredGroup:
    """The layout of a file whose layout was kept by `plain_layout`: thirty times as fast.

    Raises
    ------
    FormatError
        It is none, or leads out of the file.
    """
    root = StoredGroup(path, "", mapped)
    try:
        _take_plain(root, plain, 0)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise root.damaged(f"what is kept of its layout is none: {error}") from error
    return root


def _take_plain(group: StoredGroup, plain: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise ValueError("groups in groups")
    for name, (code, value) in plain["values"].items():
        group.values[name] = (
            np.bytes_(value.encode("latin-1")) if code == "S" else np.array(value, code)[()]
        )
    for name, (code, shape, offset) in plain["arrays"].items():
        dtype = np.dtype(code)
        numbers = [*shape, offset]
        if dtype not in _TYPES or any(type(one) is not int or one < 0 for one in numbers):
            raise ValueError(f"{name} is no array")
        group._arrays[name] = _within(group, name, _Array(dtype, tuple(shape), offset))
    for name, inner in plain["groups"].items():
        group._groups[name] = StoredGroup(group.path, group._full(name), group.mapped)
        _take_plain(group._groups[name], inner, depth + 1)
