"""A file that somebody names is written whole or not at all, whatever stands there."""

from __future__ import annotations

import errno
import os
import stat
import threading

import matplotlib.figure
import pytest

from blcf.errors import InvalidInput, StorageError
from blcf.outputs import is_device, open_output
from blcf.visualization.figures import ShownFigure, save_figure

needs_posix = pytest.mark.skipif(os.name == "nt", reason="pipes, links and permissions of POSIX")


def fail(error):
    raise error


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device"), ValueError()]
)
def test_the_old_file_stays_where_writing_fails(tmp_path, error):
    """A full disk and Ctrl-C among them; and nothing else is left behind."""
    path = tmp_path / "out.csv"
    for old in ([], [path]):
        for one in old:
            one.write_text("old")
        expected = StorageError if isinstance(error, OSError) else type(error)
        with pytest.raises(expected), open_output(path) as file:
            file.write(b"half of it")
            fail(error)
        assert list(tmp_path.iterdir()) == old
    assert path.read_text() == "old"
    with open_output(path) as file:
        file.write(b"new")
        assert path.read_text() == "old", "until all is written"
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


@needs_posix
def test_a_link_and_the_permissions_stay(tmp_path):
    path, link = tmp_path / "elsewhere" / "out.csv", tmp_path / "out.csv"
    path.parent.mkdir()
    path.write_text("old")
    path.chmod(0o600)
    link.symlink_to(path)
    with open_output(link) as file:
        file.write(b"new")
    assert link.is_symlink() and path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "what only its owner reads stays so"


@needs_posix
def test_devices_are_written_into(tmp_path):
    before = os.stat(os.devnull)
    assert is_device(os.devnull) and not is_device(tmp_path) and not is_device(tmp_path / "no")
    with open_output(os.devnull) as file:
        file.write(b"new")
    after = os.stat(os.devnull)
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)


@needs_posix
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a disk that is full")
def test_a_device_that_refuses():
    with pytest.raises(StorageError, match="Could not write /dev/full: No space left"):
        with open_output("/dev/full") as file:
            file.write(b"new")


@needs_posix
def test_pipes(tmp_path):
    """One that nobody reads is an error, and no wait."""
    path, read = tmp_path / "pipe", []
    os.mkfifo(path)
    with pytest.raises(StorageError, match="nobody reads this pipe"), open_output(path):
        pass
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.set_blocking(descriptor, True)
        reader = threading.Thread(target=lambda: read.append(os.read(descriptor, 100)))
        with open_output(path) as file:
            file.write(b"new")
        reader.start()
        reader.join(60)
    finally:
        os.close(descriptor)
    assert read == [b"new"] and stat.S_ISFIFO(path.stat().st_mode)


def test_an_open_descriptor(tmp_path):
    if not os.path.exists("/dev/fd"):
        pytest.skip("no /dev/fd here")
    receiver, sender = os.pipe()
    try:
        with open_output(f"/dev/fd/{sender}") as file:
            file.write(b"new")
        assert os.read(receiver, 100) == b"new"
    finally:
        os.close(receiver)
        os.close(sender)


@pytest.mark.parametrize("ending", ["png", "pdf", "svg", "jpg"])
def test_a_figure_is_written_whole(tmp_path, monkeypatch, ending):
    path = tmp_path / f"out.{ending}"
    path.write_text("old")
    figure = ShownFigure(figsize=(1, 1))
    true = matplotlib.figure.Figure.savefig

    def stop(self, target, **how):
        true(self, target, **how)
        raise KeyboardInterrupt

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", stop)
    with pytest.raises(KeyboardInterrupt):
        save_figure(figure, path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    save_figure(figure, path)
    assert path.stat().st_size > 100 and list(tmp_path.iterdir()) == [path]


def test_a_figure_of_no_format(tmp_path):
    for name in ("out", "out.xyz"):
        with pytest.raises(InvalidInput, match="Could not write .*png"):
            save_figure(ShownFigure(), tmp_path / name)
    assert not list(tmp_path.iterdir())
