"""Reading a page of results, with what must hold of every one."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "br", "image", "rect", "link", "img", "input", "use", "path"}


class Page(HTMLParser):
    """Tags that are open, references, names of elements, and the text."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.references: list[tuple[str, str]] = []
        self.elements: list[tuple[str, dict]] = []
        self.codes: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.elements.append((tag, found))
        self.references += [(tag, found[name]) for name in ("src", "href") if name in found]
        if tag == "code":
            self.codes.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] == "code":
            self.codes[-1] += data


def read_page(path: Path) -> Page:
    """A page, checked: well formed, nothing is fetched, no script, pictures say what they show."""
    page = Page(path.read_text("utf-8"))
    assert page.open == []
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(ids) == len(set(ids))
    for tag, reference in page.references:
        if tag == "image":
            assert reference.startswith(("data:image/jpeg;base64,", "data:image/png;base64,"))
        else:
            assert reference[1:] in ids or (tag == "a" and reference.startswith("file:///"))
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.elements}
    for tag, found in page.elements:
        if tag == "svg":
            assert found["role"] == "img" and found["aria-label"]
        assert not [name for name in found if name.startswith("on")]
    return page
