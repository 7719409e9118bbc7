"""`blcf demo`: the engine at work on a small collection, and a page of what it found.

- photographs.py knows the photographs that installed libraries carry, and what is on them;
- scenes.py composes scenes from them, with objects at known boxes; `write_scenes`
  (data_set.py) makes a data set of them;
- choosing.py chooses boxes in somebody's own pictures;
- running.py indexes and searches; results.py measures; drawing.py and page.py show it;
- folder.py replaces what an earlier demo wrote, and nothing else.
"""

from blcf.demo.data_set import write_scenes
from blcf.demo.results import Demo, DemoResult
from blcf.demo.running import run_demo

__all__ = ["Demo", "DemoResult", "run_demo", "write_scenes"]
