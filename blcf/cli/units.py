"""Numbers as a person reads them: with their unit, bytes in steps of a thousand."""

from __future__ import annotations

__all__ = ["bytes_text", "count", "edges_text"]


def bytes_text(n_bytes: float) -> str:
    """Bytes in the unit that leaves three digits.

    Examples
    --------
    >>> [bytes_text(n) for n in (0, 1, 999, 1_000, 51_840, 999_960, 2_812_345)]
    ['0 bytes', '1 byte', '999 bytes', '1.0 KB', '51.8 KB', '1.0 MB', '2.8 MB']
    """
    if n_bytes < 1000:
        return count(round(n_bytes), "byte")
    for unit in ("KB", "MB", "GB", "TB"):
        n_bytes /= 1000
        if n_bytes < 999.95:
            break
    return f"{n_bytes:,.1f} {unit}"


def count(n: int, noun: str) -> str:
    """A number of things.

    Examples
    --------
    >>> count(1, "picture"), count(12_000, "picture")
    ('1 picture', '12,000 pictures')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def edges_text(box) -> str:
    """A box in whole pixels, as options of the command line take it.

    Examples
    --------
    >>> edges_text((1.2, 2.7, 30, 40))
    '1,3,30,40'
    """
    return ",".join(f"{edge:.0f}" for edge in box)
