"""Pictures below one folder, each with its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from blcf.errors import InvalidInput
from blcf.images.films import Film, FrameChoice, FrameOriginal, original_at
from blcf.images.frame_names import film_of
from blcf.images.names import display_name
from blcf.images.originals import FileOriginal

__all__ = ["ImageList", "check_prefix"]


@dataclass(frozen=True)
class ImageList:
    """Pictures below one folder, each with the name it has in a collection.

    Attributes
    ----------
    root : Path
        Absolute folder; symbolic links in it are kept as they were given.
    names : list of str
        Paths relative to `root`, "/" between the parts, unique. A file name that is not valid
        UTF-8 keeps Python's surrogateescape form, so that the file can be opened;
        `display_name(name)` is the form that can be printed.
    problems : list of (str, str)
        What was passed over in a folder because it could not be read: (name, reason), sorted.
        Always empty for lists, whose entries are not looked at before they are read.
    prefix : str
        What every name begins with beside its path, and a "/": of two memory cards that both hold
        ``DSC_0001.jpg``, one may be called ``A`` and the other ``B``. Usually "".
    films : {Path: Film}
        The films whose frames are among the pictures, by their paths. A frame is called
        ``film.mp4@00:00:12.345``, see `blcf.images.frame_names`.
    """

    root: Path
    names: list[str]
    problems: list[tuple[str, str]] = field(default_factory=list)
    prefix: str = ""
    films: Mapping[Path, Film] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.names)

    def path(self, name: str) -> Path:
        """Return the absolute path of the picture `name`.

        Raises
        ------
        InvalidInput
            If `name` leads out of `root` (it is absolute or has ".." among its parts).
        """
        if Path(name).anchor or ".." in Path(name).parts:
            raise InvalidInput(
                f"Expected the name of a picture below {display_name(self.root)}, "
                f"got {display_name(name)!r}, which leads out of it. Use one of `names`."
            )
        if self.prefix and not name.startswith(f"{self.prefix}/"):
            raise InvalidInput(
                f"Expected a name that begins with {display_name(self.prefix)!r} and a slash, got "
                f"{display_name(name)!r}. Use one of `names`."
            )
        return self.root / name[len(self.prefix) + 1 if self.prefix else 0 :]

    def original(self, name: str) -> FileOriginal | FrameOriginal:
        """The picture of a name, to be read."""
        return original_at(name, self.path(name), self.films)

    @property
    def choices(self) -> dict[str, FrameChoice]:
        """By what the frames of films were taken, by the films' names, where it is known."""
        found = {}
        for name in self.names:
            film = film_of(name)
            if film and film not in found and (listed := self.films.get(self.path(film))):
                found[film] = listed.choice
        return {film: choice for film, choice in found.items() if choice is not None}

    def without_shots(self) -> ImageList:
        """The same pictures; of the frames of films the shots are not known, nor looked for."""
        films = {path: film.without_shots() for path, film in self.films.items()}
        return replace(self, films=films)

    def called(self, prefix: str) -> ImageList:
        """The same pictures, "<prefix>/" before their names.

        Raises
        ------
        InvalidInput
            `prefix` is no name of a folder (or several, "/" between them), or a folder of this
            name is among the pictures: whose are names that begin with it?
        """
        check_prefix(prefix)
        if any(name.startswith(f"{prefix}/") for name in self.names) or self.prefix:
            taken = self.prefix or prefix
            raise InvalidInput(
                f"{display_name(self.root)}: expected another name than {display_name(prefix)!r}, "
                f"its pictures have names that begin with {display_name(taken)!r} already."
            )
        names = [f"{prefix}/{name}" for name in self.names]
        problems = [(f"{prefix}/{name}", reason) for name, reason in self.problems]
        return replace(self, names=names, problems=problems, prefix=prefix)


def check_prefix(prefix: object) -> None:
    """Raise `InvalidInput` for what cannot stand before names, like a folder."""
    if (
        not isinstance(prefix, str)
        or "\0" in prefix
        or PurePosixPath(prefix).as_posix() != prefix
        or prefix == "."
        or not {".", "..", "/"}.isdisjoint(PurePosixPath(prefix).parts)
    ):
        raise InvalidInput(
            "Expected a name to stand before those of the pictures, like a folder's (camera or "
            f"camera/monday), got {prefix!r:.80}."
        )
