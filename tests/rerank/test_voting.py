"""The voting: planted objects are found, whatever comes in, and nothing depends on the order."""

from __future__ import annotations

import numpy as np
import oracle_places
import pytest
import scipy.sparse as sp

from blcf.boxes import iou
from blcf.errors import InvalidInput, VocabularyMismatch
from blcf.records import Query, View
from blcf.rerank.voting import Voting
from blcf.weighed_maps import WeighedMaps

N_NOISE, N_WORDS = 20, 100  # words of the noise come first, then those of the object


def view(words, weights=None):
    weights = np.ones(words.shape) if weights is None else weights
    return View(words.astype(np.int32), weights.astype(np.float32), sp.csr_matrix((1, N_WORDS)))


def query(*views, size=(80, 60), box=None):
    return Query(tuple(views), size, None if box is None else np.array(box, dtype=np.float32))


def thing(h=6, w=8):
    """An object of words of its own."""
    return N_NOISE + np.arange(h * w).reshape(h, w)


def noise(rng, h, w):
    return rng.integers(0, N_NOISE, (h, w))


def planted(words, block, x, y):
    """The map with the block in it, and its box at 10 pixels a cell."""
    h, w = block.shape
    words = words.copy()
    words[y : y + h, x : x + w] = block
    return words, np.array([[x, y, x + w, y + h]]) * 10.0


def located(voting, prepared, words, **settings):
    return voting.locate(prepared, words, (words.shape[1] * 10, words.shape[0] * 10), **settings)


def repeated(block, times):
    return block.repeat(times, axis=0).repeat(times, axis=1)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_planted_object_is_found_and_moves_with_its_cells(times):
    rng = np.random.default_rng(times)
    voting = Voting(N_WORDS)
    prepared = voting.prepare(query(view(thing())))
    block = repeated(thing(), times)
    for _ in range(20):
        map_of_noise = noise(rng, 36, 48)
        # Boxes that stick out of the image are cut, and move less.
        x, y = int(rng.integers(4, 44 - 8 * times)), int(rng.integers(4, 32 - 6 * times))
        words, box = planted(map_of_noise, block, x, y)
        found = located(voting, prepared, words)
        assert found.scores.shape == (1,) and found.boxes.dtype == np.float32
        assert iou(found.boxes, box)[0, 0] > 0.8
        again = located(voting, prepared, planted(map_of_noise, block, x + 1, y)[0])
        np.testing.assert_allclose(again.boxes - found.boxes, [[10, 0, 10, 0]], atol=1e-3)
        again = located(voting, prepared, planted(map_of_noise, block, x, y + 1)[0])
        np.testing.assert_allclose(again.boxes - found.boxes, [[0, 10, 0, 10]], atol=1e-3)


def test_the_box_of_the_query_is_what_is_looked_for():
    rng = np.random.default_rng(0)
    words, box = planted(noise(rng, 20, 30), thing(), 9, 5)
    weights = np.zeros((20, 30))
    weights[5:11, 9:17] = 1
    voting = Voting(N_WORDS)
    part = query(view(words, weights), size=(300, 200), box=box[0])
    image, place = planted(noise(rng, 36, 48), thing(), 20, 11)
    found = located(voting, voting.prepare(part), image)
    assert iou(found.boxes, place)[0, 0] > 0.8
    whole = located(voting, voting.prepare(query(view(thing()))), image)
    np.testing.assert_allclose(found.boxes, whole.boxes, atol=0.01)
    # A soft mask: cells count by the roots of their weights.
    soft = query(view(words, weights * 0.25), size=(300, 200), box=box[0])
    np.testing.assert_array_equal(located(voting, voting.prepare(soft), image).boxes, found.boxes)


def test_similar_words_vote_equal_ones_most():
    rng = np.random.default_rng(0)
    centroids = rng.normal(size=(N_WORDS, 8))
    half = (N_WORDS - N_NOISE) // 2
    near = N_NOISE + half + np.arange(half)
    centroids[near] = 3 * centroids[near - half] + 0.3 * rng.normal(size=(half, 8))
    block = N_NOISE + np.arange(40).reshape(5, 8)
    image, box = planted(noise(rng, 30, 40), block + half, 11, 7)  # not one word in common
    voting = Voting(N_WORDS, centroids, floor=0.8)
    prepared = voting.prepare(query(view(block)))
    found = located(voting, prepared, image)
    assert iou(found.boxes, box)[0, 0] > 0.8
    assert located(Voting(N_WORDS), Voting(N_WORDS).prepare(query(view(block))), image).scores == 0
    same = located(voting, prepared, planted(noise(rng, 30, 40), block, 11, 7)[0])
    assert same.scores[0] > found.scores[0] > 0


def random_query(rng):
    views = []
    for _ in range(int(rng.integers(1, 4))):
        h, w = (int(n) for n in rng.integers(1, 7, 2))
        views.append(view(rng.integers(0, 12, (h, w)), rng.integers(0, 4, (h, w)) / 2))
    box = [12.0, 7, 55, 50] if rng.random() < 0.5 else None
    return query(*views, box=box)


@pytest.mark.parametrize("with_centroids", [False, True])
def test_scores_are_the_oracle(with_centroids):
    rng = np.random.default_rng(with_centroids)
    for _ in range(100):
        h, w = (int(n) for n in rng.integers(1, 9, 2))
        image = rng.integers(0, 12, (h, w))
        weights = (rng.integers(0, 5, (h, w)) / 4).astype(np.float32)
        size = int(rng.integers(20, 200)), int(rng.integers(20, 200))
        centroids = rng.normal(size=(12, 4)).astype(np.float32) if with_centroids else None
        voting = Voting(12, centroids, n_sizes=4, n_bins=3, floor=0.3)
        example = random_query(rng)
        prepared = voting.prepare(example, image)
        expected = oracle_scores(voting, example, prepared.places, image, weights, size)
        best = max(expected.values())
        found = voting.locate(prepared, image, size, weights)
        assert found.scores[0] == pytest.approx(best, rel=1e-5, abs=1e-9)
        x1, y1, x2, y2 = found.boxes[0]
        assert 0 <= x1 < x2 <= size[0] and 0 <= y1 < y2 <= size[1]


def oracle_scores(voting, example, places, image, weights, size):
    """All scores, with similarities and sizes computed the plain way."""
    (h, w), n = image.shape, voting.n_bins
    x1, y1, x2, y2 = (0, 0, *example.size) if example.box is None else example.box.tolist()

    def cosine(one, other):
        if voting.centroids is None:
            return float(one == other)
        a, b = voting.centroids[one].astype(float), voting.centroids[other].astype(float)
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    def bin_of(cell, n_cells, n_pixels, near, far):
        place = ((cell + 0.5) * n_pixels / n_cells - near) / (far - near)
        return min(max(int(place * n // 1), 0), n - 1)

    similarity = {word: {} for word in range(12)}
    for one in example.views:
        rows, columns = one.assignment_map.shape
        mass = np.sqrt(one.weights.astype(float)).sum()
        for y, x in np.argwhere(one.weights):
            place = (
                bin_of(x, columns, example.size[0], x1, x2),
                bin_of(y, rows, example.size[1], y1, y2),
            )
            share = np.sqrt(float(one.weights[y, x])) / mass / len(example.views)
            for word in similarity:
                near = cosine(word, one.assignment_map[y, x])
                value = share * max(near - voting.floor, 0) / (1 - voting.floor)
                similarity[word][place] = similarity[word].get(place, 0) + value
    largest = min(size[0], size[1] * example.aspect)
    widest, highest = largest / size[0] * w, largest / example.aspect / size[1] * h
    least = min(1, 3 / min(widest, highest))  # three cells a side
    shares = [max(share, least) for share in np.geomspace(1, voting.smallest, voting.n_sizes)]
    sides = [(max(widest * share, 1), max(highest * share, 1)) for share in shares]
    sigmas = [[max(voting.blur * side, 0.4) for side in both] for both in sides]
    divisors = [(a * b) ** voting.area_power for a, b in sides]
    return oracle_places.votes(
        image.tolist(), weights.tolist(), similarity, places.tolist(), sides, sigmas, divisors
    )


def test_the_order_of_the_views_changes_nothing():
    rng = np.random.default_rng(3)
    centroids = rng.normal(size=(N_WORDS, 8))
    views = [
        view(rng.integers(0, N_WORDS, (h, w)), rng.random((h, w)))
        for h, w in ((5, 7), (9, 12), (4, 4))
    ]
    image, weights = rng.integers(0, N_WORDS, (20, 30)), rng.random((20, 30))
    voting = Voting(N_WORDS, centroids)
    results = []
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        prepared = voting.prepare(query(*[views[i] for i in order]))
        found = voting.locate(prepared, image, (300, 200), weights, n_boxes=5)
        results.append((found.scores, found.boxes, voting.heat(prepared, image, weights)))
    for one in results[1:]:
        for result, expected in zip(one, results[0]):
            np.testing.assert_array_equal(result, expected)


def test_words_that_are_asked_for_give_what_all_words_give():
    rng = np.random.default_rng(4)
    image = noise(rng, 12, 16)
    for centroids in (None, rng.normal(size=(N_WORDS, 8))):
        voting = Voting(N_WORDS, centroids)
        example = query(view(noise(rng, 6, 8)))
        expected = located(voting, voting.prepare(example), image)
        found = located(voting, voting.prepare(example, image), image)
        np.testing.assert_allclose(found.boxes, expected.boxes, rtol=1e-5)
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
        prepared = voting.prepare(example, np.arange(3))
        with pytest.raises(InvalidInput, match="that the query was prepared for"):
            located(voting, prepared, image)


def test_several_objects():
    rng = np.random.default_rng(5)
    image, first = planted(noise(rng, 36, 48), thing(), 4, 3)
    image, second = planted(image, thing(), 13, 4)
    image, third = planted(image, thing(), 30, 20)
    part = thing()
    part[:, 4:] = 0
    image, half = planted(image, part, 4, 25)
    voting = Voting(N_WORDS)
    prepared = voting.prepare(query(view(thing())))
    found = located(voting, prepared, image, n_boxes=10)
    overlaps = iou(found.boxes, np.concatenate([first, second, third]))
    assert overlaps.shape == (3, 3) and (overlaps.max(axis=0) > 0.8).all()
    assert (np.diff(found.scores) <= 0).all() and found.scores[-1] >= 0.8 * found.scores[0]
    two = located(voting, prepared, image, n_boxes=2)
    np.testing.assert_array_equal(two.boxes, found.boxes[:2])
    one = located(voting, prepared, image)
    np.testing.assert_array_equal(one.boxes, found.boxes[:1])
    more = located(Voting(N_WORDS, min_share=0.3), prepared, image, n_boxes=4)
    assert iou(more.boxes[3:], half) > 0.4
    among = iou(more.boxes, more.boxes)
    assert among[np.triu_indices(4, 1)].max() <= voting.max_overlap


def test_where_nothing_is_similar_the_whole_image_comes_back():
    voting = Voting(N_WORDS)
    prepared = voting.prepare(query(view(thing())))
    image = np.zeros((5, 7), dtype=np.int32)
    found = voting.locate(prepared, image, (70, 50), n_boxes=3)
    assert found.scores.tolist() == [0] and found.boxes.tolist() == [[0, 0, 70, 50]]
    image[:] = N_NOISE
    found = voting.locate(prepared, image, (70, 50), np.zeros((5, 7)))
    assert found.scores.tolist() == [0] and found.boxes.tolist() == [[0, 0, 70, 50]]
    nothing = voting.prepare(query(view(thing(), np.zeros((6, 8)))))
    assert voting.locate(nothing, image, (70, 50)).scores.tolist() == [0]


@pytest.mark.parametrize("aspect", [1e-6, 0.01, 1, 100, 1e6])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (3, 50)])
def test_any_shape_gives_a_box_inside_the_image(aspect, shape):
    voting = Voting(N_WORDS)
    image = np.full(shape, N_NOISE)
    width = 1000.0
    example = query(view(thing(2, 3)), size=(1000, 1000), box=[0, 0, width, width])
    example = Query(example.views, (width * aspect, width), None)  # type: ignore[arg-type]
    found = located(voting, voting.prepare(example), image, n_boxes=4)
    h, w = shape
    assert (found.scores > 0).all()
    assert (found.boxes[:, :2] >= 0).all() and (found.boxes[:, 2:] <= (w * 10, h * 10)).all()
    assert (found.boxes[:, :2] < found.boxes[:, 2:]).all()


def test_several_images_at_once_are_each_alone():
    rng = np.random.default_rng(5)
    centroids = rng.normal(size=(N_WORDS, 8))
    voting = Voting(N_WORDS, centroids)
    prepared = voting.prepare(query(view(thing())))
    images = []
    for number in range(12):
        h, w = (int(n) for n in rng.integers(1, 30, 2))
        weights = None if number % 3 else rng.random((h, w)).astype(np.float32)
        images.append((noise(rng, h, w), (int(rng.integers(9, 500)), 100 + number), weights))
    images[3] = (np.full((4, 5), N_NOISE), (50, 40), np.zeros((4, 5)))  # nothing counts
    images[4] = (planted(noise(rng, 30, 40), thing(), 9, 5)[0], (400, 300), None)
    maps = WeighedMaps.of([one for one, _, _ in images], [one for _, _, one in images], N_WORDS)
    sizes = np.array([size for _, size, _ in images])
    scores, boxes = voting.locate_best(prepared, maps, sizes)
    assert scores.dtype == np.float64 and boxes.dtype == np.float32 and not scores[3]
    for number, (words, size, weights) in enumerate(images):
        found = voting.locate(prepared, words, size, weights, n_boxes=2)  # by its own way
        np.testing.assert_allclose(boxes[number], found.boxes[0], rtol=1e-5)
        np.testing.assert_allclose(scores[number], found.scores[0], rtol=1e-6)
    with pytest.raises(InvalidInput, match="Expected the sizes of 12 images, got 1"):
        voting.locate_best(prepared, maps, sizes[:1])
    other = WeighedMaps.of([images[4][0]], [None], N_WORDS + 1)
    with pytest.raises(VocabularyMismatch, match="Expected maps of"):
        voting.locate_best(prepared, other, sizes[4:5])
    none = WeighedMaps.of([], [], N_WORDS)
    assert [len(each) for each in voting.locate_best(prepared, none, sizes[:0])] == [0, 0]


@pytest.mark.parametrize("with_centroids", [False, True])
def test_words_may_be_prepared_in_several_steps(with_centroids):
    rng = np.random.default_rng(6)
    voting = Voting(N_WORDS, rng.normal(size=(N_WORDS, 8)) if with_centroids else None)
    example = query(view(thing()))
    at_once, votes = voting.prepare(example), None
    for words in ([3, 5], [], [5, 90, 3], np.arange(N_WORDS)):
        votes = voting.prepare(example, np.array(words, dtype=np.int64), votes)
        known = np.flatnonzero(votes.rows >= 0)
        assert known.size + 1 == votes.starts.size and set(words) <= set(known.tolist())
    image = planted(noise(rng, 30, 40), thing(), 9, 5)[0]
    found, wanted = (located(voting, one, image) for one in (votes, at_once))
    np.testing.assert_allclose(found.scores, wanted.scores, rtol=1e-5)
    np.testing.assert_allclose(found.boxes, wanted.boxes, rtol=1e-5)
    assert (votes.starts.dtype, votes.bins.dtype, votes.values.dtype) == (
        *(np.int32, np.int32, np.float32),
    )


def test_what_was_prepared_is_of_the_same_voting():
    example = query(view(thing()))
    before = Voting(N_WORDS, n_bins=7).prepare(example)
    with pytest.raises(InvalidInput, match="to be of this voting"):
        Voting(N_WORDS, n_bins=3).prepare(example, None, before)


def test_of_equal_boxes_the_top_and_left_one_is_taken():
    voting = Voting(N_WORDS)
    image = np.zeros((40, 60), dtype=np.int32)
    for x, y in ((40, 30), (2, 30), (40, 3)):
        image, _ = planted(image, thing(), x, y)
    prepared = voting.prepare(query(view(thing())))
    found = located(voting, prepared, image, n_boxes=9)
    assert found.scores.tolist() == [found.scores[0]] * 3
    corners = [[40, 3], [2, 30], [40, 30]]
    np.testing.assert_allclose(found.boxes[:, :2] / 10, corners, atol=1)


def test_heat_is_where_the_words_of_the_query_are():
    voting = Voting(N_WORDS)
    prepared = voting.prepare(query(view(thing())))
    image = np.zeros((9, 12), dtype=np.int32)
    image[4, 6] = N_NOISE
    heat = voting.heat(prepared, image, np.full((9, 12), 4.0))
    assert heat.dtype == np.float32 and heat.shape == (9, 12)
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    expected = np.zeros((9, 12))
    expected[3:6, 5:8] = 2 * kernel / thing().size
    np.testing.assert_allclose(heat, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"floor": 1.0}, "floor to be 0 <= floor < 1, got 1.0"),
        ({"blur": -1}, "blur"),
        ({"n_sizes": 0}, "n_sizes"),
        ({"smallest": 0}, "smallest"),
        ({"area_power": float("nan")}, "area_power"),
        ({"n_bins": 0}, "n_bins"),
        ({"max_overlap": 2}, "max_overlap"),
        ({"min_share": 0}, "min_share"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(InvalidInput, match=message):
        Voting(10, **settings)


def test_bad_input():
    with pytest.raises(VocabularyMismatch, match=r"\(10, n_components\), got \(9, 4\)"):
        Voting(10, np.ones((9, 4)))
    voting = Voting(N_WORDS)
    with pytest.raises(VocabularyMismatch, match="0 to 99, got 0 to 100"):
        voting.prepare(query(view(np.array([[0, 100]]))))
    with pytest.raises(VocabularyMismatch, match="0 to 99, got -1 to 3"):
        voting.prepare(query(view(thing())), np.array([-1, 3]))
    with pytest.raises(InvalidInput, match="weights >= 0 of shape"):
        voting.prepare(query(view(thing(), np.ones((2, 2)))))
    prepared = voting.prepare(query(view(thing())))
    image = thing()
    for words, weights, message in (
        (np.zeros(3, int), None, "of shape"),
        (np.zeros((0, 3), int), None, "of shape"),
        (image, np.ones((2, 2)), "weights >= 0 of shape"),
        (image, -np.ones(image.shape), "finite"),
        (image, np.full(image.shape, np.nan), "finite"),
        (image, np.full(image.shape, np.inf), "finite"),
    ):
        with pytest.raises(InvalidInput, match=message):
            voting.locate(prepared, words, (80, 60), weights)
        with pytest.raises(InvalidInput, match=message):
            voting.heat(prepared, words, weights)
    with pytest.raises(VocabularyMismatch, match="0 to 99, got 20 to 100"):
        voting.locate(prepared, np.array([[20, 100]]), (80, 60))
    with pytest.raises(InvalidInput, match="n_boxes to be 1 or more, got 0"):
        voting.locate(prepared, image, (80, 60), n_boxes=0)
