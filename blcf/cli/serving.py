"""`blcf serve`: collections in a browser, and for programs."""

from __future__ import annotations

import argparse
import sys
import threading
import webbrowser
from typing import Any

from blcf.bounds import BOUNDS, check_bounds
from blcf.checks import needs
from blcf.cli.clusters import add_cluster, shards_of
from blcf.cli.command import DONE, make_command
from blcf.cli.commands import given
from blcf.cli.outputs import Changed, Read
from blcf.cli.search_options import add_device
from blcf.cli.values import integer
from blcf.collection.shards import is_sharded
from blcf.engine import SearchEngine
from blcf.images import display_name

__all__ = ["add_serve", "serve"]

INTERRUPTED = 130  # what still computes is not waited for
_HOST, _PORT = "127.0.0.1", 8765


def add_serve(commands: Any) -> None:
    """The arguments of `blcf serve`."""
    command = make_command(
        commands,
        "serve",
        serve,
        {},
    )
    command.usage = "blcf serve COLLECTION ... [options]"
    command.set_defaults(several="collections")
    add = command.add_argument
    add(
        "collections",
        nargs="+",
        type=Changed,
        metavar="COLLECTION",
        help="folders of collections; they are only read",
    )
    add(
        "--port",
        type=integer,
        metavar="N",
        help=f"{BOUNDS['port'].span}; 0 takes one that is free (default: {_PORT})",
    )
    add(
        "--host",
        metavar="ADDRESS",
        help="of this machine; another than 127.0.0.1 lets other machines in, who know the token, "
        f"and nothing is encrypted (default: {_HOST})",
    )
    add("--open", action="store_true", help="open the page in a browser")
    add(
        "--token",
        metavar="TEXT",
        help="that a browser or program has to know, 8 characters or more; who lists the processes "
        "of this machine sees it (default: made anew)",
    )
    add("--weights", type=Read, metavar="FILE", help="where the weights are now")
    add_device(command)
    add_cluster(command)


def _open_browser(url: str) -> None:
    if not webbrowser.open(url):
        print("blcf: no browser was found; open the address yourself", file=sys.stderr)


def serve(options: argparse.Namespace) -> int:
    """`blcf serve`: open the collections, and serve them until told to end."""
    with needs("'blcf[web]'", "Serving"):
        from blcf import web
    port, host = getattr(options, "port", _PORT), getattr(options, "host", _HOST)
    check_bounds("port", port, "--port")
    how = given(options, ["device", "dtype", "weights"])
    shards = shards_of(options)
    engines = [
        SearchEngine.open(path, **how, **(shards if is_sharded(path) else {}))
        for path in options.collections
    ]

    def say(address: web.Address) -> None:
        print(address.url, flush=True)
        if not address.is_local:
            print(
                f"blcf: other machines reach it at {display_name(address.name)}, port "
                f"{address.port}: who knows the token sees and searches the collections, and "
                "nothing is encrypted",
                file=sys.stderr,
            )
        if not options.quiet:
            print("blcf: serving; Ctrl-C ends it", file=sys.stderr)
        if hasattr(options, "open"):  # one in the terminal ends when its user has had enough
            threading.Thread(target=_open_browser, args=(address.url,), daemon=True).start()

    is_idle = web.serve(
        engines, host=host, port=port, token=getattr(options, "token", None), say=say
    )
    print("blcf: the server has ended", file=sys.stderr)
    return DONE if is_idle else INTERRUPTED
