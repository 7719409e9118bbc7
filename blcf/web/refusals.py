"""Why a request gets no answer: a status of HTTP and a sentence; nothing else leaves the server."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from blcf.errors import (
    BlcfError,
    FormatError,
    InvalidInput,
    OutOfMemory,
    StorageError,
    UnreadableImage,
    VocabularyMismatch,
    WeightsError,
)

__all__ = ["FAULT", "Refusal", "busy", "refusal_of"]

logger = logging.getLogger(__name__)

FAULT = "The server met a fault of its own; it is in the log, and the next request may do."
_LONGEST = 2_000  # characters of a sentence


class Refusal(Exception):
    """A request that is not answered.

    Parameters
    ----------
    status : of HTTP
    sentence : what was expected, what came, what to do
    headers : beside those of every answer
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None):
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence[:_LONGEST], dict(headers or {})


def busy(sentence: str, seconds: int = 1) -> Refusal:
    """A request to be sent again in some seconds."""
    return Refusal(503, sentence, {"Retry-After": str(seconds)})


def refusal_of(error: Exception) -> Refusal:
    """What is said of an error: ours as they are, of others that there was one."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, (OutOfMemory, MemoryError)):
        return busy("There is not enough memory for this now. Ask for less, or later.", 5)
    if isinstance(error, UnreadableImage):
        return Refusal(422, f"Expected a picture that can be read. {str(error).rstrip('.')}.")
    if isinstance(error, (InvalidInput, VocabularyMismatch, WeightsError)):
        return Refusal(422, str(error))
    if isinstance(error, (FormatError, StorageError)):
        logger.error("%s", error)
        return Refusal(
            500,
            "A file of the collection is damaged or cannot be read; the log says which. `blcf "
            "check` on the collection says more.",
        )
    if isinstance(error, BlcfError):
        return Refusal(422, str(error))
    logger.error("a fault in a request", exc_info=error)
    return Refusal(500, FAULT)
