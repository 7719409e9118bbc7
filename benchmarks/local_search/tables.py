"""The tables of benchmarks/local_search/README.md, from the results."""

from __future__ import annotations

from benchmarks.report import signature, table
from blcf.rerank import grid_windows

SHAPE, BOX = (32, 42), (12, 14)  # cells of the maps, of the box of a local query
DEPTH = 100  # images of a query
GRID, ALL, COARSE = "the paper's grid", "all windows", "coarse"
SHAPED = "all windows, aspect"
NUMPY, NUMBERED, BINCOUNT = "numpy, np.unique", "numpy, numbered once", "numpy, np.bincount"
BRUTE = "brute force"
RIVALS = ((NUMPY, GRID), (BINCOUNT, GRID), (NUMPY, ALL), (BRUTE, ALL))


def markdown(results: dict) -> str:
    """The section of the page."""
    h, w = SHAPE
    names = list(results["cases"][0]["milliseconds"])
    rows, quality, kinds = [], [], "query, bags, weights"
    for case in results["cases"]:
        taken, found = case["milliseconds"], case["found"]
        rows.append([case["name"], *(f"{taken[name]:.3g}" for name in names)])
        quality.append(
            [
                case["name"],
                f"{found['coarse_equal']:.0%}",
                f"{found['coarse_score']:.4f}",
                f"{found['grid_score']:.3f}",
                f"{found['median_area']:.0f}",
            ]
        )
    compared = []
    for theirs, ours in RIVALS:
        taken = [one["milliseconds"] for one in results["cases"]]
        ratios = [one[theirs] / one[ours] for one in taken]
        compared.append(f"{ours} {min(ratios):.1f} to {max(ratios):.1f} times as fast as {theirs}")
    by_size = [
        [
            f"{one['shape'][0]}x{one['shape'][1]}",
            f"{one['windows']:,}",
            *(f"{one['milliseconds'][name]:.3g}" for name in ("grid", "coarse", "all", "few")),
        ]
        for one in results["sizes"]
    ]
    n = results["cases"][0]["found"]["images"]
    return "\n\n".join(
        [
            f"Milliseconds an image, one thread: `LocalSearch.best_window` on real assignment maps "
            f"of {h}x{w} cells (of the grocery photographs), the {DEPTH} best images of each of "
            f"{results['queries']} queries (a whole map, or a box of {BOX[0]}x{BOX[1]} cells), idf "
            f"on; medians of the queries. The vocabulary has {results['words']:,} words. The grid "
            f"has {len(grid_windows(h, w))} windows, all are {h * (h + 1) * w * (w + 1) // 4:,}. "
            "Numpy looks at the grid's windows: with `np.unique` for each, with one `np.unique` a "
            "map and a `np.bincount` for each window, or with a `np.bincount` over the vocabulary "
            "for each. Brute force is a numba loop that lets every window grow by columns. Aspect: "
            "windows whose aspect is less than 0.4 of the box's are discarded. All "
            f"{n:,} results of each row were compared first: windows equal, scores within 1e-9.",
            table([kinds, *names], rows),
            f"Over the rows: {'; '.join(compared)}.",
            "How often coarse finds the best of all windows, the mean of the scores of coarse and "
            "of the grid over the best, and the area of the best window in cells, median.",
            table([kinds, "coarse = best", "coarse / best", "grid / best", "best, cells"], quality),
            "Other sizes of maps (local query, roots, norm weights; maps side by side), and all "
            "windows of maps of 20 words at random, the query's best ones: about the worst case.",
            table(["map", "windows", "grid", "coarse", "all", "all, 20 words"], by_size),
            f"{signature(results)}, load average {results['load']:.1f}",
        ]
    )
