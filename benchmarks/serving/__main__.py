"""Serving: searches over HTTP beside the engine alone in a loop, waits, and memory.

    python -m benchmarks.serving DATA --work FOLDER [--images N] [--requests N]

DATA holds logos/. FOLDER keeps the collection: the maps of its photographs, and copies of these
with 10 to 60 % of the cells of another one. Checks first that the hits over HTTP are the engine's.
Writes benchmarks/results/serving.json and the tables of benchmarks/serving/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.latency import noisy
from benchmarks.report import keep_results, made_by, read_results, signature, table, write_section
from benchmarks.serving.clients import Client, Server, Waits, hammer, run_server
from blcf import SearchEngine
from blcf.bags.weighting import quantise_channel
from blcf.collection import Batch
from blcf.images import IMAGE_SUFFIXES

N_CLIENTS, N_QUERIES, N_SEARCHES, ROUNDS = 8, 60, 600, 10
BATCH, K = 8_192, 100


def collection(data: Path, work: Path, n_images: int) -> Path:
    """The folder of the collection, made now or in an earlier run."""
    path = work / f"serving-{n_images}.blcf"
    photographs = data / "logos" / "images"
    engine = SearchEngine.open(path) if path.exists() else SearchEngine.create(path, n_words=25_000)
    with engine:
        engine.add(photographs)
        held, n_real = engine.collection, sum(1 for _ in _photographs(photographs))
        maps = [
            (held.words(i), quantise_channel(held.norms(i)), held.size(i)) for i in range(n_real)
        ]
        while len(engine) < n_images:
            first, batch = len(engine), Batch()
            for number in range(first, min(first + BATCH, n_images)):
                words, norms, size = noisy(maps, number)
                batch.append(f"copies/{number:06d}.jpg", size, words, norms)
            bags = engine.model.bags_of_images.encode_many(batch.maps, batch.channel("norm"))
            with held.writing():
                held.append(batch, bags, str(data))
            print(f"{len(engine):,} frames", flush=True)
    return path


def _photographs(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.suffix.lower() in IMAGE_SUFFIXES]


def queries_of(engine: SearchEngine) -> list[dict[str, Any]]:
    """Boxes in the middle of photographs of the collection: name and box."""
    found = []
    for number in range(0, 10 * N_QUERIES, 10)[:N_QUERIES]:
        number %= 500
        width, height = engine.collection.size(number)
        box = [width // 4, height // 4, 3 * width // 4, 3 * height // 4]
        found.append({"name": engine.collection.name(number), "box": box})
    return found


def bodies_of(client: Client, queries: Sequence[dict[str, Any]]) -> list[bytes]:
    """The queries as requests, by the ids that the server gives."""
    after, ids = "", {}
    wanted = {one["name"] for one in queries}
    while wanted - ids.keys():
        page = client.get_json(f"{client.collection}/pictures?limit=500{after}")
        ids |= {one["name"]: one["id"] for one in page["pictures"] if one["name"] in wanted}
        after = f"&after={page['next']}"
        if page["next"] is None:
            break
    bodies = [
        {"examples": [{"id": ids[one["name"]], "box": one["box"]}], "k": K} for one in queries
    ]
    return [json.dumps(body).encode() for body in bodies]


def check(engine: SearchEngine, client: Client, queries: list, bodies: list[bytes]) -> int:
    """That all hits over HTTP are the engine's: names, scores, boxes; gives how many."""
    n_hits = 0
    for query, body in zip(queries, bodies):
        answer = client.search(body)["hits"]
        shown = [(one["name"], one["score"], one["box"]) for one in answer]
        hits = engine.search(frame=query["name"], box=query["box"], k=K).to_dicts()
        assert shown == [(one["name"], one["score"], one["box"]) for one in hits], query
        n_hits += len(shown)
    return n_hits


def alone(engine: SearchEngine, queries: list, n_threads: int, n: int) -> Waits:
    """The engine in a loop, in this process."""

    def search(number: int) -> None:
        query = queries[number % len(queries)]
        engine.search(frame=query["name"], box=query["box"], k=K)

    return hammer(lambda: search, n_threads, n)


def served(server: Server, bodies: list[bytes], n_clients: int, n: int) -> Waits:
    """The same over HTTP."""

    def make() -> Callable[[int], object]:
        client = Client(server)
        return lambda number: client.send(bodies[number % len(bodies)])

    return hammer(make, n_clients, n, server.cpu)


def in_turns(
    engine: SearchEngine, server: Server, queries: list, bodies: list[bytes]
) -> dict[str, list[dict[str, Any]]]:
    """The loop and the server in turns, so that a slow moment of the machine meets all of them."""
    n = N_SEARCHES // ROUNDS
    ways: dict[tuple[str, int], Callable[[], Waits]] = {
        ("alone", 1): lambda: alone(engine, queries, 1, n),
        ("alone", 2): lambda: alone(engine, queries, 2, n),
        ("served", 1): lambda: served(server, bodies, 1, n),
        ("served", N_CLIENTS): lambda: served(server, bodies, N_CLIENTS, n),
    }
    rounds: dict[tuple[str, int], list[Waits]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, measure in ways.items():
            rounds[way].append(measure())
    found: dict[str, list[dict[str, Any]]] = {"alone": [], "served": []}
    for (way, n_threads), them in rounds.items():
        per_second = statistics.median(one.per_second for one in them)
        times = [time for one in them for time in one.times]
        cpu_ms = 1e3 * statistics.mean(one.cpu for one in them)
        one = {"threads": n_threads, "per_second": per_second, "cpu_ms": cpu_ms, **_waits(times)}
        found[way].append(one)
    return found


def thumbnails(server: Server, bodies: list[bytes], ids: list[str]) -> dict[str, float]:
    """Waits for small pictures, none of them made before, while the clients search."""
    over = threading.Event()

    def search() -> None:
        client, number = Client(server), 0
        while not over.is_set():
            client.send(bodies[number % len(bodies)])
            number += 1

    threads = [threading.Thread(target=search) for _ in range(N_CLIENTS)]
    for thread in threads:
        thread.start()
    client, times = Client(server), []
    for picture in ids:
        begun = time.perf_counter()
        client.get(f"{client.collection}/pictures/{picture}/thumbnail")
        times.append(time.perf_counter() - begun)
    over.set()
    for thread in threads:
        thread.join()
    return _waits(times)


def _waits(times: Sequence[float]) -> dict[str, float]:
    ordered = sorted(times)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return {"p50_ms": 1e3 * statistics.median(ordered), "p95_ms": 1e3 * p95}


def memory(server: Server, bodies: list[bytes], ids: list[str], n: int) -> list[dict[str, float]]:
    """What the server holds after some requests of every kind, MiB."""

    def make() -> Callable[[int], object]:
        client = Client(server)

        def ask(number: int) -> None:
            picture = ids[number % len(ids)]
            if number % 4 == 0:
                client.send(bodies[number // 4 % len(bodies)])
            elif number % 4 == 1:
                client.get(f"{client.collection}/pictures/{picture}/thumbnail?side=160")
            elif number % 4 == 2:
                client.get(f"{client.collection}/pictures/{picture}")
            else:
                client.get(f"{client.collection}/pictures?limit=60&where=width%20%3E%20{number}")

        return ask

    rows = []
    for done in (n // 10, n // 2, n):
        hammer(make, N_CLIENTS, done - (rows[-1]["requests"] if rows else 0))
        rows.append({"requests": done, "mib": server.memory() / 2**20})
    return rows


def markdown(results: dict[str, Any]) -> str:
    """The section of the page."""
    first = results["alone"][0]
    rows = [
        [
            f"the engine alone in a loop, {one['threads']} thread{'s' * (one['threads'] > 1)}",
            *_cells(one, first),
        ]
        for one in results["alone"]
    ]
    rows += [
        [f"`blcf serve`, {one['threads']} client{'s' * (one['threads'] > 1)}", *_cells(one, first)]
        for one in results["served"]
    ]
    small, grown = results["thumbnails"], results["memory"]
    kept = ", ".join(f"{one['mib']:,.0f} MiB after {one['requests']:,}" for one in grown)
    return "\n\n".join(
        [
            f"{results['images']:,} frames (maps of photographs, each copy with 10 to 60 % of its "
            f"cells another's; {results['n_words']:,} words), a box in the middle of "
            f"{results['queries']} pictures of the collection, {K} hits, the default options; "
            f"{results['searches']} searches each, in {ROUNDS} turns: the median of their speeds. "
            "The clients are threads of another process on the same cores; CPU is what a search "
            "takes of them in the engine's process alone, which a busy machine changes little. "
            f"The {results['hits']:,} hits over HTTP are the engine's. The "
            "network has no part in it: what a picture of one's own costs more is on the page of "
            "[extraction](../extraction.md).",
            table(
                ["what", "searches a second", "of the loop", "CPU, ms", "p50, ms", "p95, ms"], rows
            ),
            f"A small picture that was not made before, while {N_CLIENTS} clients search: "
            f"{small['p50_ms']:.0f} ms in the median, {small['p95_ms']:.0f} ms at 95 %.",
            "Memory of the server, over searches, small pictures, facts and lists: "
            f"{kept} requests.",
            f"{results['beside']} {signature(results)}".strip(),
        ]
    )


def _cells(one: dict[str, float], first: dict[str, float]) -> list[str]:
    return [
        f"{one['per_second']:.1f}",
        f"{one['per_second'] / first['per_second']:.2f}",
        f"{one['cpu_ms']:.0f}",
        f"{one['p50_ms']:.0f}",
        f"{one['p95_ms']:.0f}",
    ]


def main() -> None:
    """Make the collection, check, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder that holds logos/")
    parser.add_argument("--work", type=Path, required=True, help="folder for the collection")
    parser.add_argument("--images", type=int, default=100_000, help="frames (default: 100,000)")
    parser.add_argument(
        "--requests",
        type=int,
        default=10_000,
        help="of the memory (10,000); 0 keeps what was measured",
    )
    parser.add_argument("--beside", default="", help="a sentence: what else ran on the machine")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # of the server; each search is one thread
    options.work.mkdir(parents=True, exist_ok=True)
    path = collection(options.data, options.work, options.images)
    with SearchEngine.open(path) as engine, run_server(path) as server:
        client, queries = Client(server), queries_of(engine)
        bodies = bodies_of(client, queries)
        real = "limit=500&where=" + quote("name NOT LIKE 'copies%'")
        page = client.get_json(f"{client.collection}/pictures?{real}")
        ids = [one["id"] for one in page["pictures"]]
        results = {
            **made_by("benchmarks.serving DATA --work FOLDER"),
            "beside": options.beside,
            "images": len(engine),
            "n_words": engine.model.n_words,
            "queries": len(queries),
            "searches": N_SEARCHES,
            "hits": check(engine, client, queries, bodies),
        }
        results |= in_turns(engine, server, queries, bodies)
        before = read_results("serving")
        if options.requests:
            before["thumbnails"] = thumbnails(server, bodies, ids[:200])
            before["memory"] = memory(server, bodies, ids, options.requests)
        results |= {name: before[name] for name in ("thumbnails", "memory")}
    keep_results("serving", results)
    write_section("serving", "Serving", markdown(results))


if __name__ == "__main__":
    main()
