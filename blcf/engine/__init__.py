"""The door: `SearchEngine` opens a collection and leads to the three rooms; no arithmetic here.

- search_engine.py makes, opens, closes and changes a collection (`blcf.adding`);
- searches.py is what can be asked of one (`blcf.searching`, `blcf.measuring`).

Nothing but the programs above (demo, command line) knows the engine.
"""

from blcf.engine.search_engine import SearchEngine

__all__ = ["SearchEngine"]
