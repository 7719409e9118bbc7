"""What a collection holds: lists of pictures, facts, neighbours, and the pictures themselves."""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blcf.web.catalogue import Catalogue
from blcf.web.drawing import WHOLE, draw, picture_tag
from blcf.web.hosted import Hosted
from blcf.web.hosting import Hosting
from blcf.web.limits import THUMBNAIL_SIDES
from blcf.web.refusals import Refusal
from blcf.web.replies import json_bytes, json_reply, tagged

__all__ = ["Collections"]

_KEPT = {"Cache-Control": "private, no-cache"}  # by ETag: asked again, and not sent again
_BROWSED = ("folder", "film", "where", "after", "limit")
_LIMIT, _LONGEST = 60, 20_000


class Collections:
    """Answers for the pictures of collections."""

    def __init__(self, hosting: Hosting):
        self._hosting = hosting

    async def every(self, request: Request) -> Response:
        """All collections."""
        hosted = list(self._hosting.hosted.values())
        return await self._looked(lambda: [one.describe() for one in hosted])

    async def browse(self, request: Request) -> Response:
        """A page of pictures."""
        hosted, given = self._hosted(request), dict(request.query_params)
        unknown = [name for name in given if name not in _BROWSED]
        if unknown or any(len(value) > _LONGEST for value in given.values()):
            known = ", ".join(_BROWSED)
            raise Refusal(400, f"Expected {known} in the address, got {str(unknown)[:80]}.")
        words = {name: given.get(name) or None for name in _BROWSED[:-1]}
        limit = self._limit(given.get("limit", str(_LIMIT)))
        return await self._looked(lambda: hosted.view.catalogue.browse(**words, limit=limit))

    def _limit(self, text: str) -> int:
        most = self._hosting.limits.page
        if text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= most:
            return int(text)
        raise Refusal(400, f"Expected limit to be from 1 to {most}, got {text[:80]!r}.")

    async def picture(self, request: Request) -> Response:
        """A picture with its facts and neighbours."""
        hosted, picture = self._hosted(request), request.path_params["picture"]
        return await self._looked(partial(_describe, hosted, picture))

    async def thumbnail(self, request: Request) -> Response:
        """A picture made small."""
        text = request.query_params.get("side", str(THUMBNAIL_SIDES[1]))
        if text not in map(str, THUMBNAIL_SIDES):
            known = ", ".join(map(str, THUMBNAIL_SIDES))
            raise Refusal(400, f"Expected side to be one of {known}, got {text[:80]!r}.")
        return await self._drawn(request, int(text), is_kept=True)

    async def image(self, request: Request) -> Response:
        """A whole picture."""
        return await self._drawn(request, self._hosting.limits.side, is_kept=False)

    async def _drawn(self, request: Request, side: int, is_kept: bool) -> Response:
        hosted, picture = self._hosted(request), request.path_params["picture"]
        known = request.headers.get("if-none-match", "")
        shown = self._hosting.shown

        def work() -> tuple[str, bytes | None]:
            catalogue = hosted.view.catalogue
            number = catalogue.number(picture)
            tag = picture_tag(catalogue, number, str(side))
            if tag in known:
                return tag, None
            content = shown.get(tag)
            if content is None:
                content = draw(catalogue, number, side, *([] if is_kept else [WHOLE]))
                if is_kept:
                    shown.put(tag, content, len(content))
            return tag, content

        tag, content = await self._hosting.drawings.run(work)
        return tagged(request, tag, content, "image/jpeg", _KEPT)

    def _hosted(self, request: Request) -> Hosted:
        return self._hosting[request.path_params["collection"]]

    async def _looked(self, work: Any) -> Response:
        return json_reply(await self._hosting.looks.run(lambda: json_bytes(work())))


def _describe(hosted: Hosted, picture: str) -> dict[str, Any]:
    catalogue: Catalogue = hosted.view.catalogue
    number = catalogue.number(picture)
    before, after = catalogue.neighbours(number)
    facts = catalogue.snapshot.facts_of(number)
    return {**catalogue.picture(number), "facts": facts, "before": before, "after": after}
