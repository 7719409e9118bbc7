"""A collection from a stranger: nothing outside of its folder is read, written or deleted."""

from __future__ import annotations

import json
import os

import h5py
import pytest
from damaged import LEFT, check_command, content_of, forged, some_collection, uses
from made_up import DESCRIPTION, append, check

from blcf.collection import Collection, check_collection
from blcf.collection.manifest import copy_manifest, swap_manifest
from blcf.errors import BlcfError, FormatError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")


@pytest.fixture
def collection(tmp_path):
    return some_collection(tmp_path)


@pytest.fixture
def outside(tmp_path):
    """A folder that nobody may touch; what it holds looks like a collection's."""
    folder = tmp_path / "outside"
    (folder / "inner").mkdir(parents=True)
    for name in ("00000001.h5", "00000009.h5", "sample.f16", ".old.tmp", "inner/file"):
        (folder / name).write_text("theirs")
    return folder


def lead_out(path, outside):
    """Put a link in the place of a folder of the collection."""
    if path.exists():
        path.rename(path.with_name(f"{path.name}.before"))
    path.symlink_to(outside)


@pytest.mark.parametrize("name", ["segments", "training", "damaged"])
def test_a_folder_that_is_a_link(collection, outside, name):
    if name == "damaged":  # there is something to move there
        (collection.path / "segments" / "00000002.h5").write_bytes(b"damaged")
    lead_out(collection.path / name, outside)
    before, refusals = content_of(outside), []
    for use in uses(collection.path):
        try:
            use()
        except BlcfError as error:
            refusals.append(str(error))
        assert content_of(outside) == before
    assert any(f"{name} to be a plain folder, it is a link" in one for one in refusals)
    assert (outside / "inner" / "file").exists() and (collection.path / name).is_symlink()


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "device"])
@pytest.mark.parametrize(
    "name",
    [
        "manifest.json",
        "manifest.backup.json",
        "model.h5",
        "segments/00000002.h5",
        "segments/00000002.names.h5",
        "statistics.h5",
        "errors.jsonl",
        "writer.lock",
        "writer.json",
    ],
)
def test_a_file_that_is_none(collection, outside, name, kind):
    """Links to what was there before, too: what is outside is not the collection's."""
    path, theirs = collection.path / name, outside / "theirs"
    theirs.write_bytes(path.read_bytes() if path.exists() else b"{}")
    path.unlink(missing_ok=True)
    if kind == "link":
        path.symlink_to(theirs)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    before, refusals = content_of(outside), []
    for use in uses(collection.path):
        try:
            use()
        except BlcfError as error:
            refusals.append(str(error))
        assert content_of(outside) == before
    named = {"link": "link", "pipe": "named pipe", "folder": "folder", "device": "link"}[kind]
    if name in ("manifest.json", "segments/00000002.h5", "writer.lock"):
        assert any(f"to be a plain file, it is a {named}" in one for one in refusals)
    found = check_collection(collection.path)
    if name == "model.h5":
        (damage,) = found.damages
        assert f"model.h5 to be a plain file, it is a {named}" in damage.reason
    elif not name.startswith("writer"):
        assert found.is_sound, found


def test_a_link_is_set_aside_as_a_link(collection, outside):
    path, theirs = collection.path / "segments" / "00000002.h5", outside / "theirs"
    path.rename(theirs)
    path.symlink_to(theirs)
    before = content_of(outside)
    assert "is a link" in check_collection(collection.path, repair=True).damages[0].reason
    assert (collection.path / "damaged" / "00000002.h5").is_symlink()
    assert content_of(outside) == before
    check(Collection.open(collection.path), [0, 1, 2, 3, 9, 10, 11])


def forge(collection, change):
    """Change the manifest, with digests that fit."""
    manifest = json.loads((collection.path / "manifest.json").read_text())
    change(manifest)
    copy_manifest(collection.path, swap_manifest(collection.path, manifest))


@pytest.mark.parametrize("file", ["../other.h5", "/dev/zero", "segments/00000001.h5", "", "other"])
def test_another_model_file(collection, file):
    (collection.path.parent / "other.h5").write_bytes(b"whitening and vocabulary")
    forge(collection, lambda manifest: manifest["model"].update(file=file))
    with pytest.raises(FormatError, match="its model are not of the form"):
        Collection.open(collection.path)
    with pytest.raises(FormatError, match="both damaged or missing"):
        check_collection(collection.path)


def test_the_folder_itself_may_be_a_link(collection, tmp_path):
    (tmp_path / "link").symlink_to(collection.path)
    opened = Collection.open(tmp_path / "link")
    with opened.writing():
        append(opened, [20])
    assert check_collection(tmp_path / "link", repair=True).is_sound
    check(Collection.open(collection.path), [*LEFT, 20])


def test_no_copy_yet(tmp_path, monkeypatch, capsys):
    """A process that was killed between the first manifest and its copy left nothing damaged."""
    monkeypatch.setattr("blcf.collection.collection.copy_manifest", lambda *arguments: False)
    made = Collection.create(tmp_path / "new.blcf", DESCRIPTION)
    monkeypatch.undo()
    report = check_collection(made.path)
    assert report.is_sound and not report.has_copy
    assert check_command(made.path) == 0
    assert "no copy of the manifest yet" in capsys.readouterr().out
    with made.writing():
        append(made, [1])
    assert check_collection(made.path).has_copy
    (made.path / "manifest.backup.json").unlink()  # later it is missing
    assert [one.file for one in check_collection(made.path).damages] == ["manifest.backup.json"]


@pytest.mark.parametrize("images", [60_000, 0])
def test_lists_that_would_lead_a_merge_astray(collection, images):
    """Images that there are not, or that stand twice in a list, under digests that fit."""
    path, entry = collection.path / "segments" / "00000002.h5", {}
    with forged(path, entry) as file:
        file["postings/image_ids"][...] = images
    forge(collection, lambda manifest: manifest["segments"][1].update(entry))
    opened = Collection.open(collection.path)
    with opened.writing():
        with pytest.raises(FormatError, match="00000002.h5 is damaged: Expected .* Run `blcf"):
            opened.compact()
    assert check_collection(collection.path).damages[0].file == "segments/00000002.h5"


def test_an_external_link_in_a_segment(collection, outside):
    """The group of maps of a segment, in another file."""
    path, theirs = collection.path / "segments" / "00000002.h5", outside / "theirs.h5"
    theirs.write_bytes(path.read_bytes())
    with h5py.File(path, "r+") as file:
        del file["maps"]
        file["maps"] = h5py.ExternalLink(str(theirs), "maps")
    stamp = os.stat(path).st_size
    forge(collection, lambda manifest: manifest["segments"][1].update(bytes=stamp))
    with pytest.raises(FormatError, match=r"00000002\.h5 is damaged \(its maps is a link\)"):
        Collection.open(collection.path)
