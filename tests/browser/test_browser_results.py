"""What surrounds a search on the page: folders, filters, groups, films, options, exports."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser_served import FILM, HOSTILE_FOLDER, TOKEN, Served
from browser_steps import hit_names, open_picture, until

PICTURE = "coins-1.jpg"


@pytest.fixture
def found(browse: Callable[..., Any], served: Served, truth: dict[str, Any]) -> Any:
    """The page, once the flower among the coins was searched: by the address of that."""
    listed = json.loads(asked(served, "/api/collections/frames/pictures"))["pictures"]
    (number,) = [one["id"] for one in listed if one["name"] == PICTURE]
    box = ",".join(map(str, truth["flower"]["boxes"][PICTURE][0]))
    page = browse(f"#c=frames&q=id:{number}@box={box}&hits=1")
    hit_names(page)
    return page


def asked(served: Served, path: str, body: dict[str, Any] | None = None) -> bytes:
    """What the server says to a program."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(served.origin + path, data, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def test_folders_and_films_are_entered(page: Any) -> None:
    total = page.locator("#count").text_content().split()[0]
    page.locator("#folders").get_by_text(HOSTILE_FOLDER).click()
    until(page, "() => document.querySelectorAll('#listed li').length === 1")
    page.go_back()
    until(page, "() => document.querySelectorAll('#listed li').length > 1")
    page.locator("#folders").get_by_text(FILM).click()
    until(page, "() => document.getElementById('count').textContent.startsWith('16 ')")
    page.reload()
    until(page, "() => document.getElementById('count').textContent.startsWith('16 ')")
    page.locator("#path").get_by_text("All").click()
    until(page, "(n) => document.getElementById('count').textContent.startsWith(n)", total)


def test_another_collection_is_chosen(found: Any, scenes: Path) -> None:
    found.locator("#file-more").set_input_files(scenes / "queries" / "flower.jpg")
    until(found, "() => document.querySelectorAll('#examples .examples').length === 2")
    found.locator("#collection").select_option("again")
    until(found, "() => document.querySelectorAll('#examples .examples').length === 1")
    assert "c=again" in found.url and "q=upload:" in found.url, "what was handed over is kept"
    assert hit_names(found)
    found.go_back()
    until(found, "() => document.querySelectorAll('#examples .examples').length === 2")
    assert found.locator("#collection").input_value() == "frames"


def test_more_comes_as_one_scrolls(page: Any) -> None:
    n = page.locator("#listed li").count()
    total = int(page.locator("#count").text_content().split()[0])
    assert n == 60 < total
    page.locator("#listed li").last.scroll_into_view_if_needed()
    until(page, "(n) => document.querySelectorAll('#listed li').length === n", total)
    assert page.locator("#listed-more").is_hidden()


def test_a_filter_holds_for_pictures_and_hits(found: Any) -> None:
    everything = hit_names(found)
    found.locator("#column").select_option("camera")
    found.locator("#relation").select_option("=")
    found.locator("#value").fill("C")
    found.locator("#add-condition").click()
    until(found, "(n) => document.querySelectorAll('#hit-list li').length < n", len(everything))
    names = hit_names(found)
    assert names and all(name.startswith("coins") for name in names)
    assert found.locator("#where").input_value() == "camera = 'C'"
    found.locator("#view-browse").click()
    until(found, "() => document.getElementById('count').textContent.startsWith('4 ')")
    found.go_back()
    found.go_back()
    until(found, "(n) => document.querySelectorAll('#hit-list li').length === n", len(everything))
    assert found.locator("#where").input_value() == ""


def test_a_wrong_filter_is_said(found: Any, watched: Any) -> None:
    watched.expected += ["/search"]
    found.locator("#where").fill("camera == = 'C'")
    found.locator("#where").press("Enter")
    found.locator("#problem").wait_for()
    found.locator("#where").fill("")
    found.locator("#where").press("Enter")
    assert hit_names(found)
    until(found, "() => document.getElementById('problem').hidden")


def test_hits_are_grouped(found: Any) -> None:
    found.locator("#option-group").select_option("video")
    until(found, "() => document.getElementById('count').textContent.includes('moment')")
    film = found.locator("#hit-list li", has_text=FILM)
    assert film.count() == 1, "one of all its frames"
    assert " to 0:0" in film.locator("small").text_content()
    film.locator("button").click()
    found.locator("#moment-list li").nth(1).wait_for()
    assert "o.group=video" in found.url
    found.locator("#opened-why").click()
    found.locator("#why svg").wait_for()
    found.keyboard.press("Escape")
    found.locator("#option-group").select_option("")
    until(found, "() => !location.hash.includes('group')")


def test_a_film_plays_from_the_moment(found: Any) -> None:
    names = hit_names(found)
    name = next(one for one in names if one.startswith(FILM))
    open_picture(found, name, "#hit-list")
    time = float(name.rpartition(":")[2])
    found.locator("#opened-film").click()
    found.locator("video").wait_for()
    until(
        found,
        "(time) => { const film = document.querySelector('video');"
        " return film.readyState > 1 && Math.abs(film.currentTime - time) < 2; }",
        time,
    )
    assert found.evaluate("document.querySelector('video').duration") > 3
    assert found.locator("#neighbour-list li").count() >= 7, "frames of the film"
    assert found.locator("#opened-picture").is_hidden(), "it plays in its place"
    found.locator("#opened-film").click()
    found.locator("#opened-picture").wait_for()
    assert found.locator("video").count() == 0


def test_options_are_those_of_the_server(found: Any, served: Served) -> None:
    fields = json.loads(asked(served, "/api/options"))
    shown = found.evaluate(
        "[...document.querySelectorAll('[id^=option-]:not(small)')].map((one) => one.id.slice(7))"
    )
    assert set(shown) == {field["name"] for field in fields} - {"where"}
    assert shown[:4] == ["rerank", "expand", "group", "k"]
    for field in fields:
        if field["type"] == "boolean":
            assert found.locator(f"#option-{field['name']}").is_checked() == field["default"]
    found.locator("#option-rerank").uncheck()
    until(found, "() => !document.querySelector('#hit-list rect.found')")
    assert "o.rerank=false" in found.url
    found.locator("#option-k").fill("5")
    found.locator("#option-k").press("Enter")
    until(found, "() => document.querySelectorAll('#hit-list li').length === 5")
    found.locator("#hits-further").click()
    until(found, "() => document.querySelectorAll('#hit-list li').length === 10")
    found.locator("#option-expand").select_option("local")
    until(found, "() => location.hash.includes('o.expand=local')")
    assert len(hit_names(found)) == 10


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_export_is_what_the_server_says(found: Any, served: Served, form: str) -> None:
    found.locator("#option-k").fill("7")
    found.locator("#option-k").press("Enter")
    until(found, "() => document.querySelectorAll('#hit-list li').length === 7")
    with found.expect_request(lambda one: one.url.endswith(f"format={form}") or form == "json"):
        with found.expect_download() as waiting:
            found.locator(f"#export-{form}").click()
    assert waiting.value.suggested_filename == f"hits.{form}"
    saved = waiting.value.path().read_bytes()
    collection = json.loads(asked(served, "/api/collections"))[0]["collection"]
    path = f"/api/collections/{collection}/search"
    body = found.evaluate(
        """async (fields) => {
          const { read, searchBody } = await import("/page/state.js");
          return searchBody(read(location.hash), fields);
        }""",
        json.loads(asked(served, "/api/options")),
    )
    if form == "csv":
        assert saved == asked(served, f"{path}?format=csv", body)
        assert saved.count(b"\n") >= 8
    else:
        mine, theirs = json.loads(saved), json.loads(asked(served, path, body))
        mine.pop("seconds"), theirs.pop("seconds")
        assert mine == theirs and len(mine["hits"]) == 7
