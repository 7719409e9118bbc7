"""Whether what a notebook writes agrees with what is stored of an earlier time, elsewhere.

Another processor adds in another order. The last bits of features differ, k-means takes another
way, some words differ, and with them the second digit of a score and the order of hits of nearly
equal score. So the text is compared without its numbers, its lines in any order; numbers have to be
near. Cells tagged "varies" write what depends on single words, and are not compared.
"""

from __future__ import annotations

import re

from nbformat import NotebookNode

__all__ = ["disagreements", "text_of"]

# Standing alone: the 1 of grass-1.jpg is part of a name. A comma parts two numbers.
NUMBER = re.compile(r"(?<![\w./-])-?\d+(?:\.\d*)?(?:e[-+]?\d+)?(?!\w)")
NEAR, SHARE = 0.05, 0.1  # of decimals; integers may differ by 1, all by a tenth


def text_of(cell: NotebookNode) -> str:
    """What a cell wrote: streams, and values as plain text."""
    parts = []
    for output in cell.get("outputs", []):
        parts.append(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(parts)


def disagreements(stored: str, fresh: str) -> list[str]:
    """In what two texts disagree; nothing where they agree."""
    skeletons = [
        sorted(" ".join(NUMBER.sub("#", line).split()) for line in text.splitlines() if line)
        for text in (stored, fresh)
    ]
    if skeletons[0] != skeletons[1]:
        only = [
            [line for line in these if line not in those]
            for these, those in (skeletons, skeletons[::-1])
        ]
        return [f"stored {only[0]}, now {only[1]}"]
    pairs = zip(NUMBER.findall(stored), NUMBER.findall(fresh))
    return [f"stored {a}, now {b}" for a, b in pairs if not _are_near(a, b)]


def _are_near(a: str, b: str) -> bool:
    whole = (a + b).replace("-", "").isdigit()
    x, y = float(a), float(b)
    return abs(x - y) <= max(1 if whole else NEAR, SHARE * max(abs(x), abs(y)))
