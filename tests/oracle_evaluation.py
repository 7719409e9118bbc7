"""Plain twins of the published evaluation programs, from their descriptions."""

from __future__ import annotations

import numpy as np


def oxford(ranked, positives, junk):
    """Oxford's compute_ap, which reckons in single precision except for the precision."""
    single = np.float32
    ap, old_recall, old_precision = single(0), single(0), single(1)
    n_hits = n_kept = 0
    for name in ranked:
        if name in junk:
            continue
        if name in positives:
            n_hits += 1
        recall = single(n_hits) / single(len(positives))
        precision = single(n_hits / (n_kept + 1.0))
        ap = ap + (recall - old_recall) * single((float(old_precision) + float(precision)) / 2.0)
        old_recall, old_precision = recall, precision
        n_kept += 1
    return float(ap)


def trapezoids(places, n_positives):
    """AP of Holidays and of revisitop: a trapezoid per positive, by its place from 0."""
    total = 0.0
    for n_before, place in enumerate(places):
        left = 1.0 if place == 0 else n_before / place
        right = (n_before + 1) / (place + 1)
        total += (left + right) / 2 / n_positives
    return total


def holidays(ranked, query, positives):
    """The query moves what is behind it up by one."""
    places, shift = [], 0
    for place, name in enumerate(ranked):
        if name == query:
            shift = -1
        elif name in positives:
            places.append(place + shift)
    return trapezoids(places, len(positives))


def revisited(ranked, easy, hard, junk):
    """The figures of the three settings, of a ranking of the whole collection."""
    figures = {}
    for setting, positives, ignored in (
        ("medium", easy | hard, junk),
        ("hard", hard, junk | easy),
        ("easy", easy, junk | hard),
    ):
        if not positives:
            continue
        places = []
        for place, name in enumerate(ranked):
            if name in positives:
                places.append(place - sum(other in ignored for other in ranked[:place]))
        figures[f"AP {setting}"] = trapezoids(places, len(positives))
        for k in (1, 5, 10):
            n_seen = min(max(places) + 1, k)
            figures[f"P@{k} {setting}"] = sum(place + 1 <= n_seen for place in places) / n_seen
    return figures


def trec_map(scores, relevant, n_ranked=1000):
    """Precision at each relevant of the first 1,000 of {name: score}, over all relevant."""
    ranked = sorted(scores, reverse=True)  # equal scores: names descending
    ranked = sorted(ranked, key=lambda name: -scores[name])[:n_ranked]
    total = 0.0
    for place, name in enumerate(ranked):
        if name in relevant:
            total += sum(other in relevant for other in ranked[: place + 1]) / (place + 1)
    return total / len(relevant)


def ilias(ranked, positives, groups, k=1000):
    """ILIAS's program: scikit-learn's average precision of the first k, times the share of
    min(k, positives) that are there; of a group without the other positives."""
    from sklearn.metrics import average_precision_score

    def figure(kept, wanted):
        top = kept[:k]
        true = [name in wanted for name in top]
        if not any(true):
            return 0.0
        scores = list(range(len(top), 0, -1))
        return average_precision_score(true, scores) * sum(true) / min(k, len(wanted))

    found = {"AP": figure(list(ranked), positives)}
    for group, wanted in groups.items():
        if wanted:
            others = positives - wanted
            found[f"AP {group}"] = figure([one for one in ranked if one not in others], wanted)
    return found


def gldv2(ranked, positives, k=100):
    """Google's program for the retrieval of landmarks, of one query."""
    n_right, total = 0, 0.0
    for place in range(min(len(ranked), k)):
        if ranked[place] in positives:
            n_right += 1
            total += n_right / (place + 1)
    return total / min(len(positives), k)


def micro_ap(predictions, truth):
    """Google's program for recognition (GAP); predictions are rows (query, label, score)."""
    ordered = sorted(sorted(predictions), key=lambda row: row[2], reverse=True)
    right = [label in truth[query] for query, label, _ in ordered]
    total = sum(sum(right[: i + 1]) / (i + 1) for i in range(len(right)) if right[i])
    return total / sum(1 for labels in truth.values() if labels)
