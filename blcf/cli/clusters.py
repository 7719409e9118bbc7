"""`--cluster`: the machines that search the shards of a collection, or processes of this one."""

from __future__ import annotations

import argparse
from typing import Any

from blcf.bounds import BOUNDS, check_bounds
from blcf.cli.values import number
from blcf.errors import InvalidInput

__all__ = ["add_address", "add_cluster", "cluster_of", "shards_of"]

_LOCAL = "local:"


def add_address(group: Any, what: str) -> None:
    """Which cluster; `what` says what its workers do."""
    group.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help=f"of the scheduler of a Dask cluster whose workers {what} (tcp://10.0.0.1:8786); "
        "local:N starts N processes on this machine",
    )
    group.add_argument(
        "--time-limit",
        type=number,
        metavar="SECONDS",
        help="in which a worker of the cluster must be heard of, "
        f"{BOUNDS['time_limit'].span} (default: 60)",
    )


def add_cluster(command: Any) -> None:
    """Where the shards of a collection are searched."""
    group = command.add_argument_group(
        "shards", "of a collection in shards; without a cluster they are searched in this process"
    )
    add_address(group, "hold the shards")
    group.add_argument(
        "--allow-partial",
        action="store_true",
        help="do without shards that do not answer, and say which (exit status 3)",
    )


def cluster_of(options: argparse.Namespace) -> Any:
    """The `Cluster` of ``--cluster``, which ends with the command."""
    from blcf.distributed.cluster import Cluster

    where: str = options.cluster
    how = {}
    if hasattr(options, "time_limit"):
        check_bounds("time_limit", options.time_limit, "--time-limit")
        how["time_limit"] = options.time_limit
    if not where.startswith(_LOCAL):
        return options.ends.enter_context(Cluster(where, **how))
    try:
        n_workers = int(where.removeprefix(_LOCAL))
    except ValueError:
        raise InvalidInput(
            f"Expected --cluster local:N, N the number of processes, got {where!r}."
        ) from None
    return options.ends.enter_context(Cluster(n_workers=n_workers, **how))


def shards_of(options: argparse.Namespace) -> dict[str, Any]:
    """How `SearchEngine.open` reaches shards, as it was asked for."""
    how: dict[str, Any] = {}
    if hasattr(options, "cluster"):
        how["cluster"] = cluster_of(options).shards
    elif hasattr(options, "time_limit"):
        raise InvalidInput("Expected --cluster ADDRESS with --time-limit.")
    if hasattr(options, "allow_partial"):
        how["allow_partial"] = True
    return how
