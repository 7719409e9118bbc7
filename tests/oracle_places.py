"""Slow plain twins, continued: where the object is in an image, and why it has its score."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

from oracle import bag


def evidence(examples, wanted, weights, assignment_map, window, cell_weights, sqrt, norm=None):
    """{(word, query cell, image cell): contribution}, the score of a window pair by pair of cells.

    `examples` are pairs of a map and the weights of its cells; a query cell is (example, x, y).
    """
    x1, y1, x2, y2 = window
    inside = [[float(v) for v in row[x1:x2]] for row in cell_weights[y1:y2]]
    tf = bag([row[x1:x2] for row in assignment_map[y1:y2]], inside)
    values = {word: math.sqrt(n) if sqrt else n for word, n in tf.items()}
    if norm is None:
        norm = math.sqrt(sum((values[word] * weights[word]) ** 2 for word in values))
    pairs = {}
    for word, value in values.items():
        score = wanted[word] * value / norm if norm else 0.0
        shown = {
            (number, x, y): float(counts[y][x])
            for number, (words, counts) in enumerate(examples)
            for y, row in enumerate(words)
            for x, other in enumerate(row)
            if other == word and counts[y][x] > 0
        } or {(-1, -1, -1): 1.0}
        for y in range(y1, y2):
            for x in range(x1, x2):
                if assignment_map[y][x] != word:
                    continue
                for cell, count in shown.items():
                    share = inside[y - y1][x - x1] / tf[word] * count / sum(shown.values())
                    if score * share:
                        pairs[word, cell, (x, y)] = score * share
    return pairs


def votes(assignment_map, weights, similarity, places, sides, sigmas, divisors):
    """{(size, y, x): score} of a box of each size around each cell.

    `similarity` is {word: {(column, row): value}}, `places` the x and the y of columns and rows.
    """
    h, w = len(assignment_map), len(assignment_map[0])
    scores = {}
    for size, ((width, height), (sigma_x, sigma_y)) in enumerate(zip(sides, sigmas)):
        total = defaultdict(float)
        for y, x in itertools.product(range(h), range(w)):
            for (column, row), value in similarity[assignment_map[y][x]].items():
                centre_x = x - math.floor(places[0][column] * width + 0.5)
                centre_y = y - math.floor(places[1][row] * height + 0.5)
                total[centre_y, centre_x] += value * math.sqrt(weights[y][x])
        for y, x in itertools.product(range(h), range(w)):
            score = 0.0
            for (v, u), value in total.items():
                dx, dy = abs(u - x), abs(v - y)
                inside = 0 <= v < h and 0 <= u < w
                if inside and dx <= int(3 * sigma_x) and dy <= int(3 * sigma_y):
                    score += value * math.exp(-((dx / sigma_x) ** 2 + (dy / sigma_y) ** 2) / 2)
            scores[size, y, x] = score / divisors[size]
    return scores


def peaks(scores, least):
    """Keys of {(size, y, x): score} with no neighbour that is better, or equal and before them."""

    def is_peak(key, score):
        near = itertools.product(*[range(one - 1, one + 2) for one in key])
        return not any(
            other in scores and (scores[other] > score or (scores[other] == score and other < key))
            for other in near
        )

    return [key for key, score in sorted(scores.items()) if score >= least and is_peak(key, score)]


def refined_box(planes, places, box, spread, least_sigma, ridge):
    """One round of weighted least squares; box is centre x and y, width and height, cells."""
    n, h, w = len(places[0]), len(planes[0]), len(planes[0][0])
    sigma = [max(spread * side, least_sigma) for side in box[2:]]
    pairs = []
    for i, y, x in itertools.product(range(len(planes)), range(h), range(w)):
        place, cell = (places[0][i % n], places[1][i // n]), (x + 0.5, y + 0.5)
        expected = [box[axis] + place[axis] * box[2 + axis] for axis in (0, 1)]
        first = [max(int(expected[axis] - 3 * sigma[axis]), 0) for axis in (0, 1)]
        last = [int(expected[axis] + 3 * sigma[axis]) for axis in (0, 1)]
        if planes[i][y][x] and first[0] <= x <= last[0] and first[1] <= y <= last[1]:
            distance = sum(((cell[a] - expected[a]) / sigma[a]) ** 2 for a in (0, 1))
            pairs.append((planes[i][y][x] * math.exp(-distance / 2), place, cell))
    mass = sum(pair[0] for pair in pairs)
    new = list(box)
    for axis, length in ((0, w), (1, h)):
        if not mass:
            break
        place = sum(weight * one[axis] for weight, one, _ in pairs) / mass
        cell = sum(weight * one[axis] for weight, _, one in pairs) / mass
        variance = covariance = 0.0
        for weight, q, x in pairs:
            variance += weight * (q[axis] - place) ** 2 / mass
            covariance += weight * (q[axis] - place) * (x[axis] - cell) / mass
        side = (covariance + ridge * box[2 + axis]) / (variance + ridge)
        side = max(min(max(side, 0.8 * box[2 + axis]), 1.25 * box[2 + axis]), 1.0)
        new[axis], new[2 + axis] = min(max(cell - place * side, 0.5), length - 0.5), side
    return new


def carried_corners(matrix, box):
    """The corners of a box under a homography, one by one; None where a depth changes its sign."""
    x1, y1, x2, y2 = box
    points, signs = [], set()
    for x, y in ((x1, y1), (x2, y1), (x2, y2), (x1, y2)):
        u, v, depth = (row[0] * x + row[1] * y + row[2] for row in matrix)
        points.append((u / depth, v / depth))
        signs.add(depth > 0)
    return points if len(signs) == 1 else None


def is_seen_from_the_front(corners, box, max_tilt, max_stretch):
    """Whether four corners turn clockwise (y down) with sides that a box in a plane may have."""
    sides = []
    for i, (x, y) in enumerate(corners):
        (u, v), (p, q) = corners[(i + 1) % 4], corners[(i + 2) % 4]
        if (u - x) * (q - v) - (v - y) * (p - u) <= 0:
            return False
        sides.append(math.hypot(u - x, v - y))
    for one, other in ((sides[0], sides[2]), (sides[1], sides[3])):
        if max(one, other) > max_tilt * min(one, other):
            return False
    across = (sides[0] + sides[2]) / (box[2] - box[0])
    down = (sides[1] + sides[3]) / (box[3] - box[1])
    return max(across, down) <= max_stretch * min(across, down)


def credited(ids, scores, agree, credit):
    """(id, score) by score, that counts how many agree: {id: how many}; ties as they were.

    Where the best is above 1, all are divided by it.
    """
    rows = [
        (-score - credit * math.log(1 + agree.get(one, 0)), place, one)
        for place, (one, score) in enumerate(zip(ids, scores))
    ]
    largest = max([1, *(-score for score, _, _ in rows)])
    return [(one, -score / largest) for score, _, one in sorted(rows)]
