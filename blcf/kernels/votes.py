"""Kernels of the voting: cells of an image that are similar to cells of the query agree on a box.

The query is a grid of bins over its box, and each cell of the image holds a value for each bin, its
similarity with the words there. A plane is what all cells hold for one bin; the votes for a box of
some size are the sum of all planes, each shifted by the way from its bin to the centre.

Rows of a plane are padded with zeros, by more than the largest shift: then to shift a plane is to
add one array to another some places further on, in vector instructions. 36 planes of 34x46 cells
take 5 us a size of box this way, whatever the number of pairs of similar cells.
"""

from __future__ import annotations

import numpy as np

from blcf.kernels.compiling import kernel

__all__ = ["fill_planes", "in_pixels", "lay_out_boxes", "locate_best", "refine_box", "vote"]

LEAST_SIGMA = 0.4  # cells, of the blur of the votes
LEAST_SIDE = 3.0  # cells, of the shorter side of a box (of the largest, where that is shorter)


@kernel
def locate_best(
    words, weights, starts, maps, sizes, query, aspect, shares, blur, power, fit, scores, boxes
):
    """The box of the largest score in each of several images, fitted to its votes.

    Of equal scores the larger box wins, then the one nearest to the top, then to the left. Where no
    word is similar it is the whole image, with score 0.

    Parameters
    ----------
    words, weights : int32 and float32 (n_cells,), of the images' cells, one image behind the other
    starts : int64 (n,), the first cell of each image
    maps, sizes : int64 and float64 (n, 2), height and width of its map in cells, width and height
        of the image in pixels
    query : places, rows, starts, bins and values, see `fill_planes` and `vote`
    aspect, shares, blur : of the boxes, see `lay_out_boxes`
    power : of the area of a box in cells, which its votes are divided by
    fit : spread, least_sigma, ridge and n_rounds of `refine_box`
    scores, boxes : out, float64 (n,) and float32 (n, 4), xyxy, pixels

    Returns
    -------
    bool, whether every word has a row
    """
    places, rows, list_starts, bins, values = query
    n_planes, n_sizes, n = places.shape[1] ** 2, len(shares), len(starts)
    sides, sigmas = np.empty((n_sizes, 2)), np.empty((n_sizes, 2))
    most_cells = most_planes = 0
    for image in range(n):
        h, w = maps[image]
        padding = lay_out_boxes(aspect, h, w, sizes[image], shares, blur, sides, sigmas)
        most_planes = max(most_planes, h * (w + padding))
        most_cells = max(most_cells, h * w)
    # Allocated once: memory that the system hands out afresh costs more than the votes.
    plane_memory = np.empty(n_planes * most_planes, np.float32)
    score_memory = np.empty(n_sizes * most_cells, np.float32)
    box, complete = np.empty(4), True
    for image in range(n):
        h, w = maps[image]
        padding = lay_out_boxes(aspect, h, w, sizes[image], shares, blur, sides, sigmas)
        planes = plane_memory[: n_planes * h * (w + padding)].reshape(n_planes, h, w + padding)
        here = starts[image], starts[image] + h * w
        if not fill_planes(
            words[here[0] : here[1]].reshape(h, w),
            weights[here[0] : here[1]].reshape(h, w),
            rows,
            list_starts,
            bins,
            values,
            planes,
        ):
            complete = False
        found = score_memory[: n_sizes * h * w]
        divisors = (sides[:, 0] * sides[:, 1]) ** power
        vote(planes, places, sides, sigmas, divisors, found.reshape(n_sizes, h, w))
        best = np.argmax(found)
        scores[image] = found[best]
        if found[best] <= 0:
            scores[image] = 0.0
            boxes[image, :2], boxes[image, 2:] = np.float32(0), sizes[image].astype(np.float32)
            continue
        level, cell = best // (h * w), best % (h * w)
        box[0], box[1] = cell % w + 0.5, cell // w + 0.5
        box[2], box[3] = sides[level]
        refine_box(planes, places, w, fit[0], fit[1], fit[2], fit[3], box)
        in_pixels(box, w, h, sizes[image], boxes[image])
    return complete


@kernel
def in_pixels(box, w, h, size, out):
    """The edges of a box in pixels, cut to its image.

    Parameters
    ----------
    box : float64 (4,), centre x and y, width and height, cells
    w, h : of the map, cells
    size : float64 (2,), width and height of the image, pixels
    out : float32 (4,), xyxy
    """
    for axis, cells in ((0, w), (1, h)):
        for end, half in ((0, -0.5), (2, 0.5)):
            edge = (box[axis] + half * box[2 + axis]) * (size[axis] / cells)
            out[axis + end] = min(max(edge, 0.0), size[axis])


@kernel
def lay_out_boxes(aspect, h, w, size, shares, blur, sides, sigmas):
    """The boxes of a query's aspect that are looked for in an image.

    Parameters
    ----------
    aspect : width over height, in pixels
    h, w : of the map, cells
    size : float64 (2,), width and height of the image, pixels
    shares : float64 (n_sizes,), of the largest box that fits, descending
    blur : sigma of a vote, in sides of the box
    sides, sigmas : out, float64 (n_sizes, 2), x and y, cells

    Returns
    -------
    int, zeros that rows of planes need, see `vote`
    """
    largest = min(size[0], size[1] * aspect)
    x, y = largest / (size[0] / w), largest / aspect / (size[1] / h)
    # In a box of a cell or two all votes fall together, wherever in the query they are from.
    least = min(1.0, LEAST_SIDE / min(x, y))
    for i in range(len(shares)):
        share = max(shares[i], least)
        sides[i, 0], sides[i, 1] = max(share * x, 1.0), max(share * y, 1.0)
        for axis in range(2):
            sigmas[i, axis] = max(blur * sides[i, axis], LEAST_SIGMA)
    return int(max(sides[0, 0] / 2, 3 * sigmas[0, 0])) + 2


@kernel
def fill_planes(words, weights, rows, starts, bins, values, planes):
    """Lay out what each cell of an image holds for each bin of the query.

    Parameters
    ----------
    words : int32 (h, w), an assignment map
    weights : float32 (h, w), >= 0, of its cells, whose roots count
    rows : int32 (n_words,), the row of each word in the lists below, -1 for none
    starts, bins, values : int32 (n_rows + 1,), int32 (n,), float32 (n,), CSR: the similarity of
        each word with the bins of the query
    planes : out, float32 (n_bins, h, w + padding)

    Returns
    -------
    bool, whether every word of the map has a row
    """
    planes[:] = np.float32(0)
    complete = True
    for y in range(words.shape[0]):
        for x in range(words.shape[1]):
            row = rows[words[y, x]]
            if row < 0:
                complete = False
                continue
            weight = np.sqrt(weights[y, x])
            for i in range(starts[row], starts[row + 1]):
                planes[bins[i], y, x] = values[i] * weight
    return complete


@kernel
def vote(planes, places, sides, sigmas, divisors, scores):
    """The score of a box of each size around the centre of each cell.

    Parameters
    ----------
    planes : float32 (n * n, h, w + padding), from `fill_planes`, of n rows of n bins; the padding
        is zero and longer than half of the widest box and than three sigmas
    places : float64 (2, n), x of the columns and y of the rows of bins, from the centre of the
        query's box, in its widths and heights: -.5 to .5
    sides, sigmas : float64 (n_sizes, 2), x and y, cells: of the box, of the Gaussian that blurs
        the votes (its peak is 1, it is cut at three sigmas)
    divisors : float64 (n_sizes,), of the scores
    scores : out, float32 (n_sizes, h, w)
    """
    n_planes, h, pitch = planes.shape
    n, w = places.shape[1], scores.shape[2]
    flat = planes.reshape(n_planes, h * pitch)
    used = np.empty(n_planes, np.bool_)
    for i in range(n_planes):
        used[i] = flat[i].any()
    total, blurred = np.empty(h * pitch, np.float32), np.empty(h * pitch, np.float32)
    for size in range(len(sides)):
        total[:] = np.float32(0)
        for i in range(n_planes):
            dx = int(np.floor(places[0, i % n] * sides[size, 0] + 0.5))
            dy = int(np.floor(places[1, i // n] * sides[size, 1] + 0.5))
            shift = dy * pitch + dx
            length = total.size - abs(shift)
            if not used[i] or length <= 0:
                continue
            into, plane = total[max(-shift, 0) :], flat[i, max(shift, 0) :]
            for k in range(np.uint64(length)):
                into[k] += plane[k]
        total.reshape(h, pitch)[:, w:] = np.float32(0)  # no centre lies outside of the image
        _blur_rows(total, sigmas[size, 0], blurred)
        _blur_columns(blurred.reshape(h, pitch), sigmas[size, 1], divisors[size], scores[size])


@kernel
def _blur_rows(values, sigma, out):
    """Blur along padded rows; what comes into the padding means nothing."""
    out[:] = values
    for step in range(1, int(3 * sigma) + 1):
        share = np.float32(np.exp(-0.5 * (step / sigma) ** 2))
        length = values.size - step
        behind, ahead = values[:length], values[step:]
        first, last = out[:length], out[step:]
        for k in range(np.uint64(length)):
            first[k] += share * ahead[k]
        for k in range(np.uint64(length)):
            last[k] += share * behind[k]


@kernel
def _blur_columns(values, sigma, divisor, out):
    h, w = out.shape
    for y in range(h):
        row = out[y]
        row[:] = np.float32(0)
        reach = int(3 * sigma)
        for other in range(max(y - reach, 0), min(y + reach + 1, h)):
            share = np.float32(np.exp(-0.5 * ((other - y) / sigma) ** 2) / divisor)
            near = values[other]
            for x in range(np.uint64(w)):
                row[x] += share * near[x]


@kernel
def refine_box(planes, places, w, spread, least_sigma, ridge, n_rounds, box):
    """Fit centre and sides of a box to the cells that voted for it, by reweighted least squares.

    A cell at x that is similar to a bin at place q says ``x = centre + q side``. It weighs by
    its similarity and by a Gaussian of its distance from where the box of the last round has it.

    Parameters
    ----------
    planes, places : as in `vote`
    w : cells of a row without its padding
    spread, least_sigma : sigma of the Gaussian, in sides of the box; at least, in cells
    ridge : how firmly a side keeps its length, as a variance of places
    n_rounds : how often all weights are computed anew
    box : in and out, float64 (4,), centre x and y, width and height, cells. A round changes a side
        by a quarter at most; it stays a cell long, and the centre half a cell inside.
    """
    n_planes, h, _ = planes.shape
    n = places.shape[1]
    limits, shares = np.empty((2, n, 2), np.int64), np.empty((2, n, max(h, w)))
    masses, moments = np.empty(w), np.empty(w)
    sums = np.empty((2, 5))
    for _ in range(n_rounds):
        for axis, length in ((0, w), (1, h)):
            sigma = max(spread * box[2 + axis], least_sigma)
            for i in range(n):
                place = box[axis] + places[axis, i] * box[2 + axis]
                limits[axis, i, 0] = max(int(place - 3 * sigma), 0)
                limits[axis, i, 1] = min(int(place + 3 * sigma) + 1, length)
                for cell in range(limits[axis, i, 0], limits[axis, i, 1]):
                    shares[axis, i, cell] = np.exp(-0.5 * ((cell + 0.5 - place) / sigma) ** 2)
        sums[:] = 0.0
        for i in range(n_planes):
            row, column = i // n, i % n
            first, last = limits[0, column]
            if first >= last:
                continue
            masses[first:last] = 0.0
            moments[first:last] = 0.0
            for y in range(limits[1, row, 0], limits[1, row, 1]):
                share = shares[1, row, y]
                cells = planes[i, y]
                for x in range(np.uint64(first), np.uint64(last)):
                    one = share * cells[x]
                    masses[x] += one
                    moments[x] += one * (y + 0.5)
            mass = x_moment = y_moment = 0.0
            for x in range(first, last):
                share = shares[0, column, x]
                mass += share * masses[x]
                x_moment += share * masses[x] * (x + 0.5)
                y_moment += share * moments[x]
            _add(sums[0], places[0, column], mass, x_moment)
            _add(sums[1], places[1, row], mass, y_moment)
        if sums[0, 0] <= 0:
            return
        _fit(sums[0], ridge, w, box[0::2])
        _fit(sums[1], ridge, h, box[1::2])


@kernel
def _add(sums, place, mass, moment):
    sums[0] += mass
    sums[1] += mass * place
    sums[2] += moment
    sums[3] += mass * place * place
    sums[4] += moment * place


@kernel
def _fit(sums, ridge, length, box):
    """The straight line of cells over places: `box` is (centre, side)."""
    place, cell = sums[1] / sums[0], sums[2] / sums[0]
    variance = sums[3] / sums[0] - place * place
    covariance = sums[4] / sums[0] - place * cell
    side = (covariance + ridge * box[1]) / (variance + ridge)
    box[1] = max(min(max(side, 0.8 * box[1]), 1.25 * box[1]), 1.0)
    box[0] = min(max(cell - place * box[1], 0.5), length - 0.5)
