"""The tables of benchmarks/search/README.md, from the results."""

from __future__ import annotations

from typing import Any

from benchmarks.report import table

KINDS = ("global", "local")
SHARES = ("0.3", "0.5", "0.7", "0.9")


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value < 1.05 else f"{value:.1f}"


def _head(row: dict[str, Any], kind: str) -> list[str]:
    return [row["workload"], f"{row['n_images']:,}", kind]


def _times(one: dict[str, float]) -> str:
    return f"{_ms(one['median ms'])} ({_ms(one['p90 ms'])})"


def _beside(one: dict[str, float] | None) -> str:
    """A rival's time and how many times ours it is."""
    if one is None:
        return "not run"
    return f"{_ms(one['median ms'])} ({_ratio(one['ratio'])}x)"


def _single(rows: list[dict[str, Any]]) -> str:
    header = ["workload", "images", "query", "words", "postings walked", "ours (p90)"]
    header += ["ours mapped (p90)", "q @ X.T", "X @ q", "qdrant", "bm25s", "ours, weights 1"]
    header += ["cores used by others"]
    lines = []
    for row in rows:
        for kind in KINDS:
            found = row["single"][kind]
            line = _head(row, kind) + [f"{found['words per query']:.0f}"]
            line += [f"{found['postings per query'] / 1e6:.2f} M"]
            line += [_times(found["ours"]), _times(found["ours, mapped"])]
            line += [_beside(found.get(name)) for name in ("q @ X.T", "X @ q", "qdrant", "bm25s")]
            line += [_ms(found["ours, weights 1"]["median ms"])]
            lines.append([*line, f"{found['cores used by others']:.1f}"])
    return table(header, lines)


def _rivals(rows: list[dict[str, Any]]) -> str:
    """How many times as long as ours each rival takes, and where it is not slower."""
    lines = []
    for row in rows:
        for kind in KINDS:
            one, many = row["single"][kind], row["many"][kind]
            scipy = min(one[name]["ratio"] for name in ("q @ X.T", "X @ q") if name in one)
            found = [one.get("bm25s"), one.get("qdrant"), {"ratio": scipy}]
            found += [{"ratio": many["ratio, 2 threads"]}]
            cells = ["not run" if each is None else _short(each["ratio"]) for each in found]
            lines.append([*_head(row, kind), *cells])
    header = ["bm25s", "qdrant", "best of scipy", "best of scipy, many queries, 2 threads"]
    return table(["workload", "images", "query", *header], lines)


def _short(ratio: float) -> str:
    text = f"{_ratio(ratio)}x"
    return text if ratio > 1 else f"**{text}**"


def _many(rows: list[dict[str, Any]]) -> str:
    names = ["ours, 1 thread", "ours, 2 threads", "q @ X.T, one by one", "Q @ X.T"]
    lines = []
    for row in rows:
        for kind in KINDS:
            many = row["many"][kind]
            times = many["ms per query"]
            line = _head(row, kind)
            line += [_ms(times[name]) for name in names]
            line += [f"{_ratio(many[f'ratio, {n}'])}x" for n in ("1 thread", "2 threads")]
            lines.append([*line, f"{many['cores used by others']:.1f}"])
    header = ["workload", "images", "query", *names]
    ratios = ["scipy / ours, 1 thread", "scipy / ours, 2 threads"]
    return table([*header, *ratios, "cores used by others"], lines)


def _approximate(rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        for kind in KINDS:
            found = row["approximate"][kind]
            lines.append(
                _head(row, kind)
                + [
                    f"{found[share]['recall@10']:.2f} / {found[share]['recall@100']:.2f}, "
                    f"{_ratio(found[share]['speed-up'])}x"
                    for share in SHARES
                ]
            )
    return table(["workload", "images", "query", *(f"approximate={one}" for one in SHARES)], lines)


def _building(rows: list[dict[str, Any]]) -> str:
    header = ["workload", "images", "postings", "add", "add, 1,024 at a time", "scipy tocsc"]
    header += ["statistics", "save", "bytes a posting", "on disk", "scipy"]
    lines = []
    for row in rows:
        rates = [
            f"{row['n_postings'] / row[key] / 1e6:.0f} M/s" if key in row else "not run"
            for key in ("add s", "add small batches s", "tocsc s", "statistics s", "save s")
        ]
        n_bytes = ("bytes per posting", "bytes per posting on disk", "scipy bytes per posting")
        lines.append(
            [row["workload"], f"{row['n_images']:,}", f"{row['n_postings'] / 1e6:.0f} M", *rates]
            + [f"{row[key]:.2f}" for key in n_bytes]
        )
    return table(header, lines)


def _growth(rows: list[dict[str, Any]]) -> str:
    header = ["images", "global, ms", "local, ms", "global, ns a posting", "add", "bytes a posting"]
    header += ["open to first result, cold", "own memory", "mapped"]
    lines = []
    for row in rows:
        times = {kind: row["single"][kind] for kind in KINDS}
        walked = times["global"]["postings per query"]
        line = [f"{row['n_images']:,}"]
        line += [_ms(times[kind]["ours"]["median ms"]) for kind in KINDS]
        line += [f"{times['global']['ours']['median ms'] * 1e6 / walked:.2f}"]
        line += [f"{row['n_postings'] / row['add s'] / 1e6:.0f} M/s"]
        line += [f"{row['bytes per posting']:.2f}"]
        cold = row["cold"]
        line += [f"{_ms(cold['first result ms'])} ms", f"{cold['own MB']:.0f} MB"]
        lines.append([*line, f"{cold['mapped MB']:.0f} MB"])
    return table(header, lines)


def _collections(rows: list[dict[str, Any]]) -> str:
    header = ["images", "images/s", "memory of an append", "bytes a frame", "open, cold"]
    header += ["first result, cold", "first result, warm", "next search", "own memory"]
    header += ["append 1,000", "remove 1,000", "statistics after"]
    lines = []
    for row in rows:
        made, cold, warm, changed = (row[key] for key in ("made", "cold", "warm", "changed"))
        line = [f"{row['n_images']:,}", f"{made['images per s']:,.0f}"]
        line += [f"{made['append MB']:,.0f} MB"]
        line += [f"{made['bytes per frame']:,.0f}", f"{_ms(cold['open ms'])} ms"]
        line += [f"{_ms(one['first result ms'])} ms" for one in (cold, warm)]
        line += [f"{_ms(warm['second search ms'])} ms", f"{cold['own MB']:.0f} MB"]
        line += [f"{_ms(changed[key])} ms" for key in ("append ms", "remove ms")]
        lines.append([*line, f"{_ms(changed['statistics after append ms'])} ms"])
    return table(header, lines)


def _made_small(rows: list[dict[str, Any]]) -> str:
    found = [row for row in rows if "made small" in row]
    if not found:
        return ""
    parts = []
    for row in found:
        made = row["made small"]
        parts.append(
            f"{row['n_images']:,} images: {made['images per s']:,.0f} images/s, "
            f"{made['append MB']:,.0f} MB"
        )
    return "In batches of 1,024 as the engine commits them, merges included: " + "; ".join(parts)


def _devices(rows: list[dict[str, Any]]) -> str:
    parts = []
    for row in rows:
        if "device" in row:
            found = row["device"]
            times = ", ".join(
                f"{key[:-3]} {_ms(value)} ms" for key, value in found.items() if key.endswith(" ms")
            )
            parts.append(f"{row['workload']}, {row['n_images']:,} images: {times}")
    return f"`search_many(device=...)`, 64 global queries, same rankings: {'; '.join(parts)}."


def markdown(results: dict[str, Any]) -> str:
    """The section of the page."""
    rows, collections = results["search"], results.get("collections", [])
    random = [row for row in rows if row["workload"] == "random words"]
    days = sorted({row["date"] for row in [*rows, *collections]})
    loads = [row["load before"] for row in rows]
    text = [
        "Random words: 25,000 words of Zipf-Mandelbrot popularity, 590 a picture. Real maps: those "
        "of 781 photographs (SqueezeNet 1.1, the engine's defaults), repeated with 10 to 60 % of "
        "the cells replaced by another's. Rooted tf-idf, k = 100, seed 0. Global queries are "
        "whole pictures (which the collection has not, or not without noise), local ones 100 "
        "words of them (of real maps, a box). The machine was shared: where its two cores are "
        "partly used by others, two threads cannot show what they are worth. All "
        "rivals get weighed vectors, hold them as float32 in memory, and gave the same rankings "
        "(scores within 1e-5, images but for ties). Ours and each rival take turns query by query; "
        "compile time is apart.",
        "## One query, one thread",
        f"Milliseconds, median (90 % quantile) of {results['queries']} queries; in brackets how "
        "many times as long as ours a rival takes, the median over the queries, by processor time, "
        "which other programs do not stretch. bm25s knows no weights in a query: every word named "
        'once, beside ours with the same query next to it. "Mapped" is the same index '
        "opened from its file. qdrant: `qdrant-edge-py`, exact, one search thread; not run at a "
        "million images, where its index and its copy of the vectors want more memory than this "
        "machine has left. faiss has no sparse index.",
        _single(rows),
        "## Rivals",
        "How many times as long as ours each takes; bold where it is not slower.",
        _rivals(rows),
        "## Many queries",
        "Milliseconds a query for 64 queries in one call, median of 5 calls (a million images: 3). "
        "Scipy is serial, the "
        "faster of its two ways counts.",
        _many(rows),
        _devices(rows),
        "## Approximate",
        "Recall at 10 / at 100 against the exact ranking, and how many times faster than exact.",
        _approximate(rows),
        "## Building and size",
        f"Postings a second: `InvertedFile.add` in batches of {results['batch']:,} images and of "
        "1,024 (merges included), beside scipy's `tocsc` of the whole matrix; statistics are df "
        "and norms, which the first search after a change computes. Bytes a posting in memory, in "
        "the saved file, and of scipy's CSR.",
        _building(rows),
        "## Growth",
        "Random words. Open to first result: a fresh process after imports, pages of the file "
        "dropped (`POSIX_FADV_DONTNEED`), `InvertedFile.open` and one search, which computes the "
        "statistics over all lists (a collection keeps them, see below).",
        _growth(random),
    ]
    if collections:
        text += [
            "## A collection on disk",
            "Assignment maps of 32 x 42 random cells with norms, appended in batches of "
            f"{results['batch']:,} without a network. Memory: the most that an "
            "append took beside the batch and the bags it was given, mapped pages counted. Opened "
            "in a fresh process, with the statistics file; cold: pages dropped. Then 1,000 frames "
            "appended, and 1,000 removed that lie anywhere; statistics: df and norms computed anew "
            "and written.",
            _collections(collections),
            _made_small(collections),
        ]
    text.append(
        f"`{results['command']}`, "
        f"{' and '.join(days)}, {results['machine']}, load average before each part "
        f"{min(loads):.1f} to {max(loads):.1f} (other work on the machine)."
    )
    return "\n\n".join(part for part in text if part)
