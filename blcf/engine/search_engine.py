"""`SearchEngine`: create, open, add, search, evaluate."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blcf.bags import BagOfWords
from blcf.collection import Collection
from blcf.engine.changing import add_images, compact_files, remove_images
from blcf.engine.describing import collection_facts
from blcf.engine.evaluating import evaluate
from blcf.engine.evaluation import Evaluation
from blcf.engine.hits import Hits
from blcf.engine.indexing import AddReport
from blcf.engine.model import Model
from blcf.engine.opening import open_index
from blcf.engine.options import SearchOptions
from blcf.engine.queries import Asked, Example, describe_examples
from blcf.engine.searching import Searcher
from blcf.engine.settings import Settings
from blcf.errors import InvalidInput
from blcf.images import ImageList, find_images
from blcf.records import Query
from blcf.rerank import GeometricVerification

if TYPE_CHECKING:
    from torch import nn

    from blcf.datasets import GroundTruth

__all__ = ["SearchEngine"]


class SearchEngine:
    """A collection of pictures and the search for objects in it.

    Make one with `create` or `open`.

    Examples
    --------
    >>> engine = SearchEngine.create("episodes.blcf", network="vgg16")  # doctest: +SKIP
    >>> engine.add("frames/")  # doctest: +SKIP
    >>> hits = engine.search("query.jpg", box=(120, 80, 420, 310))  # doctest: +SKIP
    """

    def __init__(self, model: Model):
        self.model = model
        self.collection = model.collection
        self.settings = model.settings
        self._searcher: tuple[int, Searcher] | None = None
        self._opening = threading.Lock()  # of threads that search at once, one opens the index

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        network: str | nn.Module = Settings.network,
        *,
        device: str = "auto",
        dtype: str = "auto",
        **settings: Any,
    ) -> SearchEngine:
        """Make an empty collection in a new folder.

        Parameters
        ----------
        path : the folder of the collection
        network : name of a torchvision network, or your own module
        device, dtype : of the network, see `blcf.ConvFeatures`; not part of the collection
        **settings : any of `blcf.Settings`: layer, weights, side, n_words, ...

        Raises
        ------
        CollectionExists, InvalidInput, WeightsError
        """
        from blcf.features import ConvFeatures

        name = network if isinstance(network, str) else "module"
        if settings.get("weights") is not None:
            settings["weights"] = str(Path(settings["weights"]).resolve())
        checked = Settings.from_keywords({"network": name, **settings})
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
        module = None if isinstance(network, str) else network
        how: Any = {"network": module, "device": device, "dtype": dtype}
        return cls(Model(collection, extractor=extractor, **how))

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

    def __len__(self) -> int:
        return self.collection.n_images

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
        return add_images(self, images, replace=replace, progress=progress)

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
        return remove_images(self, pictures)

    def compact(self) -> tuple[int, int]:
        """Rewrite the files without removed pictures; gives their bytes before and after."""
        return compact_files(self)

    def bag_of_words(self) -> BagOfWords:
        """How the bags of whole pictures are made."""
        return BagOfWords(self.model.n_words, self.settings.weighting)

    def refresh(self) -> None:
        """Take what another process has committed."""
        self.collection.refresh()

    @property
    def searcher(self) -> Searcher:
        """The search over what is committed, as of `open`, the last change or `refresh`."""
        with self._opening:
            # A refresh replaces what a collection holds and changes none of it: the copy stays.
            snapshot = copy(self.collection)
            generation = snapshot.manifest["generation"]
            if self._searcher is None or self._searcher[0] != generation:
                index = open_index(snapshot, self.model.n_words, self.settings)
                bags, words = self.bag_of_words(), lambda: self.model.centroids
                self._searcher = generation, Searcher(index, snapshot, bags, words)
            return self._searcher[1]

    def describe(
        self,
        image: str | os.PathLike[str] | np.ndarray,
        box: Any = None,
        side: int | None = None,
        *,
        polygon: Any = None,
        mask: Any = None,
        how: str = "hard",
        scales: Sequence[float] = (1.0,),
    ) -> Query:
        """A query from a picture: through the network, to words, to bags of the object's cells.

        Parameters
        ----------
        image : path, or uint8 (height, width, 3) RGB
        box, polygon, mask, how : see `search`
        side : longer side to which the picture is resized, pixels; None takes the collection's
        scales : sizes in which it is looked at, relative to `side`: a view each
        """
        example = Example(image, box, polygon, mask, how)
        options = SearchOptions(query_side=side, query_scales=scales)  # type: ignore[arg-type]
        return describe_examples(self, [example], options).queries[0]

    def search(
        self,
        image: str | os.PathLike[str] | np.ndarray | None = None,
        box: Sequence[float] | np.ndarray | None = None,
        *,
        polygon: Sequence[Sequence[float]] | np.ndarray | None = None,
        mask: str | os.PathLike[str] | np.ndarray | None = None,
        how: str = "hard",
        frame: str | os.PathLike[str] | None = None,
        examples: Sequence[Example] = (),
        negatives: Sequence[Example] = (),
        **options: Any,
    ) -> Hits:
        """Find the pictures that show the object.

        Parameters
        ----------
        image : path, or uint8 (height, width, 3) RGB
        box : the object in it, xyxy, pixels of the picture; or
        polygon : (n, 2), xy of the corners around it, pixels; or
        mask : bool or float (height, width), 0..1, or the path of a picture, white on the object.
            Without one of these the whole picture is searched with.
        how : how cells count that the object covers in part: "hard", all alike; "soft", by the
            share that is covered; "distance", all cells, less with the distance from the object
        frame : in place of an image, the name or path of a picture of the collection: no network
            is needed; it is looked at as it was indexed, in one size
        examples : more pictures of the object
        negatives : pictures of what is not meant
        **options : any of `blcf.SearchOptions`: k, rerank, expand, ...

        Returns
        -------
        Hits
            A `Ranking` of at most k pictures, with boxes where it was reranked.

        Raises
        ------
        InvalidInput, UnreadableImage, VocabularyMismatch
        """
        checked = SearchOptions.from_keywords(options)
        positives = list(examples)
        if image is not None or frame is not None or not positives:
            positives.insert(0, Example(image, box, polygon, mask, how, frame))
        elif any(region is not None for region in (box, polygon, mask)):
            raise InvalidInput("Expected the picture that the box, polygon or mask belongs to.")
        if checked.verifies:
            GeometricVerification()  # says what is missing before the network is asked
        asked = describe_examples(self, positives, checked)
        unwanted = describe_examples(self, negatives, checked).queries
        return Hits.find(self.searcher, asked, checked, unwanted)

    def search_query(
        self, query: Query, options: SearchOptions, image: Path | np.ndarray | None = None
    ) -> Hits:
        """`search` for a query that went through the network already."""
        return Hits.find(self.searcher, Asked((query,), (image,)), options)

    def evaluate(
        self,
        ground_truth: GroundTruth | str | os.PathLike[str],
        *,
        protocol: str | None = None,
        queries: str = "both",
        keep: int = 10,
        progress: bool = True,
        sink: Any = None,
        **options: Any,
    ) -> list[Evaluation]:
        """Figures of a data set's protocol, average precision for most, and localisation.

        Parameters
        ----------
        ground_truth, protocol, queries, keep, sink : see `blcf.engine.evaluating.evaluate`
        **options : of the search, see `blcf.SearchOptions`; the whole ranking counts, whatever k

        Returns
        -------
        One `Evaluation` for box queries (LS) where there are boxes, one for whole pictures (GS).
        """
        checked = [SearchOptions.from_keywords(options)]
        how: Any = {"protocol": protocol, "queries": queries, "keep": keep, "progress": progress}
        return evaluate(self, ground_truth, checked, sink=sink, **how)[0]

    def info(self) -> dict[str, Any]:
        """What the collection is: plain values; see `blcf.engine.describing`."""
        return collection_facts(self)
