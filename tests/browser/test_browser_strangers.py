"""Names that would be code, addresses that are none, pictures and servers that are gone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser_served import FILM, HOSTILE, HOSTILE_FOLDER, Served
from browser_steps import hit_names, open_picture, search, take, until

import blcf

FILES = sorted((Path(blcf.__file__).parent / "web" / "page").iterdir())


def test_hostile_names_are_shown_as_they_are(page: Any) -> None:
    assert page.locator("#folders").get_by_text(HOSTILE_FOLDER, exact=True).count() == 1
    open_picture(page, HOSTILE)
    page.locator("#known-list dd").first.wait_for()
    page.locator("#search-with").click()
    names = hit_names(page)
    assert {HOSTILE, f"{HOSTILE_FOLDER}/{HOSTILE}"} <= set(names)
    assert page.locator("img[src=x], main b").count() == 0 and page.title() != "taken"
    page.locator("#view-browse").click()
    page.locator("#folders").get_by_text(HOSTILE_FOLDER, exact=True).click()
    page.locator("#path").get_by_text(HOSTILE_FOLDER, exact=True).wait_for()
    assert page.locator("#listed .name").all_text_contents() == [f"{HOSTILE_FOLDER}/{HOSTILE}"]


@pytest.mark.parametrize(
    "fragment",
    [
        "#c=frames.blcf&q=id:%3Cimg%20src=x%20onerror=alert(1)%3E&hits=1",
        "#q=id:1@box=9,9,9,9&q=upload:..%2F..%2Fetc@polygon=1,2;3,4;5,6&hits=1&why=1&open=%22%3E",
        "#o.k=-5&o.where=%3B%20DROP%20TABLE&o.__proto__=1&folder=..%2F..&film=%00",
        "#c=<script>alert(1)</script>",
    ],
)
def test_a_hostile_address_gets_a_sentence(browse: Any, watched: Any, fragment: str) -> None:
    watched.expected += ["Failed to load resource"]  # refused, and said on the page
    page = browse()
    page.evaluate("(fragment) => { location.hash = fragment; }", fragment)
    page.locator("#problem, #opened-problem").locator("visible=true").first.wait_for()
    assert page.locator("script:not([src])").count() == 0
    page.evaluate("() => { location.hash = ''; }")
    page.locator("#listed li").first.wait_for()


@pytest.fixture(scope="module")
def second(start: Callable[[], Served]) -> Served:
    """Another server: it has no thumbnails yet, and the last test that uses it stops it."""
    return start()


def test_a_picture_that_is_gone(browse: Any, watched: Any, second: Served) -> None:
    watched.expected += ["/thumbnail", "/image"]
    file = second.folder / "images" / "shade-3.jpg"
    shutil.move(file, file.with_suffix(".away"))
    try:
        page = browse(server=second)
        card = page.locator("#listed li", has_text="shade-3.jpg")
        card.scroll_into_view_if_needed()
        card.locator(".none").wait_for()
        assert card.locator(".none").text_content().startswith("no picture: ")
        card.locator("button").click()
        page.locator("#opened-picture .none").wait_for()
    finally:
        shutil.move(file.with_suffix(".away"), file)


def test_a_film_that_is_gone(browse: Any, watched: Any, served: Served) -> None:
    watched.expected += ["/film", "/image", "/thumbnail"]
    page = browse()
    page.locator("#folders").get_by_text(FILM).click()
    card = page.locator("#listed li", has_text="00:00:03.000")
    card.wait_for()
    file = served.folder / "images" / FILM
    shutil.move(file, file.with_suffix(".away"))
    try:
        card.locator("button").click()
        page.locator("#opened-film").click()
        page.locator("#film .none").wait_for()
        assert "cannot be played" in page.locator("#film .none").text_content()
    finally:
        shutil.move(file.with_suffix(".away"), file)


def test_a_server_that_is_stopped(browse: Any, watched: Any, second: Served) -> None:
    watched.expected += ["Failed to load resource", "ERR_"]
    page = browse(server=second)
    take(page, "coins-1.jpg")
    second.stop()
    page.locator("#search").click()
    page.locator("#problem").wait_for()
    assert "blcf serve" in page.locator("#problem-says").text_content()
    assert page.locator("#listed li, #examples li").count() > 1, "no blank page"
    page.locator("#again").click()
    until(page, "() => !document.getElementById('problem').hidden")


def test_a_browser_that_is_not_known_is_told(chromium: Any, served: Served) -> None:
    context = chromium.new_context()
    page = context.new_page()
    answer = page.goto(f"{served.origin}/")
    assert answer.status == 401 and "token" in page.content()
    context.close()


def test_loading_is_shown(browse: Any, chromium: Any, served: Served) -> None:
    page = browse()
    says = {"status": "loading", "stage": "reading the network", "done": 0.4, "collections": []}
    page.route("**/api/health", lambda route: route.fulfill(json=says))
    page.reload()
    page.locator("#loading").wait_for()
    assert "reading the network" in page.locator("#loading-says").text_content()
    assert page.locator("#loading-bar").get_attribute("value") == "0.4"
    take(page, "coins-1.jpg")  # one may look around meanwhile
    page.locator("#search").click()
    until(page, "() => document.getElementById('count').textContent.startsWith('Searching')")
    page.unroute("**/api/health")
    assert hit_names(page)[0] == "coins-1.jpg"
    assert page.locator("#loading").is_hidden()
    says.update(status="failed", collections=[{"collection": "a", "reason": "The file is cut."}])
    page.route("**/api/health", lambda route: route.fulfill(json=says))
    page.reload()
    page.locator("#problem").wait_for()
    assert "The file is cut." in page.locator("#problem-says").text_content()


def test_a_full_queue_is_waited_for(page: Any, watched: Any) -> None:
    watched.expected += ["/search"]
    refused = {
        "status": 503,
        "headers": {"Retry-After": "1"},
        "json": {"error": "The queue is full."},
    }
    page.route("**/search", lambda route: route.fulfill(**refused), times=1)
    take(page, "coins-1.jpg")
    assert search(page)[0] == "coins-1.jpg"


@pytest.mark.parametrize("file", FILES, ids=lambda one: one.name)
def test_the_files_of_the_page(file: Path) -> None:
    """No HTML from values, nothing inline, nothing from elsewhere, and short."""
    text = file.read_text("utf-8")
    assert len(text.splitlines()) < 300
    if file.suffix in (".js", ".css"):
        assert max(map(len, text.splitlines())) <= 100
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert word not in text
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    if file.name.endswith(".html"):
        assert not re.search(r"\sstyle=|<style|\son\w+=|<script(?![^>]*\ssrc=)", text)
    if file.name.endswith(".js"):
        assert text.startswith("/*"), "it says its idea"
        assert 'setAttribute("style"' not in text


def test_film_is_listed(page: Any) -> None:
    assert page.locator("#folders").get_by_text(FILM).count() == 1
