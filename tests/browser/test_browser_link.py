"""A link in a page of another site: the cookie is SameSite=Strict, and it leads in all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from browser_served import Served, Watched

ELSEWHERE = "http://elsewhere.example/"
ADDRESS = """async () => {
  const { EMPTY, written } = await import("/page/state.js");
  return written({ ...EMPTY, options: { k: "5" } });
}"""


def follow(page: Any, to: str) -> None:
    """Click on a link to an address in another page."""
    page.route(
        f"{ELSEWHERE}**",
        lambda route: route.fulfill(content_type="text/html", body=f'<a href="{to}">look</a>'),
    )
    page.goto(ELSEWHERE)
    page.get_by_text("look").click()


def test_a_link_leads_to_its_state(
    browse: Callable[..., Any], served: Served, watched: Watched
) -> None:
    page = browse()
    address = page.evaluate(ADDRESS)
    watched.expected += ["401"]  # of the page before it is known who asks
    follow(page, f"{served.origin}/{address}")
    page.locator("#listed li").first.wait_for(state="attached")
    assert page.url == f"{served.origin}/{address}" and "k" in address


def test_who_is_not_known_reads_why(chromium: Any, served: Served, watched: Watched) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        follow(page, f"{served.origin}/")
        page.get_by_text("Expected the token of this server").wait_for()
        page.wait_for_load_state("networkidle")
        assert page.url == f"{served.origin}/"
        assert "Expected the token" in page.inner_text("body")
