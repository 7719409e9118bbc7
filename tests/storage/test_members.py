"""One door to files: plain ones only, below a folder, and no link on the way."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from blcf.errors import FormatError, StorageError
from blcf.storage import Member, file_digest, map_file, members, open_plain, read_json
from blcf.storage.files import write_file, write_json

posix = pytest.mark.skipif(os.name != "posix", reason="links, pipes and sockets of POSIX")


@pytest.fixture(params=[True, False], ids=["dir_fd", "step by step"])
def folder(request, tmp_path, monkeypatch):
    """A folder, on a system that looks names up in an open folder and on one that cannot."""
    if request.param and not members.HAS_DIR_FD:
        pytest.skip("this system looks up no names in an open folder")
    monkeypatch.setattr(members, "HAS_DIR_FD", request.param)
    (tmp_path / "inside" / "deep").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("theirs")
    return tmp_path / "inside"


def make_odd(path, kind):
    """Put something there that is no plain file."""
    if kind == "a folder":
        path.mkdir()
    elif kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as one:
            here = os.getcwd()
            os.chdir(path.parent)  # the name of a socket has a hundred letters at most
            try:
                one.bind(path.name)
            finally:
                os.chdir(here)
    else:
        path.symlink_to(path.parent.parent / "outside" / "file")


KINDS = ["a folder", "a named pipe", "a socket", "a link"]


@posix
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_plain_file_is_refused_at_once(folder, kind):
    make_odd(folder / "odd", kind)
    member = Member(folder, "odd")
    assert member.kind() == kind
    for read in (open_plain, file_digest, read_json, map_file):
        with pytest.raises(FormatError, match=f"odd to be a plain file, it is {kind}"):
            read(member)
    if kind != "a link":  # a link that the caller names himself is his own
        with pytest.raises(FormatError, match=f"odd to be a plain file, it is {kind}"):
            open_plain(folder / "odd")
        (folder / "link").symlink_to(folder / "odd")
        with pytest.raises(FormatError, match=f"link to be a plain file, it is {kind}"):
            open_plain(str(folder / "link"))
    else:
        with open_plain(folder / "odd") as file:
            assert file.read() == b"theirs"


@posix
def test_a_device_is_refused():
    with pytest.raises(FormatError, match="/dev/zero to be a plain file, it is a device"):
        open_plain("/dev/zero")


@pytest.mark.parametrize("path", ["a\0b", Path("a\0b"), "\ud800"])
def test_a_name_that_no_file_has(path):
    if os.name == "nt" and path == "\ud800":
        pytest.skip("a name that a file can have there")
    with pytest.raises(FormatError, match="Expected the name of a file, got"):
        open_plain(path)
    with pytest.raises(FormatError, match="Expected the name of a folder, got"):
        Member(Path(path), "file").names()


def test_what_the_system_says_is_not_hidden(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_plain(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        open_plain(Member(tmp_path, "none"))


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "/a", "a//b", "a/../b", "a/", "a\0b"])
def test_a_name_that_leads_elsewhere(tmp_path, name):
    with pytest.raises(FormatError, match="Expected a name of a file in"):
        Member(tmp_path, name)
    with pytest.raises(FormatError, match="Expected a name of a file in"):
        Member(tmp_path, "a") / name


def test_a_member_has_the_names_of_a_path(tmp_path):
    member = Member(tmp_path, "a") / "b" / "c.h5"
    assert os.fspath(member) == str(member) == str(tmp_path / "a" / "b" / "c.h5")
    assert (member.name, Member(tmp_path, "x").name) == ("c.h5", "x")
    assert member.with_name("d") == Member(tmp_path, "a/b/d")
    assert Member(tmp_path, "x").with_name("y") == Member(tmp_path, "y")


def test_what_is_done_with_a_member(folder):
    member = Member(folder, "deep/file")
    assert member.kind() is None and not member.exists()
    write_file(member, b"one")
    write_file(member, b"two")
    assert (folder / "deep" / "file").read_bytes() == b"two"
    with open_plain(member) as file:
        assert file.read() == b"two"
    assert Member(folder, "deep").names() == ["file"] and Member(folder, "none").names() == []
    new = Member(folder, "new")
    new.make_folder(), new.make_folder()
    member.move_to(new / "moved")
    assert new.names() == ["moved"] and Member(folder, "deep").names() == []
    (new / "moved").unlink(), (new / "moved").unlink()
    assert new.names() == []
    write_json(new / "a.json", [1])
    (folder / "new" / "inner").mkdir()
    new.remove_folder(), new.remove_folder()
    assert not (folder / "new").exists()
    for odd in (Member(folder, "deep/file/below"), Member(folder, "none/file")):
        assert odd.kind() is None
        with pytest.raises(StorageError, match="Could not write"):
            write_file(odd, b"")


@posix
def test_no_link_is_followed(folder):
    """To read, to list, to write, to rename, to delete: what lies outside is as it was."""
    outside, seen = folder.parent / "outside", {}
    (folder / "link").symlink_to(outside)
    (folder / "file").symlink_to(outside / "file")
    (folder / "deep" / "own").write_text("ours")
    below, own = Member(folder, "link/file"), Member(folder, "deep/own")
    for name, act in {
        "open": lambda: open_plain(below),
        "kind": below.kind,
        "write": lambda: write_file(below, b"x"),
        "write new": lambda: write_file(Member(folder, "link/new"), b"x"),
        "names": Member(folder, "link").names,
        "make folder": Member(folder, "link").make_folder,
        "make a folder below": Member(folder, "link/new").make_folder,
        "unlink": below.unlink,
        "move out of it": lambda: below.move_to(Member(folder, "moved")),
        "move into it": lambda: own.move_to(Member(folder, "link/own")),
        "remove": Member(folder, "link").remove_folder,
        "check": lambda: Member(folder, "link").check("a folder"),
    }.items():
        with pytest.raises(FormatError) as caught:
            act()
        seen[name] = str(caught.value)
    for name, message in seen.items():
        assert "link to be a plain folder, it is a link. Nothing outside of" in message, name
    # A link in the place of a file goes itself: what it leads to stays.
    write_file(Member(folder, "file"), b"ours")
    assert not (folder / "file").is_symlink() and (folder / "file").read_text() == "ours"
    Member(folder, "link").move_to(Member(folder, "other"))
    Member(folder, "other").unlink()
    assert sorted(os.listdir(folder)) == ["deep", "file"]
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"file": "theirs"}


@posix
def test_a_link_where_the_temporary_file_will_be(folder):
    """Somebody who guesses the name of it gets nothing written elsewhere."""
    outside = folder.parent / "outside" / "file"
    writer = f"{os.getpid()}.{threading.get_native_id()}"
    (folder / f".a.json.{writer}.tmp").symlink_to(outside)
    write_json(Member(folder, "a.json"), [1])
    assert outside.read_text() == "theirs" and read_json(Member(folder, "a.json")) == [1]
    assert sorted(os.listdir(folder)) == ["a.json", "deep"]


@posix
def test_the_folder_itself_may_be_a_link(folder):
    link = folder.parent / "link"
    link.symlink_to(folder)
    write_json(Member(link, "deep/a.json"), [1])
    assert read_json(Member(link, "deep/a.json")) == [1]
    assert (folder / "deep" / "a.json").exists()
