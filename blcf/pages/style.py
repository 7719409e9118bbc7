"""How the pages that are files look: one column on a telephone. What they share with the page of
`blcf serve` (colours, boxes, cells that match) is `shared.css`, beside this file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

__all__ = ["SHARED", "STYLE", "colour"]

SHARED = Path(__file__).with_name("shared.css").read_text("utf-8")


def colour(name: str) -> np.ndarray:
    """A colour of `shared.css` by the name of its property: uint8 (3,), red, green and blue.

    Examples
    --------
    >>> colour("found").tolist()
    [0, 114, 178]
    """
    (digits,) = re.findall(rf"--{name}: #([0-9a-f]{{6}});", SHARED)
    return np.frombuffer(bytes.fromhex(digits), dtype=np.uint8)


STYLE = SHARED + """\
main { max-width: 1240px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
header p, ul { max-width: 75ch; }
section { margin-top: 2.25rem; }
section.query { border-top: 1px solid var(--line); padding-top: 1.5rem; }
ul { padding-left: 1.2rem; margin: 0; }
li { margin-bottom: .35rem; }
.facts { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0 0; }
.facts div { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .6rem 1rem; min-width: 7rem; }
.facts dt { color: var(--soft); font-size: .85rem; }
.facts dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; background: var(--card); border: 1px solid var(--line); }
th, td { padding: .4rem 1rem; text-align: right; border-bottom: 1px solid var(--line);
  font-variant-numeric: tabular-nums; }
th:first-child { text-align: left; }
.row { display: grid; grid-template-columns: 280px 1fr; gap: 1.5rem; align-items: start; }
.row > .queries { position: sticky; top: 1rem; display: grid; gap: .75rem; }
.row ol { list-style: none; margin: 0; padding: 0; display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); }
figure.asked { border: 2px solid var(--asked); height: auto; }
li { margin: 0; }
ul li { margin-bottom: .35rem; }
ul.all { columns: 18rem; max-width: none; overflow-wrap: anywhere; }
li.wrong figure { border-style: dashed; }
ol svg { aspect-ratio: 1; background: var(--line); }
li.wrong .score i { background: var(--soft); }
figure > a, figcaption a { text-decoration: none; }
figcaption a:hover, figcaption a:focus { text-decoration: underline; }
details { padding: 0 .75rem .7rem; font-size: .9rem; }
summary { cursor: pointer; color: var(--soft); width: max-content; }
summary:hover, summary:focus { text-decoration: underline; }
details p { margin: .4rem 0 0; color: var(--soft); }
details svg { aspect-ratio: auto; background: none; max-width: 984px; }
li:has(details[open]) { grid-column: 1 / -1; }
li:has(details[open]) figure { display: grid; grid-template: auto 1fr / 190px 1fr; }
li:has(details[open]) details { grid-column: 2; grid-row: 1 / span 2; padding-top: .55rem; }
pre { margin: .25rem 0 1rem; padding: .7rem 1rem; background: var(--card); overflow-x: auto;
  border: 1px solid var(--line); border-radius: 8px; user-select: all; }
.next dd { margin: 0; }
@media (max-width: 760px) { .row { grid-template-columns: 1fr; }
  .row > .queries { position: static; max-width: 320px; } }
@media (max-width: 600px) { li:has(details[open]) figure { display: block; }
  li:has(details[open]) details { grid-column: 1; grid-row: auto; } }
@media print { .row { grid-template-columns: 200px 1fr; } li { break-inside: avoid; } }
"""
