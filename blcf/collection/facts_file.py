"""``facts.sqlite``: opened so that a file of a stranger can do nothing, and changed whole or not.

It is there once a caller has said something of a picture. A connection is opened for each use: none
is held over a fork, and SQLite locks readers against the one writer for us. No other code opens
the file: to close it elsewhere would drop SQLite's locks.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote_from_bytes

from blcf.collection.facts_table import FactsTable, Row
from blcf.errors import BlcfError, FormatError, StorageError
from blcf.storage import Member, open_plain, reading, refusals, replace_file

__all__ = [
    "FACTS",
    "FACTS_FILES",
    "JOURNAL",
    "OTHERS",
    "FactsFile",
    "facts_in_memory",
    "sqlite_errors",
]

FACTS, JOURNAL = "facts.sqlite", "facts.sqlite-journal"
OTHERS = ("facts.sqlite-wal", "facts.sqlite-shm")  # of another way to write, which is not ours
FACTS_FILES = (FACTS, JOURNAL)

WAIT = 60  # seconds for the writer's commit, or for readers to end
_SUPER = bytes.fromhex("d9d505f920a163d7")  # the end of a journal that names another file

# What SQLite says where the system refused; of an expression it says other things.
_REFUSED = ("disk i/o error", "database is locked", "unable to open", "disk is full", "readonly")
_DAMAGED = ("malformed", "not a database", "corrupt", "unsupported file format", "encrypted")


class FactsFile:
    """The file of a collection, whether it is there or not."""

    def __init__(self, folder: Path):
        self.path = Member(folder, FACTS)

    def exists(self) -> bool:
        """Whether anything is there."""
        with reading(self.path):
            return self.path.exists()

    @contextmanager
    def reading(self) -> Iterator[FactsTable]:
        """The table, to read only.

        Raises
        ------
        FormatError, StorageError
            It is no table of facts, or damaged; cannot be read.
        """
        self._check_files()
        with sqlite_errors(self.path), closing(self._to_read()) as connection:
            connection.execute("BEGIN")  # what is read is of one state
            table = self._table(connection)
            self._check_length(connection)
            yield table

    @contextmanager
    def writing(self, rows: Callable[[], Iterable[Row]]) -> Iterator[FactsTable]:
        """The table within one transaction; what fails leaves it as it was.

        Parameters
        ----------
        rows : gives those of all pictures, where the file is missing
        """
        if not self.exists():
            self.build(rows())
        with self.reading():  # its form is looked at before anything may be written
            pass
        with sqlite_errors(self.path), closing(self._connect("rw")) as connection:
            connection.execute("PRAGMA synchronous = EXTRA")  # the journal's end is flushed as well
            table = self._table(connection)
            table.begin()
            try:
                yield table
                table.commit()
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def build(self, rows: Iterable[Row]) -> None:
        """Make the file anew; it appears whole or not at all."""
        with replace_file(Path(self.path)) as temporary:
            with suppress(FileNotFoundError):  # put there for us to follow
                temporary.unlink()
            with sqlite_errors(self.path), closing(_connect(temporary, "rwc")) as connection:
                connection.execute("PRAGMA journal_mode = OFF")
                connection.execute("PRAGMA synchronous = OFF")  # it is flushed before it is renamed
                FactsTable.make(connection, rows)

    def _check_files(self) -> None:
        """`FormatError` for anything that is none of ours, before SQLite looks at it.

        A journal may name another file, which SQLite would delete.
        """
        folder = self.path.folder
        with reading(self.path):
            if not self.path.exists():
                raise FormatError(f"{self.path} is missing.")
            self.path.check("a file")
            for name in OTHERS:
                if Member(folder, name).exists():
                    raise FormatError(_none_of_ours(folder / name))
            journal = Member(folder, JOURNAL)
            if journal.exists():
                with suppress(FileNotFoundError), open_plain(journal) as file:
                    n_bytes = file.seek(0, os.SEEK_END)
                    file.seek(max(0, n_bytes - len(_SUPER)))
                    if file.read() == _SUPER:
                        raise FormatError(_none_of_ours(journal))

    def _to_read(self) -> sqlite3.Connection:
        connection = self._connect("ro")
        try:
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            return connection
        except sqlite3.OperationalError:
            connection.close()
            if not Member(self.path.folder, JOURNAL).exists():
                raise
        # A writer was killed: what it had begun is taken back, which is to write.
        connection = self._connect("rw")
        try:
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            connection.execute("PRAGMA query_only = ON")
            return connection
        except BaseException:
            connection.close()
            raise

    def _connect(self, mode: str) -> sqlite3.Connection:
        connection = _connect(Path(self.path), mode)
        if mode == "ro":
            connection.execute("PRAGMA query_only = ON")
        return connection

    def _check_length(self, connection: sqlite3.Connection) -> None:
        """`FormatError` for a file that was cut short, whose last page SQLite takes for zeros."""
        n_bytes = 1
        for pragma in ("page_count", "page_size"):
            n_bytes *= int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
        found = os.stat(self.path).st_size
        if found != n_bytes:
            raise FormatError(
                f"{self.path} is damaged: expected {n_bytes} bytes, got {found}. "
                f"{_advice(self.path)}"
            )

    def _table(self, connection: sqlite3.Connection) -> FactsTable:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "delete":
                raise FormatError("Expected it to be written with a journal.")
            return FactsTable(connection)
        except FormatError as error:
            raise FormatError(f"{self.path} is damaged: {error} {_advice(self.path)}") from error


def facts_in_memory(rows: Iterable[Row]) -> FactsTable:
    """The table of a collection that has no file, or a damaged one."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _restrain(connection)
    return FactsTable.make(connection, rows)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    name = quote_from_bytes(os.fsencode(os.path.abspath(path)))
    connection = sqlite3.connect(
        f"file:{'' if name.startswith('/') else '/'}{name}?mode={mode}",
        uri=True,
        timeout=WAIT,
        isolation_level=None,
    )
    try:
        _restrain(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _restrain(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.text_factory = lambda content: content.decode("utf-8", "replace")


@contextmanager
def sqlite_errors(path: Member) -> Iterator[None]:
    """Turn what SQLite says into errors of ours."""
    try:
        with refusals(path):
            yield
    except BlcfError:
        raise
    except (sqlite3.Error, OverflowError) as error:
        said = str(error)
        if any(one in said.lower() for one in _REFUSED):
            raise StorageError(
                f"Could not use {path}: {said}. What was there before is intact; free some space, "
                "mend the permissions, or wait for another process, and run the same command again."
            ) from error
        raise FormatError(f"{path} is damaged ({said}). {_advice(path)}") from error


def _none_of_ours(path: Path | Member) -> str:
    folder = path.folder if isinstance(path, Member) else path.parent
    return f"{path} is none of blcf's files. Run `blcf check {folder} --repair`, which moves it."


def _advice(path: Member) -> str:
    return f"Run `blcf check {path.folder} --repair`."
