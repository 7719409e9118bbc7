"""Who may ask: Host, token, Origin; and the headers of every answer."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from web_asking import BEARER, HOST, TOKEN, ask

from blcf.web.guard import HEADERS, Guard, hosts_of, is_local

COOKIE = {"cookie": f"blcf-8765={TOKEN}"}
SAME = {**COOKIE, "origin": f"http://{HOST}"}


async def open_door(scope, receive, send):
    await PlainTextResponse("in")(scope, receive, send)


async def broken(scope, receive, send):
    raise RuntimeError("secret")


@pytest.fixture
def app():
    return Guard(open_door, TOKEN, port=8765)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8765", "localhost:8765", "LOCALHOST:8765", "[::1]:8765"]
)
def test_our_own_hosts(app, host):
    assert ask(app, "GET", "/api/health", BEARER, host=host).content == b"in"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8765",
        "127.0.0.1",
        "127.0.0.1:80",
        "localhost.evil:8765",
        "",
        None,
    ]
    + ["127.0.0.1:8765.evil", "127.0.0.2:8765", "0.0.0.0:8765", "[::1]", "2130706433:8765"],
)
def test_another_host_is_refused_before_the_token_is_looked_at(app, host):
    for headers in (BEARER, {}, COOKIE):
        answered = ask(app, "GET", "/api/health", headers, host=host)
        assert answered.status == 421 and "Expected the Host" in answered.json["error"]


def test_two_hosts_are_refused(app):
    headers = [("host", "evil.example"), *BEARER.items()]
    assert ask(app, "GET", "/api/health", headers).status == 421


def test_the_hosts_of_a_server_that_others_reach():
    assert "192.168.1.5:80" in hosts_of("192.168.1.5", 80) and "192.168.1.5" in hosts_of(
        "192.168.1.5", 80
    )
    assert "[fe80::1]:9" in hosts_of("fe80::1", 9)
    app = Guard(open_door, TOKEN, "0.0.0.0", 8765)
    for host, status in (
        ("192.168.7.7:8765", 200),
        ("[fe80::2]:8765", 200),
        ("192.168.7.7:80", 421),
        ("evil.example:8765", 421),
    ):
        assert ask(app, "GET", "/", BEARER, host=host).status == status
    assert [is_local(one) for one in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "10.0.0.1")] == [
        *(True, True, True, False, False)
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": "Bearer " + "x" * 5000},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Bearer \xe9\xff"},
        {"cookie": f"blcf={TOKEN}"},
        {"cookie": f"blcf-8766={TOKEN}"},
        {"cookie": "blcf-8765="},
        {"cookie": "blcf-8765"},
    ],
)
def test_without_the_token(app, headers):
    for address in ("/api/health", "/page/x.js", "/", "/other"):
        answered = ask(app, "GET", address, headers)
        assert answered.status == 401 and answered.headers["www-authenticate"].startswith("Bearer")
        is_json = answered.headers["content-type"] == "application/json"
        assert is_json == address.startswith(("/api", "/page"))
        assert b"Expected the token" in answered.content
        assert (b"/page/again.js" in answered.content) == (not is_json)


def test_the_token_becomes_a_cookie_and_leaves_the_address(app):
    answered = ask(app, "GET", "/?collection=a%20b&token=a%20token%20of%20the%20tests&k=3")
    assert answered.status == 303 and answered.headers["location"] == "/?collection=a+b&k=3"
    cookie = answered.headers["set-cookie"]
    assert cookie.startswith("blcf-8765=") and "HttpOnly" in cookie and "Path=/" in cookie
    assert "samesite=strict" in cookie.lower()
    value = cookie.split(";")[0]
    assert ask(app, "GET", "/", {"cookie": f"other=1; {value}"}).content == b"in"


@pytest.mark.parametrize("token", ["wrong", "", TOKEN + "x", "%00", "x" * 9999])
def test_a_wrong_token_in_the_address(app, token):
    answered = ask(app, "GET", f"/?token={token}")
    assert answered.status == 401 and "set-cookie" not in answered.headers


def test_the_token_is_taken_at_the_page_alone(app):
    address = "/api/health?token=a%20token%20of%20the%20tests"
    assert ask(app, "GET", address).status == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (SAME, 200),
        ({**COOKIE, "sec-fetch-site": "same-origin"}, 200),
        (BEARER, 200),
        ({**BEARER, "origin": f"http://{HOST}"}, 200),
        (COOKIE, 403),
        ({**COOKIE, "sec-fetch-site": "cross-site"}, 403),
        ({**COOKIE, "sec-fetch-site": "same-site"}, 403),
        ({**COOKIE, "origin": "http://evil.example"}, 403),
        ({**COOKIE, "origin": "null", "sec-fetch-site": "same-origin"}, 403),
        ({**COOKIE, "origin": f"https://{HOST}"}, 403),
        ({**COOKIE, "origin": "http://127.0.0.1:8766"}, 403),
        ({**COOKIE, "origin": "http://localhost:8765"}, 403),
        ({**BEARER, "origin": "http://evil.example"}, 403),
        ([*COOKIE.items(), ("origin", f"http://{HOST}"), ("origin", "http://evil.example")], 403),
    ],
)
def test_what_is_sent_comes_from_our_own_page(app, headers, status):
    answered = ask(app, "POST", "/api/uploads", headers)
    assert answered.status == status
    if status == 403:
        assert "Origin" in answered.json["error"]


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "X" * 999]
)
def test_other_methods(app, method):
    answered = ask(app, method, "/api/health", BEARER)
    assert answered.status == 405 and answered.headers["allow"] == "GET, HEAD, POST"
    assert not [name for name in answered.headers if name.startswith("access-control")]


@pytest.mark.parametrize("name", HEADERS)
def test_every_answer_says_what_a_browser_may_do(app, name):
    broken_app = Guard(broken, TOKEN, port=8765)
    each = [
        ask(app, "GET", "/", BEARER),
        ask(app, "GET", "/"),
        ask(app, "GET", "/", BEARER, host="evil.example"),
        ask(app, "GET", "/?token=a%20token%20of%20the%20tests"),
        ask(app, "POST", "/", COOKIE),
        ask(broken_app, "GET", "/api/x", BEARER),
    ]
    assert [one.status for one in each] == [200, 401, 421, 303, 403, 500]
    for one in each:
        assert one.headers[name.lower()] == HEADERS[name]
        assert one.headers["cache-control"] == "no-store"


def test_the_policy_allows_nothing_from_elsewhere():
    policy = dict(
        part.strip().split(" ", 1) for part in HEADERS["Content-Security-Policy"].split(";")
    )
    assert policy == {
        "default-src": "'self'",
        "img-src": "'self' blob:",
        "media-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_a_fault_says_nothing(caplog):
    answered = ask(Guard(broken, TOKEN, port=8765), "GET", "/api/x", BEARER)
    assert answered.status == 500 and "secret" not in answered.content.decode()
    assert "secret" in caplog.text


def test_no_other_protocol_gets_through(app):
    import asyncio

    assert asyncio.run(app({"type": "websocket"}, None, None)) is None
