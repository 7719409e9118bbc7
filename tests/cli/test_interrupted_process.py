"""Ctrl-C ends a process that is inside a decoder, in its main thread or in another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import hurtful
import pytest
import tiles
from tiles import create, reopen

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal to one process here")

# A JPEG of 20,000 scans takes minutes; the bound that refuses it is lifted.
START = """
import signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the parent ignores
import blcf.__main__, blcf.cli
from PIL import ImageFile
from blcf.images import jpeg, read_image, reading
ImageFile.MAXBLOCK = 1 << 30  # Pillow decodes a file in one step
jpeg.MAX_SCANS = jpeg.MAX_SCANNED = 10**15
decode = reading.decode
def announced(image, declared):
    if declared.format == "JPEG":
        threading.Timer(0.2, print, ["decoding"], {"flush": True}).start()  # when it is at it
    return decode(image, declared)
reading.decode = announced
"""
IN_THE_MAIN_THREAD = START + "blcf.cli.main = lambda: read_image(sys.argv[1])\n"
IN_ANOTHER = START + (
    "import tiles\n"
    "from blcf import SearchEngine\n"
    "from blcf.cli import commands\n"
    "commands.open_engine = lambda options: SearchEngine.open(\n"
    "    options.collection, network=tiles.TileNetwork())\n"
)
RUN = "sys.exit(blcf.__main__.main())\n"
HANG = 60  # seconds; it was minutes


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("endless") / "zz.jpg"
    path.write_bytes(hurtful.jpeg_of_scans(20_000, size=(4000, 4000)))
    return path


def interrupted(code: str, *arguments: object, n_times: int = 1) -> tuple[int, str]:
    """Exit status and messages of a process that is interrupted while it decodes."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", code + RUN, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "decoding\n"
        for _ in range(n_times):
            process.send_signal(signal.SIGINT)
        _, messages = process.communicate(timeout=HANG)
    finally:
        process.kill()
    return process.returncode, messages


@pytest.mark.parametrize("n_times", [1, 2])
def test_in_the_main_thread(endless: Path, n_times: int) -> None:
    status, messages = interrupted(IN_THE_MAIN_THREAD, endless, n_times=n_times)
    assert status == 130
    assert messages == "\nblcf: interrupted, in the middle of a step; what was committed is kept\n"


@pytest.mark.slow
def test_in_a_thread_that_reads_ahead(endless: Path, tmp_path: Path) -> None:
    scenes = tmp_path / "scenes"
    for number, one in enumerate(tiles.planted_scenes()[0]):
        tiles.save(scenes / f"{number:02d}.png", one)
    engine = create(tmp_path / "c.blcf")
    engine.add([scenes / f"{number:02d}.png" for number in range(5)], root=scenes, progress=False)
    (tmp_path / "frames").mkdir()
    for path in [*scenes.iterdir(), endless]:
        (tmp_path / "frames" / path.name).symlink_to(path)
    status, messages = interrupted(
        IN_ANOTHER, "add", tmp_path / "c.blcf", tmp_path / "frames", "--quiet"
    )
    assert status == 130
    assert messages.endswith(
        "blcf: interrupted; what was committed is kept, the same command continues\n"
    )
    again = reopen(tmp_path / "c.blcf")
    assert len(again) == 5
    assert again.add(scenes, progress=False).n_added == 7
