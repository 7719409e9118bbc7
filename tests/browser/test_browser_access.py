"""For everyone: keys alone, screen readers, a telephone, a wall of pixels, light and dark."""

from __future__ import annotations

from typing import Any

import pytest
from browser_steps import box_shown, draw, hit_names, on_screen, open_picture, search, take, until

PICTURE = "coins-1.jpg"
MOST_TABS = 80


def tab_to(page: Any, selector: str, key: str = "Tab") -> None:
    """Press Tab until the focus is there; each place that has it must be seen."""
    for _ in range(MOST_TABS):
        page.keyboard.press(key)
        seen, there = page.evaluate(
            """(selector) => {
              const one = document.activeElement;
              const box = one.getBoundingClientRect();
              const shown = one.matches("input[type=file]") ? one.parentElement : one;
              const style = getComputedStyle(shown);
              const isSeen = one === document.body || (style.outlineStyle !== "none"
                && parseFloat(style.outlineWidth) >= 1);
              return [isSeen, one.matches(selector)];
            }""",
            selector,
        )
        assert seen, page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        if there:
            return
    raise AssertionError(f"no way to {selector}")


def test_keys_alone_from_the_first_to_an_opened_hit(page: Any) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "pictures"
    tab_to(page, "#listed .card")
    page.keyboard.press("Enter")
    page.locator("#opened[open]").wait_for()
    until(page, "() => document.getElementById('opened-name').textContent")
    tab_to(page, "#draw-on")
    page.keyboard.press("Enter")
    until(page, "() => document.activeElement.id === 'region'")
    page.keyboard.press("ArrowRight")  # a box in the middle
    first = box_shown(page)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    moved = box_shown(page)
    assert (
        moved[0] < first[0] and moved[1] > first[1] and moved[2] - moved[0] == first[2] - first[0]
    )
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Alt+Shift+ArrowUp")
    resized = box_shown(page)
    assert resized[:2] == moved[:2] and resized[2] > moved[2] and resized[3] == moved[3] - 1
    assert f"box={','.join(map(str, resized))}" in page.url
    page.keyboard.press("Enter")
    names = hit_names(page)
    assert page.evaluate("document.activeElement.id") == "region", "the focus is kept"
    tab_to(page, "#hit-list .card")
    page.keyboard.press("Enter")
    page.locator("#opened[open]").wait_for()
    until(page, "(name) => document.getElementById('opened-name').textContent === name", names[0])
    page.keyboard.press("Escape")
    until(page, "() => !document.getElementById('opened').open")
    assert page.evaluate("document.activeElement.matches('#hit-list .card')"), "back where it was"


def test_a_polygon_by_keys(page: Any) -> None:
    take(page, PICTURE)
    page.locator("input[value=polygon]").check()
    page.locator("#region").focus()
    for keys in ("ArrowLeft", "ArrowUp", "ArrowRight"):
        for _ in range(5):
            page.keyboard.press(keys)
        page.keyboard.press("Space")
    page.keyboard.press("Enter")
    until(page, "() => location.hash.includes('polygon=')")
    assert page.locator("#region polygon").count() == 2


def test_screen_readers_hear_how_many(page: Any) -> None:
    count = page.locator("#count")
    assert count.get_attribute("aria-live") == "polite"
    take(page, PICTURE)
    search(page)
    heard = "67 hits among 67 pictures, in "
    until(page, "(n) => document.getElementById('count').textContent.startsWith(n)", heard)
    names = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, a, svg[role], [tabindex]")]
          .filter((one) => one.checkVisibility() && !one.matches("#pictures"))
          .filter((one) => !(one.textContent.trim() || one.ariaLabel || one.labels?.length
            || one.getAttribute("aria-labelledby")))
          .map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert names == [], "all that can be reached says what it is"


@pytest.mark.parametrize("scheme, width", [("light", 1280), ("dark", 320)])
def test_axe_finds_nothing(browse: Any, scheme: str, width: int) -> None:
    """The rules of WCAG 2.2 A and AA that a program can check, on what a search passes through."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="axe-playwright-python is not installed: pip install '.[test]'",
    ).Axe()

    def check() -> None:
        broken = axe.run(page).response["violations"]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in broken] == []

    page = browse(color_scheme=scheme, viewport={"width": width, "height": 800})
    check()
    take(page, PICTURE)
    page.keyboard.press("ArrowRight")
    names = search(page)
    page.locator("#how").evaluate("(one) => { one.open = true; }")
    page.locator("#how details").evaluate("(one) => { one.open = true; }")
    check()
    open_picture(page, names[1], "#hit-list")
    page.locator("#neighbour-list li").first.wait_for()
    check()
    page.locator("#not-like").click()
    page.locator("#examples .negatives").wait_for()
    hit_names(page)
    check()


@pytest.mark.parametrize("width", [320, 3840])
def test_no_width_scrolls_sideways(browse: Any, width: int) -> None:
    height = 640 if width == 320 else 2160
    page = browse(viewport={"width": width, "height": height})
    take(page, PICTURE)
    draw(page, (20, 20, 200, 200))
    fits = "() => document.documentElement.scrollWidth <= innerWidth"
    until(page, fits)
    page.locator("#how").evaluate("(one) => { one.open = true; }")
    page.locator("#how details").evaluate("(one) => { one.open = true; }")
    until(page, fits)
    names = search(page)
    until(page, fits)
    until(
        page, "() => document.getElementById('pictures').getBoundingClientRect().top < innerHeight"
    )
    open_picture(page, names[0], "#hit-list")
    page.locator("#opened-why").click()
    page.locator("#why svg").wait_for()
    until(
        page,
        "() => { const one = document.getElementById('opened');"
        " return one.scrollWidth <= one.clientWidth && one.clientWidth <= innerWidth; }",
    )


def test_a_finger_draws(browse: Any) -> None:
    page = browse(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    take(page, PICTURE)
    page.locator("#region").scroll_into_view_if_needed()
    scrolled = page.evaluate("scrollY")
    session = page.context.new_cdp_session(page)
    places = [on_screen(page, x, y) for x, y in ((50, 60), (120, 130), (250, 260))]
    for kind, place in zip(("touchStart", "touchMove", "touchMove"), places):
        points = [{"x": place[0], "y": place[1]}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    until(page, "() => location.hash.includes('box=')")
    assert all(abs(a - b) <= 3 for a, b in zip(box_shown(page), (50, 60, 250, 260)))
    assert page.evaluate("scrollY") == scrolled, "it draws, and does not scroll"


@pytest.mark.parametrize("scheme, is_dark", [("light", False), ("dark", True)])
def test_light_and_dark(browse: Any, scheme: str, is_dark: bool) -> None:
    page = browse(color_scheme=scheme, reduced_motion="reduce")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    shades = [int(part) for part in ground[4:-1].split(",")]
    assert (max(shades) < 60) == is_dark
    assert (
        page.evaluate("getComputedStyle(document.getElementById('listed')).transitionDuration")
        == "0s"
    ), "who wants no motion gets none"


def test_nothing_jumps(browse: Any) -> None:
    page = browse()
    page.evaluate("""() => {
          window.jumped = 0;
          new PerformanceObserver((list) => {
            const jumps = list.getEntries().filter((one) => !one.hadRecentInput);
            for (const one of jumps) window.jumped += one.value;
          }).observe({ type: "layout-shift", buffered: true });
        }""")
    take(page, PICTURE)
    search(page)
    page.locator("#hit-list li").nth(20).scroll_into_view_if_needed()
    until(page, "() => document.querySelectorAll('#hit-list img')[20].complete")
    assert page.evaluate("jumped") < 0.05
