"""The addresses of a server, and who answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from blcf.web.assets import Assets
from blcf.web.bodies import Bodies
from blcf.web.collections import Collections
from blcf.web.films import Films
from blcf.web.guard import Guard
from blcf.web.hosting import Hosting
from blcf.web.openapi import describe
from blcf.web.option_table import option_texts
from blcf.web.refusals import Refusal, refusal_of
from blcf.web.replies import json_reply, refuse
from blcf.web.searching import Searching
from blcf.web.uploads import Uploads

__all__ = ["create_app", "routes"]

Answer = Callable[[Request], Awaitable[Response]]

_COLLECTION = "/api/collections/{collection}"
_PICTURE = _COLLECTION + "/pictures/{picture}"


def create_app(
    hosting: Hosting, token: str, host: str = "127.0.0.1", port: int = 80, *, load: bool = True
) -> Guard:
    """The application that answers, guarded.

    Parameters
    ----------
    hosting : the collections
    token : the secret that every request has to know
    host, port : that the server binds
    load : whether the networks are loaded in a thread when the application starts
    """

    @asynccontextmanager
    async def living(_: Starlette) -> AsyncIterator[None]:
        if load:
            hosting.start()
        yield

    app = Starlette(routes=routes(hosting), lifespan=living)
    app.router.redirect_slashes = False
    app.add_exception_handler(HTTPException, _unknown)
    return Guard(app, token, host, port)


def routes(hosting: Hosting) -> list[Route]:
    """All addresses."""
    bodies, assets, collections = Bodies(hosting.limits), Assets(), Collections(hosting)
    uploads = Uploads(hosting, bodies)
    searching = Searching(hosting, bodies, uploads)

    films, described = Films(hosting), describe(hosting.limits)

    async def about(request: Request) -> Response:
        return json_reply(described)

    async def health(request: Request) -> Response:
        return json_reply(hosting.health)

    async def options(request: Request) -> Response:
        return json_reply(option_texts())

    addresses = [
        Route("/", assets.index),
        Route("/page/{name}", assets.asset),
        Route("/api", about),
        Route("/api/health", health),
        Route("/api/options", options),
        Route("/api/uploads", uploads.take, methods=["POST"]),
        Route("/api/uploads/{upload}", uploads.show),
        Route("/api/collections", collections.every),
        Route(_COLLECTION + "/pictures", collections.browse),
        Route(_PICTURE, collections.picture),
        Route(_PICTURE + "/thumbnail", collections.thumbnail),
        Route(_PICTURE + "/image", collections.image),
        Route(_PICTURE + "/film", films.film),
        Route(_COLLECTION + "/search", searching.search, methods=["POST"]),
        Route(_COLLECTION + "/evidence", searching.evidence, methods=["POST"]),
    ]
    return [
        Route(one.path, _told(one.endpoint), methods=list(one.methods or ())) for one in addresses
    ]


def _told(answer: Answer) -> Answer:
    """The same, whose errors are answers, too."""

    @wraps(answer)
    async def answer_or_refuse(request: Request) -> Response:
        try:
            return await answer(request)
        except Exception as error:  # whatever it is, nothing but a sentence leaves
            return refuse(request.scope, refusal_of(error))

    return answer_or_refuse


async def _unknown(request: Request, error: Exception) -> Response:
    """Of an address that is none, or is asked in another way."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        refusal = Refusal(405, f"Expected {allowed} here, got {request.method}.", error.headers)
    else:
        refusal = Refusal(404, "There is nothing at this address. /api lists those there are.")
    return refuse(request.scope, refusal)
