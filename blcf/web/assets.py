"""The page and its files: those that lie in the package, by a list that is read once."""

from __future__ import annotations

import hashlib
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

from blcf.pages.style import SHARED
from blcf.web.refusals import Refusal
from blcf.web.replies import tagged

__all__ = ["Assets"]

_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
}
_INDEX = "index.html"
_NO_PAGE = b"""<!doctype html>
<html lang="en"><title>blcf</title><p>The JSON interface is at /api.</p></html>
"""


class Assets:
    """The files of the page: what is asked for is looked up among them, and is never a path."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, str, str]] = {}
        folder = resources.files("blcf.web").joinpath("page")
        for file in folder.iterdir() if folder.is_dir() else ():
            suffix = "." + file.name.rpartition(".")[2]
            if suffix in _TYPES:
                self._add(file.name, file.read_bytes(), _TYPES[suffix])
        self._add("shared.css", SHARED.encode("utf-8"), "text/css")
        if _INDEX not in self._files:
            self._add(_INDEX, _NO_PAGE, "text/html")

    def _add(self, name: str, content: bytes, media_type: str) -> None:
        tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
        self._files[name] = content, media_type, tag

    async def index(self, request: Request) -> Response:
        """The page."""
        return self._reply(request, _INDEX)

    async def asset(self, request: Request) -> Response:
        """A file of the page."""
        return self._reply(request, request.path_params["name"])

    def _reply(self, request: Request, name: str) -> Response:
        if name not in self._files:
            raise Refusal(404, f"The page has no file {name[:80]!r}.")
        content, media_type, tag = self._files[name]
        return tagged(request, tag, content, media_type, {"Cache-Control": "private, no-cache"})
