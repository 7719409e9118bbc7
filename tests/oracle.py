"""Slow, plain twins of what blcf does fast. Read these first: they are the definition."""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from fractions import Fraction


def bag(assignment_map, weights=None):
    """Raw term frequencies of a map, as {word: tf}."""
    tf = defaultdict(float)
    for y, row in enumerate(assignment_map):
        for x, word in enumerate(row):
            tf[int(word)] += 1.0 if weights is None else float(weights[y][x])
    return {word: value for word, value in tf.items() if value > 0}


def idf(bags, n_words, on):
    """log(n / df) by word; 1 everywhere where off, 0 for absent words."""
    if not on:
        return [1.0] * n_words
    df = Counter(word for one in bags for word in one)
    return [math.log(len(bags) / df[word]) if df[word] else 0.0 for word in range(n_words)]


def vector(one, weights, sqrt):
    """L2-normalised (rooted) tf-idf vector of a bag, as {word: value}."""
    values = {word: (math.sqrt(tf) if sqrt else tf) * weights[word] for word, tf in one.items()}
    norm = math.sqrt(sum(value * value for value in values.values()))
    return {word: value / norm if norm else 0.0 for word, value in values.items()}


def cosine(one, other):
    """Dot product of two normalised vectors."""
    return sum(value * other.get(word, 0.0) for word, value in one.items())


def rank(query, bags, n_words, *, use_idf, sqrt, k):
    """[(id, score)] by score descending, then id ascending."""
    weights = idf(bags, n_words, use_idf)
    wanted = vector(query, weights, sqrt)
    scores = [cosine(wanted, vector(one, weights, sqrt)) for one in bags]
    order = sorted(range(len(bags)), key=lambda i: (-round(scores[i], 6), i))
    return [(i, scores[i]) for i in order[:k]]


def cell_means(values, h, w):
    """The mean of a map over the area of each of h x w cells."""

    def shares(n_cells, n_values):
        """By cell: {value: the share of the cell that it takes}."""
        found = []
        for cell in range(n_cells):
            begin, end = (Fraction(one * n_values, n_cells) for one in (cell, cell + 1))
            overlaps = {i: min(end, i + 1) - max(begin, i) for i in range(n_values)}
            found.append({i: float(one / (end - begin)) for i, one in overlaps.items() if one > 0})
        return found

    across = shares(w, len(values[0]))
    return [
        [
            sum(
                down * share * float(values[i][j])
                for i, down in rows.items()
                for j, share in columns.items()
            )
            for columns in across
        ]
        for rows in shares(h, len(values))
    ]


def posting_lists(bags, n_words):
    """{word: [(image, tf)]} of a list of bags {word: tf}, images ascending."""
    lists = {word: [] for word in range(n_words)}
    for image, one in enumerate(bags):
        for word, tf in one.items():
            lists[word].append((image, tf))
    return lists


def add_dot_products(scores, lists, wanted, sqrt=False):
    """What the lists of the words of {word: weight} add to the score of every image."""
    for word in sorted(wanted):
        for image, tf in lists[word]:
            scores[image] += wanted[word] * (math.sqrt(tf) if sqrt else tf)
    return scores


def best(scores, k):
    """The best k of {image: score}, as [(image, score)]; None for a removed image."""
    pairs = [(image, score) for image, score in scores.items() if score is not None]
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:k]


def windows(h, w):
    """The paper's windows as a set of (x1, y1, x2, y2): each side whole, half, quarter."""
    found = set()
    for height_share in (1, 2, 4):
        for width_share in (1, 2, 4):
            wh, ww = max(1, round(h / height_share)), max(1, round(w / width_share))
            ny, nx = 2 * (height_share - 1), 2 * (width_share - 1)
            for i in range(ny + 1):
                for j in range(nx + 1):
                    y = round(i * (h - wh) / ny) if ny else 0
                    x = round(j * (w - ww) / nx) if nx else 0
                    found.add((x, y, x + ww, y + wh))
    return found


def window_score(assignment_map, window, wanted, weights, sqrt, cell_weights=None):
    """Cosine of a normalised query vector {word: value} and the (weighted) bag of a window."""
    x1, y1, x2, y2 = window
    part = [row[x1:x2] for row in assignment_map[y1:y2]]
    if cell_weights is not None:
        cell_weights = [row[x1:x2] for row in cell_weights[y1:y2]]
    return cosine(wanted, vector(bag(part, cell_weights), weights, sqrt))


def all_windows(h, w):
    """Every window of a map, position and size, as [(x1, y1, x2, y2)]."""
    return [
        (x1, y1, x2, y2)
        for y1 in range(h)
        for y2 in range(y1 + 1, h + 1)
        for x1 in range(w)
        for x2 in range(x1 + 1, w + 1)
    ]


def best_window(assignment_map, candidates, wanted, weights, sqrt, cell_weights=None):
    """(score, window) of the largest score as float32, then area, height; the top, the left."""

    def order(scored):
        score, (x1, y1, x2, y2) = scored
        return array("f", [score])[0], (x2 - x1) * (y2 - y1), y2 - y1, -y1, -x1

    scored = [
        (window_score(assignment_map, window, wanted, weights, sqrt, cell_weights), window)
        for window in candidates
    ]
    return max(scored, key=order)


def box_to_cells(box, size, shape):
    """Cells whose pixels a box touches (floor of the near, ceil of the far side), at least one."""
    spans = []
    for near, far, n_pixels, n_cells in (
        (box[0], box[2], size[0], shape[1]),
        (box[1], box[3], size[1], shape[0]),
    ):
        touched = [
            cell
            for cell in range(n_cells)
            if near < (cell + 1) * n_pixels / n_cells and far > cell * n_pixels / n_cells
        ]
        spans.append((touched[0], touched[-1] + 1))
    return spans[0][0], spans[1][0], spans[0][1], spans[1][1]


def average_precision(ranked, positives, junk):
    """Trapezoidal AP of the Oxford Buildings evaluation program (compute_ap), as published."""
    positives = set(positives)
    junk = set(junk)
    ap, old_recall, old_precision, hits, j = 0.0, 0.0, 1.0, 0, 0
    for name in ranked:
        if name in junk:
            continue
        if name in positives:
            hits += 1
        recall, precision = hits / len(positives), hits / (j + 1.0)
        ap += (recall - old_recall) * (old_precision + precision) / 2.0
        old_recall, old_precision = recall, precision
        j += 1
    return ap


def nearest_word(feature, centroids):
    """The first centroid at the smallest Euclidean distance."""
    distances = [math.dist(feature, centroid) for centroid in centroids]
    return distances.index(min(distances))


def interpolate(channel, factor):
    """(h, w) to (factor h, factor w): cells are squares whose values lie in their middles."""

    def shares(n_cells, position):
        place = max(0.0, (position + 0.5) / factor - 0.5)  # in cells of the small map
        near = min(math.floor(place), n_cells - 1)
        far = min(near + 1, n_cells - 1)
        return [(near, 1 - (place - near)), (far, place - near)]

    h, w = len(channel), len(channel[0])
    return [
        [
            sum(
                float(channel[i][j]) * y_share * x_share
                for i, y_share in shares(h, y)
                for j, x_share in shares(w, x)
            )
            for x in range(factor * w)
        ]
        for y in range(factor * h)
    ]


def whiten(feature, mean, projection):
    """L2, less the mean, times a matrix (n_channels, n_components), L2; zeros stay zeros."""

    def normalise(values):
        norm = math.sqrt(sum(value * value for value in values))
        return [value / norm if norm else 0.0 for value in values]

    centred = [value - m for value, m in zip(normalise(feature), mean)]
    columns = zip(*projection)
    return normalise([sum(c * p for c, p in zip(centred, column)) for column in columns])


def iou(box, other):
    """Intersection over union of half-open boxes."""
    w = max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
    h = max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)]
    return w * h / (sum(areas) - w * h)


def nearest_in_cells(feature, centroids, cells, cell_of_word, margin):
    """The first best word, by score, of the cells at most `margin` below the best cell."""

    def score(centroid):
        return sum(x * c - c * c / 2 for x, c in zip(feature, centroid))

    least = max(score(cell) for cell in cells) - margin
    looked = {number for number, cell in enumerate(cells) if score(cell) >= least}
    words = [word for word, cell in enumerate(cell_of_word) if cell in looked]
    return max(words, key=lambda word: (score(centroids[word]), -word)) if words else 0


def polygon_shares(points, size, shape):
    """The share of each cell inside a polygon: the polygon clipped to the cell, then its area."""

    def clip(polygon, axis, edge, sign):
        kept = []
        for before, point in zip(polygon[-1:] + polygon[:-1], polygon):
            depth_before, depth = sign * (before[axis] - edge), sign * (point[axis] - edge)
            if depth_before * depth < 0:
                part = depth_before / (depth_before - depth)
                kept.append([b + part * (p - b) for b, p in zip(before, point)])
            if depth >= 0:
                kept.append(point)
        return kept

    def area(polygon):
        pairs = zip(polygon, polygon[1:] + polygon[:1])
        return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs) / 2

    (h, w), (width, height) = shape, size
    scaled = [[x * w / width, y * h / height] for x, y in points]
    shares = [[0.0] * w for _ in range(h)]
    for row in range(h):
        for column in range(w):
            cell = clip(clip(scaled, 0, column, 1), 0, column + 1, -1)
            cell = clip(clip(cell, 1, row, 1), 1, row + 1, -1)
            shares[row][column] = abs(area(cell))
    return shares


def edges_cross(points):
    """Whether two edges of a polygon cross between their ends, each with each."""

    def side(start, end, point):
        return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (
            point[0] - start[0]
        )

    edges = list(zip(points, points[1:] + points[:1]))
    return any(
        side(*one, other[0]) * side(*one, other[1]) < 0
        and side(*other, one[0]) * side(*other, one[1]) < 0
        for i, one in enumerate(edges)
        for other in edges[:i]
    )


def mask_shares(mask, shape):
    """The mean of a mask over each cell, pixel by pixel."""
    (h, w), height, width = shape, len(mask), len(mask[0])

    def overlap(cell, pixel, n_cells, n_pixels):  # in cells
        near, far = pixel * n_cells / n_pixels, (pixel + 1) * n_cells / n_pixels
        return max(0.0, min(far, cell + 1) - max(near, cell))

    return [
        [
            sum(
                mask[y][x] * overlap(row, y, h, height) * overlap(column, x, w, width)
                for y in range(height)
                for x in range(width)
            )
            for column in range(w)
        ]
        for row in range(h)
    ]


def unit(one):
    """A vector {word: value} over its length; without words where it has none."""
    norm = math.sqrt(sum(value * value for value in one.values()))
    return {word: value / norm for word, value in one.items() if value} if norm else {}


def combine(vectors, weights):
    """The L2-normalised sum of weighted vectors {word: value}."""
    total = defaultdict(float)
    for one, weight in zip(vectors, weights):
        for word, value in one.items():
            total[word] += weight * value
    return unit(total)


def fuse(rankings, how):
    """[(id, score, number of the ranking it is best in)] of rankings {id: score}."""
    rows = []
    for image in sorted(set().union(*rankings)):
        scores = [ranking.get(image, -math.inf) for ranking in rankings]
        score = max(scores)
        if how == "mean":
            score = sum(ranking.get(image, 0.0) for ranking in rankings) / len(rankings)
        rows.append((image, score, scores.index(max(scores))))
    return sorted(rows, key=lambda row: (-array("f", [row[1]])[0], row[0]))


def quadrants(window):
    """Top left, top right, bottom left, bottom right; halves of an odd side share its middle."""

    def halves(start, end):
        n = end - start
        return (start, start + math.ceil(n / 2)), (start + math.floor(n / 2), end)

    x1, y1, x2, y2 = window
    return [(x, y, to_x, to_y) for y, to_y in halves(y1, y2) for x, to_x in halves(x1, x2)]


def pyramid_score(assignment_map, window, wanted, weights, sqrt, cell_weights=None):
    """Cosines of a window and of its quadrants with the query's, weighted 1/2 and 1 each.

    `wanted` are the five normalised vectors {word: value} of the query's regions.
    """
    window_cosine, *others = [
        window_score(assignment_map, region, one, weights, sqrt, cell_weights)
        for region, one in zip([window, *quadrants(window)], wanted)
    ]
    return (0.5 * window_cosine + sum(others)) / 4.5


def tile_windows(h, w, n):
    """Windows (x1, y1, x2, y2) of n x n tiles: every cell that lies in a tile, even in part."""

    def span(number, cells):
        begin, end = number * cells / (n + 1), (number + 2) * cells / (n + 1)
        inside = [cell for cell in range(cells) if cell + 1 > begin + 1e-9 and cell < end - 1e-9]
        return inside[0], inside[-1] + 1

    found = []
    for row in range(n):
        for column in range(n):
            (x1, x2), (y1, y2) = span(column, w), span(row, h)
            found.append((x1, y1, x2, y2))
    return found


def best_tile_scores(query, images, tiles, weights, sqrt, share=1):
    """The cosine of each image: the largest of that of its bag and a share of its tiles' bags'.

    `query` is {word: value} of length 1, `images` bags {word: tf}, `tiles` a list of them each.
    """

    def cosine(one):
        return sum(query.get(w, 0.0) * value for w, value in vector(one, weights, sqrt).items())

    return [
        max([cosine(whole), *(share * cosine(one) for one in own)])
        for whole, own in zip(images, tiles)
    ]
