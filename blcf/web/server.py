"""A server that binds, says where it is, and ends within a second when it is told to."""

from __future__ import annotations

import secrets
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from urllib.parse import quote

import uvicorn

from blcf.engine import SearchEngine
from blcf.errors import InvalidInput
from blcf.web.app import create_app
from blcf.web.guard import EVERYWHERE, is_local
from blcf.web.hosting import Hosting
from blcf.web.limits import Limits

__all__ = ["Address", "serve"]

_GRACE = 1  # seconds that answers under way have when the server ends
_BACKLOG = 256
_CONNECTIONS = 512


@dataclass(frozen=True)
class Address:
    """Where a server is.

    Attributes
    ----------
    host, port : that it is bound to
    token : that a request has to know
    """

    host: str
    port: int
    token: str

    @property
    def url(self) -> str:
        """What a person opens, with the token."""
        shown = "127.0.0.1" if self.host in EVERYWHERE else self.host
        shown = f"[{shown}]" if ":" in shown else shown
        return f"http://{shown}:{self.port}/?token={quote(self.token, safe='')}"

    @property
    def name(self) -> str:
        """What other machines call it."""
        return socket.gethostname() if self.host in EVERYWHERE else self.host

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        return is_local(self.host)


def serve(
    engines: Sequence[SearchEngine],
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    token: str | None = None,
    limits: Limits = Limits(),
    say: Callable[[Address], object] = lambda address: None,
) -> bool:
    """Serve collections until the process is told to end (SIGINT, SIGTERM).

    Parameters
    ----------
    engines : of the collections
    host : address or name of this machine
    port : 0 takes one that is free
    token : None makes one
    limits : what requests may ask for
    say : gets the address once it is bound

    Returns
    -------
    bool
        Whether nothing is computed any more.

    Raises
    ------
    InvalidInput
        The port is taken, the host is not of this machine, or the token is none.
    FormatError, StorageError
        A collection is damaged.
    """
    secret = secrets.token_urlsafe(24) if token is None else _checked(token)
    bound = _bind(host, port)
    with bound:
        hosting = Hosting(engines, limits)
        place = bound.getsockname()
        host = place[0] if place[0] in EVERYWHERE else host  # however it was written
        address = Address(host, place[1], secret)
        app = create_app(hosting, secret, host, address.port)
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="critical",  # what a client does wrong is no matter of the server
            access_log=False,
            server_header=False,
            date_header=False,
            lifespan="on",
            timeout_graceful_shutdown=_GRACE,
            backlog=_BACKLOG,
            limit_concurrency=_CONNECTIONS,
        )
        say(address)
        _Server(config).run(sockets=[bound])
        return hosting.is_idle_within(_GRACE / 2)


class _Server(uvicorn.Server):
    """uvicorn's would hand signals on when it has ended: here they have done what they are for."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End at the first signal."""

        def end(number: int, frame: FrameType | None) -> None:
            self.force_exit = self.should_exit
            self.should_exit = True

        ends = (signal.SIGINT, signal.SIGTERM)
        before = {one: signal.signal(one, end) for one in ends}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def _checked(token: str) -> str:
    if not 8 <= len(token) <= 200 or not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidInput(
            "Expected a token of 8 to 200 letters, digits and signs of ASCII, without spaces, got "
            f"{len(token)} characters. Leave it out, and one is made."
        )
    return token


def _bind(host: str, port: int) -> socket.socket:
    try:
        if not host:
            raise UnicodeError("an address is expected")
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, place = found[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(place)
            bound.listen(_BACKLOG)
        except BaseException:
            bound.close()
            raise
        return bound
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidInput(
            f"Cannot listen on {host[:80]}, port {port}: {reason}. Choose another port (--port, 0 "
            "takes a free one), or an address of this machine (--host)."
        ) from error
