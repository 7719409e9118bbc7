"""The stages of Deep Image Retrieval, each from what the one before left in a folder."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.learning.dir_tables import ORDER
from benchmarks.learning.judging import cleaning_figures, figures, gains, region_overlaps
from benchmarks.learning.networks import (
    ClassifierSettings,
    Network,
    export,
    learn_classes,
    off_the_shelf,
)
from benchmarks.learning.photographs import Labelled, Pixels, Searched, as_pixels
from benchmarks.learning.searching import Vectors, embed_all
from blcf.descriptors import RMAC
from blcf.features.whitening import Whitening
from blcf.images import as_image
from blcf.learning.cleaning import clean_classes
from blcf.learning.embedding import embed
from blcf.learning.heads import RMACHead
from blcf.learning.proposal_training import learn_proposals
from blcf.learning.proposals import (
    RegionMACHead,
    RegionProposals,
    read_proposals,
    write_proposals,
)
from blcf.learning.ranking import RankingTraining
from blcf.learning.ranking_settings import RankingSettings
from blcf.rerank.keypoints import find_keypoints
from blcf.storage import array_digest, replace_file, write_json

__all__ = ["Laboratory", "Plan", "check_sameness"]

CPU = torch.device("cpu")
CLASSIFIED = {
    "true": "classification, full, true labels",
    "full": "classification, full",
    "clean": "classification, clean",
}


# Files of descriptors in the work folder, by the names that benchmarks/reproduce knows them by.
EXPORTED = {
    "dir-classification-full": CLASSIFIED["full"],
    "dir-classification-clean": CLASSIFIED["clean"],
    "dir-ranking-clean": "ranking, clean",
}


@dataclass(frozen=True)
class Plan:
    """What is done, and how much of it.

    Attributes
    ----------
    false_share : of the labels
    side : longer side of the pictures that are searched, pixels
    most : pictures of a class; None for all
    n_components : of descriptors
    min_inliers : of an edge, see `blcf.learning.cleaning`
    steps : of classification
    epochs, n_queries : of ranking
    rate, rate_alone : of ranking, from the network that classification fine-tuned, and without
    proposal_epochs, n_boxes : of the proposals; as many pictures with boxes at most
    n_expand, n_augment : neighbours of QE and of DBA
    """

    false_share: float = 0.2
    side: int = 320
    most: int | None = None
    n_components: int = 256
    min_inliers: int = 10
    steps: int = 800
    epochs: int = 4
    n_queries: int = 250
    rate: float = 1e-5
    rate_alone: float = 1e-4
    proposal_epochs: int = 4
    n_boxes: int = 500
    n_expand: int = 5
    n_augment: int = 5
    seed: int = 0


def check_sameness(labelled: Labelled, plan: Plan) -> None:
    """What is compared below is what it is said to be: raises AssertionError where it is not.

    The head on the network is the descriptor R-MAC of the maps; the same seed cleans and learns
    the same.
    """
    few = labelled.pictures[:12]
    network = off_the_shelf(few, 8)
    maps = [network.maps(as_pixels(one)[None])[0].detach().numpy() for one in few]
    head = RMACHead()(torch.from_numpy(np.stack(maps[:1]))).numpy()
    assert np.allclose(head, RMAC(whiten=False).fit(maps).transform(maps[:1]), atol=1e-5)
    keypoints = [find_keypoints(as_image(one)) for one in few]
    once, again = (clean_classes(keypoints.__getitem__, np.zeros(12, int)) for _ in range(2))
    assert np.array_equal(once.boxes, again.boxes, equal_nan=True)
    learned, labels = [copy.deepcopy(network) for _ in range(2)], np.arange(12) % 2
    vectors = embed(network, Pixels(few), range(12), device=CPU)
    settings = ClassifierSettings(steps=2, batch=4, sides=(96,), seed=plan.seed)
    losses = [learn_classes(one, few, labels, vectors, settings) for one in learned]
    states = zip(*(one.state_dict().values() for one in learned))
    assert losses[0] == losses[1] and all(torch.equal(one, other) for one, other in states)


class Laboratory:
    """Runs the stages, keeps what they make, and measures.

    Parameters
    ----------
    labelled, data : to learn from, and to search
    plan : `Plan`
    work : a folder; that of another plan or other labels is another one in it
    bar : wraps long iterations
    """

    def __init__(
        self,
        labelled: Labelled,
        data: Searched,
        plan: Plan,
        work: Path,
        bar: Callable[[Any], Any] = iter,
    ):
        self.labelled, self.data, self.plan, self.bar = labelled, data, plan, bar
        what = json.dumps([asdict(plan), array_digest(labelled.labels)])
        self.folder = work / f"dir-{hashlib.sha256(what.encode()).hexdigest()[:12]}"
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "seconds.json"
        self.seconds: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}

    def run(self) -> dict[str, Any]:
        """All stages; gives rows and what was found on the way."""
        kept, boxes = self.cleaned()
        clean, everything = np.flatnonzero(kept), np.arange(len(kept))
        networks = {"off the shelf": self._stage("plain", self._plain)}
        plain = networks["off the shelf"]
        labels, truth = self.labelled.labels, self.labelled.truth
        for name, rows, said in (
            ("true", everything, truth),
            ("full", everything, labels),
            ("clean", clean, labels),
        ):
            made = self._stage(name, lambda: self._classified(name, plain, rows, said[rows]))
            networks[CLASSIFIED[name]] = made
        networks["ranking, clean"] = self._stage(
            "ranked", lambda: self._ranked("ranked", made, clean, self.plan.rate)
        )
        networks["ranking, clean, without classification"] = self._stage(
            "alone", lambda: self._ranked("alone", plain, clean, self.plan.rate_alone)
        )
        ranked = networks["ranking, clean"]
        proposals, overlaps = self.proposed(ranked, clean, boxes)
        networks["ranking, clean, + proposals"] = _with_head(ranked, proposals)
        for stage, name in EXPORTED.items():
            facts = {"trained on": f"grocery/train ({name})"}
            export(networks[name], self.folder.parent / f"{stage}.h5", self.plan.side, facts)
        vectors = {name: self._vectors(name, network) for name, network in networks.items()}
        counts = self.plan.n_expand, self.plan.n_augment
        return {
            "plan": asdict(self.plan),
            "cleaning": cleaning_figures(self.labelled, kept),
            "rows": [
                {"row": name} | figures(ones, self.data, *counts) for name, ones in vectors.items()
            ],
            "steps": gains({name: vectors[name] for name in ORDER}, self.data),
            "overlaps": overlaps,
            "seconds": self.seconds,
        }

    def cleaned(self) -> tuple[np.ndarray, np.ndarray]:
        """Which pictures are kept: bool (n,), and their boxes: float32 (n, 4)."""
        path, pictures = self.folder / "cleaned.npz", self.labelled.pictures
        if not path.exists():
            with self._timed("cleaning"):
                made = clean_classes(
                    lambda row: find_keypoints(as_image(pictures[row])),
                    self.labelled.labels,
                    min_inliers=self.plan.min_inliers,
                    bar=lambda items: self.bar(list(items)),
                )
            with replace_file(path) as new, open(new, "wb") as file:
                np.savez(file, kept=made.kept, boxes=made.boxes)
        found = np.load(path)
        return found["kept"], found["boxes"]

    def proposed(
        self, network: Network, clean: np.ndarray, boxes: np.ndarray
    ) -> tuple[RegionProposals, dict[str, float]]:
        """Proposals on frozen convolutions; how well they and the grid cover boxes not learned."""
        rows = np.random.default_rng(self.plan.seed).permutation(clean)
        n_held = min(len(rows) // 4, self.plan.n_boxes)
        held, rows = rows[:n_held], rows[n_held:][: self.plan.n_boxes]
        path = self.folder / "proposals.h5"
        if not path.exists():
            with self._timed("proposals"):
                made = RegionProposals(512, random_state=self.plan.seed)
                maps = [self._map(network, row) for row in self.bar(rows)]
                sizes = np.array([self.labelled.pictures[row].shape[1::-1] for row in rows])
                learn_proposals(
                    made,
                    maps,
                    boxes[rows],
                    sizes,
                    epochs=self.plan.proposal_epochs,
                    seed=self.plan.seed,
                    bar=self.bar,
                )
            write_proposals(path, made)
        proposals = read_proposals(path)
        maps = [self._map(network, row) for row in held]
        sizes = np.array([self.labelled.pictures[row].shape[1::-1] for row in held])
        return proposals, region_overlaps(proposals, maps, boxes[held], sizes)

    @torch.no_grad()
    def _map(self, network: Network, row: int) -> torch.Tensor:
        return network.maps(as_pixels(self.labelled.pictures[row])[None])[0]

    def _plain(self) -> Network:
        return off_the_shelf(self.labelled.pictures, self.plan.n_components)

    def _classified(
        self, name: str, plain: Network, rows: np.ndarray, labels: np.ndarray
    ) -> Network:
        """Fine-tuned by classification of some pictures, from the plain network."""
        network = copy.deepcopy(plain)
        pictures = [self.labelled.pictures[row] for row in rows]
        vectors = embed(network, Pixels(pictures), self.bar(range(len(rows))), device=CPU)
        settings = ClassifierSettings(steps=self.plan.steps, seed=self.plan.seed)
        losses = learn_classes(network, pictures, labels, vectors, settings, self.bar)
        write_json(self.folder / f"losses-{name}.json", losses)
        return network

    def _ranked(self, name: str, start: Network, rows: np.ndarray, rate: float) -> Network:
        """Fine-tuned by the ranking loss of DIR on hard triplets; a run goes on by its epochs."""
        settings = RankingSettings(
            loss="ranking",
            margin=0.1,
            epochs=self.plan.epochs,
            n_queries=self.plan.n_queries,
            n_pool=len(rows),
            n_negatives=min(5, len(np.unique(self.labelled.labels[rows])) - 1),
            rate=rate,
            decay=0.2,
            seed=self.plan.seed,
        )
        training = RankingTraining(copy.deepcopy(start), settings)
        pictures = Pixels([self.labelled.pictures[row] for row in rows])
        training.run(pictures, self.labelled.labels[rows], self.folder / name, bar=self.bar)
        return training.network.eval()

    def _stage(self, name: str, make: Callable[[], Network]) -> Network:
        """The network of a stage, made where the folder has none."""
        path = self.folder / f"{name}.pt"
        if not path.exists():
            with self._timed(name):
                network = make()
            with replace_file(path) as new:
                torch.save(network.state_dict(), new)
        state = torch.load(path, weights_only=True)
        n_channels, n_components = state["head.whitening.linear.weight"].shape[::-1]
        parts = np.zeros(n_channels), np.zeros((n_channels, n_components))
        network = Network(RMACHead(Whitening.from_parts(*parts)))
        network.load_state_dict(state)
        return network.eval()

    def _vectors(self, name: str, network: Network) -> Vectors:
        """The descriptors of a network, of queries and images."""
        path = self.folder / f"vectors-{name}.npz"
        if not path.exists():
            with self._timed("embedding"):
                queries, images = embed_all(network, self.data, self.bar)
            with replace_file(path) as new, open(new, "wb") as file:
                np.savez(file, queries=queries, images=images)
        found = np.load(path)
        return found["queries"], found["images"]

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        """Adds what a stage took to the seconds that the folder keeps."""
        began = time.monotonic()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0) + time.monotonic() - began)
        write_json(self.folder / "seconds.json", self.seconds)


def _with_head(network: Network, proposals: RegionProposals) -> Network:
    """The same network, whose regions are proposed; the whitening stays."""
    changed = copy.deepcopy(network)
    whitening = changed.head.whitening
    changed.head = RegionMACHead(proposals=proposals)
    changed.head.whitening = whitening
    return changed.eval()
