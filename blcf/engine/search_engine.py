"""`SearchEngine`: create, open, close, add, remove; and every search (`searches`)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blcf.adding.indexer import AddReport
from blcf.adding.writer import add_images, compact_files, remove_images
from blcf.checks import fields_among
from blcf.collection import Collection
from blcf.collection.description import collection_facts, short_facts
from blcf.collection.model import Model
from blcf.collection.name_list import PictureNames
from blcf.collection.opening import find_pictures
from blcf.collection.settings import Settings
from blcf.engine.searches import Searches
from blcf.images import ImageList, display_name, find_images
from blcf.printing import counted
from blcf.searching.notebook import facts_html

if TYPE_CHECKING:
    from torch import nn

__all__ = ["SearchEngine"]


class SearchEngine(Searches):
    """A collection of pictures and the search for objects in it.

    Make one with `create` or `open`.

    Examples
    --------
    >>> engine = SearchEngine.create("episodes.blcf", network="vgg16")  # doctest: +SKIP
    >>> engine.add("frames/")  # doctest: +SKIP
    >>> hits = engine.search("query.jpg", box=(120, 80, 420, 310))  # doctest: +SKIP
    """

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        network: str | nn.Module = "blcf-lite",
        *,
        layer: str | None = None,
        weights: str | os.PathLike[str] | None = None,
        side: int = 384,
        upsample: int = 2,
        n_components: int | None = 128,
        n_words: int | str = "auto",
        vocabulary: str = "auto",
        weighting: str = "norm",
        idf: bool = True,
        sqrt: bool = True,
        random_state: int = 0,
        device: str = "auto",
        dtype: str = "auto",
    ) -> SearchEngine:
        """Make an empty collection in a new folder.

        Parameters
        ----------
        path : the folder of the collection
        network : name of a torchvision network, or your own module
        layer, weights, side, ... : see `blcf.Settings`
        device, dtype : of the network, see `blcf.ConvFeatures`; not part of the collection

        Raises
        ------
        CollectionExists, InvalidInput, WeightsError
        """
        from blcf.features import ConvFeatures

        module = None if isinstance(network, str) else network
        given = fields_among(Settings, locals())
        given["network"] = network if isinstance(network, str) else "module"
        given["weights"] = None if weights is None else str(Path(weights).resolve())
        checked = Settings(**given)
        Collection.check_free(path)  # before the network, which may have to be downloaded
        extractor = ConvFeatures(
            network,
            layer=checked.layer,
            weights=checked.weights,
            side=checked.side,
            device=device,
            dtype=dtype,
        )
        collection = Collection.create(
            path, {"settings": checked.to_dict(), "extractor": extractor.describe()}
        )
        return cls(
            Model(collection, network=module, device=device, dtype=dtype, extractor=extractor)
        )

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        network: nn.Module | None = None,
        weights: str | os.PathLike[str] | None = None,
        device: str = "auto",
        dtype: str = "auto",
    ) -> SearchEngine:
        """Open a collection. The network is loaded when the first picture needs it.

        Parameters
        ----------
        path : the folder of the collection
        network : the module, for a collection that was made with one
        weights : where the weights are now, if their file has moved
        device, dtype : of the network

        Raises
        ------
        CollectionNotFound, FormatError
        """
        return cls(
            Model(
                Collection.open(path),
                network=network,
                weights=weights,
                device=device,
                dtype=dtype,
            )
        )

    def close(self) -> None:
        """Give everything back: memory maps and their file descriptors at once, and the network.

        Later use of the engine is an error, and so is what has to look into the collection again:
        the evidence of hits, names. Hits keep their names, scores, boxes and paths. To close twice
        is no mistake; ``with SearchEngine.open(...) as engine`` closes at the end.
        """
        with self._opening:
            for one in [*self._opened]:
                one.close()
            if self._model is not None:
                self._model.collection.close()
            self._model = self._searcher = None

    def __repr__(self) -> str:
        name = f"SearchEngine({display_name(self.path)!r})"
        if self._model is None:
            return f"{name}: closed"
        facts = short_facts(self.collection)
        pictures = counted(len(self), "picture")
        return f"{name}: {pictures}, words: {facts['words']}, {facts['network']}"

    def _repr_html_(self) -> str:
        """What the collection is, for a notebook."""
        facts = {} if self._model is None else short_facts(self.collection)
        closed = "" if facts else ", closed"
        return facts_html(f"SearchEngine {self.path}{closed}", facts.items())

    def __enter__(self) -> SearchEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as its path and options; it is opened anew, with what is committed then."""
        return SearchEngine, (self.model,)

    @property
    def names(self) -> PictureNames:
        """The names of all pictures, in the order of insertion; each is read when it is needed."""
        snapshot = copy(self.collection)
        self._opened.add(snapshot)
        return PictureNames(snapshot)

    def __contains__(self, picture: object) -> bool:
        """Whether the collection holds a picture, by its name or its path."""
        if not isinstance(picture, (str, os.PathLike)):
            return False
        given = os.fspath(picture)
        return not isinstance(given, bytes) and int(find_pictures(self.collection, [given])[0]) >= 0

    def add(
        self,
        source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | ImageList,
        *,
        root: str | os.PathLike[str] | None = None,
        replace: bool = False,
        progress: bool = True,
    ) -> AddReport:
        """Add pictures; the first call learns whitening and vocabulary from a sample of them.

        Pictures that the collection holds already are passed over, so that the same call resumes
        a run that was interrupted. A picture that cannot be read is skipped and named.

        Parameters
        ----------
        source : folder, list file, picture, or paths, or what `blcf.images.find_images` found
        root : the folder that names are relative to, for paths
        replace : whether pictures that the collection holds are indexed again (they changed);
            they count as added last, and the old ones are there until the new ones are committed
        progress : whether to draw progress bars on stderr

        Raises
        ------
        InvalidInput, CollectionLocked, StorageError
        """
        images = source if isinstance(source, ImageList) else find_images(source, root=root)
        return add_images(self.model, images, replace=replace, progress=progress)

    def remove(self, pictures: Iterable[str | os.PathLike[str]]) -> int:
        """Remove pictures from the collection (not from the disk); gives how many.

        They are marked: `compact` gives their space back, as later additions do by and by.

        Parameters
        ----------
        pictures : names in the collection, or paths of the pictures

        Raises
        ------
        InvalidInput
            The collection holds no such picture; nothing is removed.
        CollectionLocked, StorageError
        """
        return remove_images(self.model, pictures)

    def compact(self) -> tuple[int, int]:
        """Rewrite the files without removed pictures; gives their bytes before and after."""
        return compact_files(self.model)

    def refresh(self) -> None:
        """Take what another process has committed."""
        self.collection.refresh()

    def info(self) -> dict[str, Any]:
        """What the collection is: plain values; see `blcf.collection.description`."""
        df = self.searcher.searchable.index.df if len(self) else None
        return collection_facts(self.collection, df)
