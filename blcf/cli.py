"""The command line: every command calls one function of the library, with the library's defaults.

Results go to stdout, messages and progress to stderr. Exit status: 0 done; 2 a mistake in the
call or its input, said in one sentence; 3 done, but some pictures were skipped; 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from blcf import __version__
from blcf.bags.weighting import WEIGHTINGS
from blcf.engine import SearchEngine, SearchOptions, Settings
from blcf.engine.settings import EXPANSIONS
from blcf.errors import BlcfError, InvalidInput, VocabularyMismatch
from blcf.images import display_name, find_images

__all__ = ["main"]

DONE, MISTAKE, SKIPPED, INTERRUPTED = 0, 2, 3, 130

_EXIT = (
    "exit status: 0 done; 2 a mistake in the call or its input; 3 done, but some pictures were "
    "skipped; 130 interrupted"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit status."""
    options = _parser().parse_args(arguments)
    _log_to_stderr(options.quiet)
    # An application may filter warnings, the library must not: reading says what it refuses.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"torch(vision)?\b")
    warnings.filterwarnings("ignore", message=r"Image size .* exceeds limit")
    try:
        return options.run(options)
    except BlcfError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        message = "interrupted; what was committed is kept, the same command continues"
        print(f"blcf: {message}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        return _fail(f"{error.strerror or error}: {error.filename or 'input or output failed'}.")
    except MemoryError:
        return _fail("Not enough memory. Ask for fewer words (--words) or a smaller side (--side).")


def _fail(message: str) -> int:
    print(f"blcf: {' '.join(display_name(message).split())}", file=sys.stderr)
    return MISTAKE


def _log_to_stderr(quiet: bool) -> None:
    log = logging.getLogger("blcf")
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("blcf: %(message)s"))
        log.addHandler(handler)
    log.setLevel(logging.WARNING if quiet else logging.INFO)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="blcf",
        description="Find a particular object in a collection of pictures, and where it is.",
        epilog=_EXIT,
    )
    parser.add_argument("--version", action="version", version=f"blcf {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in (_add_index, _add_search, _add_info, _add_evaluate):
        add(commands)
    return parser


def _command(commands: Any, name: str, run: Any, text: str, arguments: dict[str, str]) -> Any:
    command = commands.add_parser(
        name, help=text, description=text, epilog=_EXIT, argument_default=argparse.SUPPRESS
    )
    command.set_defaults(run=run, quiet=False)
    for argument, meaning in arguments.items():
        command.add_argument(argument, metavar=argument.upper(), help=meaning)
    command.add_argument("--quiet", action="store_true", help="no messages, no progress bars")
    return command


COLLECTION = {"collection": "folder of the collection"}


def _add_index(commands: Any) -> None:
    default = Settings()
    command = _command(
        commands,
        "index",
        _index,
        "Index pictures into a collection (a new one, or one that exists: what it holds is passed "
        "over, so the same command resumes an interrupted run).",
        {"frames": "folder of pictures, list file, or one picture", **COLLECTION},
    )
    add = command.add_argument
    add("--network", help=f"torchvision network (default: {default.network})")
    add("--layer", help="layer: a node name, or the paper's (default: the network's, stride 16)")
    add("--weights", metavar="FILE", help="state dict (default: torchvision downloads its own)")
    add("--side", type=int, help=f"longer side in pixels (default: {default.side})")
    add("--upsample", type=int, help=f"interpolation of the maps (default: {default.upsample})")
    add(
        "--components",
        dest="n_components",
        type=_integer_or("all", None),
        help=f"of the whitening, or all (default: {default.n_components})",
    )
    add(
        "--words",
        dest="n_words",
        type=_integer_or("auto", "auto"),
        help="size of the vocabulary, or auto (default: auto)",
    )
    add(
        "--weighting",
        choices=WEIGHTINGS,
        help=f"spatial weights of the pictures (default: {default.weighting})",
    )
    for name, meaning in (("idf", "inverse document frequencies"), ("sqrt", "roots of counts")):
        shown = "on" if getattr(default, name) else "off"
        add(
            f"--{name}",
            action=argparse.BooleanOptionalAction,
            help=f"{meaning} (default: {shown})",
        )
    add("--seed", dest="random_state", type=int, help=f"default: {default.random_state}")
    _add_device(command)


def _add_device(command: Any) -> None:
    command.add_argument("--device", help="auto, cpu, cuda, ... (default: auto)")
    command.add_argument("--dtype", help="float32, bfloat16, float16 (default: float32)")


def _add_search_options(command: Any) -> None:
    default = SearchOptions()
    command.add_argument(
        "--rerank",
        action=argparse.BooleanOptionalAction,
        help=f"rerank by the best window, which gives boxes (default: {_on(default.rerank)})",
    )
    command.add_argument(
        "--expand", choices=EXPANSIONS, help=f"query expansion (default: {default.expand})"
    )
    command.add_argument(
        "--depth", type=int, help=f"how many hits are reranked (default: {default.depth})"
    )
    command.add_argument(
        "--n-expand", type=int, help=f"hits averaged by the expansion (default: {default.n_expand})"
    )
    command.add_argument("--weights", metavar="FILE", help="where the weights are now")
    command.add_argument("--json", action="store_true", help="results as JSON")
    _add_device(command)


def _on(value: bool) -> str:
    return "on" if value else "off"


def _add_search(commands: Any) -> None:
    command = _command(
        commands,
        "search",
        _search,
        "Find the pictures that show the object in the box of a picture, ranked, with boxes.",
        {**COLLECTION, "image": "picture that shows the object"},
    )
    command.add_argument(
        "--box",
        type=_box,
        metavar="X1,Y1,X2,Y2",
        help="the object: left, top, right, bottom in pixels (default: the whole picture)",
    )
    command.add_argument("-k", type=int, help=f"how many hits (default: {SearchOptions().k})")
    command.add_argument("--plot", metavar="FILE", help="draw the result (.png, .pdf, .svg)")
    _add_search_options(command)


def _add_info(commands: Any) -> None:
    command = _command(commands, "info", _info, "Say what a collection is.", COLLECTION)
    command.add_argument("--json", action="store_true", help="as JSON")


def _add_evaluate(commands: Any) -> None:
    command = _command(
        commands,
        "evaluate",
        _evaluate,
        "Measure mean average precision and localisation on a ground truth (gt.json).",
        {**COLLECTION, "truth": "gt.json: queries, positives, junk, boxes"},
    )
    command.add_argument("--per-query", action="store_true", help="a line per query, worst first")
    _add_search_options(command)


def _box(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected four numbers X1,Y1,X2,Y2, got {text!r}"
        ) from None


def _integer_or(word: str, value: Any) -> Any:
    def parse(text: str) -> Any:
        if text == word:
            return value
        try:
            return int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"expected an integer or {word!r}, got {text!r}"
            ) from None

    return parse


def _given(options: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """The options that were given; the library knows the defaults of the others."""
    return {name: getattr(options, name) for name in names if hasattr(options, name)}


def _index(options: argparse.Namespace) -> int:
    settings = _given(options, list(asdict(Settings())))
    runtime = _given(options, ("device", "dtype"))
    images = find_images(options.frames)  # before a collection is made for nothing
    if (Path(options.collection) / "manifest.json").exists():
        engine = SearchEngine.open(
            options.collection, weights=settings.get("weights"), **runtime
        )
        _check_same(engine, settings)
    else:
        engine = SearchEngine.create(options.collection, **settings, **runtime)
    report = engine.add(
        [images.path(name) for name in images.names],
        root=images.root,
        progress=not options.quiet,
    )
    for path, reason in images.problems:
        print(f"blcf: passed over {display_name(path)}: {reason}", file=sys.stderr)
    print(
        f"{len(engine)} pictures in {options.collection}: {report.n_added} added, "
        f"{report.n_present} were there, {len(report.skipped)} skipped"
    )
    for name, reason in list(report.skipped.items())[:10]:
        print(f"blcf: skipped {display_name(name)}: {reason}", file=sys.stderr)
    if report.skipped:
        print(
            f"blcf: all {len(report.skipped)} skipped pictures and their reasons are in "
            f"{Path(options.collection) / 'errors.jsonl'}",
            file=sys.stderr,
        )
    return SKIPPED if report.skipped or images.problems else DONE


def _check_same(engine: SearchEngine, given: dict[str, Any]) -> None:
    """Settings belong to the collection: another value than its own is a mistake."""
    made = asdict(engine.settings)
    for name, value in given.items():
        if name != "weights" and made[name] != value:
            raise VocabularyMismatch(
                f"{engine.collection.path} was made with {name} {made[name]!r}, got {value!r}. "
                "Leave the option out to add to it, or index into another folder."
            )


def _search(options: argparse.Namespace) -> int:
    engine = _open(options)
    wanted = _given(options, list(asdict(SearchOptions())))
    hits = engine.search(options.image, getattr(options, "box", None), **wanted)
    if hasattr(options, "plot"):
        _need_matplotlib()
        hits.plot(options.plot)
    if hasattr(options, "json"):
        box = None if hits.query_box is None else [float(x) for x in hits.query_box]
        print(json.dumps({"query": options.image, "box": box, "hits": hits.to_dicts()}, indent=1))
        return DONE
    for rank, hit in enumerate(hits, start=1):
        edges = "-" if hit.box is None else ",".join(f"{edge:.0f}" for edge in hit.box)
        print(f"{rank:4d}  {hit.score:.4f}  {edges:20s}  {display_name(hit.name)}")
    return DONE


def _open(options: argparse.Namespace) -> SearchEngine:
    runtime = _given(options, ("device", "dtype", "weights"))
    return SearchEngine.open(options.collection, **runtime)


def _need_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InvalidInput("Drawing needs matplotlib: pip install matplotlib.") from None


def _info(options: argparse.Namespace) -> int:
    info = SearchEngine.open(options.collection).info()
    if hasattr(options, "json"):
        print(json.dumps(info, indent=1))
        return DONE
    for key, value in info.items():
        if isinstance(value, dict):
            print(f"{key}:")
            for name, one in value.items():
                print(f"  {name:18s} {one}")
        else:
            print(f"{key:20s} {value}")
    return DONE


def _evaluate(options: argparse.Namespace) -> int:
    engine = _open(options)
    wanted = _given(options, ("rerank", "expand", "depth", "n_expand"))
    rows = [
        row.to_dict()
        for row in engine.evaluate(options.truth, progress=not options.quiet, **wanted)
    ]
    if hasattr(options, "json"):
        print(json.dumps(rows, indent=1))
        return DONE
    print("mode  queries    mAP  mean IoU  (whole picture)  IoU >= .5")
    for row in rows:
        line = f"{row['mode']:4s}  {row['n_queries']:7d}  {row['mAP']:.3f}"
        if row["n_boxes"]:
            line += f"{row['mean_iou']:10.3f}{row['mean_iou_whole_image']:17.3f}"
            line += f"{row['corloc']:11.3f}"
        print(line)
        if hasattr(options, "per_query"):
            for name, value in sorted(row["per_query"].items(), key=lambda item: item[1]):
                print(f"      {value:.3f}  {display_name(name)}")
    return DONE
