"""Plain twins of integral max pooling: exact arithmetic, exact maxima, every rectangle."""

from __future__ import annotations

import math

EDGES = (1, 3, 0, 2)  # y1, y2, x1, x2


def powers(channel, unit, exponent):
    """Rounded powers of a channel over its maximum: rows of int."""
    largest = max(max(row) for row in channel)
    if largest == 0:
        return [[0] * len(row) for row in channel]
    return [[math.floor(unit * (x * (1 / largest)) ** exponent + 0.5) for x in row]
            for row in channel]


def integral(rows):
    """``out[y][x]``: the sum of the cells above and to the left, in whole numbers."""
    h, w = len(rows), len(rows[0])
    return [[sum(sum(row[:x]) for row in rows[:y]) for x in range(w + 1)] for y in range(h + 1)]


def near_maximum(channel, rectangle, exponent):
    """``(sum x^a)^(1/a)`` of the cells of a rectangle, by definition."""
    x1, y1, x2, y2 = rectangle
    largest = max(max(row) for row in channel)
    cells = [x / largest for row in channel[y1:y2] for x in row[x1:x2]] if largest else [0]
    return largest * math.fsum(x**exponent for x in cells) ** (1 / exponent)


def maximum(channel, rectangle):
    x1, y1, x2, y2 = rectangle
    return max(max(row[x1:x2]) for row in channel[y1:y2])


def cosine(one, other):
    lengths = math.sqrt(math.fsum(a * a for a in one)) * math.sqrt(math.fsum(b * b for b in other))
    return math.fsum(a * b for a, b in zip(one, other)) / lengths if lengths else 0.0


def score(feature_map, query, rectangle, exponent=None):
    """Cosine of a query and the maxima of a rectangle: exact ones, or nearly with an exponent."""
    if exponent is None:
        pooled = [maximum(channel, rectangle) for channel in feature_map]
    else:
        pooled = [near_maximum(channel, rectangle, exponent) for channel in feature_map]
    return cosine(query, pooled)


def every_rectangle(h, w):
    """Half-open, sides of 2 cells or more."""
    return [
        (x1, y1, x2, y2)
        for y1 in range(h) for y2 in range(y1 + 2, h + 1)
        for x1 in range(w) for x2 in range(x1 + 2, w + 1)
    ]


def grid(h, w, step, aspect, most_change):
    """The rectangles that the search begins with."""
    def allowed(rectangle):
        x1, y1, x2, y2 = rectangle
        change = aspect * (y2 - y1) / (x2 - x1)
        return not aspect or max(change, 1 / change) <= most_change

    return [
        one for one in every_rectangle(h, w)
        if one[0] % step == one[1] % step == 0
        and (one[2] - one[0] - 2) % step == (one[3] - one[1] - 2) % step == 0 and allowed(one)
    ]


def search(score_of, h, w, step, aspect, most_change, shift, n_rounds):
    """The greedy search: its rectangle, the score, and that of the grid."""
    best, top = (0, 0, w, h), -math.inf
    for one in grid(h, w, step, aspect, most_change):
        if score_of(one) > top:
            best, top = one, score_of(one)
    if top == -math.inf:
        top = score_of(best)
    start = top
    for size in range(shift, 0, -1):
        for _ in range(n_rounds):
            before = top
            for edge in EDGES:
                for move in (-size, size):
                    one = list(best)
                    one[edge] += move
                    x1, y1, x2, y2 = one
                    inside = x1 >= 0 and y1 >= 0 and x2 <= w and y2 <= h
                    shrinks = (x2 - x1) * (y2 - y1) < (best[2] - best[0]) * (best[3] - best[1])
                    if not inside or (shrinks and min(x2 - x1, y2 - y1) < 2):
                        continue
                    if score_of(tuple(one)) > top:
                        best, top = tuple(one), score_of(tuple(one))
            if top == before:
                break
    return best, top, start
