"""What a person does on the page, step by step; each step waits for what it brings about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = [
    "box_shown",
    "draw",
    "hit_names",
    "listed",
    "on_screen",
    "open_picture",
    "search",
    "take",
    "until",
]


def until(page: Any, condition: str, argument: Any = None) -> None:
    """Wait until an expression of JavaScript holds."""
    page.wait_for_function(condition, arg=argument)


def listed(page: Any, name: str, within: str = "#listed") -> Any:
    """The card of a picture, by its name."""
    exact = page.locator(".name").get_by_text(name, exact=True)
    return page.locator(f"{within} li").filter(has=exact).locator("button").first


def open_picture(page: Any, name: str, within: str = "#listed") -> None:
    """Open a picture that is listed."""
    listed(page, name, within).click()
    page.locator("#opened[open]").wait_for()
    until(page, "(name) => document.getElementById('opened-name').textContent === name", name)


def take(page: Any, name: str) -> None:
    """Take a picture of the collection, to draw on it."""
    open_picture(page, name)
    page.locator("#draw-on").click()
    page.locator("#region").wait_for()
    until(page, "() => document.activeElement.id === 'region'")


def draw(page: Any, box: Sequence[float]) -> None:
    """Drag a box, in pixels of the picture, with the mouse."""
    page.locator("#region").scroll_into_view_if_needed()
    (x1, y1), (x2, y2) = (on_screen(page, *box[at : at + 2]) for at in (0, 2))
    page.mouse.move(x1, y1)
    page.mouse.down()
    page.mouse.move((x1 + x2) / 2, (y1 + y2) / 2)
    page.mouse.move(x2, y2)
    page.mouse.up()
    until(page, "() => document.getElementById('edge-0').value !== ''")


def on_screen(page: Any, x: float, y: float) -> list[float]:
    """Where a pixel of the picture that is drawn on lies on the screen."""
    return page.evaluate(
        """([x, y]) => {
          const place = document.getElementById("region").getScreenCTM();
          const point = new DOMPoint(x, y).matrixTransform(place);
          return [point.x, point.y];
        }""",
        [x, y],
    )


def box_shown(page: Any) -> list[int]:
    """What the four fields say."""
    return [int(page.locator(f"#edge-{edge}").input_value()) for edge in range(4)]


def search(page: Any) -> list[str]:
    """Press the button, and wait for hits; gives their names."""
    page.locator("#search").click()
    return hit_names(page)


def hit_names(page: Any) -> list[str]:
    """The names of the hits, once they are there."""
    page.locator("#hits:not([hidden]) #hit-list:not([aria-busy]) li").first.wait_for()
    return page.locator("#hit-list .name").all_text_contents()
