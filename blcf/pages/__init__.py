"""Results as one HTML file that works without a connection: pictures, boxes, and why.

- pictures.py embeds each of them once, and draws boxes over it;
- why.py draws where a score comes from;
- page.py puts queries and hits together; style.py says how they look;
- search.py is the page of one's own search.
"""

from blcf.pages.page import Card, Section, open_page, section_html
from blcf.pages.pictures import Pictures
from blcf.pages.search import MOST_SHOWN, SearchPage, open_search_page

__all__ = [
    "MOST_SHOWN",
    "Card",
    "Pictures",
    "SearchPage",
    "Section",
    "open_page",
    "open_search_page",
    "section_html",
]
