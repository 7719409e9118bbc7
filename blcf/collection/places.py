"""Where the pictures of a manifest are: a folder, and below it the path that their names say.

A folder's names may have something before their paths: of two memory cards that both hold
``DSC_0001.jpg`` one is called ``A``, the other ``B``. The manifest says which folders have such
names (``prefixes``: {folder: [what stands before]}).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["bare_name", "known_prefixes", "path_of", "prefix_of", "with_prefix"]


def known_prefixes(manifest: Mapping[str, Any], root: str) -> list[str]:
    """What may stand before the names of a folder, beside nothing."""
    return list(manifest.get("prefixes", {}).get(root, ()))


def prefix_of(manifest: Mapping[str, Any], root: str, name: str) -> str:
    """What stands before a name; "" for nothing."""
    there = [one for one in known_prefixes(manifest, root) if name.startswith(f"{one}/")]
    return max(there, key=len, default="")


def bare_name(manifest: Mapping[str, Any], root: str, name: str) -> str:
    """The path of a picture below its folder."""
    prefix = prefix_of(manifest, root, name)
    return name[len(prefix) + 1 :] if prefix else name


def path_of(manifest: Mapping[str, Any], root_id: int, name: str) -> Path | None:
    """Where a picture was when it was indexed; None of one in no folder, or none of the manifest.

    Parameters
    ----------
    root_id : its folder among the roots of the manifest
    """
    roots = manifest["roots"]
    root = roots[root_id] if 0 <= root_id < len(roots) else ""
    return Path(root) / bare_name(manifest, root, name) if root else None


def with_prefix(manifest: Mapping[str, Any], root: str, prefix: str) -> dict[str, list[str]]:
    """What the manifest will say of prefixes when a folder has got one more."""
    prefixes = {one: list(them) for one, them in manifest.get("prefixes", {}).items()}
    if prefix and prefix not in prefixes.setdefault(root, []):
        prefixes[root].append(prefix)
    return {one: them for one, them in prefixes.items() if them}
