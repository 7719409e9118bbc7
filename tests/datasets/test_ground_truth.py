"""The gt.json form: what is read, what is refused, and names that a collection calls otherwise."""

from __future__ import annotations

import json

import numpy as np
import pytest

from blcf.datasets import GroundTruth, TrueExample, TrueQuery, read_ground_truth
from blcf.errors import DatasetNotFound, FormatError, InvalidInput
from blcf.images import ImageList

QUERY = {
    "query": "q.jpg",
    "object": "Adidas",
    "box": [4, 5, 499, 352],
    "positives": ["a.jpg", "b.jpg"],
    "junk": ["q.jpg"],
    "boxes": {"b.jpg": [[1, 2, 3, 4], [5, 6, 7.5, 8]], "a.jpg": []},
}
IMAGES = [{"name": "a.jpg", "size": [500, 375]}]


@pytest.fixture
def write(tmp_path):
    def written(content):
        (tmp_path / "q.jpg").touch()
        path = tmp_path / "gt.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return written


def truth_of(positives, junk=(), sizes=(), boxes=()):
    query = TrueQuery(
        "1",
        "x",
        (TrueExample("q.jpg"),),
        frozenset(positives),
        frozenset(junk),
        boxes={name: None for name in boxes},
    )
    return GroundTruth("gt.json", [query], {name: (1, 1) for name in sizes})


def test_form(write):
    path = write({"images": IMAGES, "queries": [QUERY]})
    truth = read_ground_truth(str(path))
    assert truth.path == path and truth.sizes == {"a.jpg": (500, 375)}
    (query,) = truth.queries
    assert query.image == path.parent / "q.jpg" and query.object == "Adidas"
    assert query.box.dtype == np.float32 and query.box.tolist() == [4, 5, 499, 352]
    assert query.positives == {"a.jpg", "b.jpg"} and query.junk == {"q.jpg"}
    assert query.boxes["b.jpg"].tolist() == [[1, 2, 3, 4], [5, 6, 7.5, 8]]
    assert query.boxes["a.jpg"].shape == (0, 4)


def test_what_may_be_left_out(write):
    path = write({"queries": [{"query": "q.jpg", "positives": ["a.jpg"]}]})
    (query,) = read_ground_truth(path).queries
    assert query.box is None and query.object == "" and not query.junk and query.boxes == {}
    assert read_ground_truth(write({"queries": [{**QUERY, "box": None}]})).queries[0].box is None


def test_query_pictures_in_the_folder_images(write):
    path = write({"queries": [{**QUERY, "query": "other.jpg"}]})
    (path.parent / "images").mkdir()
    with pytest.raises(DatasetNotFound, match="other.jpg is neither at .* nor at .*images/other"):
        read_ground_truth(path)
    for name in ("x" * 5000, chr(0)):  # no file can be called so
        with pytest.raises(DatasetNotFound, match="is neither at"):
            read_ground_truth(write({"queries": [{**QUERY, "query": name}]}))
    path = write({"queries": [{**QUERY, "query": "other.jpg"}]})
    (path.parent / "images" / "other.jpg").touch()
    assert read_ground_truth(path).queries[0].image == path.parent / "images" / "other.jpg"


def test_missing_file(tmp_path):
    for path in (tmp_path / "gt.json", tmp_path):
        with pytest.raises(DatasetNotFound, match="No ground truth at"):
            read_ground_truth(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"queries": [}', b"queries", b"\xff\xfe{}", b"[" * 100_000 + b"]" * 100_000],
    ids=lambda content: str(content[:15]),
)
def test_not_json(write, content):
    with pytest.raises(FormatError, match="gt.json to be JSON, it is not"):
        read_ground_truth(write(content))


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        5,
        None,
        {"queries": None},
        {"queries": [5]},
        {"queries": ["q.jpg"]},
        {"queries": [{}]},
        {"queries": [{"query": "q.jpg"}]},
        {"queries": [{**QUERY, "query": 5}]},
        {"queries": [{**QUERY, "positives": None}]},
        {"queries": [{**QUERY, "positives": [["a.jpg"]]}]},
        {"queries": [{**QUERY, "boxes": ["a.jpg"]}]},
        {"queries": [{**QUERY, "boxes": {"a.jpg": [[1, 2, 3]]}}]},
        {"queries": [{**QUERY, "boxes": {"a.jpg": "1,2,3,4"}}]},
        {"queries": [QUERY], "images": None},
        {"queries": [QUERY], "images": [{"name": "a.jpg"}]},
        {"queries": [QUERY], "images": ["a.jpg"]},
        {"queries": [QUERY], "images": [{"name": 5, "size": [4, 4]}]},
        {"queries": [QUERY], "images": [{"name": "a.jpg", "size": [float("inf"), 4]}]},
        {"queries": [QUERY], "images": [{"name": "a.jpg", "size": [10**400, 4]}]},
        {"queries": [QUERY], "images": [{"name": "a.jpg", "size": [0, 4]}]},
    ],
)
def test_not_of_the_form(write, content):
    with pytest.raises(FormatError, match='gt.json to hold "queries", each with'):
        read_ground_truth(write(content))


def test_no_queries(write):
    with pytest.raises(FormatError, match="to hold queries, there are none"):
        read_ground_truth(write({"queries": []}))


def test_bad_query_box(write):
    with pytest.raises(FormatError, match="empty or reversed") as caught:
        read_ground_truth(write({"queries": [QUERY, {**QUERY, "box": [9, 0, 3, 5]}]}))
    message = str(caught.value)
    assert message.count("gt.json") == 1 and message.count("query 2: Expected a box") == 1
    assert not message.endswith("..")


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([9, 0, 3, 5], "empty or reversed"),
        ([1, 2, float("inf"), 4], "four finite numbers"),
        ([1, float("nan"), 3, 4], "four finite numbers"),
    ],
)
def test_bad_true_boxes(write, box, message):
    """They would count as overlaps of 0."""
    row = {**QUERY, "boxes": {"b.jpg": [[1, 2, 3, 4], box]}}
    with pytest.raises(FormatError, match=f"query 2: a true box of b.jpg: .*{message}"):
        read_ground_truth(write({"queries": [QUERY, row]}))


def test_junk_is_no_positive(write, caplog):
    row = {**QUERY, "positives": ["q.jpg", "a.jpg", "b.jpg"]}
    truth = read_ground_truth(write({"queries": [QUERY, row, row]}))
    for query in truth.queries:
        assert query.positives == {"a.jpg", "b.jpg"} and query.junk == {"q.jpg"}
    (record,) = caplog.records
    assert "2 queries of" in record.getMessage() and "q.jpg of query 0002" in record.getMessage()
    caplog.clear()
    read_ground_truth(write({"queries": [QUERY]}))
    assert not caplog.records


@pytest.mark.parametrize(
    ("mine", "here"),
    [
        ("a.jpg", "a.jpg"),
        ("images/a.jpg", "a.jpg"),  # the collection is of the folder images
        ("a.jpg", "images/a.jpg"),  # the collection is of the folder above
        ("images/x/a.jpg", "x/a.jpg"),
        ("x/a.jpg", "logos/images/x/a.jpg"),
    ],
)
def test_renamed(mine, here):
    truth = truth_of([mine], junk=["other.jpg"], sizes=[mine], boxes=[mine])
    renamed = truth.renamed([here, "unrelated.jpg"])
    (query,) = renamed.queries
    assert query.positives == {here} and query.junk == {"other.jpg"}
    assert list(query.boxes) == [here] and list(renamed.sizes) == [here]
    assert renamed.missing([here]) == [] and renamed.missing([]) == [here]
    assert truth.queries[0].positives == {mine}  # the truth itself stays


def test_renamed_by_one_folder_for_all():
    truth = truth_of(["images/x/a.jpg", "images/y/a.jpg"])
    renamed = truth.renamed(["x/a.jpg", "y/a.jpg"])
    assert renamed.queries[0].positives == {"x/a.jpg", "y/a.jpg"}
    here = ["x/a.jpg", "y/a.jpg", "x/b.jpg"]
    renamed = truth_of(["a.jpg", "b.jpg"]).renamed(here)
    assert renamed.queries[0].positives == {"x/a.jpg", "x/b.jpg"}, "most names agree on x"
    whole = truth_of(["images/b.jpg"]).renamed(["b.jpg", "other/b.jpg"])
    assert whole.queries[0].positives == {"b.jpg"}


def test_two_pictures_never_become_one():
    renamed = truth_of(["x/a.jpg", "y/a.jpg"]).renamed(["a.jpg"])
    assert renamed.queries[0].positives == {"a.jpg", "y/a.jpg"}
    assert renamed.missing(["a.jpg"]) == ["y/a.jpg"]


def test_ends_are_whole_parts_of_a_path():
    truth = truth_of(["a.jpg", "b.jpg"]).renamed(["aa.jpg", "b.jpg", "x/ba.jpg"])
    assert truth.queries[0].positives == {"a.jpg", "b.jpg"}


def test_frames_are_renamed_and_shots_stay():
    query = TrueQuery("1", "x", (TrueExample("q.jpg"),), frozenset({"shot1_1", "shot1_2"}))
    shots = {"frames/a.jpg": "shot1_1", "frames/b.jpg": "shot1_1"}
    renamed = GroundTruth("topics", [query], shots=shots).renamed(["a.jpg", "b.jpg"])
    assert renamed.shots == {"a.jpg": "shot1_1", "b.jpg": "shot1_1"}
    assert renamed.queries[0].positives == {"shot1_1", "shot1_2"}
    assert renamed.missing(["a.jpg"]) == ["shot1_2"]


def test_a_collection_filled_piece_by_piece_is_known_by_its_files(tmp_path):
    names = ["one/a.jpg", "one/b.jpg", "two/a.jpg", "two/c.jpg"]
    query = TrueQuery("1", "x", (TrueExample("q.jpg"),), frozenset(names[:3]), frozenset(names[3:]))
    truth = GroundTruth(tmp_path, [query], images=(ImageList(tmp_path, names),))
    places = {str(tmp_path / "one"): ["a.jpg", "b.jpg"], str(tmp_path): ["two/a.jpg", "two/c.jpg"]}
    renamed = truth.renamed([name for some in places.values() for name in some], places)
    assert renamed.queries[0].positives == {"a.jpg", "b.jpg", "two/a.jpg"}
    assert renamed.queries[0].junk == {"two/c.jpg"}
    elsewhere = {"/other": ["two/a.jpg", "two/c.jpg"]}  # a copy: by names, as before
    assert truth.renamed(["two/a.jpg", "two/c.jpg"], elsewhere).missing(["two/a.jpg"]) == names[:2]


def test_no_picture_of_the_truth():
    with pytest.raises(InvalidInput, match="truth names 'a.jpg', the collection 'z.jpg'. Index"):
        truth_of(["b.jpg"], junk=["a.jpg"]).renamed(["z.jpg"])
    with pytest.raises(InvalidInput, match="the collection 'none'"):
        truth_of(["b.jpg"]).renamed([])


@pytest.mark.parametrize(
    ("name", "n_queries", "n_images"),
    [("logos", 140, 557), ("grocery", 100, 781), ("shelves", 7, 10)],
)
def test_real_data_sets(data, name, n_queries, n_images):
    path = data / name / "gt.json"
    if not path.is_file():
        pytest.skip(f"no data set at {path}")
    truth = read_ground_truth(path)
    assert (len(truth.queries), len(truth.sizes)) == (n_queries, n_images)
    for query in truth.queries:
        assert query.image.is_file() and query.positives and not query.positives & query.junk
        assert query.positives <= truth.sizes.keys()
        for image, boxes in query.boxes.items():
            width, height = truth.sizes[image]
            assert (boxes[:, :2] >= 0).all() and (boxes[:, :2] < boxes[:, 2:]).all()
            assert (boxes[:, 2:] <= [width, height]).all()
    assert truth.missing(truth.sizes) == []
    moved = truth.renamed(f"above/{image}" for image in truth.sizes)
    assert list(moved.sizes) == [f"above/{image}" for image in truth.sizes]
    assert moved.missing(moved.sizes) == []
