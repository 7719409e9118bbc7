"""The body of a request: bounded while it streams in, and read as JSON that means one thing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.requests import ClientDisconnect, Request

from blcf.web.limits import Limits
from blcf.web.refusals import Refusal, busy

__all__ = ["Bodies", "read_json"]


class Bodies:
    """Reads bodies, all of which together take no more than the limits say."""

    def __init__(self, limits: Limits):
        self._limits, self._held = limits, 0

    async def read(self, request: Request) -> bytes:
        """The whole body.

        Raises
        ------
        Refusal
            413: it is too long; 503: too much is being read; 408: it does not come.
        """
        declared = request.headers.get("content-length", "0")
        if not (declared.isascii() and declared.isdigit() and len(declared) < 19):
            raise Refusal(400, "Expected Content-Length to be a number of bytes.")
        if int(declared) > self._limits.body:
            raise self._too_long()
        parts: list[bytes] = []
        try:
            await asyncio.wait_for(self._receive(request, parts), self._limits.seconds)
            return b"".join(parts)
        except (TimeoutError, asyncio.TimeoutError):
            raise Refusal(
                408, f"Expected the body within {self._limits.seconds:g} seconds. Send it again."
            ) from None
        except ClientDisconnect:
            raise Refusal(400, "The body was cut short.") from None
        finally:
            self._held -= sum(map(len, parts))

    async def _receive(self, request: Request, parts: list[bytes]) -> None:
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > self._limits.body:
                raise self._too_long()
            if self._held + len(part) > self._limits.bodies:
                raise busy("Too many pictures are being sent at once. Send the request again.")
            self._held += len(part)
            parts.append(part)

    def _too_long(self) -> Refusal:
        return Refusal(
            413,
            f"Expected a body of at most {self._limits.body >> 20} MiB, got a longer one. Send "
            "the picture smaller.",
        )


def read_json(body: bytes, limits: Limits) -> dict[str, Any]:
    """The object of a JSON text in UTF-8.

    Raises
    ------
    Refusal
        400: it is none, says NaN, is nested too deep, or holds too much.
    """
    n_parts = body.count(b",") + body.count(b"[") + body.count(b"{")
    if n_parts > limits.separators:
        raise Refusal(
            400,
            f"Expected JSON of at most {limits.separators:,} commas and brackets, got {n_parts:,}. "
            "What has so many corners is better sent as a mask.",
        )
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise Refusal(400, f"Expected JSON in UTF-8: {reason[:200]}.") from None
    if not isinstance(value, dict):
        raise Refusal(400, f"Expected a JSON object {{...}}, got {type(value).__name__}.")
    return value


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")
