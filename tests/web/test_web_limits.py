"""How much is taken, kept and computed: what is too much is told so, and holds nobody up."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
import tiles
from web_asking import BEARER, JSON, ask

from blcf.web import Hosting, Limits, create_app
from blcf.web import searching as web_searching
from blcf.web.recent import Recent
from blcf.web.refusals import Refusal
from blcf.web.workers import Workers

SEARCH = "/api/collections/scenes/search"
BODY = b'{"examples": [{"id": "0"}], "k": 2}'


@pytest.fixture
def served_with(scenes_collection):
    """A server of other limits; loaded unless it is said that it is not."""

    def make(load: bool = True, **limits):
        engine = tiles.reopen(scenes_collection / "scenes.blcf")
        hosting = Hosting([engine], Limits(**limits))
        if load:
            hosting.load()
        return hosting, create_app(hosting, "a token of the tests", port=8765, load=False)

    return make


def test_a_body_that_is_too_long_is_not_read_to_its_end(served_with):
    _, app = served_with(body=100_000)
    parts = [b"x" * 40_000 for _ in range(100)]
    answered = ask(app, "POST", "/api/uploads", BEARER, parts)
    assert answered.status == 413 and "at most 0 MiB" in answered.json["error"]
    assert len(parts) == 100 and ask(app, "GET", "/api/health", BEARER).status == 200


def test_bodies_together_have_room(served_with):
    _, app = served_with(bodies=100)
    answered = ask(app, "POST", "/api/uploads", BEARER, [b"x" * 60, b"x" * 60])
    assert answered.status == 503 and answered.headers["retry-after"] == "1"
    assert ask(app, "POST", "/api/uploads", BEARER, b"x" * 99).status == 422  # room is given back


def test_a_body_that_does_not_come(served_with):
    _, app = served_with(seconds=0.05)

    async def never():
        await asyncio.sleep(60)

    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"127.0.0.1:8765"), (b"authorization", b"Bearer a token of the tests")]
    scope = {"type": "http", "method": "POST", "path": "/api/uploads", "query_string": b""}
    asyncio.run(app({**scope, "headers": headers, "root_path": ""}, never, send))
    assert sent[0]["status"] == 408


def test_uploads_that_were_used_least_go(served_with, scenes_collection):
    content = [path.read_bytes() for path in sorted(scenes_collection.glob("frames/*/*.png"))[:3]]
    hosting, app = served_with(uploads=len(content[0]) + len(content[1]) + 10)
    names = [ask(app, "POST", "/api/uploads", BEARER, one).json["upload"] for one in content[:2]]
    assert ask(app, "GET", f"/api/uploads/{names[0]}", BEARER).status == 200  # used
    names.append(ask(app, "POST", "/api/uploads", BEARER, content[2]).json["upload"])
    status = [ask(app, "GET", f"/api/uploads/{one}", BEARER).status for one in names]
    assert status == [200, 404, 200] and hosting.uploads.size <= sum(map(len, content[:2])) + 10
    gone = b'{"examples": [{"upload": "%s"}]}' % names[1].encode()
    answered = ask(app, "POST", SEARCH, JSON, gone)
    assert answered.status == 404 and "upload it again" in answered.json["error"]


def test_what_is_kept_has_a_size():
    held: Recent[int] = Recent(10)
    held.put("a", 1, 4), held.put("b", 2, 4)
    assert held.get("a") == 1
    held.put("c", 3, 4)
    assert [held.get(key) for key in "abc"] == [1, None, 3] and held.size == 8
    held.put("a", 5, 8)
    assert [held.get(key) for key in "abc"] == [5, None, None] and held.size == 8
    held.put("d", 6, 11)
    assert held.get("d") is None and held.size == 8


class Gate:
    """A search that waits until it may go on."""

    def __init__(self):
        self.entered, self.opened = threading.Semaphore(0), threading.Event()

    def __call__(self, *arguments):
        self.entered.release()
        assert self.opened.wait(20)
        raise Refusal(422, "It went on.")


def test_a_search_holds_up_no_thumbnail_and_the_queue_ends(served_with, monkeypatch):
    _, app = served_with(searches=1, queue=1)
    gate, answers = Gate(), []
    monkeypatch.setattr(web_searching, "search_examples", gate)

    def search():
        answers.append(ask(app, "POST", SEARCH, JSON, BODY))

    threads = [threading.Thread(target=search) for _ in range(2)]
    threads[0].start()
    assert gate.entered.acquire(timeout=20)
    threads[1].start()
    end = time.monotonic() + 20
    refused = None
    while time.monotonic() < end and refused is None:  # until the second one waits
        one = ask(app, "GET", "/api/health", BEARER)
        assert one.status == 200
        if _.searches.n_held == 2:
            refused = ask(app, "POST", SEARCH, JSON, BODY)
    assert refused is not None and refused.status == 503 and refused.headers["retry-after"] == "1"
    assert "1 searches are under way and 1 wait" in refused.json["error"]
    address = "/api/collections/scenes/pictures"
    assert ask(app, "GET", f"{address}/0/thumbnail", BEARER).status == 200
    assert ask(app, "GET", address, BEARER).status == 200
    gate.opened.set()
    for thread in threads:
        thread.join(20)
    assert [one.status for one in answers] == [422, 422]


def test_a_search_that_takes_too_long(served_with, monkeypatch):
    hosting, app = served_with(searches=1, queue=4, seconds=0.05)
    gate = Gate()
    monkeypatch.setattr(web_searching, "search_examples", gate)
    for _ in range(2):  # the first has begun, the second waits and is given up
        answered = ask(app, "POST", SEARCH, JSON, BODY)
        assert answered.status == 503 and "longer than the 0.05 seconds" in answered.json["error"]
    gate.opened.set()
    assert hosting.is_idle_within(20)


def test_who_goes_away_is_not_searched_for(served_with, monkeypatch):
    hosting, _ = served_with(searches=1, queue=4)
    gate, searched = Gate(), []

    async def left():
        return None

    async def run():
        first = asyncio.ensure_future(hosting.searches.run(gate))
        await asyncio.sleep(0)
        with pytest.raises(Refusal, match="went away"):
            await hosting.searches.run(lambda: searched.append(1), left)
        gate.opened.set()
        with pytest.raises(Refusal, match="went on"):
            await first

    asyncio.run(run())
    assert hosting.is_idle_within(20) and searched == []


def test_before_it_is_loaded(served_with):
    hosting, app = served_with(load=False)
    health = ask(app, "GET", "/api/health", BEARER)
    assert health.status == 200 and health.json["status"] == "loading" and health.json["done"] == 0
    answered = ask(app, "POST", SEARCH, JSON, BODY)
    assert answered.status == 503 and "is being loaded" in answered.json["error"]
    assert answered.headers["retry-after"] == "2"
    assert ask(app, "GET", "/api/collections/scenes/pictures", BEARER).status == 200
    hosting.start()
    end = time.monotonic() + 30
    while ask(app, "GET", "/api/health", BEARER).json["status"] == "loading":
        assert time.monotonic() < end
    assert ask(app, "POST", SEARCH, JSON, BODY).status == 200


def test_workers_give_errors_and_room_back():
    workers = Workers("things", 2, 1, 5)

    def fail():
        raise ValueError("it failed")

    async def run():
        with pytest.raises(ValueError, match="it failed"):
            await workers.run(fail)
        return await asyncio.gather(*(workers.run(lambda n=n: n) for n in range(3)))

    assert asyncio.run(run()) == [0, 1, 2]
    assert workers.is_idle_within(5)
