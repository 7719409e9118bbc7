"""Pictures that somebody sends to search with: kept in memory, the least recently used goes."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

from blcf.images import as_image
from blcf.web.bodies import Bodies
from blcf.web.drawing import to_jpeg
from blcf.web.hosting import Hosting
from blcf.web.refusals import Refusal
from blcf.web.replies import json_reply, tagged

__all__ = ["RAW", "Uploads", "check_raw"]

RAW = ("application/octet-stream", "application/x-www-form-urlencoded")  # the second is curl's own
_KEPT = {"Cache-Control": "private, max-age=86400, immutable"}  # its address is its digest


@dataclass(frozen=True)
class Upload:
    """A picture as it was sent.

    Attributes
    ----------
    content : the bytes of a file
    width, height : the right way up, pixels
    """

    content: bytes
    width: int
    height: int


class Uploads:
    """Takes pictures, shows them again, and gives their bytes to searches."""

    def __init__(self, hosting: Hosting, bodies: Bodies):
        self._hosting, self._bodies = hosting, bodies

    async def take(self, request: Request) -> Response:
        """A picture is sent."""
        check_raw(request)
        content = await self._bodies.read(request)

        def work() -> Upload:
            height, width = as_image(content).shape[:2]
            return Upload(content, width, height)

        upload = await self._hosting.drawings.run(work)
        name = sha256(content).hexdigest()[:32]
        self._hosting.uploads.put(name, upload, len(content))
        return json_reply({"upload": name, "width": upload.width, "height": upload.height})

    async def show(self, request: Request) -> Response:
        """A picture that was sent."""
        name = request.path_params["upload"]
        content = self.content(name)
        tag, side = f'"{name}"', self._hosting.limits.side
        if tag in request.headers.get("if-none-match", ""):
            return tagged(request, tag, None, "image/jpeg", _KEPT)
        shown = await self._hosting.drawings.run(lambda: to_jpeg(as_image(content), side))
        return tagged(request, tag, shown, "image/jpeg", _KEPT)

    def content(self, name: str) -> bytes:
        """The bytes of a picture that was sent; `Refusal` 404 where they are not kept any more."""
        upload: Upload | None = self._hosting.uploads.get(name)
        if upload is None:
            raise Refusal(
                404,
                f"The uploaded picture {name[:80]!r} is not (or no longer) here: upload it again.",
            )
        return upload.content


def check_raw(request: Request) -> None:
    """`Refusal` 415 unless the body is said to be a picture, or bytes."""
    kind = request.headers.get("content-type", RAW[0]).partition(";")[0].strip().lower()
    if not (kind.startswith("image/") or kind in RAW):
        raise Refusal(
            415,
            "Expected the bytes of a picture, Content-Type image/... or application/octet-stream, "
            f"got {kind[:80]!r}.",
        )
