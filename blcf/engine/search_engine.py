"""`SearchEngine`: create, open, add, search, evaluate."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blcf.bags import BagOfWords
from blcf.bags.weighting import weighting_of_parts
from blcf.boxes import as_box
from blcf.engine.evaluating import Evaluation, evaluate
from blcf.engine.hits import Hits
from blcf.engine.indexing import AddReport, follow_moves, index_images, missing_names
from blcf.engine.model import Model, write_model
from blcf.engine.searching import Searcher
from blcf.engine.settings import SearchOptions, Settings
from blcf.engine.training import learn_model
from blcf.images import ImageList, find_images, read_image
from blcf.index import Collection, InvertedFile
from blcf.records import Query

if TYPE_CHECKING:
    from torch import nn

    from blcf.datasets import GroundTruth

__all__ = ["SearchEngine"]

logger = logging.getLogger(__name__)


class SearchEngine:
    """A collection of pictures and the search for objects in it.

    Make one with `create` or `open`.

    Examples
    --------
    >>> engine = SearchEngine.create("episodes.blcf", network="vgg16")  # doctest: +SKIP
    >>> engine.add("frames/")  # doctest: +SKIP
    >>> hits = engine.search("query.jpg", box=(120, 80, 420, 310))  # doctest: +SKIP
    >>> hits[0].name, hits[0].score, hits[0].box  # doctest: +SKIP
    """

    def __init__(self, model: Model):
        self.model = model
        self.collection = model.collection
        self.settings = model.settings
        self._searcher: tuple[int, Searcher] | None = None

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        network: str | nn.Module = Settings.network,
        *,
        device: str = "auto",
        dtype: str = "float32",
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
        dtype: str = "float32",
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
        progress: bool = True,
    ) -> AddReport:
        """Add pictures; the first call learns whitening and vocabulary from a sample of them.

        Pictures that the collection holds already are passed over, so that the same call resumes
        a run that was interrupted. A picture that cannot be read is skipped and named.

        Parameters
        ----------
        source : folder, list file, picture, or paths, or what `blcf.images.find_images` found
        root : the folder that names are relative to, for paths
        progress : whether to draw progress bars on stderr

        Raises
        ------
        InvalidInput, CollectionLocked, StorageError
        """
        images = source if isinstance(source, ImageList) else find_images(source, root=root)
        with self.collection.writing():
            names = missing_names(self.collection, images)
            follow_moves(self.collection, images)
            if names and not self.model.is_learned:
                self._learn(images, progress)
            (self.collection.path / "training.npz").unlink(missing_ok=True)
            return index_images(self.model, self._bag_of_words(), images, names, progress=progress)

    def _learn(self, images: ImageList, progress: bool) -> None:
        folder, sample = self.collection.path, self.collection.path / "training.npz"
        learned = learn_model(self.model.extractor, images, self.settings, sample, progress)
        self.collection.commit(model=write_model(folder / "model.h5", *learned))

    def _bag_of_words(self) -> BagOfWords:
        return BagOfWords(self.model.n_words, weighting=self.settings.weighting)

    def refresh(self) -> None:
        """Take what another process has committed since the collection was opened."""
        self.collection.refresh()

    @property
    def searcher(self) -> Searcher:
        """The search over what is committed."""
        generation = self.collection.manifest["generation"]
        if self._searcher is None or self._searcher[0] != generation:
            settings = self.settings
            index = InvertedFile(self.model.n_words, idf=settings.idf, sqrt=settings.sqrt)
            for segment in self.collection.segments:
                index.add_postings(segment.names, segment.postings)
            if settings.idf and len(self) and not index.idf_.any():
                logger.warning(
                    "every word stands in every picture: idf is 0 and so are all scores; "
                    "add more pictures, or make the collection with idf off (--no-idf)"
                )
            self._searcher = generation, Searcher(index, self.collection, self._bag_of_words())
        return self._searcher[1]

    def describe(
        self,
        image: str | os.PathLike[str] | np.ndarray,
        box: Sequence[float] | np.ndarray | None = None,
        side: int | None = None,
    ) -> Query:
        """A query from a picture: through the network, to words, to the bag of the box's cells.

        Parameters
        ----------
        image : path, or uint8 (height, width, 3) RGB
        box : xyxy, pixels of the picture; None takes the whole picture
        side : longer side to which the picture is resized, pixels; None takes the collection's
        """
        if not isinstance(image, np.ndarray):
            image = read_image(image)
        size = (image.shape[1], image.shape[0])
        checked = None if box is None else as_box(box, size)  # before the network, which is slow
        return self.describe_boxes(image, [checked], side)[0]

    def describe_boxes(
        self, image: np.ndarray, boxes: Sequence[np.ndarray | None], side: int | None = None
    ) -> list[Query]:
        """`describe` for several boxes of one picture, which goes through the network once."""
        size = (image.shape[1], image.shape[0])
        n_words = self.model.n_words  # before the network: an empty collection says so at once
        words, norms = self.model.encode(self.model.extractor.extract(image, side))
        bag_of_words = BagOfWords(n_words, weighting_of_parts(self.settings.weighting))
        return [
            Query(words, size, box, bag_of_words.encode(words, box=box, size=size, norms=norms))
            for box in boxes
        ]

    def search(
        self,
        image: str | os.PathLike[str] | np.ndarray,
        box: Sequence[float] | np.ndarray | None = None,
        **options: Any,
    ) -> Hits:
        """Find the pictures that show the object.

        Parameters
        ----------
        image : path, or uint8 (height, width, 3) RGB
        box : the object in it, xyxy, pixels of the picture; None searches with the whole picture
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
        query = self.describe(image, box, checked.query_side)
        shown = image if isinstance(image, np.ndarray) else Path(image)
        return self.search_query(query, checked, shown)

    def search_query(
        self, query: Query, options: SearchOptions, image: Path | np.ndarray | None = None
    ) -> Hits:
        """`search` for a query that went through the network already."""
        ranking = self.searcher.search(query, options)
        return Hits(
            ranking.names,
            ranking.scores,
            ranking.ids,
            ranking.boxes,
            paths=[self.collection.image_path(int(image_id)) for image_id in ranking.ids],
            query=image,
            query_box=query.box,
        )

    def evaluate(
        self,
        ground_truth: GroundTruth | str | os.PathLike[str],
        *,
        progress: bool = True,
        **options: Any,
    ) -> list[Evaluation]:
        """Mean average precision and localisation on a ground truth.

        Parameters
        ----------
        ground_truth : a ``gt.json`` (see `blcf.datasets.ground_truth`), or what was read from it
        **options : of the search, see `blcf.SearchOptions`; the whole ranking counts, whatever k

        Returns
        -------
        One `Evaluation` for box queries (LS) where there are boxes, one for whole pictures (GS).
        """
        checked = SearchOptions.from_keywords(options)
        return evaluate(self, ground_truth, [checked], progress=progress)[0]

    def info(self) -> dict[str, Any]:
        """What the collection is: plain values."""
        manifest = self.collection.manifest
        files = [path for path in self.collection.path.rglob("*") if path.is_file()]
        n_bytes = sum(path.stat().st_size for path in files)
        return {
            "path": str(self.collection.path),
            "format_version": manifest["format_version"],
            "n_images": len(self),
            "n_skipped": len(self.collection.skipped()),
            "n_segments": len(self.collection.segments),
            "n_cells": sum(segment.cells.size for segment in self.collection.segments),
            "n_postings": sum(segment.postings.tf.size for segment in self.collection.segments),
            "bytes": n_bytes,
            "bytes_per_image": round(n_bytes / len(self)) if len(self) else None,
            "extractor": manifest["extractor"],
            "settings": manifest["settings"],
            "model": manifest["model"],
        }
