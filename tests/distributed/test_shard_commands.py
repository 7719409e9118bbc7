"""`blcf index --cluster`, `blcf merge`, `blcf split`, as they are typed."""

import os

import pytest
from in_shards import names_in_order
from test_merge_split import filled

from blcf.collection import Collection
from blcf.collection.shards import Shards
from blcf.distributed import Cluster
from blcf.errors import InvalidInput


def test_a_folder_is_indexed_by_a_cluster(call, client, pictures, tmp_path):
    scenes, folder = tmp_path / "scenes", tmp_path / "s.blcf"
    scenes.mkdir()
    for path in sorted(pictures.iterdir())[:6]:
        os.link(path, scenes / path.name)
    (scenes / "bad.png").write_text("none")
    command = ("index", folder, scenes, "--cluster", client.scheduler.address, "--quiet")
    status, out, err = call(*command, "--shards", 2, "--side", 64)
    assert (status, out) == (
        3,
        f"6 pictures in 2 shards in {folder}: 6 added, 0 were there, 1 skipped\n",
    )
    assert "bad.png" in err
    status, out, _ = call(*command)
    assert status == 3 and "0 added, 6 were there, 1 skipped" in out
    assert names_in_order(folder) == [f"{number:02d}.png" for number in range(6)]
    status, _, err = call("index", folder, scenes, "--quiet")
    assert status == 2 and "is in shards" in err
    status, _, err = call(*command, "--side", 96)
    assert status == 2 and "was made with side 64, got 96" in err
    status, out, _ = call("merge", tmp_path / "m.blcf", folder, "--quiet")
    assert (status, out) == (0, f"6 pictures in {tmp_path / 'm.blcf'}\n")
    assert list(Collection.open(tmp_path / "m.blcf").names()) == names_in_order(folder)


@pytest.mark.parametrize("option", ["--shards", "--disks"])
def test_what_needs_a_cluster_says_so(call, pictures, tmp_path, option):
    status, _, err = call("index", tmp_path / "s.blcf", pictures, option, "2")
    assert status == 2 and f"Expected --cluster with {option}" in err
    status, _, err = call("index", tmp_path / "s.blcf", pictures, "--cluster", "local:no")
    assert status == 2 and "local:N" in err
    assert not (tmp_path / "s.blcf").exists()


def test_split_and_merge(call, tmp_path):
    one = filled(tmp_path / "a.blcf", range(12))
    status, out, _ = call("split", one.path, tmp_path / "s.blcf", "--shards", 3, "--quiet")
    assert (status, out) == (0, f"12 pictures in 3 shards of {tmp_path / 's.blcf'}\n")
    assert len(Shards.read(tmp_path / "s.blcf")) == 3
    other = filled(tmp_path / "b.blcf", range(12, 15))
    status, out, _ = call("merge", tmp_path / "m.blcf", tmp_path / "s.blcf", other.path, "--quiet")
    assert (status, out) == (0, f"15 pictures in {tmp_path / 'm.blcf'}\n")
    status, _, err = call("merge", tmp_path / "n.blcf", one.path, tmp_path / "s.blcf", "--quiet")
    assert status == 2 and "Expected pictures of different names" in err
    status, _, err = call("merge", tmp_path / "m.blcf", one.path)
    assert status == 2 and "exists and is not an empty folder" in err
    status, _, err = call("split", one.path, tmp_path / "t.blcf", "--shards", 0)
    assert status == 2 and "n_shards" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.blcf",
        "b.blcf",
        "m.blcf",
        "s.blcf",
    ]


@pytest.mark.parametrize(
    "address", ["", "0", "nowhere", "tcp://nowhere", "a\0b:1", "frames", "a b:8786"]
)
def test_what_is_no_address_is_said_at_once(address):
    with pytest.raises(InvalidInput, match="Expected the address of a Dask scheduler, such as tcp"):
        Cluster(address).__enter__()
