"""The tables of benchmarks/large_vocabulary/README.md, from the results."""

from __future__ import annotations

from typing import Any

from benchmarks.report import signature, table
from blcf.vocabulary.two_level import N_PROBED


def markdown(results: dict[str, Any]) -> str:
    """The section of the page."""
    parts = []
    for case in results["cases"]:
        found, took = case["words"], case["took"]
        exact, low = found["exact"]["float32"], found["exact"]["bfloat16"]
        c, h, w = found["shape"]
        rows = [
            ["exact, float32", "100 %", f"{exact:.0f} ms", "1", "", ""],
            ["exact, bfloat16", "", f"{low:.0f} ms", f"{exact / low:.1f}", "", ""],
        ]
        for one in found["two_level"]:
            rows.append(
                [
                    f"two levels, {one['n_probed']} cells"
                    + (" (the default)" if one["n_probed"] == N_PROBED else ""),
                    f"{one['same']:.1%}",
                    f"{one['one']:.1f} ms",
                    f"{exact / one['one']:.1f}",
                    f"{one['many']:.1f} ms",
                    f"{one['search']:.1f} ms",
                ]
            )
        for one in case["rivals"]:
            name = f"faiss {one['name']} (built in {one['build']:.0f} s)"
            rows.append([name, f"{one['same']:.1%}", "", "", "", f"{one['one']:.1f} ms"])
        header = [f"{case['n_words']:,} words", "same word as exact", "one map", "times faster"]
        parts.append(table([*header, f"a map of {found['n_many']}", "search alone"], rows))
        default = next(x for x in found["two_level"] if x["n_probed"] == N_PROBED)
        parts.append(
            f"Maps of {h}x{w} cells, {c} channels (`same`: over {found['cells']:,} cells of "
            f"{found['n_maps']} maps). {found['n_cells']:,} cells. Memory: words "
            f"{case['n_words'] * case['n_components'] * 4 / 1e6:,.0f} MB, the two levels "
            f"{found['n_bytes'] / 1e6:,.0f} MB beside them; file {took['file_bytes'] / 1e6:,.0f} "
            f"MB. Training on {case['n_sampled']:,} features {took['fit_seconds']:,.0f} s, cells "
            f"{case['build_seconds']:.1f} s, saving {took['save_seconds']:.1f} s, opening "
            f"{took['open_seconds']:.1f} s."
        )
        parts[-1] += (
            f" The default gives {default['same']:.1%} of the words in "
            f"{default['one'] / exact:.1%} of the exact time."
        )
        if case["map"]:
            parts.append(
                "mAP, exact (bfloat16) and two levels: "
                + "; ".join(
                    f"{name} {one['exact']:.4f} and {one['two_level']:.4f} "
                    f"({one['same']:.1%} of the words the same)"
                    for name, one in case["map"].items()
                )
                + "."
            )
    for case in results["cases"]:
        if case["words"]["load"] > 0.2:
            parts.append(
                f"Other processes held {case['words']['load']:.1f} cores while "
                f"{case['n_words']:,} words were timed."
            )
    parts.append(
        "One map, and one of many in a call: `Vocabulary.assign_maps`, with interpolation and "
        "whitening; the search alone is given the interpolated whitened features of the map. "
        f"Medians of {results['rounds']} rounds, {results['threads']} threads."
    )
    parts.append(signature(results))
    return "\n\n".join(parts)
