"""What has become of a folder: every case, and all of them together beside a plain twin."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from blcf.adding.sync_plan import SyncPlan, plan_sync
from blcf.images import PictureFacts, content_digest, find_images
from blcf.images.image_list import ImageList


def facts_of(path: Path) -> PictureFacts:
    state, content = os.stat(path), path.read_bytes()
    return PictureFacts(state.st_mtime_ns, state.st_size, content_digest(content))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(6):
        path = tmp_path / "day" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes([number]) * (100 + number % 3))
        os.utime(path, ns=(0, 10**18 + number))
    return tmp_path


@pytest.fixture
def known(folder: Path) -> dict[str, PictureFacts]:
    images = find_images(folder)
    return {name: facts_of(images.path(name)) for name in images.names}


def test_nothing_has_changed(folder, known) -> None:
    plan = plan_sync(known, find_images(folder))
    assert plan == SyncPlan(n_same=6) and plan.is_empty


def test_each_case(folder, known) -> None:
    day = folder / "day"
    (day / "new.png").write_bytes(b"new")
    (day / "0.png").unlink()
    os.utime(day / "1.png", ns=(0, 5))  # touched: its bytes are the same
    (day / "2.png").write_bytes(b"\x09" * 102)  # as long as before, at another time
    os.utime(day / "2.png", ns=(0, 6))
    (day / "3.png").write_bytes(b"longer" * 100)
    os.utime(day / "3.png", ns=(0, known["day/3.png"].mtime_ns))
    (folder / "other").mkdir()
    shutil.move(day / "4.png", folder / "other" / "four.jpg")
    plan = plan_sync(known, find_images(folder))
    assert plan == SyncPlan(
        new=["day/new.png"],
        changed=["day/2.png", "day/3.png"],
        moved={"day/4.png": "other/four.jpg"},
        deleted=["day/0.png"],
        n_same=2,
    )


def test_two_that_changed_places(folder, known) -> None:
    """Neither is gone, so neither has moved: both are indexed again."""
    day = folder / "day"
    (day / "0.png").rename(day / "x")
    (day / "3.png").rename(day / "0.png")
    (day / "x").rename(day / "3.png")
    assert plan_sync(known, find_images(folder)).changed == ["day/0.png", "day/3.png"]


def test_copies_of_what_is_gone(folder, known) -> None:
    """One of them is the picture that has moved, the others are new."""
    (folder / "day" / "5.png").rename(folder / "a.png")
    shutil.copy(folder / "a.png", folder / "b.png")
    plan = plan_sync(known, find_images(folder))
    assert plan.moved == {"day/5.png": "a.png"} and plan.new == ["b.png"]


def test_nothing_known_of_a_picture(folder, known) -> None:
    """It may have changed."""
    known["day/1.png"] = PictureFacts()
    known["day/2.png"] = PictureFacts(digest=0)
    (folder / "day" / "2.png").unlink()
    plan = plan_sync(known, find_images(folder))
    assert (plan.changed, plan.deleted, plan.moved) == (["day/1.png"], ["day/2.png"], {})


def test_what_could_not_be_listed_is_not_gone(folder, known) -> None:
    """A folder without permission, a disk that failed: its pictures stay."""
    images = ImageList(folder, [], [("day", "the folder cannot be read; no permission")])
    assert plan_sync(known, images).is_empty
    images = ImageList(folder, [], [("day/0.png", "the symbolic link leads nowhere")])
    assert len(plan_sync(known, images).deleted) == 5


@pytest.mark.parametrize("seed", range(20))
def test_any_changes(folder, known, seed: int) -> None:
    """After the plan the names and bytes of the collection are those of the folder."""
    rng = random.Random(seed)
    for step in range(rng.randrange(12)):
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        path = rng.choice(paths) if paths else folder / "day" / "0.png"
        change = rng.choice(["delete", "write", "touch", "move", "copy", "new"])
        other = folder / "day" / f"{rng.randrange(9)}.png"
        if change == "new" or not path.exists():
            other.write_bytes(rng.randbytes(rng.choice([100, 101])))
        elif change == "delete":
            path.unlink()
        elif change == "write":
            path.write_bytes(rng.randbytes(path.stat().st_size))
        elif change == "touch":
            os.utime(path, ns=(0, step))
        elif path != other:
            (shutil.move if change == "move" else shutil.copy2)(path, other)
    images = find_images(folder) if any(folder.rglob("*.png")) else ImageList(folder, [])
    plan = plan_sync(known, images)
    held = {name: facts.digest for name, facts in known.items()}
    for old, new in plan.moved.items():
        held[new] = held.pop(old)
    for name in plan.deleted:
        del held[name]
    for name in [*plan.new, *plan.changed]:
        held[name] = facts_of(images.path(name)).digest
    assert held == {name: facts_of(images.path(name)).digest for name in images.names}
    assert plan.n_same + sum(map(len, (plan.new, plan.changed, plan.moved))) == len(images)
