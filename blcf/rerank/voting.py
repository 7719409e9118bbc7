"""Voting: where in an image the object is, by cells that are similar and agree on a box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blcf.boxes import iou
from blcf.errors import InvalidInput, VocabularyMismatch
from blcf.kernels.votes import fill_planes, in_pixels, lay_out_boxes, locate_best, refine_box, vote
from blcf.printing import shown
from blcf.records import Query
from blcf.rerank.peaks import find_highest
from blcf.rerank.similarities import PreparedVotes, prepare_votes
from blcf.weighed_maps import WeighedMaps

__all__ = ["Located", "Voting"]

_UNKNOWN = "Expected words that the query was prepared for. Pass prepare those of all images."

# Of the refinement; see `Voting` for what it gains. Six rounds, or a ridge of .03, lose .03 of IoU
# on shelves and gain nothing on logos; one round, or a ridge of .3, lose .005 on logos.
_FIT = (0.1, 0.7, 0.1, 3)  # spread, least_sigma, ridge, n_rounds


@dataclass(frozen=True, eq=False)
class Located:
    """Where an object was found in an image, the best place first.

    Attributes
    ----------
    scores : float64 (n,), of one query: larger is surer, in all images alike
    boxes : float32 (n, 4), xyxy, pixels of the image
    """

    scores: np.ndarray
    boxes: np.ndarray


class Voting:
    """Finds the box that most cells of an image vote for: a generalised Hough transform.

    Each cell of the image votes for centres of boxes of many sizes, of the aspect of the query:
    if it is similar to what the query shows at some place, then the centre is as far from it as it
    is from that place. Cells of near words are similar too, by the cosine of their centroids, so
    that an object is found that shares few words with the query. ::

        score(box) = sum of s(u_j, q_i) sqrt(g_j) G(distance of j from where box has i) / area^p
        s(u, v) = max(cos(c_u, c_v) - floor, 0) / (1 - floor)

    over the cells j of the image and i of the views of the query; g_j is the weight of j, sqrt(g_i)
    that of i, over their sum in its view; G a Gaussian of `blur` sides of the box, its peak 1;
    area in cells. Then the place and the sides of the best box are fitted to its votes.

    Parameters
    ----------
    n_words : int, size of the vocabulary
    centroids : float32 (n_words, n_components), of its words; None: only equal words are similar
    floor : cosine from which words are similar, 0 <= floor < 1
    blur : sigma of a vote, in sides of the box
    n_sizes, smallest : sizes of boxes, from the largest of the query's aspect that fits into the
        image down to this share of it, in geometric steps
    area_power : p
    n_bins : the query is looked at as a grid of so many rows and columns, which the cells of all
        its views fall into; the time is that of the grid, whatever their number
    max_overlap : IoU that two boxes of an image may have
    min_share : score of a further box, as a share of the best

    Notes
    -----
    Source: Ballard, Pattern Recognition 1981 (generalised Hough transform); Leibe, Leonardis,
    Schiele, IJCV 2008, section 3 (implicit shape model: visual words vote, in scale too).

    Mean IoU over the true hits in the first 100, logos with SqueezeNet and with MobileNet, shelves
    of side 768 and of 384: .605, .591, .76, .80 (benchmarks/localisation.md). All is flat
    around the defaults: floor .1 to .3, blur .1 to .15, 10 to 20 sizes, 6 to 12 bins, p .3 to .4,
    weights or their roots change logos by .005 at most, the 30 hits of shelves by up to .04 (floor
    .5 loses .02 on logos, blur .09 .09 on the small shelves). Equal words alone lose .03 on logos,
    one view of the query for four .01 to .02; no fit at the end loses .012 there and gains .015 on
    shelves. Weights of words (powers of idf) gain nothing, and in a collection of one image all
    are 0; taking off the votes by chance gains nothing.
    Each cell with each cell of the query, without bins, has the same IoU to .005.

    ``min_share`` .8 finds (IoU >= .5) all boxes of shelves of side 768 in the true hits with a
    precision of .86, on logos .55 of them with .69; .7 finds few more and takes more wrong ones. A
    smaller object scores less, by ``area^(1 - p)``; to make up for that cost half the precision.

    100 images of 36x48 cells take 23 ms, and 8 ms to prepare a query of four views (5,521 words).

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from blcf.records import Query, View
    >>> words = np.arange(1, 13, dtype=np.int32).reshape(3, 4)
    >>> view = View(words, np.ones((3, 4), np.float32), sp.csr_matrix((1, 13)))
    >>> voting = Voting(n_words=13)
    >>> votes = voting.prepare(Query((view,), (40, 30), None))
    >>> image = np.zeros((9, 16), dtype=np.int32)
    >>> image[2:5, 7:11] = words
    >>> voting.locate(votes, image, (160, 90)).boxes.round().tolist()
    [[70.0, 20.0, 110.0, 50.0]]
    """

    def __init__(
        self,
        n_words: int,
        centroids: np.ndarray | None = None,
        *,
        floor: float = 0.2,
        blur: float = 0.12,
        n_sizes: int = 12,
        smallest: float = 0.1,
        area_power: float = 0.35,
        n_bins: int = 7,
        max_overlap: float = 0.2,
        min_share: float = 0.8,
    ):
        if centroids is not None and (centroids.ndim != 2 or len(centroids) != n_words):
            raise VocabularyMismatch(
                f"Expected centroids of shape ({n_words}, n_components), got {centroids.shape}."
            )
        _check("floor", floor, 0 <= floor < 1, "0 <= floor < 1")
        _check("blur", blur, 0 <= blur < np.inf, "0 or more")
        _check("n_sizes", n_sizes, n_sizes >= 1, "1 or more")
        _check("smallest", smallest, 0 < smallest <= 1, "0 < smallest <= 1")
        _check("area_power", area_power, 0 <= area_power < np.inf, "0 or more")
        _check("n_bins", n_bins, n_bins >= 1, "1 or more")
        _check("max_overlap", max_overlap, 0 <= max_overlap <= 1, "0..1")
        _check("min_share", min_share, 0 < min_share <= 1, "0 < min_share <= 1")
        self.n_words = n_words
        self.centroids = centroids
        self.floor = floor
        self.blur = blur
        self.n_sizes = n_sizes
        self.smallest = smallest
        self.area_power = area_power
        self.n_bins = n_bins
        self.max_overlap = max_overlap
        self.min_share = min_share
        self._sizes = np.geomspace(1, smallest, n_sizes)

    def __repr__(self) -> str:
        return shown(self)

    def prepare(
        self,
        query: Query,
        words: np.ndarray | None = None,
        before: PreparedVotes | None = None,
    ) -> PreparedVotes:
        """The similarities of words with the places of a query, for `locate` and `heat`.

        Parameters
        ----------
        query : all its views count; their frames are the query picture's
        words : int (n,), those of the images that will be looked at, repeated or not, which takes
            the time of a product of their centroids with those of the query; None: all words
        before : what was prepared of the same query for other words, which are there too then

        Raises
        ------
        VocabularyMismatch
            Words outside the vocabulary.
        """
        words = np.arange(self.n_words) if words is None else words
        before = before or PreparedVotes.of(query, self.n_words, self.n_bins)
        if (before.places.shape[1], before.rows.size) != (self.n_bins, self.n_words):
            raise InvalidInput("Expected what was prepared before to be of this voting.")
        return prepare_votes(before, words, self.centroids, self.floor)

    def locate(
        self,
        prepared: PreparedVotes,
        assignment_map: np.ndarray,
        size: tuple[int, int],
        weights: np.ndarray | None = None,
        *,
        n_boxes: int = 1,
    ) -> Located:
        """The box of the largest score, and further ones that do not overlap much.

        Of equal scores the larger box wins, then the one nearest to the top, then to the left.
        Where no word is similar the whole image comes back, with score 0.

        Parameters
        ----------
        prepared : from `prepare`
        assignment_map : int (h, w)
        size : (width, height) of the image, pixels
        weights : float (h, w), >= 0, of the cells; None counts each as 1
        n_boxes : how many boxes at most, see `max_overlap` and `min_share`

        Raises
        ------
        InvalidInput, VocabularyMismatch
            No map; weights of another shape, negative or not finite; words that `prepare` was not
            told of.
        """
        _check("n_boxes", n_boxes, n_boxes >= 1, "1 or more")
        if n_boxes == 1:
            maps = WeighedMaps.of([assignment_map], [weights], self.n_words)
            return Located(*self.locate_best(prepared, maps, np.array([size])))
        words, weights = self._checked(assignment_map, weights)
        h, w = words.shape
        sides, sigmas = np.empty((2, self.n_sizes, 2))
        pixels = np.array(size, dtype=np.float64)
        padding = lay_out_boxes(
            prepared.aspect, h, w, pixels, self._sizes, self.blur, sides, sigmas
        )
        planes = np.empty((self.n_bins**2, h, w + padding), dtype=np.float32)
        _fill(prepared, words, weights, planes)
        scores = np.empty((self.n_sizes, h, w), dtype=np.float32)
        areas = sides.prod(axis=1)
        vote(planes, prepared.places, sides, sigmas, areas**self.area_power, scores)
        if scores.max() <= 0:
            return Located(np.zeros(1), np.array([[0, 0, *size]], dtype=np.float32))
        found_scores, boxes = [], np.empty((0, 4), dtype=np.float32)
        edges = np.empty((1, 4), dtype=np.float32)
        for level, y, x in find_highest(scores, self.min_share):
            box = np.array([x + 0.5, y + 0.5, *sides[level]])
            # A peak on the slope of another one would be drawn to it.
            in_pixels(box, w, h, pixels, edges[0])
            if len(boxes) and iou(edges, boxes).max() > self.max_overlap:
                continue
            refine_box(planes, prepared.places, w, *_FIT, box)
            in_pixels(box, w, h, pixels, edges[0])
            if len(boxes) and iou(edges, boxes).max() > self.max_overlap:
                continue
            found_scores.append(float(scores[level, y, x]))
            boxes = np.concatenate([boxes, edges])
            if len(boxes) == n_boxes:
                break
        return Located(np.array(found_scores), boxes)

    def locate_best(
        self, prepared: PreparedVotes, maps: WeighedMaps, sizes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The first place of `locate` in each of several images, in one call.

        Parameters
        ----------
        prepared : from `prepare`
        maps : of n images
        sizes : (n, 2), width and height of each image, pixels

        Returns
        -------
        scores : float64 (n,)
        boxes : float32 (n, 4), xyxy, pixels of the image

        Raises
        ------
        InvalidInput, VocabularyMismatch
            Words that `prepare` was not told of, or of another vocabulary.
        """
        maps.check_words(self.n_words)
        if len(sizes) != len(maps):
            raise InvalidInput(f"Expected the sizes of {len(maps)} images, got {len(sizes)}.")
        scores, boxes = np.zeros(len(maps)), np.empty((len(maps), 4), dtype=np.float32)
        if not len(maps):
            return scores, boxes
        complete = locate_best(
            *(maps.words, maps.weights, maps.starts, maps.shapes),
            np.asarray(sizes, dtype=np.float64),
            (prepared.places, *_lists(prepared)),
            float(prepared.aspect),
            self._sizes,
            float(self.blur),
            float(self.area_power),
            _FIT,
            scores,
            boxes,
        )
        if not complete:
            raise InvalidInput(_UNKNOWN)
        return scores, boxes

    def heat(
        self,
        prepared: PreparedVotes,
        assignment_map: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> np.ndarray:
        """How similar each cell is to the query, wherever in it: for drawing.

        Returns
        -------
        float32 (h, w), >= 0, smoothed over the next cells (1/4, 1/2, 1/4, both ways)
        """
        words, weights = self._checked(assignment_map, weights)
        planes = np.empty((self.n_bins**2, *words.shape), dtype=np.float32)
        _fill(prepared, words, weights, planes)
        heat = np.pad(planes.sum(axis=0), 1, mode="edge")
        heat = (heat[:-2] + 2 * heat[1:-1] + heat[2:]) / 4
        return (heat[:, :-2] + 2 * heat[:, 1:-1] + heat[:, 2:]) / 4

    def _checked(
        self, assignment_map: np.ndarray, weights: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The map as int32 (h, w) and its weights as float32 (h, w)."""
        maps = WeighedMaps.of([assignment_map], [weights], self.n_words)
        return maps.words_of(0), maps.weights_of(0)


def _check(name: str, value: float, is_right: bool, expected: str) -> None:
    if not is_right:
        raise InvalidInput(f"Expected {name} to be {expected}, got {value}.")


def _fill(
    prepared: PreparedVotes, words: np.ndarray, weights: np.ndarray, planes: np.ndarray
) -> None:
    if not fill_planes(words, weights, *_lists(prepared), planes):
        raise InvalidInput(_UNKNOWN)


def _lists(prepared: PreparedVotes) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return prepared.rows, prepared.starts, prepared.bins, prepared.values
