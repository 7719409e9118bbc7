"""Named pipes, sockets and devices where a file is named: refused, instead of waited for."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blcf.cli.commands import _lines
from blcf.cli.queries import read_queries
from blcf.datasets import read_dataset, read_ground_truth
from blcf.errors import BlcfError
from blcf.evaluation import read_qrels, read_run
from blcf.images import find_images, read_ahead, read_image, read_mask
from blcf.measuring.comparison import read_evaluations

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")


@pytest.fixture(autouse=True)
def hang_limit() -> Iterator[None]:
    """What waits for a writer ends with an error after a minute."""

    def end(number: int, frame: FrameType | None) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(params=["pipe", "socket", "device"])
def put(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Path]:
    """Put such a thing at a path."""

    def at(path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        if request.param == "pipe":
            os.mkfifo(path)
        elif request.param == "device":
            path.symlink_to("/dev/zero")
        else:
            monkeypatch.chdir(path.parent)  # the path of a socket must be short
            socket.socket(socket.AF_UNIX).bind(path.name)
        return path

    return at


def list_of_one(path: Path) -> Any:
    (path.parent / "list.txt").write_text(path.name)
    images = find_images(path.parent / "list.txt")
    ((_, result),) = read_ahead([images.path(name) for name in images.names], read_image)
    raise result


def mask_of(path: Path) -> Any:
    return read_mask(path, (32, 24))


def weights_of(path: Path) -> Any:
    from blcf.features.weights import _read

    return _read(path)


READERS = [find_images, list_of_one, read_image, mask_of, read_run, read_qrels, read_ground_truth]
READERS += [read_evaluations, weights_of, _lines, read_queries]


@pytest.mark.parametrize("read", READERS)
def test_a_file_that_is_named(tmp_path: Path, put: Any, read: Callable[[Any], Any]) -> None:
    with pytest.raises(BlcfError, match="plain file|regular file|named pipe, a socket or a device"):
        read(str(put(tmp_path / "some")) if read is _lines else put(tmp_path / "some"))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("gt.json", "gt.json"),
        ("instre", "gnd_instre.mat"),
        ("roxford5k", "gnd_roxford5k.pkl"),
        ("holidays", "holidays_images.dat"),
        ("trecvid", "ins.auto.topics.2013.xml"),
        ("oxford5k", "all_souls_1_query.txt"),
    ],
)
def test_a_file_of_a_data_set(tmp_path: Path, put: Any, kind: str, name: str) -> None:
    Image.fromarray(np.zeros((24, 32, 3), dtype=np.uint8)).save(tmp_path / "100000.jpg")
    (tmp_path / "ins.search.qrels.tv13").write_text("")
    put(tmp_path / name)
    with pytest.raises(BlcfError):
        read_dataset(tmp_path, kind=kind)
