"""Every option of a search, with its default; the command line reads these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from blcf.checks import check_bool, check_choice, check_known, check_numbers
from blcf.collection.where import check_where
from blcf.errors import InvalidInput

__all__ = [
    "CHOICES",
    "EXPANSIONS",
    "EXPANSION_RULES",
    "FUSIONS",
    "GUARDS",
    "NEGATIVE_RULES",
    "REFINEMENTS",
    "SCALE_RULES",
    "WINDOWS",
    "SearchOptions",
]

WINDOWS = ("votes", "grid", "all", "coarse")
EXPANSIONS = ("none", "global", "local", "auto")
EXPANSION_RULES = ("average", "alpha", "svm")
GUARDS = ("scores", "none")
FUSIONS = ("average", "max")
NEGATIVE_RULES = ("rocchio", "svm")
REFINEMENTS = ("keypoints",)
SCALE_RULES = ("alike", "gap")

CHOICES = {
    "windows": WINDOWS,
    "refine": (None, *REFINEMENTS),
    "expand": EXPANSIONS,
    "expand_by": EXPANSION_RULES,
    "guard": GUARDS,
    "fusion": FUSIONS,
    "negatives_by": NEGATIVE_RULES,
    "scales_by": SCALE_RULES,
}
"""What an option that is a word may be, by its name."""


@dataclass(frozen=True)
class SearchOptions:
    """How a search is done. The defaults are measured: see benchmarks/accuracy.md.

    What a number may be is in `blcf.bounds.BOUNDS`; any other is an `InvalidInput`.

    Attributes
    ----------
    k : how many hits, from 1 to 1,000,000,000

    rerank : whether the best `depth` are reranked by their best window, which gives them boxes
    depth : how many hits are reranked, from 1 to 1,000,000; the paper: 100
    windows : how the window is found: "votes", where the query's words vote for the place and
        the size of the object, see `blcf.rerank.Voting`; or the window of the largest cosine of
        "grid" (the paper's), "all" positions and sizes, or these "coarse"ly, see
        `blcf.LocalSearch`. The score is the window's cosine in every case, before its neighbours
        have their say.
    shares : of the grid: sizes of the windows as parts of a side of the map, each from 1 to 32,
        at most 8; the paper: (1, 2, 4)
    min_side : cells of a side of a window at least, from 1 to 1024, for "grid", "all" and "coarse"
    pyramid : whether the score is that of the paper's spatial pyramid (of the grid, or of the
        voted window)
    keep_whole : whether a reranked hit scores at least what its whole picture does, so that the
        ranking stays in order behind the reranked part, before its neighbours have their say. The
        paper: False; hits that were not looked at then score at most what the last reranked one
        does.
    n_neighbours : how many of the reranked hits, those whose windows are most like a hit's, have a
        say in its score, from 0 to 100; see `blcf.rerank.smoothed_scores`. In a collection of fewer
        than 100 pictures none. Hits that were not looked at then score at most what the last
        reranked one does. The paper: 0
    refine : "keypoints": the boxes of the first `n_refine` hits are those of the homography that
        keypoints of the query's box and of the hit's window agree on, where they do, and
        `Hit.outline` is the box as it is carried over; see `blcf.rerank.find_outline`. For
        flat things (packages, signs, paintings). A score counts how many keypoints agree, too:
        ``.1 log(1 + n)`` more; where the best is above 1 then, all are divided by it. The picture
        files are read. None leaves boxes and scores as they are
    n_refine : how many hits are refined, from 1 to 10,000
    n_boxes : how many boxes a hit has at most, where the object is there several times, from 1 to
        100; one without votes

    expand : query expansion: "none", with "global" (whole images) or "local" (best windows) hits;
        "auto", where hits are reranked, with the best windows of those that are sure (a confidence
        of .5), each weighed by it, only if eight or more that are unlike one another are; and sure
        hits keep their places, see `blcf.expansion.sure_weights`. Of the next five `rounds` and
        `rerank_again` hold for it
    expand_by : "average"; "alpha", weighed by score ** `alpha`; "svm", a linear classifier of the
        hits against the end of the ranking (DQE)
    alpha : the power of the scores by which "alpha" weighs, from 0 to 100
    n_expand : how many hits take part at most, from 1 to 1000; the paper: 10
    rerank_again : whether the hits of the expanded query are reranked too, which gives them
        boxes; the paper: False
    rounds : how many times the query is expanded, from 1 to 20
    guard : which hits may take part: "scores", those clearly above chance, see
        `blcf.expansion.trusted_hits`; "none", all (the paper)

    query_side : longer side, in pixels, to which the query picture is resized, from 32 to 8192;
        None takes the collection's. Smaller where the object fills the query and is small in the
        collection. Frames of the collection are looked at as they were indexed, whatever this and
        the next two
    query_scales : the query picture is looked at in these sizes, relative to `query_side`, each
        from 0.1 to 4, at most 16
    scales_by : how much each of these sizes counts: by the "gap" between the best hits that it
        finds and chance, see `blcf.searching.scales`, which takes a ranking of each, without
        reranking; or all "alike", as they do in a collection of fewer than 100 pictures
    query_flip : whether it is looked at in a mirror as well
    fusion : of several examples: "average", one query of all; "max", a ranking each, and the best
        score of an image
    negatives_by : of examples of what is not wanted: "rocchio", less `gamma` times their mean;
        "svm", a linear classifier
    gamma : how many times "rocchio" takes their mean off, from 0 to 100

    approximate : None ranks exactly; a share of the query, above 0, at most 1, leaves out the
        words that cost the most for what they promise; scores are then those of the other words,
        see `blcf.InvertedFile.search`
    where : None searches all pictures; a condition over their facts, in the SQL of SQLite, say
        "camera = 'A' AND time > 60", searches those for which it holds, as if there were no others
        but for weights and norms, which are those of all. Columns are those of
        `SearchEngine.facts`; text stands in single quotes
    min_confidence : hits that are less sure to show the object are left out, see
        `blcf.searching.confidence`, from 0 to 1; 0 leaves out none, nor is any left out where the
        ranking is too short to tell
    """

    REMOVED: ClassVar[dict[str, str]] = {
        "verify": "The option verify was removed: words of a map are too coarse to verify, and it "
        "made boxes and rankings worse. refine='keypoints' (--refine keypoints) refines boxes by "
        "keypoints of the pictures."
    }

    k: int = 100
    rerank: bool = True
    depth: int = 100
    windows: str = "votes"
    shares: Sequence[int] = (1, 2)
    min_side: int = 1
    pyramid: bool = False
    keep_whole: bool = True
    n_neighbours: int = 5
    refine: str | None = None
    n_refine: int = 100
    n_boxes: int = 1
    expand: str = "auto"
    expand_by: str = "average"
    alpha: float = 1.0
    n_expand: int = 10
    rerank_again: bool = True
    rounds: int = 1
    guard: str = "scores"
    query_side: int | None = None
    query_scales: Sequence[float] = (1.0, 0.35, 0.5, 0.7, 1.4)
    scales_by: str = "gap"
    query_flip: bool = False
    fusion: str = "average"
    negatives_by: str = "rocchio"
    gamma: float = 0.25
    approximate: float | None = None
    where: str | None = None
    min_confidence: float = 0.0

    def __post_init__(self) -> None:
        check_numbers(self)
        for name in ("rerank", "rerank_again", "pyramid", "keep_whole", "query_flip"):
            check_bool(name, getattr(self, name))
        if self.expand is None:
            raise InvalidInput(
                "Expected expand to be 'none', 'global', 'local' or 'auto', got None. No query "
                "expansion is expand='none'."
            )
        for name, choices in CHOICES.items():
            check_choice(name, getattr(self, name), choices)
        if self.where is not None:
            check_where(self.where)
        if self.pyramid and self.windows in ("all", "coarse"):
            raise InvalidInput(
                f"Expected windows to be votes or grid with the pyramid, got {self.windows!r}."
            )

    @property
    def expands(self) -> bool:
        """Whether query expansion is asked for; "auto" is for what is reranked."""
        return self.expand != "none" and (self.rerank or self.expand != "auto")

    @property
    def expands_locally(self) -> bool:
        """Whether the best windows of hits are needed to expand."""
        return self.expands and self.expand in ("local", "auto")

    @classmethod
    def from_keywords(cls, values: dict[str, Any]) -> SearchOptions:
        """Options from a caller's keywords; an unknown one is an error with the near name."""
        check_known(cls, values)
        return cls(**values)
