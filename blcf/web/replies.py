"""How an answer is written: JSON, or a sentence where there is none."""

from __future__ import annotations

import html
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from blcf.web.refusals import Refusal

__all__ = ["json_bytes", "json_reply", "refuse", "tagged"]

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>blcf: {status}</title><p>{sentence}</p>{more}</html>
"""
_AGAIN = '<script src="/page/again.js"></script>'  # says why


def json_bytes(value: Any) -> bytes:
    """JSON in ASCII: a name that is no UTF-8 keeps its bytes."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")


def json_reply(value: Any, status: int = 200) -> Response:
    """An answer in JSON."""
    content = value if isinstance(value, bytes) else json_bytes(value)
    return Response(content, status, media_type="application/json")


def refuse(scope: Scope, refusal: Refusal) -> Response:
    """The sentence of a refusal: JSON for programs, a page for a person."""
    if scope["path"].startswith(("/api", "/page/")):
        reply = json_reply({"error": refusal.sentence}, refusal.status)
    else:
        sentence = html.escape(refusal.sentence)
        more = _AGAIN if refusal.status == 401 else ""
        text = _PAGE.format(status=refusal.status, sentence=sentence, more=more)
        content = text.encode("ascii", "xmlcharrefreplace")
        reply = Response(content, refusal.status, media_type="text/html")
    reply.headers.update(refusal.headers)
    return reply


def tagged(
    request: Request, tag: str, content: bytes | None, media_type: str, headers: dict[str, str]
) -> Response:
    """An answer that a browser may keep; 304 where it has it (`content` is not needed then)."""
    known = [
        one.strip().removeprefix("W/")
        for one in request.headers.get("if-none-match", "").split(",")
    ]
    headers = {"ETag": tag, **headers}
    if tag in known or content is None:
        return Response(None, 304, headers)
    return Response(content, 200, headers, media_type)
