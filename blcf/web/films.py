"""The film of a frame, as its file is, whole or in parts: a player asks for the part it shows.

It is the one kind of file that leaves the server as it is: a plain file with the ending of a film,
below the folder that the picture's name is relative to.

Source: RFC 9110, section 14 (range requests).
"""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from blcf.errors import FormatError
from blcf.images.frame_names import has_film_suffix, split_frame
from blcf.storage import open_plain
from blcf.web.catalogue import Catalogue
from blcf.web.hosting import Hosting
from blcf.web.refusals import Refusal

__all__ = ["Films", "part_of"]

_PART = 1 << 18  # bytes that are read at once
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, eq=False)
class _Opened:
    """A film that is about to be sent."""

    file: BinaryIO
    size: int
    tag: str
    media_type: str


class Films:
    """Sends films."""

    def __init__(self, hosting: Hosting):
        self._hosting = hosting

    async def film(self, request: Request) -> Response:
        """The film of a frame, or a part of it."""
        hosted = self._hosting[request.path_params["collection"]]
        picture = request.path_params["picture"]

        def work() -> _Opened:
            catalogue = hosted.view.catalogue
            return _open_film(catalogue, catalogue.number(picture))

        opened = await self._hosting.looks.run(work)
        try:
            return _reply(request, opened)
        except BaseException:
            opened.file.close()
            raise


def _open_film(catalogue: Catalogue, number: int) -> _Opened:
    """Raises `Refusal` 404 where a picture is of no film, or its file is gone."""
    name, there = catalogue.film(number), catalogue.snapshot.image_path(number)
    found = None if name is None or there is None else split_frame(os.fspath(there))
    if name is None or there is None or found is None:
        raise Refusal(404, "This picture is no frame of a film that is in a file.")
    film = found[0]
    if not has_film_suffix(film) or ".." in there.parts:
        raise Refusal(404, f"{name} is not called like a film, or leads out of its folder.")
    try:
        file = open_plain(film)
    except (OSError, FormatError) as error:
        reason = getattr(error, "strerror", None) or "it is no plain file"
        raise Refusal(404, f"The film {name} is not where it was indexed: {reason}.") from error
    state = os.fstat(file.fileno())
    said = f"{film} {state.st_mtime_ns} {state.st_size} {state.st_ino}"
    tag = f'"{hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:24]}"'
    kind = mimetypes.guess_type(film)[0] or ""
    is_film = kind.startswith("video/")
    return _Opened(file, state.st_size, tag, kind if is_film else "application/octet-stream")


def _reply(request: Request, opened: _Opened) -> Response:
    headers = {"ETag": opened.tag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    if opened.tag in request.headers.get("if-none-match", ""):
        opened.file.close()
        return Response(None, 304, headers)
    wanted = request.headers.get("range")
    if wanted is not None and request.headers.get("if-range", opened.tag) != opened.tag:
        wanted = None  # of a film that is another by now
    first, last = 0, opened.size
    if wanted is not None:
        first, last = part_of(wanted, opened.size)
        headers["Content-Range"] = f"bytes {first}-{last - 1}/{opened.size}"
    headers["Content-Length"] = str(last - first)
    status = 200 if wanted is None else 206
    if request.method == "HEAD":
        opened.file.close()
        return Response(None, status, headers, opened.media_type)
    content = _parts(opened.file, first, last)
    return StreamingResponse(content, status, headers, opened.media_type)


def part_of(wanted: str, size: int) -> tuple[int, int]:
    """The bytes that the header Range asks for: first, and behind the last.

    Raises
    ------
    Refusal
        416: it is none, asks for several, or for what is behind the end.

    Examples
    --------
    >>> part_of("bytes=0-99", 1000), part_of("bytes=900-", 1000), part_of("bytes=-10", 1000)
    ((0, 100), (900, 1000), (990, 1000))
    """
    found = _RANGE.fullmatch(wanted)
    if found is not None and (found[1] or found[2]):
        if not found[1]:
            first, last = max(0, size - int(found[2])), size
        else:
            first = int(found[1])
            last = min(size, int(found[2]) + 1) if found[2] else size
        if first < last:
            return first, last
    raise Refusal(
        416,
        f"Expected a Range of one part of {size:,} bytes, bytes=FIRST-LAST, got {wanted[:80]!r}.",
        {"Content-Range": f"bytes */{size}"},
    )


async def _parts(file: BinaryIO, first: int, last: int) -> AsyncIterator[bytes]:
    with file:
        file.seek(first)
        while first < last:
            part = await asyncio.to_thread(file.read, min(_PART, last - first))
            if not part:
                return
            first += len(part)
            yield part
