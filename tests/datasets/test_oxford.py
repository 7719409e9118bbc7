"""Oxford5k and Paris6k in the layouts of their archives and of other people's folders."""

from __future__ import annotations

import os

import pytest
from landmarks import OXFORD, PARIS, make_oxford, make_paris, write_picture, write_truth

from blcf.datasets import read_oxford5k, read_paris6k
from blcf.datasets.oxford import PARIS_CORRUPT
from blcf.errors import DatasetNotFound, FormatError, InvalidInput
from blcf.images import read_image

OXFORD_LAYOUTS = [  # pictures, ground truth, below the folder that is given
    ("", ""),
    ("oxbuild_images", "gt_files_170407"),
    ("jpg", "lab"),
    ("oxford5k/images", "oxford5k/groundtruth"),
    ("data/oxford/jpg/all", "gt"),
]


@pytest.mark.parametrize(("pictures", "truth"), OXFORD_LAYOUTS)
def test_oxford(tmp_path, pictures, truth):
    found = read_oxford5k(str(make_oxford(tmp_path, pictures, truth)))
    assert (found.name, found.protocol, found.path) == ("oxford5k", "oxford", tmp_path)
    (images,) = found.images
    assert images.root == tmp_path / pictures and len(images) == 68
    assert images.names == sorted(images.names) and "worcester_000001.jpg" in images.names
    assert [query.name for query in found.queries] == [
        f"{one}_{i}" for one in OXFORD for i in range(1, 6)
    ]
    query = found.queries[6]
    assert query.name == "ashmolean_2" and query.object == "ashmolean"
    assert query.image == tmp_path / pictures / "ashmolean_000001.jpg"
    assert query.box.tolist() == [1.5, 2, 21, 23.5]
    assert query.positives == {f"ashmolean_00000{i}.jpg" for i in range(4)}
    assert query.junk == {"ashmolean_000004.jpg"}
    assert not found.missing(images.names)
    assert all(read_image(query.image).shape == (24, 32, 3) for query in found.queries[:3])


@pytest.mark.parametrize("pictures", ["paris", "", "jpg/paris"])
def test_paris(tmp_path, pictures):
    found = read_paris6k(make_paris(tmp_path, pictures))
    (images,) = found.images
    assert (found.name, found.protocol) == ("paris6k", "oxford")
    assert images.root == tmp_path / pictures and len(images) == 72
    assert "louvre/paris_louvre_000136.jpg" not in images.names  # one of the corrupt
    assert "general/paris_general_000005.jpg" in images.names
    assert len(found.queries) == 55 and {query.object for query in found.queries} == set(PARIS)
    query = found.queries[0]
    assert query.name == "defense_1" and query.junk == {"defense/paris_defense_000004.jpg"}
    assert query.image == images.root / "defense/paris_defense_000000.jpg"
    assert query.positives == {f"defense/paris_defense_00000{i}.jpg" for i in range(4)}
    assert not found.missing(images.names)


def test_paris_in_one_folder_or_two(tmp_path):
    make_paris(tmp_path)
    for landmark in PARIS[:5]:  # the archives unpacked side by side
        source = tmp_path / "paris" / landmark
        target = tmp_path / "second" / "paris" / landmark
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
    found = read_paris6k(tmp_path)
    assert found.images[0].root == tmp_path and len(found.images[0]) == 72
    assert "second/paris/defense/paris_defense_000003.jpg" in found.queries[0].positives
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in found.images[0].names:
        (tmp_path / name).rename(flat / os.path.basename(name))
    found = read_paris6k(tmp_path)
    assert found.images[0].root == flat and len(found.images[0]) == 72
    assert "paris_defense_000003.jpg" in found.queries[0].positives


def test_the_corrupt_pictures_of_paris(tmp_path):
    assert len(PARIS_CORRUPT) == 20
    make_paris(tmp_path)
    (tmp_path / "paris/louvre/paris_louvre_000136.jpg").unlink()  # as many people do
    with open(tmp_path / "paris_120310" / "louvre_1_good.txt", "a") as file:
        file.write("paris_louvre_000136\n")
    found = read_paris6k(tmp_path)
    assert len(found.images[0]) == 72
    assert found.missing(found.images[0].names) == ["paris_louvre_000136.jpg"]  # not found


def test_what_lies_beside_is_left_out(tmp_path):
    make_oxford(tmp_path, "jpg", "lab")
    write_picture(tmp_path / "roi" / "all_souls_000000.jpg")  # a crop of the query
    write_picture(tmp_path / "montage.png")
    write_truth(tmp_path / "paris" / "gt", PARIS, "paris_")
    write_truth(tmp_path / "part", OXFORD[:3], "")
    found = read_oxford5k(tmp_path)
    assert found.images[0].root == tmp_path / "jpg" and len(found.images[0]) == 68
    assert found.queries[0].image == tmp_path / "jpg" / "all_souls_000000.jpg"


def test_ground_truth_elsewhere(tmp_path):
    make_oxford(tmp_path / "pictures", "", "../other/gt")
    found = read_oxford5k(tmp_path / "pictures", ground_truth=tmp_path / "other")
    assert len(found.queries) == 55 and found.images[0].root == tmp_path / "pictures"
    with pytest.raises(DatasetNotFound, match="no folder .*nowhere.*gt_files_170407.tgz"):
        read_oxford5k(tmp_path / "pictures", ground_truth=tmp_path / "nowhere")


@pytest.mark.parametrize("place", ["oxc1_100k", "jpg/oxc1_100k", "../oxc1_100k"])
def test_distractors(tmp_path, place):
    folder = make_oxford(tmp_path / "oxford", "jpg", "gt")
    for name in ("art/000001.jpg", "art/000002.jpg", "beach/000001.jpg"):
        write_picture(folder / place / name)
    distractors = folder / place
    found = read_oxford5k(folder, distractors=distractors)
    assert found.name == "oxford105k" and [len(images) for images in found.images] == [68, 3]
    assert found.images[0].root == folder / "jpg"
    assert found.images[1].names == ["art/000001.jpg", "art/000002.jpg", "beach/000001.jpg"]
    paris = read_paris6k(make_paris(tmp_path / "p"), distractors=os.path.normpath(distractors))
    assert paris.name == "paris106k" and [len(images) for images in paris.images] == [72, 3]
    list_file = tmp_path / "list.txt"
    list_file.write_text(f"{distractors}/art/000001.jpg\n")
    assert len(read_oxford5k(folder, distractors=list_file).images[1]) == 1


def test_distractors_that_are_none(tmp_path):
    folder = make_oxford(tmp_path / "oxford", "jpg", "gt")
    with pytest.raises(DatasetNotFound, match="No distractors: .*nowhere.* published at https"):
        read_oxford5k(folder, distractors=tmp_path / "nowhere")
    with pytest.raises(DatasetNotFound, match="No distractors: .*expected pictures, found none"):
        read_oxford5k(folder, distractors=folder / "gt")
    with pytest.raises(InvalidInput, match="55 pictures that the ground truth names are among"):
        read_oxford5k(folder, distractors=tmp_path)
    write_picture(tmp_path / "more" / "worcester_000001.jpg")
    with pytest.raises(InvalidInput, match="1 distractors have the name .* worcester_000001.jpg"):
        read_oxford5k(folder, distractors=tmp_path / "more")


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DatasetNotFound, match="no folder .*nowhere. .*oxbuild_images.tgz and gt"):
        read_oxford5k(tmp_path / "nowhere")
    with pytest.raises(InvalidInput, match="path of a data set's folder, got 5"):
        read_oxford5k(5)
    with pytest.raises(
        DatasetNotFound, match="the 55 queries of paris6k .* found 0; .*defense_1_query.txt.*parisb"
    ):
        read_paris6k(make_oxford(tmp_path))
    (tmp_path / "keble_3_query.txt").unlink()
    with pytest.raises(DatasetNotFound, match="found 54; there is no keble_3_query.txt in .*two"):
        read_oxford5k(tmp_path)


def test_missing_pictures(tmp_path):
    make_oxford(tmp_path, "jpg", "gt")
    (tmp_path / "jpg" / "hertford_000004.jpg").unlink()  # junk
    with pytest.raises(
        DatasetNotFound, match="names 55 pictures; 1 of them are not below .* hertford_000004.jpg"
    ):
        read_oxford5k(tmp_path)
    with pytest.raises(DatasetNotFound, match="55 pictures; 55 of them are not .*oxbuild_images"):
        read_oxford5k(tmp_path / "gt")


def test_two_pictures_of_one_name(tmp_path):
    make_oxford(tmp_path, "jpg", "gt")
    write_picture(tmp_path / "jpg" / "copy" / "keble_000002.jpg")
    with pytest.raises(InvalidInput, match="are called keble_000002: .*copy/keble_000002.jpg"):
        read_oxford5k(tmp_path)


def test_errors_of_the_text_files_come_through(tmp_path):
    make_oxford(tmp_path)
    (tmp_path / "keble_3_query.txt").write_text("oxc1_keble_000002 1 2 3")
    with pytest.raises(FormatError, match="keble_3_query.txt, line 1"):
        read_oxford5k(tmp_path)


def test_the_real_ground_truth_of_oxford_with_pictures_in_name(data, tmp_path):
    folder = data / "oxford5k_gt"
    if not folder.is_dir():
        pytest.skip(f"no ground truth at {folder}")
    for i in range(5063):
        (tmp_path / f"{i:05d}.jpg").touch()
    found = read_oxford5k(tmp_path, ground_truth=folder)
    assert len(found.queries) == 55 and len(found.images[0]) == 5063
    assert not found.missing(found.images[0].names)
    assert found.renamed(f"jpg/{name}" for name in found.images[0].names).queries[0].positives == {
        f"jpg/{name}" for name in found.queries[0].positives
    }
