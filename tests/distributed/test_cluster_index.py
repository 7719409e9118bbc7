"""`Cluster.index`: what workers make together is what one machine makes, however often it stops."""

import json
import os

import numpy as np
import pytest
import tiles
from in_shards import merged, names_in_order, same_rankings, settings

import blcf
from blcf import SearchEngine
from blcf.collection import Collection, check_collection
from blcf.collection.lock import writer_lock
from blcf.distributed import Cluster, Shards, source_indexing
from blcf.distributed.parts import PARTS, Part, index_part, part_folder
from blcf.errors import ClusterError, CollectionLocked, InvalidInput, VocabularyMismatch


def leftovers(folder):
    """Files that belong to no state at rest."""
    beside = {path.name for path in folder.iterdir() if path.name != "writer.lock"}
    odd = beside - {"shards.json", "model.blcf"}
    odd -= {path.name for path in Shards.read(folder).paths}
    return odd | {PARTS for path in Shards.read(folder).paths if (path / PARTS).exists()}


@pytest.mark.parametrize("n_shards", [1, 3])
def test_it_is_what_one_machine_makes(cluster, pictures, at_once, tmp_path, n_shards):
    report = cluster.index(pictures, tmp_path / "s.blcf", n_shards=n_shards, **settings())
    assert (report.n_added, report.n_present, report.skipped) == (40, 0, {})
    assert names_in_order(tmp_path / "s.blcf") == list(at_once.collection.names())
    shards = Shards.read(tmp_path / "s.blcf")
    assert len(shards) == n_shards and not leftovers(tmp_path / "s.blcf")
    for path in shards.paths:
        one = Collection.open(path)
        model = at_once.collection.manifest["model"]
        assert one.manifest["model"]["vocabulary_digest"] == model["vocabulary_digest"]
        assert one.read_statistics() is not None and check_collection(path).is_sound
        assert abs(one.n_images - 40 / n_shards) < 1
    engine = merged(tmp_path / "s.blcf", tmp_path / "m.blcf")
    same_rankings(engine, at_once, pictures)
    assert engine.collection.root_of(3) == str(pictures)


def test_more_is_added_where_there_is_least(cluster, pictures, tmp_path):
    names = sorted(path.name for path in pictures.iterdir())
    first, rest = [[pictures / name for name in some] for some in (names[:20], names[20:])]
    folder = tmp_path / "s.blcf"
    cluster.index(first, folder, n_shards=2, root=pictures, **settings())
    with Collection.open(Shards.read(folder).paths[0]) as shard, shard.writing():
        shard.remove(names[:6])
    how = settings()
    report = cluster.index(pictures, folder, root=pictures, **how)
    assert (report.n_added, report.n_present) == (26, 14)
    assert names_in_order(folder) == names[6:20] + names[:6] + names[20:]
    assert [Collection.open(one).n_images for one in Shards.read(folder).paths] == [20, 20]
    report = cluster.index(pictures, folder, root=pictures, replace=True, **how)
    assert (report.n_added, report.n_replaced, report.n_present) == (0, 40, 0)
    assert names_in_order(folder) == names and not leftovers(folder)
    report = cluster.index(pictures, folder, **how)
    assert (report.n_added, report.n_present) == (0, 40)


def test_bad_pictures_are_named_and_tried_again(cluster, pictures, tmp_path):
    copy = tmp_path / "scenes"
    copy.mkdir()
    for path in pictures.iterdir():
        os.link(path, copy / path.name)
    for name in ("07.png", "33.png"):
        (copy / name).unlink()
        (copy / name).write_text("no picture")
    folder = tmp_path / "s.blcf"
    report = cluster.index(copy, folder, n_shards=3, **settings())
    assert report.n_added == 38 and set(report.skipped) == {"07.png", "33.png"}
    told = [Collection.open(path).skipped() for path in Shards.read(folder).paths]
    assert [set(one) for one in told] == [{"07.png"}, set(), {"33.png"}]
    os.unlink(copy / "33.png")
    os.link(pictures / "33.png", copy / "33.png")
    report = cluster.index(copy, folder, **settings())
    assert report.n_added == 1 and set(report.skipped) == {"07.png"}
    assert names_in_order(folder)[-1] == "33.png"
    told = [Collection.open(path).skipped() for path in Shards.read(folder).paths]
    assert [set(one) for one in told] == [{"07.png"}, set(), set()]


def test_given_pictures_and_facts(cluster, pictures, tmp_path):
    maps = tiles.planted_scenes(12)[0]
    given = {f"id-{number}": tiles.paint(one) for number, one in enumerate(maps)}
    facts = {name: {"camera": "AB"[number % 2]} for number, name in enumerate(given)}
    folder = tmp_path / "s.blcf"
    report = cluster.index(given, folder, n_shards=2, facts=facts, **settings())
    assert report.n_added == 12 and names_in_order(folder) == list(given)
    opened = [Collection.open(path) for path in Shards.read(folder).paths]
    assert sum(int(one.matching("camera = 'A'").sum()) for one in opened) == 6
    with pytest.raises(InvalidInput, match="nobody"):
        cluster.index(given, folder, facts={"nobody": {"camera": "C"}}, **settings())
    more = {"id-3": {"camera": "C"}}
    cluster.index(given, folder, facts=more, **settings())
    assert sum(int(one.matching("camera = 'C'").sum()) for one in opened) == 1
    pairs = ((f"later-{number}", tiles.paint(one)) for number, one in enumerate(maps[:3]))
    assert cluster.index(pairs, folder, **settings()).n_added == 3
    assert len(names_in_order(folder)) == 15


def test_films_stay_whole(cluster, data, tmp_path):
    pytest.importorskip("av")
    film = data / "video" / "basketball.mp4"
    folder = tmp_path / "s.blcf"
    how = settings(side=64, n_words=16)
    report = cluster.index(film, folder, n_shards=2, every=2, **how)
    one = SearchEngine.create(
        tmp_path / "o.blcf", **{k: v for k, v in how.items() if k != "progress"}
    )
    one.add(film, every=2, progress=False)
    assert report.n_added == len(one) and names_in_order(folder) == list(one.collection.names())
    sizes = [Collection.open(path).n_images for path in Shards.read(folder).paths]
    assert sorted(sizes) == [0, len(one)]
    engine = merged(folder, tmp_path / "m.blcf")
    facts = [[each.collection.facts_of(i) for i in range(len(one))] for each in (engine, one)]
    assert facts[0] == facts[1]
    assert engine.collection.manifest["choices"] == one.collection.manifest["choices"]


def stopped_after(monkeypatch, n, what):
    """The n-th job of a kind ends in an interrupt."""
    count = [0]
    run = source_indexing.Work.run

    def stopping(self, jobs):
        for done in run(self, jobs):
            if getattr(done.job.arguments[0], "__name__", "") == what:
                count[0] += 1
                if count[0] == n:
                    raise KeyboardInterrupt
            yield done

    monkeypatch.setattr(source_indexing.Work, "run", stopping)


@pytest.mark.parametrize(
    ("what", "n"),
    [("draw_part", 1), ("index_part", 2), ("fill_shard", 2)]
    + [
        pytest.param(what, n, marks=pytest.mark.slow)
        for what, n in (
            ("create_shard", 2),
            ("begin_shard", 1),
            ("index_part", 1),
            ("fill_shard", 1),
            ("clear_shard", 1),
        )
    ],
)
def test_what_was_stopped_goes_on(cluster, pictures, at_once, tmp_path, monkeypatch, what, n):
    folder = tmp_path / "s.blcf"
    with monkeypatch.context() as patched:
        stopped_after(patched, n, what)
        with pytest.raises(KeyboardInterrupt):
            cluster.index(pictures, folder, n_shards=3, **settings())
    report = cluster.index(pictures, folder, n_shards=3, **settings())
    assert report.n_added + report.n_present == 40
    if what in ("index_part", "fill_shard", "clear_shard"):
        assert report.n_present > 0
    assert names_in_order(folder) == list(at_once.collection.names()) and not leftovers(folder)
    same_rankings(merged(folder, tmp_path / "m.blcf"), at_once, pictures)


def test_a_picture_that_is_added_by_hand_meanwhile_comes_before_the_rest(
    cluster, pictures, tmp_path, monkeypatch
):
    folder = tmp_path / "s.blcf"
    with monkeypatch.context() as patched:
        stopped_after(patched, 1, "fill_shard")
        with pytest.raises(KeyboardInterrupt):
            cluster.index(pictures, folder, n_shards=2, **settings())
    shards = Shards.read(folder)
    sizes = [Collection.open(path).n_images for path in shards.paths]
    assert max(sizes) == 20
    engine = SearchEngine.open(shards.paths[int(np.argmin(sizes))], network=tiles.TileNetwork())
    engine.add({"by hand": tiles.paint(tiles.planted_scenes(1)[0][0])}, progress=False)
    cluster.index(pictures, folder, **settings())
    names = names_in_order(folder)
    assert len(names) == 41 and sorted(names)[:40] == sorted(p.name for p in pictures.iterdir())
    assert names.index("by hand") in (20, 40)


def test_another_source_keeps_what_was_done(cluster, pictures, tmp_path, monkeypatch):
    folder = tmp_path / "s.blcf"
    with monkeypatch.context() as patched:
        stopped_after(patched, 2, "index_part")
        with pytest.raises(KeyboardInterrupt):
            cluster.index(pictures, folder, n_shards=2, **settings())
    some = sorted(pictures.iterdir())[:39]
    report = cluster.index(some, folder, root=pictures, **settings())
    assert report.n_present > 0 and report.n_added + report.n_present >= 39
    assert len(names_in_order(folder)) in (39, 40) and not leftovers(folder)


def broken_part(how, own, part):
    if part.number == 1 and part.shard.endswith("0.blcf"):
        raise RuntimeError("this one never works")
    return index_part(how, own, part)


def test_a_part_that_always_fails_is_named(cluster, pictures, tmp_path, monkeypatch):
    folder = tmp_path / "s.blcf"
    with monkeypatch.context() as patched:
        patched.setattr(source_indexing, "index_part", broken_part)
        report = cluster.index(pictures, folder, n_shards=2, **settings())
    assert report.n_added == 36 and sorted(report.skipped) == [
        "16.png",
        "17.png",
        "18.png",
        "19.png",
    ]
    assert all("this one never works" in reason for reason in report.skipped.values())
    assert set(Collection.open(Shards.read(folder).paths[0]).skipped()) == set(report.skipped)
    assert len(names_in_order(folder)) == 36
    report = cluster.index(pictures, folder, **settings())
    assert (report.n_added, report.n_present, report.skipped) == (4, 36, {})
    assert names_in_order(folder)[-4:] == ["16.png", "17.png", "18.png", "19.png"]


def never(how, own, part):
    raise RuntimeError("none works")


def test_where_every_part_fails_it_is_an_error(cluster, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(source_indexing, "index_part", never)
    with pytest.raises(ClusterError, match="Not one part could be indexed.*none works"):
        cluster.index(pictures, tmp_path / "s.blcf", n_shards=2, **settings())


def test_a_part_is_done_once(cluster, pictures, tmp_path):
    folder = tmp_path / "s.blcf"
    cluster.index(pictures, folder, n_shards=1, **settings())
    shard = Shards.read(folder).paths[0]
    from blcf.distributed.dealing import some_of
    from blcf.distributed.worker import How, Own
    from blcf.images import find_images

    manifest = Collection.open(shard).manifest
    how = How(blcf.__version__, "s", manifest["settings"], manifest["extractor"])
    own = Own(tiles.TileNetwork())
    part = Part(str(shard), 3, some_of(find_images(pictures), range(5)), np.arange(5))
    futures = [cluster.client.submit(index_part, how, own, part, pure=False) for _ in range(4)]
    reports = [one.result() for one in futures]
    assert {one.n_images for one in reports} == {5}
    made = part_folder(shard, 3)
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    assert not cluster.client.submit(index_part, how, own, part, pure=False).result().is_new
    assert before == {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    assert [path.name for path in made.parent.iterdir()] == [made.name]


def test_another_blcf_is_refused(cluster, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr("blcf.distributed.worker.__version__", "0.0.1")
    with pytest.raises(ClusterError, match="runs blcf 0.0.1, expected"):
        cluster.index(pictures, tmp_path / "s.blcf", n_shards=2, **settings())


def test_another_network_is_refused(cluster, pictures, tmp_path):
    folder = tmp_path / "s.blcf"
    cluster.index(pictures, folder, n_shards=2, **settings())
    other = tiles.TileNetwork()
    other.mix.bias.data += 1
    (pictures.parent / "more").mkdir(exist_ok=True)
    tiles.save(pictures.parent / "more" / "one.png", tiles.planted_scenes(1, seed=5)[0][0])
    with pytest.raises(VocabularyMismatch, match="weights_digest.*So says worker"):
        cluster.index(pictures.parent / "more", folder, **settings(network=other, dtype="float32"))
    with pytest.raises(VocabularyMismatch, match="was made with n_words 24, got 30"):
        cluster.index(pictures, folder, **settings(n_words=30))
    with pytest.raises(InvalidInput, match="has 2 shards, got n_shards 3"):
        cluster.index(pictures, folder, n_shards=3, **settings())
    cluster.index(pictures.parent / "more", folder, **settings())


def test_one_program_at_a_time(cluster, pictures, tmp_path):
    folder = tmp_path / "s.blcf"
    folder.mkdir()
    with writer_lock(folder), pytest.raises(CollectionLocked):
        cluster.index(pictures, folder, n_shards=2, **settings())


def test_nothing_is_left_of_what_cannot_be_indexed(cluster, pictures, tmp_path, at_once):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "1.png").write_text("none")
    with pytest.raises(InvalidInput, match="could be read"):
        cluster.index(tmp_path / "bad", tmp_path / "s.blcf", n_shards=2, **settings())
    with pytest.raises(InvalidInput, match="no option 'wrods'"):
        cluster.index(pictures, tmp_path / "s.blcf", wrods=3, progress=False)
    assert not (tmp_path / "s.blcf").exists()
    with pytest.raises(InvalidInput, match="an ordinary one.*blcf split"):
        cluster.index(pictures, at_once.path, progress=False)


def test_shards_on_the_disks_of_workers(cluster, pictures, at_once, tmp_path):
    folder = tmp_path / "s.blcf"
    disks = str(tmp_path / "disk-{worker}")
    cluster.index(pictures, folder, n_shards=3, folder=disks, **settings())
    shards = Shards.read(folder)
    assert len({path.parent for path in shards.paths}) == 2
    assert all(path.parent.name.startswith("disk-") for path in shards.paths)
    assert names_in_order(folder) == list(at_once.collection.names())
    assert shards.template == folder / "model.blcf"
    stored = json.loads((folder / "shards.json").read_text())
    assert all("elsewhere" in one for one in stored["shards"])
    os.rename(shards.paths[1], tmp_path / "gone")
    with pytest.raises(ClusterError, match="is on none of the workers"):
        cluster.index(pictures, folder, **settings())


def test_a_cluster_says_what_is_wrong(tmp_path, pictures):
    for wrong in ({"n_workers": 0}, {"where": "tcp://x:1", "n_workers": 2}, {"time_limit": 0}):
        with pytest.raises(InvalidInput):
            Cluster(**wrong)
    with pytest.raises(
        ClusterError, match="Could not reach a Dask scheduler at tcp://127.0.0.1:1 "
    ):
        with Cluster("tcp://127.0.0.1:1", time_limit=0.5):
            pass
    with pytest.raises(InvalidInput, match="with Cluster"):
        Cluster().index(pictures, tmp_path / "s.blcf")
