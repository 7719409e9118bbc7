"""Who may ask: this server's own page, and programs that know its token; nobody else.

In order, for every request: its Host is one of ours (another page's name that was made to lead here
is not), it has the token as a cookie or as ``Authorization: Bearer``, and what changes or computes
something (POST) comes from our own page. Every answer says what a browser may do with it.

Source: OWASP, cheat sheets on CSRF prevention (verifying origin, Fetch Metadata) and on HTTP
headers; the rebinding of names, Jackson et al., CCS 2007.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blcf.web.refusals import Refusal, refusal_of
from blcf.web.replies import refuse

__all__ = ["EVERYWHERE", "HEADERS", "Guard", "hosts_of", "is_local"]

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; media-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
METHODS = ("GET", "HEAD", "POST")
EVERYWHERE = ("0.0.0.0", "::")  # all addresses of this machine


def is_local(host: str) -> bool:
    """Whether only this machine reaches a server that binds there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def hosts_of(host: str, port: int) -> frozenset[str]:
    """The values of Host that are ours, in lower case."""
    names = {"127.0.0.1", "localhost", "[::1]"}
    if host in EVERYWHERE:
        own = socket.gethostname().lower()
        names |= {own, f"{own}.local", socket.getfqdn().lower()}
    else:
        names.add(f"[{host}]" if ":" in host else host.lower())
    ours = {f"{name}:{port}" for name in names}
    return frozenset(ours | names if port == 80 else ours)


class Guard:
    """The application that stands before another one.

    Parameters
    ----------
    app : that is guarded
    token : a secret
    host : that the server binds
    port : of the server
    """

    def __init__(self, app: ASGIApp, token: str, host: str = "127.0.0.1", port: int = 80):
        self._app, self._token = app, token
        self._hosts, self._port = hosts_of(host, port), port
        self._everywhere = host in EVERYWHERE
        self._cookie = f"blcf-{port}"  # cookies know no ports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or say why not."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return None
        begun = False

        async def send_guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            answer = self._answer(scope)
            await (answer or self._app)(scope, receive, send_guarded)
        except Exception as error:  # a fault is told in a sentence, whatever it is
            refusal = refusal_of(error)
            if not begun:
                await refuse(scope, refusal)(scope, receive, send_guarded)

    def _answer(self, scope: Scope) -> Response | None:
        """What is said without asking further; None: it may pass."""
        headers = Headers(scope=scope)
        host = self._check_host(headers)
        if scope["method"] not in METHODS:
            raise Refusal(
                405,
                f"Expected one of {', '.join(METHODS)}, got {scope['method'][:20]}.",
                {"Allow": ", ".join(METHODS)},
            )
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == "token"]
        if scope["path"] == "/" and given and scope["method"] != "POST":
            return self._enter(given, query)
        bearer = self._has_bearer(headers)
        if not bearer and not self._is_same(self._cookies(headers).get(self._cookie, "")):
            raise Refusal(
                401,
                "Expected the token of this server. Open the address that `blcf serve` printed, "
                "with its token; a program sends Authorization: Bearer TOKEN.",
                {"WWW-Authenticate": 'Bearer realm="blcf"'},
            )
        if scope["method"] == "POST":
            self._check_origin(headers, host, bearer)
        return None

    def _check_host(self, headers: Headers) -> str:
        hosts = headers.getlist("host")
        host = hosts[0].lower() if len(hosts) == 1 else ""
        if host in self._hosts or (self._everywhere and self._is_number(host)):
            return host
        raise Refusal(
            421,
            f"Expected the Host to be one of {', '.join(sorted(self._hosts))}, got {host[:80]!r}. "
            "Open the address that `blcf serve` printed.",
        )

    def _is_number(self, host: str) -> bool:
        """Whether it is an address of this port, which no name server can make lead here."""
        name, _, port = host.rpartition(":")
        try:
            ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return port == str(self._port)

    def _enter(self, given: Iterable[str], query: list[tuple[str, str]]) -> Response:
        """The token becomes a cookie, and leaves the address."""
        if not all(map(self._is_same, given)):
            raise Refusal(401, "This is not the token of this server. `blcf serve` printed it.")
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        response = RedirectResponse(f"/?{rest}" if rest else "/", 303)
        response.set_cookie(self._cookie, self._token, path="/", httponly=True, samesite="strict")
        return response

    def _has_bearer(self, headers: Headers) -> bool:
        kind, _, value = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self._is_same(value.strip())

    def _cookies(self, headers: Headers) -> dict[str, str]:
        return cookie_parser("; ".join(headers.getlist("cookie")))

    def _is_same(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode("utf-8"))

    def _check_origin(self, headers: Headers, host: str, bearer: bool) -> None:
        origins = headers.getlist("origin")
        if not origins:
            if bearer or headers.get("sec-fetch-site") == "same-origin":
                return
            raise Refusal(
                403,
                "Expected the Origin of this server's own page. A program sends Authorization: "
                "Bearer TOKEN.",
            )
        if len(origins) != 1 or origins[0].lower() != f"http://{host}":
            raise Refusal(403, f"Expected the Origin http://{host}, got {origins[0][:80]!r}.")
