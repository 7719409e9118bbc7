"""FRAMES of `blcf index` and `add`: several of them, their names, and COLLECTION first."""

from __future__ import annotations

import io
import shlex
import shutil

import pytest
import tiles

from blcf import SearchEngine
from blcf.cli.parser import parse_arguments


@pytest.fixture
def days(tmp_path):
    """Two folders that hold pictures of the same names."""
    scenes = tiles.planted_scenes()[0]
    for number, one in enumerate(scenes):
        tiles.save(tmp_path / f"day{1 + number % 2}" / f"{number // 2}.png", one)
    return tmp_path


@pytest.fixture
def index(place, days, call, monkeypatch):
    """`blcf index` in the folder of the days, quickly; `add` where there is a collection."""
    monkeypatch.chdir(days)
    how = ["--network", "squeezenet1_1", "--weights", place / "weights.pth", "--side", 64]

    def run(*arguments):
        return call("index", *arguments, "--quiet", *how, "--words", 8)

    return run


def names(path):
    return list(SearchEngine.open(path).collection.names())


BOTH = [f"day{day}/{number}.png" for day in (1, 2) for number in range(6)]


def test_several_folders(index, days):
    status, out, _ = index("c.blcf", "day1", "day2")
    assert status == 0 and out == "12 pictures in c.blcf: 12 added, 0 were there, 0 skipped\n"
    assert names("c.blcf") == BOTH
    assert index("c.blcf", "day2", "day1", "day1/0.png")[1].endswith("12 were there, 0 skipped\n")
    assert index("c.blcf", ".")[1].endswith("0 added, 12 were there, 0 skipped\n"), "as the parent"


def test_options_may_stand_between_them(index):
    status, out, _ = index("c.blcf", "day1", "--seed", 3, "day2")
    assert status == 0 and out.startswith("12 pictures")


def test_a_list_through_a_pipe(index, monkeypatch, capsys):
    def pipe(text):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    pipe("day1/3.png\nday1/5.png\n")
    assert index("c.blcf", "-", "day2")[0] == 0
    assert names("c.blcf") == ["day1/3.png", "day1/5.png", *BOTH[6:]]
    status, _, err = index("d.blcf", "-", "-")
    assert status == 2 and "once among FRAMES" in err
    pipe("")
    status, _, err = index("d.blcf", "-")
    assert status == 2 and "standard input: expected at least one path" in err


def test_one_name_for_two_files_is_an_error_that_says_what_to_do(index, call, days):
    """Folders that are added one by one: each is named by its own paths."""
    assert index("c.blcf", "day1")[0] == 0
    assert names("c.blcf") == [f"{number}.png" for number in range(6)]
    status, _, err = call("add", "c.blcf", "day2", "--quiet")
    assert status == 2 and "already holds '0.png'" in err and "--root" in err
    assert len(names("c.blcf")) == 6
    assert call("add", "c.blcf", "day2", "--root", ".", "--quiet")[0] == 0
    assert names("c.blcf")[6:] == BOTH[6:]


def test_root(index, call):
    assert index("c.blcf", "day1", "--root", ".")[0] == 0
    assert names("c.blcf") == BOTH[:6]
    status, _, err = call("add", "c.blcf", "day2", "--root", "day1")
    assert status == 2 and "expected a path inside" in err


ORDERS = {
    "a folder, nothing": (["index", "day1", "new"], "blcf index new day1"),
    "a folder, a collection": (["index", "day1", "there"], "blcf index there day1"),
    "folders, nothing": (["index", "day1", "day2", "new"], "blcf index new day1 day2"),
    "a list, nothing": (["index", "my list", "new"], "blcf index new 'my list'"),
    "a picture, nothing": (["index", "day1/0.png", "new"], "blcf index new day1/0.png"),
    "add": (["add", "day1", "there"], "blcf add there day1"),
}


@pytest.mark.parametrize("words, right", ORDERS.values(), ids=ORDERS)
def test_the_order_of_old(place, days, call, monkeypatch, words, right):
    """One sentence with the right order; nothing is made or changed."""
    monkeypatch.chdir(days)
    shutil.copytree(place / "c.blcf", days / "there")
    (days / "my list").write_text("day1/0.png\n")
    before = sorted(days.rglob("*"))
    status, out, err = call(*words)
    assert status == 2 and out == ""
    assert err == f"blcf: COLLECTION comes first, and {words[1]} is none: {right}\n"
    assert sorted(days.rglob("*")) == before


def test_what_cannot_become_a_collection(days, call, monkeypatch):
    monkeypatch.chdir(days)
    status, _, err = call("index", "day1", "day2")
    assert status == 2 and "is not an empty folder" in err
    status, _, err = call("add", "nowhere", "day1")
    assert status == 2 and "No collection at nowhere" in err and "blcf index nowhere FRAMES" in err


@pytest.mark.parametrize(
    "text, dest, expected",
    [
        ("index c a b", "frames", ["a", "b"]),
        ("index c --words 5 a b", "frames", ["a", "b"]),
        ("index c a --words 5 b --side 64 d", "frames", ["a", "b", "d"]),
        ("index --words 5 c a -", "frames", ["a", "-"]),
        ("index c a --words 5 -", "frames", ["a", "-"]),
        ("index c a --words 5 -- -b --c", "frames", ["a", "-b", "--c"]),
        ("search c --box=1,2,3,4 q.jpg", "image", ["q.jpg"]),
        ("search c a.jpg -k 3 b.jpg", "image", ["a.jpg", "b.jpg"]),
        ("remove c a --quiet b", "pictures", ["a", "b"]),
    ],
)
def test_arguments_that_are_repeated(text, dest, expected):
    assert getattr(parse_arguments(shlex.split(text)), dest) == expected


@pytest.mark.parametrize("text", ["index c a --wrods 5", "search c a.jpg --bx 1", "info c d"])
def test_what_is_no_argument(text, capsys):
    with pytest.raises(SystemExit) as exit:
        parse_arguments(shlex.split(text))
    assert exit.value.code == 2 and "unrecognized arguments: " in capsys.readouterr().err
