"""The command line on a collection in shards says what it says of one in one piece."""

from __future__ import annotations

import json

import archive
import pytest
import tiles


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """In shards and in one piece; searched with frames, as the network is that of the tests."""
    folder = tmp_path_factory.mktemp("programs")
    made = archive.make_archive(archive.make_source(folder / "a.blcf", 30), folder, 3)
    archive.change(made)
    with made.merge() as whole:
        made.frame = list(whole.names)[3]
    return made


@pytest.mark.parametrize(
    "options",
    [
        ["--json"],
        ["-k", "7", "--group", "shot", "--json"],
        ["--csv", "-", "--where", "camera = 'A'", "--expand", "local"],
        [],
    ],
)
def test_a_search_prints_what_it_prints_of_one_piece(made, call, options):
    asked = [made.frame, "--frame", "--quiet", *options]
    found, expected = (call("search", path, *asked) for path in (made.path, made.whole))
    assert found == expected and found[0] == 0 and found[1]


def test_exports(made, call, tmp_path):
    written = []
    for path in (made.path, made.whole):
        coco, run = tmp_path / f"{path.name}.json", tmp_path / f"{path.name}.run"
        options = ["--frame", "--coco", coco, "--run", run, "--html", tmp_path / "hits.html"]
        assert call("search", path, made.frame, *options)[0] == 0
        written.append((json.loads(coco.read_text()), run.read_text()))
    assert written[0] == written[1] and written[0][0]["images"]


def test_list_and_info(made, call):
    lists = [call("list", path, "--csv") for path in (made.path, made.whole)]
    live = [[row for row in out.splitlines() if ",live," in row] for _, out, _ in lists]
    assert live[0] == live[1] and len(live[0]) > 30
    assert ",removed," in lists[0][1]
    status, out, _ = call("info", made.path)
    assert status == 0 and "shards         3" in out
    said = json.loads(call("info", made.path, "--json", "--verbose")[1])
    assert said["n_images"] == len(live[0])


def test_mistakes_are_a_sentence(made, call, tmp_path):
    tiles.save(tmp_path / "1.png", archive.maps_of([0])[0])
    for arguments, expected in [
        (["search", made.path, "x.png", "--frame", "--time-limit", "3"], "--cluster ADDRESS with"),
        (["search", made.path, "no.png", "--frame"], "holds no 'no.png'"),
        (["export", made.path, tmp_path / "a.csv", "--to", "csv"], "needs it in one piece"),
        (
            ["search", made.path, made.frame, "--frame", "--html", made.path / "x.html"],
            "which holds",
        ),
        (["search", made.path, made.frame, "--frame", "--cluster", "local:many"], "local:N, N the"),
        (["info", made.whole, "--cluster", "local:0"], "n_workers"),
    ]:
        status, out, said = call(*arguments)
        assert (status, out) == (2, "") and expected in said and said.count("\n") == 1, said


def test_shards_that_are_gone(made, call):
    lost = made.shards[2]
    lost.rename(lost.with_suffix(".away"))
    try:
        status, _, said = call("search", made.path, made.frame, "--frame")
        assert status == 2 and "shard-0002.blcf" in said
        status, out, said = call("search", made.path, made.frame, "--frame", "--allow-partial")
        assert status == 3 and out and "shard-0002.blcf is done without" in said
        options = ["--frame", "--allow-partial", "--json"]
        found = json.loads(call("search", made.path, made.frame, *options)[1])
        assert found["missing_shards"] == [str(lost)] and found["hits"]
    finally:
        lost.with_suffix(".away").rename(lost)
