"""Reading ahead: order, bounds, errors in their place, and no thread left behind."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from blcf.errors import InvalidInput, UnreadableImage
from blcf.images import read_ahead, read_image


class Picture:
    """Something that a weak reference can be made to, unlike an array in a set."""


def our_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "blcf-read-ahead" in thread.name]


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    yield
    assert our_threads() == []


@pytest.mark.parametrize("n_workers", [1, 2, 5])
@pytest.mark.parametrize("ahead", [None, 1, 3, 100])
@pytest.mark.parametrize("n_items", [0, 1, 2, 17])
def test_order(n_workers: int, ahead: int | None, n_items: int) -> None:
    def load(item: int) -> int:
        time.sleep(0.002 * ((7 * item) % 3))  # later items are often ready first
        return item * item

    results = list(read_ahead(iter(range(n_items)), load, n_workers, ahead))
    assert results == [(item, item * item) for item in range(n_items)]


def test_loads_run_at_the_same_time() -> None:
    barrier = threading.Barrier(2, timeout=5)  # breaks unless two loads meet
    results = list(read_ahead(range(4), lambda item: barrier.wait() >= 0, n_workers=2))
    assert results == [(item, True) for item in range(4)]


@pytest.mark.parametrize(("n_workers", "ahead"), [(1, 1), (2, None), (4, 2), (3, 7)])
def test_nothing_is_loaded_beyond_the_bound(n_workers: int, ahead: int | None) -> None:
    bound = 2 * n_workers if ahead is None else ahead
    started: list[int] = []
    for index, _ in read_ahead(range(20), started.append, n_workers, ahead):
        time.sleep(0.002)  # a slow consumer: the threads run as far as they may
        assert max(started) <= index + bound
    assert sorted(started) == list(range(20))


def test_paths_are_taken_one_by_one() -> None:
    taken: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            taken.append(len(taken))
            yield taken[-1]

    results = read_ahead(endless(), abs, n_workers=1, ahead=2)
    assert [next(results) for _ in range(5)] == [(i, i) for i in range(5)]
    assert len(taken) == 7
    results.close()


def test_no_more_results_alive_than_promised() -> None:
    alive: weakref.WeakSet[Picture] = weakref.WeakSet()

    def load(item: int) -> Picture:
        image = Picture()
        alive.add(image)
        return image

    most = 0
    for _index, image in read_ahead(range(30), load, n_workers=2, ahead=3):
        time.sleep(0.001)
        most = max(most, len(alive))
        del image
    assert most <= 4


def test_unreadable_images_are_values() -> None:
    def load(item: int) -> int:
        if item % 3 == 1:
            raise UnreadableImage(f"{item}.jpg: bad")
        return item

    results = list(read_ahead(range(7), load))
    assert [index for index, _ in results] == list(range(7))
    bad = [index for index, result in results if isinstance(result, UnreadableImage)]
    assert bad == [1, 4]
    assert str(results[4][1]) == "4.jpg: bad"


def test_kept_errors_do_not_keep_pictures() -> None:
    alive: weakref.WeakSet[Picture] = weakref.WeakSet()

    def load(item: int) -> None:
        half_decoded = Picture()
        alive.add(half_decoded)
        try:
            raise OSError("cut short")
        except OSError as error:
            raise UnreadableImage(f"{item}.jpg: bad") from error

    results = list(read_ahead(range(5), load))
    gc.collect()
    assert len(results) == 5
    assert len(alive) == 0
    kept = results[0][1]
    assert isinstance(kept, UnreadableImage)
    assert isinstance(kept.__cause__, OSError)  # still there for a report


@pytest.mark.parametrize("kind", [ValueError, KeyError, MemoryError, KeyboardInterrupt])
def test_other_errors_come_at_their_place(kind: type[BaseException]) -> None:
    def load(item: int) -> int:
        if item == 4:
            raise kind("defect")
        return item

    seen = []
    with pytest.raises(kind, match="defect"):
        for index, _ in read_ahead(range(100), load, n_workers=3):
            seen.append(index)
    assert seen == [0, 1, 2, 3]


def test_an_error_of_the_paths_ends_it() -> None:
    def paths() -> Iterator[int]:
        yield 1
        raise OSError("the list went away")

    with pytest.raises(OSError, match="the list went away"):
        list(read_ahead(paths(), abs))


def test_closing_early_cancels_what_waits() -> None:
    started: list[int] = []
    release = threading.Event()

    def load(item: int) -> int:
        started.append(item)
        if item > 0:
            release.wait(5)
        return item

    results = read_ahead(range(1000), load, n_workers=1, ahead=50)
    assert next(results) == (0, 0)
    threading.Timer(0.02, release.set).start()
    results.close()
    assert our_threads() == []
    assert len(started) <= 2
    assert list(results) == []


def test_leaving_the_loop_ends_the_threads() -> None:
    for _ in read_ahead(range(1000), abs):
        break
    gc.collect()
    assert our_threads() == []


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_an_error_of_the_consumer_ends_the_threads(kind: type[BaseException]) -> None:
    def consume() -> None:
        for _ in read_ahead(range(1000), abs):
            raise kind

    with pytest.raises(kind):
        consume()
    gc.collect()
    assert our_threads() == []


def test_what_takes_for_ever_is_not_waited_for() -> None:
    """A decoder cannot be told to stop: Ctrl-C waited for it, and so did the interpreter's end."""
    begun, end = threading.Event(), threading.Event()

    def load(item: int) -> int:
        if item:
            begun.set()
            end.wait(120)
        return item

    results = read_ahead(range(5), load, patience=0.01)
    assert next(results) == (0, 0) and begun.wait(60)
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 60  # it was 120
    left = our_threads()
    assert left and all(thread.daemon for thread in left)
    end.set()
    for thread in left:
        thread.join(60)


def test_nothing_starts_before_the_first_item() -> None:
    started: list[int] = []
    results = read_ahead(range(3), started.append)
    time.sleep(0.01)
    assert started == [] and our_threads() == []
    results.close()
    assert started == []


def test_bad_settings_are_refused_at_the_call() -> None:
    with pytest.raises(InvalidInput, match="n_workers: expected at least 1 thread, got 0"):
        read_ahead([], abs, n_workers=0)
    with pytest.raises(InvalidInput, match="ahead: expected at least 1 item, got 0"):
        read_ahead([], abs, ahead=0)


def test_with_read_image(tmp_path: Path) -> None:
    results = list(read_ahead([tmp_path / "gone.jpg", tmp_path], read_image))
    assert [getattr(result, "reason") for _, result in results] == [
        "there is no such file",
        "it is a folder, not a picture",
    ]
