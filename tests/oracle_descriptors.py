"""Plain twins of the global descriptors: loops over lists, no arrays. They are the definition."""

from __future__ import annotations

import math


def cells_of(feature_map):
    """(y, x, [activation of each channel]) of every cell of a map (C, h, w)."""
    for y in range(len(feature_map[0])):
        for x in range(len(feature_map[0][0])):
            yield y, x, [float(channel[y][x]) for channel in feature_map]


def unit(vector):
    """L2-normalised; zeros stay zeros."""
    norm = math.sqrt(sum(value * value for value in vector))
    return [value / norm if norm else 0.0 for value in vector]


def sum_pool(feature_map, weights=None):
    total = [0.0] * len(feature_map)
    for y, x, cell in cells_of(feature_map):
        weight = 1.0 if weights is None else float(weights[y][x])
        total = [one + weight * value for one, value in zip(total, cell)]
    return total


def max_pool(feature_map, region=None):
    x1, y1, x2, y2 = region or (0, 0, len(feature_map[0][0]), len(feature_map[0]))
    cells = [cell for y, x, cell in cells_of(feature_map) if y1 <= y < y2 and x1 <= x < x2]
    return [max(values) for values in zip(*cells)]


def generalised_mean_pool(feature_map, p):
    cells = [cell for _, _, cell in cells_of(feature_map)]
    means = [sum(max(v, 1e-6) ** p for v in values) / len(values) for values in zip(*cells)]
    return [mean ** (1 / p) for mean in means]


def center_prior(h, w):
    sigma = min(h / 2, w / 2) / 3  # a third of the way from the centre to the nearest border
    return [
        [
            math.exp(-((y + 0.5 - h / 2) ** 2 + (x + 0.5 - w / 2) ** 2) / (2 * sigma**2))
            for x in range(w)
        ]
        for y in range(h)
    ]


def crow_spatial_weights(feature_map, a, b):
    h, w = len(feature_map[0]), len(feature_map[0][0])
    sums = [[0.0] * w for _ in range(h)]
    for y, x, cell in cells_of(feature_map):
        sums[y][x] = sum(cell)
    norm = sum(value**a for row in sums for value in row) ** (1 / a)
    return [[(value / norm) ** (1 / b) if norm else 0.0 for value in row] for row in sums]


def crow_channel_weights(feature_map):
    cells = [cell for _, _, cell in cells_of(feature_map)]
    shares = [sum(v != 0 for v in values) / len(values) for values in zip(*cells)]
    return [math.log(sum(shares) / share) if share else 0.0 for share in shares]


def crow(feature_map, a, b):
    pooled = sum_pool(feature_map, crow_spatial_weights(feature_map, a, b))
    return [one * two for one, two in zip(pooled, crow_channel_weights(feature_map))]


def rmac_regions(h, w, n_scales, overlap=0.4):
    """The released program, step by step; 1e-9 keeps rounding from taking a cell off a place."""
    shorter, longer = min(h, w), max(h, w)
    best, extra = math.inf, 0
    for m in range(2, 8):
        step = (longer - shorter) / (m - 1)
        shared = (shorter**2 - shorter * step) / shorter**2
        if h != w and abs(shared - overlap) < best:
            best, extra = abs(shared - overlap), m - 1
    found = []
    for scale in range(1, n_scales + 1):
        side = math.floor(2 * shorter / (scale + 1))
        starts = []
        for length in (h, w):
            n = scale + (extra if length > shorter else 0)
            step = (length - side) / (n - 1) if n > 1 else 0.0
            starts.append([math.floor(i * step + 1e-9) for i in range(n)])
        if side:
            found += [(x, y, x + side, y + side) for y in starts[0] for x in starts[1]]
    return found


def rmac(feature_map, n_scales, whiten=unit):
    """The sum of the region vectors, each through `whiten` (L2 only unless told otherwise)."""
    regions = rmac_regions(len(feature_map[0]), len(feature_map[0][0]), n_scales)
    vectors = [whiten(max_pool(feature_map, region)) for region in regions]
    return unit([sum(values) for values in zip(*vectors)])


def whiten_with(vector, mean, projection):
    """L2 -> (x - mean) W -> L2; zeros stay zeros."""
    if not any(vector):
        return [0.0] * len(projection[0])
    centred = [float(value) - float(m) for value, m in zip(unit(vector), mean)]
    columns = zip(*projection)
    return unit([sum(c * float(p) for c, p in zip(centred, column)) for column in columns])


def vlad(feature_map, centroids, normalisation):
    """Residuals of the L2-normalised cells to their nearest word, normalised."""
    sums = [[0.0] * len(row) for row in centroids]
    for _, _, cell in cells_of(feature_map):
        if not any(cell):
            continue
        feature = unit(cell)
        distances = [
            sum((value - float(c)) ** 2 for value, c in zip(feature, row)) for row in centroids
        ]
        word = distances.index(min(distances))
        residual = [value - float(c) for value, c in zip(feature, centroids[word])]
        sums[word] = [one + two for one, two in zip(sums[word], residual)]
    if normalisation == "intra":
        sums = [unit(row) for row in sums]
    else:
        sums = [[math.copysign(math.sqrt(abs(v)), v) for v in row] for row in sums]
    return unit([value for row in sums for value in row])
