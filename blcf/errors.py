"""Every error that blcf raises on purpose, each a child of `BlcfError` and of a builtin kind.

A message says what was expected, what came and what to do. The command line prints exactly
that sentence and exits with 2; anything else that escapes is a defect of ours.
"""

__all__ = [
    "BlcfError",
    "ClusterError",
    "CollectionExists",
    "CollectionLocked",
    "CollectionNotFound",
    "DatasetNotFound",
    "Diverged",
    "FormatError",
    "InvalidInput",
    "OutOfMemory",
    "ShardChanged",
    "ShardUnavailable",
    "StorageError",
    "UniformFrame",
    "UnreadableImage",
    "VocabularyMismatch",
    "WeightsError",
]


class BlcfError(Exception):
    """Base of all errors raised by blcf."""


class InvalidInput(BlcfError, ValueError):
    """An argument, option or file content that cannot be used."""


class UnreadableImage(InvalidInput):
    """A picture that cannot be decoded, or that is too small or too large to be used.

    Attributes
    ----------
    reason : str, why, without the path
    """

    reason: str = ""


class UniformFrame(UnreadableImage):
    """A frame of one colour all over, black or white for instance: it is dropped, not damaged."""

    reason = "it is of one colour, or nearly (black, white, the end of a fade)"


class Diverged(InvalidInput):
    """A training whose loss or weights are no longer numbers, or that grows without end."""


class FormatError(BlcfError, ValueError):
    """A file that is damaged, cut short, of another format version, or not of its form."""


class VocabularyMismatch(BlcfError, ValueError):
    """Two parts that were made with different vocabularies, networks or settings."""


class WeightsError(BlcfError, ValueError):
    """Network weights that are missing, cannot be downloaded, or do not fit the network."""


class CollectionNotFound(BlcfError, FileNotFoundError):
    """No collection at the given path."""


class CollectionExists(BlcfError, FileExistsError):
    """A collection (or something else) is already at the given path."""


class CollectionLocked(BlcfError, BlockingIOError):
    """Another process is writing to the collection."""


class ClusterError(BlcfError, ConnectionError):
    """A worker or the scheduler of a cluster: gone, silent for too long, or of another version."""


class DatasetNotFound(BlcfError, FileNotFoundError):
    """Images or ground truth of a data set are not where they were said to be."""


class OutOfMemory(BlcfError, MemoryError):
    """The machine or the accelerator has not enough memory for what was asked."""


class ShardChanged(BlcfError, RuntimeError):
    """A shard of a collection does not hold any more what a search has begun with."""


class ShardUnavailable(BlcfError, TimeoutError):
    """A shard of a collection does not answer: its worker is gone, hangs, or takes too long."""


class StorageError(BlcfError, OSError):
    """The file system refused: disk full, no permission, input/output error."""
