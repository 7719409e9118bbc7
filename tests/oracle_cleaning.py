"""Plain twins of what cleans labels: loops over lists. They are the definition."""

from __future__ import annotations

import math


def matches(ours, theirs, ratio):
    """Pairs that are each other's nearest, and nearer than the second by a ratio."""
    found = []
    for i, one in enumerate(ours):
        distances = [math.dist(one, other) for other in theirs]
        j = min(range(len(theirs)), key=distances.__getitem__)
        back = [math.dist(each, theirs[j]) for each in ours]
        second = min(d for k, d in enumerate(distances) if k != j)
        if min(range(len(ours)), key=back.__getitem__) == i and distances[j] < ratio * second:
            found.append([i, j])
    return found


def nearest_pairs(classes, vectors, n_nearest):
    """Pairs of one class where either is among the nearest of the other."""
    pairs = set()
    for i, one in enumerate(vectors):
        others = [j for j in range(len(vectors)) if j != i and classes[j] == classes[i]]
        others.sort(key=lambda j: (-sum(a * b for a, b in zip(one, vectors[j])), j))
        pairs |= {(min(i, j), max(i, j)) for j in others[:n_nearest]}
    return sorted(pairs, key=lambda pair: (classes[pair[0]], pair))


def largest_component(pairs, n):
    """By walking from every vertex."""
    best, seen = [], set()
    for start in range(n):
        if start in seen:
            continue
        reached, left = {start}, [start]
        while left:
            vertex = left.pop()
            for one, other in pairs:
                for a, b in ((one, other), (other, one)):
                    if a == vertex and b not in reached:
                        reached.add(b)
                        left.append(b)
        seen |= reached
        if len(reached) > max(1, len(best)):
            best = sorted(reached)
    return best


def carried(box, matrix, size):
    """The box around the ellipse within a box, carried over and cut to a picture; None outside."""
    (a, b, c), (d, e, f) = matrix
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    across, down = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    x, y, w, h = (
        a * x + b * y + c,
        d * x + e * y + f,
        math.hypot(a * across, b * down),
        math.hypot(d * across, e * down),
    )
    x1, x2 = (min(max(each, 0.0), size[0]) for each in (x - w, x + w))
    y1, y2 = (min(max(each, 0.0), size[1]) for each in (y - h, y + h))
    return [x1, y1, x2, y2] if x1 < x2 and y1 < y2 else None


def inverse(matrix):
    (a, b, c), (d, e, f) = matrix
    det = a * e - b * d
    return (
        (e / det, -b / det, (b * f - e * c) / det),
        (-d / det, a / det, (d * c - a * f) / det),
    )


def mean(rows, weights):
    total = sum(weights)
    return [sum(w * row[k] for row, w in zip(rows, weights)) / total for k in range(4)]


def spread_boxes(edges, sizes, step, n_iterations):
    """`edges`: (i, j, weight, transform, box in i, box in j)."""
    boxes = []
    for j in range(len(sizes)):
        seen = [(e[4], e[2]) for e in edges if e[0] == j] + [
            (e[5], e[2]) for e in edges if e[1] == j
        ]
        boxes.append(mean(*zip(*seen)) if seen else None)
    for _ in range(n_iterations):
        new = []
        for j, box in enumerate(boxes):
            rows, weights = [], []
            for one, other, weight, matrix, _, _ in edges:
                if other == j:
                    found = carried(boxes[one], matrix, sizes[j])
                elif one == j:
                    found = carried(boxes[other], inverse(matrix), sizes[j])
                else:
                    continue
                if found is not None:
                    rows.append(found)
                    weights.append(weight)
            if rows:
                wanted = mean(rows, weights)
                new.append([b + step * (w - b) for b, w in zip(box, wanted)])
            else:
                new.append(box)
        boxes = new
    return boxes
