"""Plain twins of what learning to rank computes: loops over floats. They are the definition."""

from __future__ import annotations

import math


def squared_distance(a, b, eps=0.0):
    return sum((x - y + eps) ** 2 for x, y in zip(a, b))


def distance(a, b, eps=0.0):
    return math.sqrt(squared_distance(a, b, eps))


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def contrastive(first, second, matching, margin, form):
    total = 0.0
    for a, b, matches in zip(first, second, matching):
        if form == "lecture":
            d = distance(a, b)
            total += d if matches else max(0.0, margin - d)
        else:
            d = distance(a, b, 1e-6)
            total += d**2 / 2 if matches else max(0.0, margin - d) ** 2 / 2
    return total


def triplet(anchor, positive, negative, margin):
    return sum(
        max(0.0, squared_distance(a, p) - squared_distance(a, n) + margin)
        for a, p, n in zip(anchor, positive, negative)
    )


def ranking(query, relevant, other, margin, form):
    if form == "lecture":
        rows = zip(query, relevant, other)
        return sum(max(0.0, margin + dot(q, d) - dot(q, r)) for q, r, d in rows)
    rows = zip(query, relevant, other)
    return sum(
        0.5 * max(0.0, margin + squared_distance(q, r) - squared_distance(q, d)) for q, r, d in rows
    )


def lifted_structure(vectors, classes, margin):
    terms = []
    for i, one in enumerate(vectors):
        for j, two in enumerate(vectors):
            if i == j or classes[i] != classes[j]:
                continue
            pushes = 0.0
            for k, other in enumerate(vectors):
                if classes[k] != classes[i]:
                    pushes += math.exp(margin - distance(one, other))
                    pushes += math.exp(margin - distance(two, other))
            terms.append(max(0.0, distance(one, two) + math.log(pushes)) ** 2 / 2)
    return sum(terms) / len(terms)


def listwise_ap(similarities, relevant, n_bins):
    precisions = []
    for row, flags in zip(similarities, relevant):
        ap, seen, found = 0.0, 0.0, 0.0
        for place in range(n_bins):
            centre = 1 - place / (n_bins - 1)
            in_bin = [max(0.0, 1 - abs(min(max(s, 0.0), 1.0) - centre) * (n_bins - 1)) for s in row]
            positives = sum(share for share, is_hit in zip(in_bin, flags) if is_hit)
            seen += sum(in_bin)
            found += positives
            if seen:
                ap += found / seen * positives / sum(flags)
        precisions.append(ap)
    return 1 - sum(precisions) / len(precisions)


def hard_negatives(queries, pool, query_classes, pool_classes, n):
    found = []
    for query, own in zip(queries, query_classes):
        order = sorted(range(len(pool)), key=lambda i: (-dot(query, pool[i]), i))
        row = []
        for i in order:
            taken = [pool_classes[j] for j in row]
            if pool_classes[i] != own and pool_classes[i] not in taken and len(row) < n:
                row.append(i)
        found.append(row)
    return found


def hard_positives(vectors, pairs, agreement, floor):
    found = []
    for query in range(len(vectors)):
        reach = [
            (dot(vectors[query], vectors[match]), match)
            for (one, match), agrees in zip(pairs, agreement)
            if one == query and agrees >= floor
        ]
        if reach:
            found.append([query, min(reach)[1]])
    return found


def semi_hard_triplets(vectors, classes, margin):
    found = []
    for a in range(len(vectors)):
        for p in range(len(vectors)):
            if a == p or classes[a] != classes[p]:
                continue
            near = squared_distance(vectors[a], vectors[p])
            allowed = [
                (squared_distance(vectors[a], vectors[n]), n)
                for n in range(len(vectors))
                if classes[n] != classes[a]
                and near < squared_distance(vectors[a], vectors[n]) < near + margin
            ]
            if allowed:
                found.append([a, p, min(allowed)[1]])
    return found


def _lower_triangle(matrix):
    """L of ``L L^T``, by Cholesky and Banachiewicz."""
    n = len(matrix)
    lower = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            rest = matrix[i][j] - sum(lower[i][k] * lower[j][k] for k in range(j))
            lower[i][j] = math.sqrt(rest) if i == j else rest / lower[j][j]
    return lower


def _solved(lower, vector):
    """y of ``L y = x``: the whitened vector before its directions are sorted."""
    found = []
    for i, value in enumerate(vector):
        found.append((value - dot(lower[i][:i], found)) / lower[i][i])
    return found


def pair_whitened(vectors, pairs):
    """Cosines of all vectors after a learned whitening with all components.

    They do not depend on the rotation E, which only says which components are kept.
    """
    rows = [[value / math.sqrt(dot(row, row)) for value in row] for row in vectors]
    n = len(rows[0])
    mean = [sum(rows[q][i] for q, _ in pairs) / len(pairs) for i in range(n)]
    scatter = [
        [
            sum((rows[q][i] - rows[p][i]) * (rows[q][j] - rows[p][j]) for q, p in pairs)
            / len(pairs)
            for j in range(n)
        ]
        for i in range(n)
    ]
    lower = _lower_triangle(scatter)
    white = [_solved(lower, [value - m for value, m in zip(row, mean)]) for row in rows]
    norms = [math.sqrt(dot(row, row)) for row in white]
    return [[dot(a, b) / (x * y) for b, y in zip(white, norms)] for a, x in zip(white, norms)]


def soft_bags(features, weights, width):
    """Cosine similarities of bags in which near cells are of one word."""

    def shared(i, j):
        return sum(
            a * b * math.exp((dot(f, g) - 1) / width)
            for f, a in zip(features[i], weights[i])
            for g, b in zip(features[j], weights[j])
        )

    n = len(features)
    lengths = [math.sqrt(shared(i, i)) for i in range(n)]
    return [[shared(i, j) / lengths[i] / lengths[j] for j in range(n)] for i in range(n)]


def contrastive_softmax(similarities, classes, temperature):
    losses = []
    for i, row in enumerate(similarities):
        others = [k for k in range(len(row)) if k != i]
        total = sum(math.exp(row[k] / temperature) for k in others)
        matches = [j for j in others if classes[j] == classes[i]]
        if matches:
            chances = [math.exp(row[j] / temperature) / total for j in matches]
            losses.append(-sum(map(math.log, chances)) / len(matches))
    return sum(losses) / len(losses)


def kept_features(features, norms, before, norms_before):
    """How far features have gone from what they were."""
    cells = [
        (f, n, g, m)
        for rows in zip(features, norms, before, norms_before)
        for f, n, g, m in zip(*rows)
    ]
    mean = sum(m for *_, m in cells) / len(cells)
    terms = [m / mean * (1 - dot(f, g)) + ((n - m) / mean) ** 2 for f, n, g, m in cells]
    return sum(terms) / len(terms)
