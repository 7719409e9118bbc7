"""`check_collection`: damaged manifests and models, other writers, repairs that were stopped."""

from __future__ import annotations

import json
import os

import pytest
from damaged import (
    DAMAGES,
    FIRST_AND_LAST,
    LEFT,
    content_of,
    damage_cut,
    damage_empty,
    damage_flip,
    only,
    some_collection,
)
from made_up import append, check, files_of, name

from blcf.collection import Collection, check_collection, checking, manifest
from blcf.collection.lock import writer_lock
from blcf.errors import BlcfError, CollectionLocked, FormatError, StorageError


@pytest.fixture
def collection(tmp_path):
    return some_collection(tmp_path)


@pytest.mark.parametrize("damage", DAMAGES)
def test_manifest(collection, damage):
    damage(collection.path / "manifest.json")
    with pytest.raises(BlcfError, match="blcf check .* --repair"):
        Collection.open(collection.path)
    found = only(check_collection(collection.path))
    assert found.file == "manifest.json" and "manifest.json is" in found.reason
    generation = collection.manifest["generation"]
    assert check_collection(collection.path, repair=True).repaired
    opened = Collection.open(collection.path)
    check(opened, LEFT)
    assert opened.manifest["generation"] == generation + 2
    assert check_collection(collection.path).is_sound
    collection.refresh()
    check(collection, LEFT)


@pytest.mark.parametrize("damage", DAMAGES)
def test_copy_of_the_manifest(collection, damage):
    damage(collection.path / "manifest.backup.json")
    check(Collection.open(collection.path), LEFT, ranked=False)
    assert only(check_collection(collection.path)).file == "manifest.backup.json"
    assert check_collection(collection.path, repair=True).repaired
    check(Collection.open(collection.path), LEFT)
    assert check_collection(collection.path).is_sound


def test_manifest_and_its_copy(collection):
    damage_cut(collection.path / "manifest.json")
    damage_flip(collection.path / "manifest.backup.json")
    before = content_of(collection.path)
    for repair in (False, True):
        with pytest.raises(FormatError, match="both damaged or missing: there is nothing to resto"):
            check_collection(collection.path, repair=repair)
    before.pop("writer.lock"), before.pop("writer.json", None)
    after = content_of(collection.path)
    after.pop("writer.lock")
    assert after == before


def test_manifest_whose_copy_is_one_commit_old(collection, monkeypatch):
    with collection.writing():
        with monkeypatch.context() as patch:
            patch.setattr("blcf.collection.collection.copy_manifest", lambda folder, value: False)
            append(collection, [12, 13])
    damage_empty(collection.path / "manifest.json")
    report = check_collection(collection.path, repair=True)
    lost = [one for one in report.damages if one.file == "segments/00000004.h5"]
    assert lost[0].names == [name(12), name(13)]
    assert lost[0].listed.read_text() == f"/pictures/{name(12)}\n/pictures/{name(13)}\n"
    opened = Collection.open(collection.path)
    with opened.writing():
        check(opened, LEFT)
        append(opened, [12, 13])
    assert "00000005.h5" in files_of(opened)
    check(opened, [*LEFT, 12, 13])


def test_another_version(collection):
    path = collection.path / "manifest.json"
    path.write_text(path.read_text().replace('version": 3', 'version": 1'))
    with pytest.raises(FormatError, match="format version 3 or 4, got version 1"):
        check_collection(collection.path, repair=True)


@pytest.mark.parametrize("damage", DAMAGES)
def test_model(collection, damage):
    damage(collection.path / "model.h5")
    for repair in (False, True):
        report = check_collection(collection.path, repair=repair)
        found = only(report)
        assert found.file == "model.h5" and not report.repaired
        assert "cannot be computed again: restore it from a copy, or index again" in found.reason


def test_names_that_live_twice(collection):
    with collection.writing():
        entries = collection.manifest["segments"]
        collection.commit(segments=[{**entries[0]}, *entries[1:], dict(entries[0])])
    damage = only(check_collection(collection.path))
    assert damage.file == "manifest.json" and damage.names == [name(i) for i in range(4)]
    assert "4 stand for several images" in damage.reason
    assert check_collection(collection.path, repair=True).n_images == 11
    check(Collection.open(collection.path), [*LEFT[4:], 0, 1, 2, 3])
    assert check_collection(collection.path).is_sound


def test_repair_is_a_writer(collection):
    damage_flip(collection.path / "segments" / "00000002.h5")
    with writer_lock(collection.path):
        assert not check_collection(collection.path).is_sound
        with pytest.raises(CollectionLocked):
            check_collection(collection.path, repair=True)


def test_check_while_a_writer_merges(collection, monkeypatch):
    """What the first look misses was merged away meanwhile: the second look is right."""
    inspect, n_looks = checking.inspect, []

    def inspect_late(folder):
        read = checking_manifest(folder)
        if not n_looks:
            with collection.writing():
                collection.compact()
            monkeypatch.setattr("blcf.collection.findings.read_manifest", lambda _: read)
        n_looks.append(1)
        found = inspect(folder)
        monkeypatch.undo()
        return found

    checking_manifest = manifest.read_manifest
    monkeypatch.setattr(checking, "inspect", inspect_late)
    report = check_collection(collection.path)
    assert report.is_sound and report.n_segments == 1 and n_looks == [1]


def test_read_only_folder(collection):
    folders = [collection.path, collection.path / "segments"]
    damage_flip(collection.path / "segments" / "00000002.h5")
    for folder in folders:
        folder.chmod(0o555)
    try:
        if os.access(collection.path, os.W_OK):
            pytest.skip("this user (root?) may write everywhere")
        assert only(check_collection(collection.path)).n_images == 4
        with pytest.raises(StorageError):
            check_collection(collection.path, repair=True)
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_interrupted_repair_is_completed(collection, monkeypatch):
    damage_flip(collection.path / "segments" / "00000002.h5")

    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("blcf.collection.repairing.swap_manifest", stop)
        with pytest.raises(KeyboardInterrupt):
            check_collection(collection.path, repair=True)
    assert "00000002.h5" in os.listdir(collection.path / "damaged")
    repaired = only(check_collection(collection.path, repair=True))
    assert "missing" in repaired.reason and repaired.names == [name(i) for i in (4, 6, 7, 8)]
    check(Collection.open(collection.path), FIRST_AND_LAST)
    assert json.loads((collection.path / "manifest.json").read_text())["next_segment"] == 4
