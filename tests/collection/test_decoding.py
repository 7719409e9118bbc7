"""Notes of large pictures that are being decoded: a killed run leaves them, no other does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blcf.collection import DecodingNotes
from blcf.errors import FormatError, UnreadableImage
from blcf.storage import Member


def notes_of(folder: Path) -> DecodingNotes:
    return DecodingNotes(Member(folder, "decoding"))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "caf\udce9 1.png"  # a name that is not UTF-8
    path.write_bytes(b"some")
    return path


def killed_at(folder: Path, picture: Path) -> None:
    """What a process leaves that is killed while it decodes a picture."""
    large = notes_of(folder)
    at_work = large(picture)
    at_work.__enter__()
    large._own.clear()  # it never comes to its end


def notes(folder: Path) -> list[Path]:
    return list(folder.glob("decoding/*"))


def test_nothing_is_left_of_what_came_to_its_end(tmp_path: Path, picture: Path) -> None:
    with notes_of(tmp_path) as large:
        assert not (tmp_path / "decoding").exists()
        with large(picture):
            assert len(notes(tmp_path)) == 1
        assert notes(tmp_path) == []
        with pytest.raises(ValueError, match="damaged"), large(picture):
            raise ValueError("damaged")
        assert notes(tmp_path) == []
    assert not (tmp_path / "decoding").exists()


def test_a_run_that_was_killed(tmp_path: Path, picture: Path) -> None:
    killed_at(tmp_path, picture)
    for _ in range(2):  # as long as nobody asks for it
        with notes_of(tmp_path) as large:
            with pytest.raises(UnreadableImage, match="a run was ended while it was") as caught:
                with large(picture):
                    pytest.fail("decoded again")
            assert caught.value.reason and str(caught.value).endswith(caught.value.reason)
            with large(tmp_path):  # any other
                pass
    assert len(notes(tmp_path)) == 1


def test_it_is_tried_again_when_that_is_asked_for(tmp_path: Path, picture: Path) -> None:
    killed_at(tmp_path, picture)
    with notes_of(tmp_path) as large:
        large.forget([tmp_path / "other.png"])
        assert len(notes(tmp_path)) == 1
        large.forget([picture])
        with large(picture):
            pass
    assert not (tmp_path / "decoding").exists()


def test_it_is_tried_again_when_it_has_changed(tmp_path: Path, picture: Path) -> None:
    killed_at(tmp_path, picture)
    os.utime(picture, ns=(1, 1))
    with notes_of(tmp_path) as large, large(picture):
        pass
    assert not (tmp_path / "decoding").exists()


def test_an_interrupted_run_leaves_none(tmp_path: Path, picture: Path) -> None:
    """Its threads may still be at it, and one may begin another."""
    with notes_of(tmp_path) as large:
        at_work = large(picture)
        at_work.__enter__()
    assert not (tmp_path / "decoding").exists()
    at_work.__exit__(None, None, None)
    with large(picture):
        assert not (tmp_path / "decoding").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"state": 3}', b"\xff", b"[" * 10_000])
def test_damaged_notes_are_none(tmp_path: Path, picture: Path, content: bytes) -> None:
    killed_at(tmp_path, picture)
    (note,) = notes(tmp_path)
    note.write_bytes(content)
    (tmp_path / "decoding" / "folder.json").mkdir()
    with notes_of(tmp_path) as large, large(picture):
        pass
    assert not note.exists()


def test_a_folder_elsewhere_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "decoding").symlink_to(tmp_path.parent)
    with pytest.raises(FormatError, match="it is a link"):
        notes_of(tmp_path)
