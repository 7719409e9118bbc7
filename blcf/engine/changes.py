"""What changes a collection: add, sync, annotate, remove, compact; a part of `SearchEngine`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from blcf.adding.indexer import AddReport
from blcf.adding.known_choices import KnownChoices
from blcf.adding.syncing import SyncReport, sync_folder
from blcf.adding.writer import add_sources, annotate_images, compact_files, remove_images
from blcf.engine.searches import Searches
from blcf.errors import InvalidInput
from blcf.images import FrameChoice, GivenPictures, ImageLike, ImageList, as_sources
from blcf.images.sources import Added

__all__ = ["Changes"]


class Changes(Searches):
    """An engine whose collection can be changed; one writer at a time."""

    def add(
        self,
        source: Added,
        *,
        root: str | os.PathLike[str] | None = None,
        name: str | None = None,
        replace: bool = False,
        facts: Any = None,
        every: Any = 1,
        frames: str = "every",
        shot_threshold: float = 3.0,
        progress: bool = True,
    ) -> AddReport:
        """Add pictures; the first call learns whitening and vocabulary from a sample of them.

        Pictures that the collection holds already are passed over, so that the same call resumes
        a run that was interrupted. A picture that cannot be read is skipped and named.

        Parameters
        ----------
        source : folder, list file, picture, film, or paths, or what `blcf.images.find_images`
            found; or
            pictures with names of your own, {"id-7": picture, ...} or an iterable of such pairs,
            each picture a path, an array, of Pillow, or the bytes of a file. Of an iterable 4,000
            pictures or a gigabyte are taken at a time; words are learned from the first of these.
            Pictures that are given so are not stored: see `attach`
        root : the folder that names are relative to, for paths
        name : what stands before the names, like a folder's: two memory cards that both hold
            ``DSC_0001.jpg`` become ``A/DSC_0001.jpg`` and ``B/DSC_0001.jpg``
        replace : whether pictures that the collection holds are indexed again (they changed);
            they count as added last, and the old ones are there until the new ones are committed
        facts : what is said of pictures, by their names, in a form that `annotate` takes
        every : seconds from one frame of a film to the next, exact (0.5, "0.04", Fraction(1, 3));
            frames of one colour all over (black, white) are left out, and counted
        frames : which frames of a film are taken: "every", or "shots", see
            `blcf.images.FrameChoice`
        shot_threshold : how much a cut differs from the frames around it
        progress : whether to draw progress bars on stderr

        Raises
        ------
        InvalidInput, CollectionLocked, StorageError
        """
        self.collection.check_grows()
        sources = as_sources(source, root, name, FrameChoice(every, frames, shot_threshold))
        report = add_sources(self.model, sources, replace=replace, progress=progress, facts=facts)
        if isinstance(source, Mapping):  # what the caller holds anyway
            self.attach(source)
        return report

    def sync(
        self,
        folder: str | os.PathLike[str] | ImageList,
        *,
        name: str | None = None,
        every: Any = None,
        frames: str | None = None,
        shot_threshold: float | None = None,
        dry_run: bool = False,
        progress: bool = True,
    ) -> SyncReport:
        """Make the collection follow a folder: its new, changed, moved and deleted pictures.

        A file is the one that was indexed if its time of change and its length are; where only the
        time differs, the digest of its bytes decides. A file with the bytes of one that is gone has
        moved: it gets its new name without the network. What is known of pictures stays with them.
        Each step is committed by itself, and the same call goes on after a kill.

        Parameters
        ----------
        folder : that was indexed, or one that holds some of its pictures, or is above them; an
            empty one is an error, as a disk that is not mounted looks the same
        name : that stands before the names, see `add`
        every, frames, shot_threshold : which frames of films are taken, see `add`; None: as those
            that the collection has of the film were, and of a new film as of all others, where
            these agree. A film that is as it was keeps the frames that it has, and gets those of
            these that it lacks
        dry_run : whether only to say what would be done
        progress : whether to draw progress bars on stderr

        Returns
        -------
        SyncReport

        Raises
        ------
        InvalidInput, CollectionLocked, StorageError
        """
        self.collection.check_grows()
        said = {"every": every, "frames": frames, "shot_threshold": shot_threshold}
        given = {key: value for key, value in said.items() if value is not None}
        choices = KnownChoices(self.collection, given, name)
        (images,) = as_sources(folder, None, name, choices)
        if not isinstance(images, ImageList):
            raise InvalidInput(f"Expected a folder to follow, got {type(folder).__name__}.")
        return sync_folder(self.model, images, dry_run=dry_run, progress=progress)

    def attach(self, pictures: Mapping[str, ImageLike]) -> None:
        """Say where pictures are that were added with names of your own, to show them again.

        They are in no folder, and a collection stores words, not pixels. `add` does it with the
        dictionary that it is given, for as long as the engine is open.

        Parameters
        ----------
        pictures : {name: picture}, see `add`

        Raises
        ------
        InvalidInput
        """
        self.collection.sources.append(GivenPictures(pictures))

    def remove(self, pictures: Iterable[str | os.PathLike[str]]) -> int:
        """Remove pictures from the collection (not from the disk); gives how many.

        They are marked: `compact` gives their space back, as later additions do by and by.

        Parameters
        ----------
        pictures : names in the collection, or paths, of pictures; of a film it is all its frames

        Raises
        ------
        InvalidInput
            The collection holds no such picture; nothing is removed.
        CollectionLocked, StorageError
        """
        return remove_images(self.model, pictures)

    def annotate(self, table: Any) -> int:
        """Say something of pictures, in columns that `search` can ask for with `where`.

        What was said before in other columns stays. All of it is written, or nothing.

        Parameters
        ----------
        table : {picture: {column: value}}, by name or path, with values None, bool, int, float or
            str; or the path of a CSV file whose column ``name``, or else the first, holds the
            pictures; or a pandas.DataFrame with a column ``name``, or pictures as its index

        Returns
        -------
        int, of how many pictures something was said

        Raises
        ------
        InvalidInput
            The collection holds no such picture, or a column or value cannot be stored.
        CollectionLocked, FormatError, StorageError
        """
        return annotate_images(self.model, table)

    def compact(self) -> tuple[int, int]:
        """Rewrite the files without removed pictures; gives their bytes before and after."""
        return compact_files(self.model)
