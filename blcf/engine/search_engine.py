"""`SearchEngine`: create, open, close; what changes it (`changes`) and searches (`searches`)."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blcf.bags.weighting import check_functions
from blcf.checks import fields_among
from blcf.collection import Collection
from blcf.collection.description import short_facts
from blcf.collection.model import Model
from blcf.collection.name_list import PictureNames
from blcf.collection.opening import find_pictures, names_of
from blcf.collection.settings import Settings
from blcf.engine.changes import Changes
from blcf.images import display_name
from blcf.printing import counted
from blcf.searching.notebook import facts_html
from blcf.searching.table import pictures_table
from blcf.sharded import Opener, open_collection
from blcf.sharded.describing import describe

if TYPE_CHECKING:
    import pandas
    from torch import nn

__all__ = ["SearchEngine"]


class SearchEngine(Changes):
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
        tiles: int = 0,
        tile_side: int | None = None,
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
        saliency: Callable[[np.ndarray], Any] | None = None,
    ) -> SearchEngine:
        """Make an empty collection in a new folder.

        Parameters
        ----------
        path : the folder of the collection
        network : a name that `blcf.ConvFeatures` takes, or your own module
        layer, weights, side, ... : see `blcf.Settings`
        device, dtype : of the network, see `blcf.ConvFeatures`; not part of the collection
        saliency : for ``weighting="saliency"``, and needed for it: a function that takes a picture
            as it goes through the network, uint8 (h, w, 3), and gives what each place of it counts:
            a map of finite numbers >= 0, of any size. It is called once for each picture that is
            added, in the two threads that read ahead, also at once. The map is averaged over each
            cell of the picture, and kept relative to the largest; where all is 0, all cells count
            alike. A picture for which it fails is skipped and named. It is not kept with the
            collection: give it to `open` again to add pictures. A search needs none, as queries and
            windows count all cells of their region alike.

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
        functions = {"saliency": saliency}
        check_functions(checked.weighting, functions, needed=True)
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
            Model(
                collection,
                network=module,
                device=device,
                dtype=dtype,
                extractor=extractor,
                functions=functions,
            )
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
        saliency: Callable[[np.ndarray], Any] | None = None,
        cluster: Opener | None = None,
        allow_partial: bool = False,
        index: str | None = None,
    ) -> SearchEngine:
        """Open a collection. The network is loaded when the first picture needs it.

        The shards of one that is in shards are searched as one collection, in this process or on a
        cluster; what one of them commits is taken up by the next search.

        Parameters
        ----------
        path : the folder of the collection
        network : the module, for a collection that was made with one
        weights : where the weights are now, if their file has moved
        device, dtype : of the network
        saliency : the function of a collection of that weighting, to add pictures; see `create`
        cluster : what reaches the shards: `blcf.distributed.Cluster.shards`; None: this process
        allow_partial : whether a shard that does not answer is done without, which
            `Hits.missing_shards` says; False is an error that names it
        index : None ranks in the collection's own inverted file; ``qdrant:FOLDER`` or
            ``qdrant:URL`` in what `blcf export --to qdrant` has written there, with the same hits.
            After a change of the collection export again: a search says so

        Raises
        ------
        CollectionNotFound, FormatError, InvalidInput, ShardUnavailable, StorageError
        """
        return cls(
            Model(
                open_collection(path, cluster, allow_partial),
                network=network,
                weights=weights,
                device=device,
                dtype=dtype,
                functions={"saliency": saliency},
            ),
            index,
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
            if self._store is not None:
                self._store.close()
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
        return SearchEngine, (self.model, self.index)

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

    def facts(self, picture: str | os.PathLike[str]) -> dict[str, Any]:
        """What is known of a picture: {column: value}, None where it is not known.

        Parameters
        ----------
        picture : its name or its path

        Returns
        -------
        dict
            width and height in pixels; mtime, seconds since 1970, and bytes of the file that was
            indexed; video, time in seconds and shot of a frame; and the columns of `annotate`.

        Raises
        ------
        InvalidInput
            The collection holds no such picture.
        """
        snapshot = self.searcher.searchable.snapshot
        names_of(snapshot, [picture], "Nothing is known of it.")
        return snapshot.facts_of(int(find_pictures(snapshot, [os.fspath(picture)])[0]))

    def to_pandas(self) -> pandas.DataFrame:
        """A table with a row per picture, in the order of insertion: what is known of each.

        The columns: id (kept for ever), name, width and height in pixels, mtime, bytes, video, time
        and shot as of `facts`, those of `annotate`, and path. `InvalidInput` where pandas is not
        installed.
        """
        return pictures_table(copy(self.collection))

    def refresh(self) -> None:
        """Take what another process has committed."""
        self.collection.refresh()

    def info(self) -> dict[str, Any]:
        """What the collection is: plain values; see `blcf.collection.description`."""
        df = self.searcher.searchable.index.df if len(self) else None
        return describe(self.collection, df)
