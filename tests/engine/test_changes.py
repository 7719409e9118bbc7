"""Replace, remove, compact, refresh: the engine ranks like one made afresh of what is left."""

from __future__ import annotations

import shutil
import threading

import pytest
import tiles
from tiles import create, rankings, reopen

from blcf import SearchOptions
from blcf.collection import check_collection
from blcf.errors import InvalidInput


@pytest.fixture
def engine(scenes, tmp_path):
    engine = create(tmp_path / "c.blcf")
    engine.add(scenes, progress=False)
    return engine


def afresh(path, scenes, names):
    """An engine with the same words (the vocabulary is learned of all), of some pictures."""
    engine = create(path)
    engine.add(scenes, progress=False)
    engine.remove([name for name in engine.collection.names()])
    engine.add([scenes / name for name in names], root=scenes, progress=False)
    return engine


def test_remove_ranks_like_never_added(engine, scenes, tmp_path):
    gone = ["00.png", "04.png", "11.png"]
    left = [f"{i:02d}.png" for i in range(12) if f"{i:02d}.png" not in gone]
    query = scenes / "01.png"
    assert engine.remove(gone) == 3 and len(engine) == 9
    assert list(engine.collection.names()) == left
    fresh = afresh(tmp_path / "fresh.blcf", scenes, left)
    for opened in (engine, reopen(tmp_path / "c.blcf")):
        assert rankings(opened, scenes) == rankings(fresh, scenes)
        assert not {hit.name for hit in opened.search(query)} & set(gone)
    before, after = engine.compact()
    assert after < before
    assert engine.info()["n_removed"] == 0
    assert rankings(reopen(tmp_path / "c.blcf"), scenes) == rankings(fresh, scenes)
    assert check_collection(tmp_path / "c.blcf").is_sound


def test_remove_takes_names_and_paths(engine, scenes, monkeypatch):
    assert engine.remove([scenes / "00.png"]) == 1
    assert engine.remove("01.png") == 1
    monkeypatch.chdir(scenes)
    (scenes / "02.png").unlink()  # from the disk first, and in another folder
    assert engine.remove(["./02.png", "03.png", "03.png"]) == 2
    assert len(engine) == 8
    with pytest.raises(InvalidInput, match="holds no '00.png'. Nothing was removed"):
        engine.remove(["05.png", "00.png"])
    with pytest.raises(InvalidInput, match="'5.png' and 1 more.*Did you mean '05.png'"):
        engine.remove(["5.png", "nothing"])
    assert engine.remove([]) == 0 and len(engine) == 8


def test_a_removed_picture_can_be_added_again(engine, scenes):
    engine.remove(["03.png"])
    report = engine.add(scenes, progress=False)
    assert (report.n_added, report.n_present, report.n_replaced) == (1, 11, 0)
    assert list(engine.collection.names())[-1] == "03.png"


def test_removing_everything_leaves_an_empty_collection(engine, scenes, tmp_path):
    assert engine.remove(list(engine.collection.names())) == 12
    for opened in (engine, reopen(tmp_path / "c.blcf")):
        assert len(opened) == 0 and len(opened.search(scenes / "00.png")) == 0
        assert opened.info()["n_images"] == 0
    engine.compact()
    assert engine.add(scenes, progress=False).n_added == 12


def test_replace_takes_the_picture_as_it_is_now(engine, scenes, tmp_path):
    tiles.save(scenes / "00.png", tiles.planted_scenes(seed=5)[0][7])
    report = engine.add(scenes, progress=False)
    assert (report.n_present, report.n_replaced) == (12, 0)
    options = {"k": 1, "query_scales": (1,), "rerank": False}
    old = engine.search(scenes / "00.png", **options)[0]
    report = engine.add([scenes / "00.png"], root=scenes, replace=True, progress=False)
    assert (report.n_added, report.n_replaced, len(engine)) == (0, 1, 12)
    new = reopen(tmp_path / "c.blcf").search(scenes / "00.png", **options)[0]
    assert new.name == "00.png" and new.score == pytest.approx(1) and old.score < new.score
    names = [*(f"{i:02d}.png" for i in range(1, 12)), "00.png"]
    assert list(engine.collection.names()) == names
    fresh = afresh(tmp_path / "fresh.blcf", scenes, names)
    assert [name for name, *_ in rankings(engine, scenes)] == [
        name for name, *_ in rankings(fresh, scenes)
    ]


def test_a_picture_that_cannot_be_read_any_more_stays_as_it_was(engine, scenes):
    (scenes / "00.png").write_bytes(b"")
    report = engine.add(scenes, replace=True, progress=False)
    assert report.n_replaced == 11 and list(report.skipped) == ["00.png"]
    assert len(engine) == 12


def test_pictures_under_another_name_are_passed_over(engine, scenes):
    """The folder above gives them other names; they are the same pictures."""
    tiles.save(scenes.parent / "other" / "new.png", tiles.planted_scenes(seed=6)[0][0])
    shutil.rmtree(scenes.parent / "c.blcf" / "nothing", ignore_errors=True)
    report = engine.add(scenes.parent, replace=True, progress=False)
    assert (report.n_added, report.n_present, report.n_replaced) == (1, 12, 0)


def test_readers_keep_their_snapshot_until_refresh(engine, scenes, tmp_path):
    reader = reopen(tmp_path / "c.blcf")
    before = rankings(reader, scenes)
    engine.remove(["02.png"])
    engine.compact()
    assert rankings(reader, scenes) == before and len(reader) == 12
    reader.refresh()
    assert rankings(reader, scenes) == rankings(engine, scenes) and len(reader) == 11


def test_search_in_threads_while_pictures_come_and_go(engine, scenes):
    """Every ranking is of one state: names and paths agree."""
    query, problems, done = engine.describe(scenes / "05.png"), [], threading.Event()

    def search():
        while not done.is_set():
            hits = engine.search_query(query, SearchOptions())
            names = [path.name for path in hits.paths]
            if names != hits.names or len(hits) not in (11, 12):
                problems.append(names)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        engine.remove(["00.png"])
        engine.add([scenes / "00.png"], root=scenes, progress=False)
    done.set()
    for thread in threads:
        thread.join()
    assert not problems


def test_statistics_are_kept_and_change_nothing(engine, scenes, tmp_path):
    kept = tmp_path / "c.blcf" / "statistics.h5"
    with_them = rankings(reopen(tmp_path / "c.blcf"), scenes)
    assert kept.exists() and engine.collection.read_statistics() is not None
    kept.unlink()
    assert rankings(reopen(tmp_path / "c.blcf"), scenes) == with_them


def test_approximate_search_gives_parts_of_the_scores(engine, scenes):
    query = engine.describe(scenes / "01.png")
    exact = engine.search_query(query, SearchOptions(rerank=False))
    whole = engine.search_query(query, SearchOptions(rerank=False, approximate=1.0))
    assert whole.names == exact.names and (whole.scores == exact.scores).all()
    some = engine.search_query(query, SearchOptions(rerank=False, approximate=0.3))
    assert sorted(some.names) == sorted(exact.names)
    scores = dict(zip(exact.names, exact.scores))
    assert all(score <= scores[name] for name, score in zip(some.names, some.scores))
    assert some.scores[0] < exact.scores[0]
    with pytest.raises(InvalidInput, match="Expected approximate to be a number above 0"):
        SearchOptions(approximate=0)


def test_info_counts_lists(engine):
    facts = engine.info()
    df = engine.searcher.searchable.index.df
    assert facts["words_used"] == (df > 0).sum() and facts["n_postings"] == df.sum()
    assert facts["list_lengths"]["0%"] == df[df > 0].min()
    assert facts["list_lengths"]["100%"] == df.max()
    assert facts["imbalance"] == round(len(df) * (df**2).sum() / df.sum() ** 2, 2)
