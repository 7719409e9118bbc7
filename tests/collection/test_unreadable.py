"""What cannot be read is no damage: it is said, and nothing is repaired. Few descriptors do."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from damaged import LEFT, check_command, content_of, damage_cut, damage_flip, some_collection
from made_up import DESCRIPTION, append, check, name

from blcf.collection import Collection, check_collection
from blcf.errors import InvalidInput, StorageError
from blcf.storage import members

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def collection(tmp_path):
    return some_collection(tmp_path)


@pytest.fixture
def refused(monkeypatch):
    """Files that the system refuses to open, by name, with an error number."""
    numbers: dict[str, int] = {}
    opened = os.open

    def refusing(path, flags, *arguments, **options):
        number = numbers.get(os.path.basename(os.fspath(path)))
        if number is not None and not flags & os.O_WRONLY:
            raise OSError(number, os.strerror(number), path)
        return opened(path, flags, *arguments, **options)

    monkeypatch.setattr(members.os, "open", refusing)
    return numbers


FILES = ["00000002.h5", "00000001.names.h5", "model.h5", "errors.jsonl", "statistics.h5"]
FILES += ["manifest.backup.json"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE, errno.ENOMEM])
@pytest.mark.parametrize("file", FILES)
def test_unreadable(collection, refused, file, number):
    refused[file] = number
    before = content_of(collection.path)
    for repair in (False, True):
        report = check_collection(collection.path, repair=repair)
        assert report.damages == [] and not report.is_sound and not report.repaired
        (found,) = report.unreadable
        assert os.path.basename(found.file) == file and os.strerror(number) in found.reason
    after = content_of(collection.path)
    after.pop("writer.lock")
    assert after == {name: one for name, one in before.items() if name != "writer.lock"}
    refused.clear()
    assert check_collection(collection.path).is_sound
    check(Collection.open(collection.path), LEFT, ranked=False)


def test_damage_beside_what_is_unreadable_waits(collection, refused):
    refused["00000003.h5"] = errno.EIO
    damage_flip(collection.path / "segments" / "00000002.h5")
    report = check_collection(collection.path, repair=True)
    assert [one.file for one in report.damages] == ["segments/00000002.h5"]
    assert [one.file for one in report.unreadable] == ["segments/00000003.h5"]
    assert not report.repaired and not (collection.path / "damaged").exists()
    refused.clear()
    assert check_collection(collection.path, repair=True).repaired


def test_an_unreadable_manifest_is_not_replaced_by_its_copy(collection, refused):
    refused["manifest.json"] = errno.EIO
    with pytest.raises(StorageError, match="Could not read .*manifest.json: Input/output"):
        Collection.open(collection.path)
    for repair in (False, True):
        report = check_collection(collection.path, repair=repair)
        assert [one.file for one in report.unreadable] == ["manifest.json"]
        assert not report.repaired
    refused.clear()
    check(Collection.open(collection.path), LEFT)


def test_unreadable_on_the_command_line(collection, refused, capsys):
    refused["00000002.h5"] = errno.EIO
    damage_cut(collection.path / "statistics.h5")
    for options in ([], ["--repair"]):
        assert check_command(collection.path, *options) == 3
        out = capsys.readouterr().out
        assert "unreadable: segments/00000002.h5: Could not read" in out
        assert "damaged: statistics.h5" in out and "NOT READ WHOLE, and nothing was changed" in out
    assert check_command(collection.path, "--json") == 3
    assert '"unreadable": [' in capsys.readouterr().out
    assert (collection.path / "statistics.h5").exists()


FEW_DESCRIPTORS = """
import resource, sys
from made_up import check
from blcf.collection import Collection, check_collection
resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
report = check_collection(sys.argv[1], repair=True)
assert report.is_sound and (report.n_segments, report.n_images) == (60, 60), report
check(Collection.open(sys.argv[1]), range(60))
"""


def test_sixty_segments_within_few_descriptors(tmp_path, monkeypatch):
    pytest.importorskip("resource", reason="no limits on this system")
    monkeypatch.setattr("blcf.collection.collection.due_merge", lambda segments: None)
    collection = Collection.create(tmp_path / "many.blcf", DESCRIPTION)
    with collection.writing():
        for number in range(60):
            append(collection, [number])
    done = subprocess.run(
        [sys.executable, "-c", FEW_DESCRIPTORS, str(collection.path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert collection.find([name(59)]).tolist() == [59]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="asks /proc of Linux")
def test_closing_gives_everything_back_at_once(collection):
    before = os.listdir("/proc/self/fd")
    with Collection.open(collection.path) as opened:
        assert os.listdir("/proc/self/fd") == before and len(opened.segments) == 3
        words = opened.words(0)
        parts = opened.parts
    path = str(collection.path / "segments" / "00000003.h5")
    assert path in Path("/proc/self/maps").read_text()  # of `parts`, and of `collection`
    assert words.size and parts[0][0][0] == name(0)  # what was taken stays
    del parts
    collection.close()
    assert path not in Path("/proc/self/maps").read_text()
    assert os.listdir("/proc/self/fd") == before


def test_a_closed_collection(collection):
    collection.close()
    collection.close()
    for ask in (
        lambda: collection.n_images,
        lambda: collection.segments,
        lambda: collection.manifest,
        lambda: collection.words(0),
        lambda: list(collection.names()),
        lambda: collection.find([name(0)]),
    ):
        with pytest.raises(InvalidInput, match="some.blcf was closed, and what was found"):
            ask()
    collection.refresh()
    check(collection, LEFT, ranked=False)
