"""Random sequences of add, remove, replace, compact, reopen and search against the plain twin."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import oracle
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from made_up import DESCRIPTION, append, name, picture

from blcf.bags import BagOfWords
from blcf.bags.weighting import dequantise_channel
from blcf.collection import Collection, check_collection
from blcf.index import InvertedFile, merging

N_WORDS = 12
NUMBERS = st.integers(0, 9).flatmap(lambda one: st.sampled_from([one, one + 1000, one + 2000]))


class CollectionMachine(RuleBasedStateMachine):
    """A collection, a second reader of it, and the list of pictures that both should hold."""

    @initialize(idf=st.booleans(), sqrt=st.booleans())
    def create(self, idf, sqrt):
        self.folder = Path(tempfile.mkdtemp())
        small = {"FACTOR": 2, "TIERS": (2, 5, 9), "LARGEST": 9}
        self.patches = [mock.patch.object(merging, key, value) for key, value in small.items()]
        for patch in self.patches:
            patch.start()
        self.idf, self.sqrt = idf, sqrt
        self.collection = Collection.create(self.folder / "some.blcf", DESCRIPTION)
        self.reader, self.read = Collection.open(self.collection.path), []
        self.held: list[int] = []

    def teardown(self):
        if hasattr(self, "folder"):
            for patch in self.patches:
                patch.stop()
            shutil.rmtree(self.folder)

    @rule(numbers=st.lists(NUMBERS, min_size=1, max_size=4, unique_by=name))
    def add_or_replace(self, numbers):
        with self.collection.writing():
            append(self.collection, numbers, N_WORDS)
        names = {name(number) for number in numbers}
        self.held = [number for number in self.held if name(number) not in names] + numbers

    @rule(numbers=st.lists(st.integers(0, 11), max_size=5))
    def remove(self, numbers):
        names = {name(number) for number in numbers}
        left = [number for number in self.held if name(number) not in names]
        with self.collection.writing():
            assert self.collection.remove(sorted(names)) == len(self.held) - len(left)
        self.held = left

    @rule()
    def compact(self):
        with self.collection.writing():
            before, after = self.collection.compact()
        assert after <= before or len(self.collection.segments) == 1
        assert all(segment.live is None for segment in self.collection.segments)

    @rule()
    def reopen(self):
        self.collection = Collection.open(self.collection.path)

    @rule()
    def keep_statistics(self):
        index = self.index(self.collection)
        self.collection.write_statistics(index.df, index.norms_)

    @rule()
    def refresh_the_reader(self):
        self.reader.refresh()
        self.read = self.held

    @rule()
    def check(self):
        report = check_collection(self.collection.path)
        assert report.is_sound and report.n_images == len(self.held)

    def index(self, collection):
        index = InvertedFile(N_WORDS, idf=self.idf, sqrt=self.sqrt)
        for part in collection.parts:
            index.add_part(*part)
        return index

    @precondition(lambda self: self.held)
    @rule(query=st.integers(0, 30), k=st.integers(1, 15), kept=st.booleans())
    def search(self, query, k, kept):
        index = self.index(self.collection)
        statistics = self.collection.read_statistics()
        if kept and statistics is not None:
            index.set_statistics(*statistics)
        words = picture(query, N_WORDS)[2]
        ranking = index.search(BagOfWords(N_WORDS).encode(words), k)
        bags = [oracle.bag(picture(number, N_WORDS)[2].tolist()) for number in self.held]
        expected = oracle.rank(
            oracle.bag(words.tolist()), bags, N_WORDS, use_idf=self.idf, sqrt=self.sqrt, k=len(bags)
        )
        scores = dict(expected)
        assert len(ranking) == min(k, len(bags))
        assert ranking.names == [name(self.held[image_id]) for image_id in ranking.ids]
        best = [score for _, score in expected[: len(ranking)]]
        np.testing.assert_allclose(ranking.scores, best, atol=1e-6)
        np.testing.assert_allclose(
            ranking.scores, [scores[image_id] for image_id in ranking.ids], atol=1e-6
        )
        order = [(-score, image_id) for score, image_id in zip(ranking.scores, ranking.ids)]
        assert order == sorted(order)

    @invariant()
    def both_hold_what_they_should(self):
        if not hasattr(self, "folder"):
            return
        for collection, held in ((self.collection, self.held), (self.reader, self.read)):
            names = [name(number) for number in held]
            assert list(collection.names()) == names and collection.n_images == len(held)
            assert collection.find(names).tolist() == list(range(len(held)))
            for image_id, number in enumerate(held):
                _, size, words, norms = picture(number, N_WORDS)
                assert collection.size(image_id) == size
                np.testing.assert_array_equal(collection.words(image_id), words)
                np.testing.assert_array_equal(collection.norms(image_id), dequantise_channel(norms))


CollectionMachine.TestCase.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, derandomize=True, database=None
)
TestCollection = CollectionMachine.TestCase
