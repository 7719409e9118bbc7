"""blcf: find a particular object in a collection of pictures, and say where it is in every hit.

One flow, one direction::

    images -> feature maps -> assignment maps -> bags -> inverted file -> ranking
           -> local search (boxes) -> query expansion

The map of the house, from the ground up; imports go down only::

    errors, boxes, records, storage       errors, boxes, value types, files that appear whole
    kernels                               compiled loops: arrays in, arrays out
    images, features, vocabulary, bags,   the stages, which exchange arrays and do not know
    index, rerank, expansion, datasets,   each other
    evaluation, visualization
    collection                            the collection on disk, its settings and its model
    descriptors                           the global descriptors of the literature
    qdrant                                bags in Qdrant, and the ranking there
    learning                              how networks are trained: that of the package, yours
    pages                                 results as one HTML file
    adding                                pictures -> collection
    searching                             query -> hits
    measuring                             ground truth -> figures
    engine                                `SearchEngine`: the door to these three
    exporting                             collections and hits for other programs
    teaching                              labels that a collection finds by itself
    web                                   `blcf serve`: a page, and JSON for programs
    demo                                  `blcf demo`: a small collection, and a page of results
    cli                                   `blcf ...`

``import blcf`` loads none of it: names are resolved when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blcf.adding import AddReport as AddReport
    from blcf.bags import BagOfWords as BagOfWords
    from blcf.collection import Settings as Settings
    from blcf.engine import SearchEngine as SearchEngine
    from blcf.errors import BlcfError as BlcfError
    from blcf.features import ConvFeatures as ConvFeatures
    from blcf.features import Whitening as Whitening
    from blcf.index import FlatIndex as FlatIndex
    from blcf.index import InvertedFile as InvertedFile
    from blcf.measuring import Evaluation as Evaluation
    from blcf.records import Evidence as Evidence
    from blcf.records import Hit as Hit
    from blcf.records import Ranking as Ranking
    from blcf.rerank import LocalSearch as LocalSearch
    from blcf.searching import Example as Example
    from blcf.searching import Hits as Hits
    from blcf.searching import Moment as Moment
    from blcf.searching import Moments as Moments
    from blcf.searching import SearchOptions as SearchOptions
    from blcf.vocabulary import Vocabulary as Vocabulary

__version__ = "0.1.0"

_HOMES = {
    "AddReport": "blcf.adding",
    "BagOfWords": "blcf.bags",
    "BlcfError": "blcf.errors",
    "ConvFeatures": "blcf.features",
    "Evaluation": "blcf.measuring",
    "Evidence": "blcf.records",
    "Example": "blcf.searching",
    "FlatIndex": "blcf.index",
    "Hit": "blcf.records",
    "Hits": "blcf.searching",
    "InvertedFile": "blcf.index",
    "LocalSearch": "blcf.rerank",
    "Moment": "blcf.searching",
    "Moments": "blcf.searching",
    "Ranking": "blcf.records",
    "SearchEngine": "blcf.engine",
    "SearchOptions": "blcf.searching",
    "Settings": "blcf.collection",
    "Vocabulary": "blcf.vocabulary",
    "Whitening": "blcf.features",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'blcf' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
