"""How the page of results looks: colours that differ for every eye, light and dark, one column on
a telephone. The boxes have those of `blcf.visualization` (Okabe & Ito)."""

__all__ = ["STYLE"]

STYLE = """\
:root { color-scheme: light dark; --ground: #fafaf8; --card: #fff; --ink: #1c1c1a; --soft: #5f5f58;
  --line: #dcdcd4; --asked: #e69f00; --found: #0072b2; --right: #00704f; --wrong: #b3360a; }
@media (prefers-color-scheme: dark) { :root { --ground: #161614; --card: #21211e; --ink: #ecece6;
  --soft: #a8a89e; --line: #3a3a35; --right: #3ccf9e; --wrong: #ff9468; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.35rem; margin: 0 0 .75rem; overflow-wrap: anywhere; }
h2 small { font-weight: normal; font-size: .95rem; color: var(--soft); margin-left: .5rem; }
header p, ul { max-width: 75ch; }
section { margin-top: 2.25rem; }
section.query { border-top: 1px solid var(--line); padding-top: 1.5rem; }
a { color: inherit; text-decoration-color: var(--asked); text-underline-offset: .2em; }
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
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  overflow: hidden; height: 100%; }
figure.asked { border: 2px solid var(--asked); height: auto; }
li { margin: 0; }
ul li { margin-bottom: .35rem; }
ul.all { columns: 18rem; max-width: none; overflow-wrap: anywhere; }
li.wrong figure { border-style: dashed; }
figcaption { display: flex; flex-direction: column; gap: .2rem; padding: .55rem .75rem .7rem;
  font-size: .9rem; font-variant-numeric: tabular-nums; }
figcaption small { color: var(--soft); overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; overflow: hidden; }
ol svg { aspect-ratio: 1; background: var(--line); }
.none { padding: 1rem; color: var(--soft); }
rect { fill: none; stroke-width: 3; vector-effect: non-scaling-stroke; }
rect.frame { stroke: #8c8c8c; stroke-width: 1; }
rect.under { stroke: #fff; stroke-width: 5.5; stroke-dasharray: none; }
rect.asked { stroke: var(--asked); }
rect.found { stroke: var(--found); }
rect.truth { stroke: #111; stroke-width: 2; stroke-dasharray: 5 4; }
rect.truth.under { stroke: #fff; stroke-width: 2; stroke-dasharray: none; }
rect.asked.under, rect.found.under { stroke: #fff; }
b.right { color: var(--right); } b.wrong { color: var(--wrong); }
b.asked, b.found, b.truth { padding: 0 .35em; border-radius: 4px; }
b.asked { border: 2px solid var(--asked); } b.found { border: 2px solid var(--found); }
b.truth { border: 2px dashed currentColor; }
.score { display: block; height: 5px; border-radius: 3px; background: var(--line); }
.score i { display: block; height: 100%; border-radius: 3px; background: var(--found); }
li.wrong .score i { background: var(--soft); }
figure > a, figcaption a { text-decoration: none; }
figcaption a:hover, figcaption a:focus { text-decoration: underline; }
details { padding: 0 .75rem .7rem; font-size: .9rem; }
summary { cursor: pointer; color: var(--soft); width: max-content; }
summary:hover, summary:focus { text-decoration: underline; }
details p { margin: .4rem 0 0; color: var(--soft); }
details svg { aspect-ratio: auto; background: none; max-width: 984px; }
.pale { filter: grayscale(85%) brightness(1.1) contrast(70%); }
path { fill: none; stroke-linecap: round; }
path.under { stroke: #fff; }
path.line0 { stroke: #009e73; } path.line1 { stroke: #56b4e9; } path.line2 { stroke: #cc79a7; }
li:has(details[open]) { grid-column: 1 / -1; }
li:has(details[open]) figure { display: grid; grid-template: auto 1fr / 190px 1fr; }
li:has(details[open]) details { grid-column: 2; grid-row: 1 / span 2; padding-top: .55rem; }
pre { margin: .25rem 0 1rem; padding: .7rem 1rem; background: var(--card); overflow-x: auto;
  border: 1px solid var(--line); border-radius: 8px; user-select: all; }
code { font: .9rem/1.45 ui-monospace, Menlo, Consolas, monospace; }
.next dd { margin: 0; }
@media (max-width: 760px) { .row { grid-template-columns: 1fr; }
  .row > .queries { position: static; max-width: 320px; } }
@media (max-width: 600px) { li:has(details[open]) figure { display: block; }
  li:has(details[open]) details { grid-column: 1; grid-row: auto; } }
@media print { .row { grid-template-columns: 200px 1fr; } li { break-inside: avoid; } }
"""
