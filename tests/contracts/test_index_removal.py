"""Removal: after any sequence of add and remove an index ranks like one built afresh."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_kinds import (
    check,
    csr,
    every_kind,
    make,
    merge_early,
    random_bags,
    reopened,
    same,
    true_scores,
)

from blcf.errors import InvalidInput
from blcf.index import InvertedFile, merging

N_WORDS = 4
TF = [0, 0, 0, 1, 2, 3, 255, 70_000, 1 / 16, 7 / 16, 300.2, 0.3, 1e-5]


def afresh(images, idf, sqrt):
    """An index of (name, row) pairs, in one part."""
    index = InvertedFile(N_WORDS, idf=idf, sqrt=sqrt)
    return index.add([name for name, _ in images], csr([row for _, row in images], N_WORDS))


def changed(images, step):
    """The survivors of a step: ("add", images) or ("remove", names)."""
    what, which = step
    if what == "add":
        return images + which
    return [one for one in images if one[0] not in which]


def apply(index, step):
    what, which = step
    if what == "add":
        index.add([name for name, _ in which], csr([row for _, row in which], N_WORDS))
        return 0
    return index.remove(which)


def same_index(index, images):
    """Numbers and names, whatever the parts."""
    assert index.n_images == len(images)
    assert [index.name(i) for i in range(len(images))] == [name for name, _ in images]


names = st.sampled_from("abcdefg")  # many images of the same name
row = st.lists(st.sampled_from(TF), min_size=N_WORDS, max_size=N_WORDS)
step = st.one_of(
    st.tuples(st.just("add"), st.lists(st.tuples(names, row), max_size=6)),
    st.tuples(st.just("remove"), st.lists(names, max_size=3)),
    st.tuples(st.just("reopen"), st.none()),
)


@settings(
    max_examples=80,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(step, min_size=1, max_size=9),
    query=row,
    k=st.integers(1, 20),
    idf=st.booleans(),
    sqrt=st.booleans(),
)
@pytest.mark.parametrize("early", [False, True], ids=["merged late", "merged early"])
def test_any_sequence_of_add_and_remove(early, monkeypatch, steps, query, k, idf, sqrt):
    if early:
        merge_early(monkeypatch)
    index, images = InvertedFile(N_WORDS, idf=idf, sqrt=sqrt), []
    bag = csr([query])
    for one in steps:
        if one[0] == "reopen":
            index = reopened(index)
        else:
            survivors = changed(images, one)
            assert apply(index, one) == max(len(images) - len(survivors), 0)
            images = survivors
        with pytest.MonkeyPatch.context() as late:
            late.setattr(merging, "LARGEST", 32_768)
            fresh = afresh(images, idf, sqrt)
        same_index(index, images)
        same(index.search(bag, k=k), fresh.search(bag, k=k))
        same(index.search_many(bag, k=k, n_threads=2)[0], fresh.search(bag, k=k))
        np.testing.assert_array_equal(index.df, fresh.df)
        np.testing.assert_array_equal(index.norms_, fresh.norms_)


@every_kind
def test_ranking_of_the_survivors_is_brute_force(kind):
    bags, queries = random_bags(0, tf="sixteenths"), random_bags(1, n_images=4)
    index = make(kind, bags[:15], bags[15:])
    gone = [0, 3, 14, 15, 20, 39]
    assert index.remove([f"{i}.jpg" for i in gone]) == 6
    left = np.setdiff1d(np.arange(40), gone)
    fresh = make(kind, bags[left])
    for query in queries:
        scores = true_scores(kind, query, bags[left])
        for k in (1, 7, 34, 100):
            ranking = index.search(query, k=k)
            np.testing.assert_allclose(ranking.scores, np.sort(scores)[::-1][:k], atol=1e-6)
            assert ranking.names == [f"{left[i]}.jpg" for i in ranking.ids]
            expected = fresh.search(query, k=k)
            np.testing.assert_array_equal(ranking.scores, expected.scores)
            np.testing.assert_array_equal(ranking.ids, expected.ids)
            check(expected, scores, k)


@every_kind
def test_names_that_are_not_there(kind):
    bags = random_bags(2, n_images=5)
    index = make(kind, bags)
    before = index.search(bags[0])
    for unknown in ([], ["5.jpg"], ["", "0.JPG", "doomed"], ["0.jpg "]):
        assert index.remove(unknown) == 0
        same(index.search(bags[0]), before)
    assert index.remove(["3.jpg", "5.jpg", "3.jpg"]) == 1
    assert index.remove(["3.jpg"]) == 0
    assert index.n_images == 4


@every_kind
def test_a_plain_string_is_one_name(kind):
    bags = random_bags(6, n_images=5)
    index = kind.make(30, (["a.jpg", "b.jpg", "a"], bags[:3]), ([".", "jpg"], bags[3:]))
    assert index.remove("a.jpg") == 1  # and no image is called by one of its letters
    left = kind.make(30, (["b.jpg", "a", ".", "jpg"], bags[1:]))
    same(index.search(bags[0]), left.search(bags[0]))
    assert index.remove("a.jpg") == index.remove("") == 0
    assert index.remove("a") == 1 and index.n_images == 3


@every_kind
def test_all_images_of_a_name_go(kind):
    bags = random_bags(3, n_images=6)
    index = kind.make(30, (["a", "b", "a"], bags[:3]), (["c", "a", "d"], bags[3:]))
    assert index.remove(["a"]) == 3
    same(index.search(bags[0]), kind.make(30, (["b", "c", "d"], bags[[1, 3, 5]])).search(bags[0]))
    assert index.remove(["d", "b", "c"]) == 3
    assert index.n_images == 0 and len(index.search(bags[0])) == 0
    assert [len(one) for one in index.search_many(bags)] == [0] * 6
    index.add(["a"], bags[:1])
    same(index.search(bags[0]), kind.make(30, (["a"], bags[:1])).search(bags[0]))


@every_kind
def test_removed_images_are_not_written_when_parts_are_merged(kind):
    bags = random_bags(4)
    index = make(kind, bags)
    index.remove([f"{i}.jpg" for i in range(1, 40)])
    assert index.n_images == 1 and index.n_postings == bags[0].nnz


@pytest.mark.parametrize("many", [False, True], ids=["search", "search_many"])
def test_threads_see_the_ranking_of_some_state(many, monkeypatch):
    """One thread adds and removes, two search: every ranking is that of a moment."""
    merge_early(monkeypatch)
    rng = np.random.default_rng(5)
    steps, states = [], [[(f"s{i}", rng.integers(0, 4, N_WORDS)) for i in range(5)]]
    for number in range(150):
        present = [name for name, _ in states[-1]]
        if len(present) > 3 and rng.random() < 0.5:
            steps.append(("remove", rng.choice(present, int(rng.integers(1, 4))).tolist()))
        else:
            rows = rng.integers(0, 4, (int(rng.integers(1, 4)), N_WORDS))
            steps.append(("add", [(f"{number}-{i}", row) for i, row in enumerate(rows)]))
        states.append(changed(states[-1], steps[-1]))
    query = csr([[1, 2, 0, 1]])
    rankings = [afresh(images, True, False).search(query, k=4) for images in states]
    expected = {(tuple(r.names), r.scores.tobytes(), r.ids.tobytes()) for r in rankings}
    index, done = afresh(states[0], True, False), Event()

    def search():
        found = set()
        while not done.is_set():
            if many:
                ranking = index.search_many(sp.vstack([query] * 5), k=4, n_threads=2)[4]
            else:
                ranking = index.search(query, k=4)
            found.add((tuple(ranking.names), ranking.scores.tobytes(), ranking.ids.tobytes()))
        return found

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(2) as pool:
            searches = [pool.submit(search) for _ in range(2)]
            try:
                for one in steps:
                    apply(index, one)
                    index.search(query)
            finally:
                done.set()
            found = set().union(*(search.result() for search in searches))
    finally:
        sys.setswitchinterval(interval)
    assert found <= expected and len(found) > 1
    same(index.search(query, k=4), rankings[-1])


def test_images_that_several_threads_add_are_all_there():
    bags, index = random_bags(1, n_images=60), InvertedFile(30)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda i: index.add([f"{i}.jpg"], bags[i : i + 1]), range(60)))
    assert index.n_images == 60
    assert {index.name(i) for i in range(60)} == {f"{i}.jpg" for i in range(60)}


@pytest.mark.parametrize("n_threads", [-1, 2.5, "2"])
def test_bad_number_of_threads(n_threads):
    index = InvertedFile(30).add(["a"], random_bags(1, n_images=1))
    with pytest.raises(InvalidInput, match="Expected n_threads, the number of threads, to be 1 or"):
        index.search_many(random_bags(2, n_images=2), n_threads=n_threads)
