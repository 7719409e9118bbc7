"""Kernels of a 3x3 convolution by Winograd's minimal filtering, F(4x4, 3x3).

A map is cut into tiles of 4x4 cells. The 6x6 cells that a tile looks at become 36 numbers a
channel, each number is multiplied by a matrix of its own, channels by channels, and the 36 sums
become the 4x4 cells of the result: 36 products where the sum as it is written has 144. Channels of
a cell lie side by side ("channels last"), so every step is one of vectors of channels. Lavin and
Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, section 4: points 0, 1, -1, 2,
-2.

Tiles are computed a block after the other, so that their numbers stay in a cache. What a tile's are
does not depend on the others of its block.
"""

from __future__ import annotations

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from blcf.kernels.compiling import kernel

__all__ = ["LANES", "TILE", "convolve_tiles", "memory_shapes"]

TILE = 4  # cells of a side
LANES = 16  # channels that are multiplied together; a vector of AVX-512, two of AVX2, four of NEON
BLOCK = 48  # tiles


def _n_rows() -> int:
    """How many rows are multiplied together, so that their sums stay in registers; `BLOCK` is a
    multiple of it."""
    try:
        features = binding.get_host_cpu_features()
    except RuntimeError:  # not known of this processor
        return 6
    return 12 if features.get("avx512f") else 6


_ROWS = _n_rows()

# The transforms of the cells and of the sums: B and A of the paper, transposed.
_FORWARD = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    np.float32,
)
_BACKWARD = np.array(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], np.float32
)


def _multiply(values, row, weights, sums, column):
    """Rows from `row` on, as many as go together, times a matrix of a column a lane.

    Parameters
    ----------
    values : float32 (n, n_channels); there are `_ROWS` from `row` on
    weights : float32 (n_channels, LANES)
    sums : out, float32 (n, m), filled from `row` and `column` on
    """
    rows = slice(row, row + _ROWS)
    sums[rows, column : column + LANES] = values[rows] @ weights


@intrinsic
def _multiply_vectors(typing_context, values, row, weights, sums, column):
    """`_multiply` as a loop over channels with a vector of sums a row, all in registers.

    The compiler keeps no sums of several rows in registers by itself: loops in Python made 13 to 22
    thousand million products a second (MKL 20 to 32, this 27 to 37).
    """

    def generate(context, builder, signature, arguments):
        number, integer, lane = ir.FloatType(), ir.IntType(64), ir.IntType(32)
        vector = ir.VectorType(number, LANES)
        shape = ir.FunctionType(vector, [vector, vector, vector])
        add = cgutils.get_or_insert_function(builder.module, shape, "llvm.fmuladd.v16f32")

        def view(position):
            kind = signature.args[position]
            return kind, context.make_array(kind)(context, builder, arguments[position])

        def pointer(position, row, column):
            return cgutils.get_item_pointer(context, builder, *view(position), [row, column])

        first, column, zero = arguments[1], arguments[4], integer(0)
        numbers = [builder.add(first, integer(each)) for each in range(_ROWS)]
        rows = [pointer(0, each, zero) for each in numbers]
        matrix = builder.bitcast(pointer(2, zero, zero), vector.as_pointer())
        n_channels = builder.extract_value(view(0)[1].shape, 1)

        before, loop = builder.block, builder.append_basic_block("channel")
        behind = builder.append_basic_block("behind")
        builder.branch(loop)
        builder.position_at_end(loop)
        channel = builder.phi(integer)
        before_them = [builder.phi(vector) for _ in rows]
        weight = builder.load(builder.gep(matrix, [channel]), align=4)
        unset, first_lane = ir.Constant(vector, ir.Undefined), lane(0)
        everywhere = ir.Constant(ir.VectorType(lane, LANES), [0] * LANES)
        added = []
        for row_pointer, before_it in zip(rows, before_them):
            value = builder.load(builder.gep(row_pointer, [channel]))
            value = builder.insert_element(unset, value, first_lane)
            value = builder.shuffle_vector(value, unset, everywhere)
            added.append(builder.call(add, [value, weight, before_it]))
        following = builder.add(channel, integer(1))
        channel.add_incoming(zero, before)
        channel.add_incoming(following, loop)
        for each, after in zip(before_them, added):
            each.add_incoming(ir.Constant(vector, [0.0] * LANES), before)
            each.add_incoming(after, loop)
        builder.cbranch(builder.icmp_signed("<", following, n_channels), loop, behind)
        builder.position_at_end(behind)
        for number_of_row, after in zip(numbers, added):
            place = builder.bitcast(pointer(3, number_of_row, column), vector.as_pointer())
            builder.store(after, place, align=4)
        return context.get_dummy_value()

    return types.void(values, types.intp, weights, sums, types.intp), generate


@overload(_multiply)
def _compile_multiply(values, row, weights, sums, column):
    def multiply(values, row, weights, sums, column):
        _multiply_vectors(values, row, weights, sums, column)

    return multiply


@kernel
def _look(cells, row, column, patch):
    """The 6x6 cells from a row and a column on, which may be -1: zeros around the map."""
    height, width, n_channels = cells.shape
    for i in range(6):
        for j in range(6):
            if 0 <= row + i < height and 0 <= column + j < width:
                for c in range(n_channels):
                    patch[i, j, c] = cells[row + i, column + j, c]
            else:
                for c in range(n_channels):
                    patch[i, j, c] = 0


@kernel(fastmath={"contract"})
def _take_tile(patch, across, values, tile):
    """The 36 numbers of a tile, six of a line after the other: float32 (36, ., n_channels).

    patch, across : float32 (6, 6, n_channels), its cells, and memory
    """
    n_channels = patch.shape[2]
    rows, made = patch.reshape(6, 6 * n_channels), across.reshape(6, 6 * n_channels)
    for k in range(6):
        b_0, b_1, b_2, b_3, b_4, b_5 = _FORWARD[k]
        for c in range(6 * n_channels):
            made[k, c] = (
                (b_0 * rows[0, c] + b_1 * rows[1, c])
                + (b_2 * rows[2, c] + b_3 * rows[3, c])
                + (b_4 * rows[4, c] + b_5 * rows[5, c])
            )
    for i in range(6):
        for k in range(6):
            b_0, b_1, b_2, b_3, b_4, b_5 = _FORWARD[k]
            for c in range(n_channels):
                values[6 * i + k, tile, c] = (
                    (b_0 * across[i, 0, c] + b_1 * across[i, 1, c])
                    + (b_2 * across[i, 2, c] + b_3 * across[i, 3, c])
                    + (b_4 * across[i, 4, c] + b_5 * across[i, 5, c])
                )


@kernel(fastmath={"contract"})
def _put_tile(sums, tile, across, patch):
    """The cells of a tile, float32 (4, 4, m), of its 36 sums; across : memory (4, 6, m)"""
    m = patch.shape[2]
    for k in range(4):
        a_0, a_1, a_2, a_3, a_4, a_5 = _BACKWARD[k]
        for j in range(6):
            for c in range(m):
                across[k, j, c] = (
                    (a_0 * sums[j, tile, c] + a_1 * sums[6 + j, tile, c])
                    + (a_2 * sums[12 + j, tile, c] + a_3 * sums[18 + j, tile, c])
                    + (a_4 * sums[24 + j, tile, c] + a_5 * sums[30 + j, tile, c])
                )
    for i in range(4):
        for k in range(4):
            a_0, a_1, a_2, a_3, a_4, a_5 = _BACKWARD[k]
            for c in range(m):
                patch[i, k, c] = (
                    (a_0 * across[i, 0, c] + a_1 * across[i, 1, c])
                    + (a_2 * across[i, 2, c] + a_3 * across[i, 3, c])
                    + (a_4 * across[i, 4, c] + a_5 * across[i, 5, c])
                )


def memory_shapes(n_channels: int, m: int) -> list[tuple[int, int, int]]:
    """The shapes of the memory of `convolve_tiles`: the numbers of a block's tiles and their sums,
    a tile's cells, and those half transformed, before and behind."""
    n_lanes = -(-m // LANES) * LANES
    of_block = [(36, BLOCK, n_channels), (36, BLOCK, n_lanes)]
    return [*of_block, (6, 6, n_channels), (6, 6, n_channels), (4, 4, m), (4, 6, m)]


@kernel
def convolve_tiles(cells, weights, bias, low, high, first, last, memory, convolved):
    """Some tiles of a map convolved, by steps of one cell, with zeros around the map.

    Parameters
    ----------
    cells : float32 (height, width, n_channels), C contiguous
    weights : float32 (36, n_blocks, n_channels, LANES), what the numbers of a tile are multiplied
        by: output channels in blocks, zeros behind the last
    bias : float32 (m,), m at most n_blocks * LANES
    low, high : float32, the bounds of what comes out: 0 and infinity for a ReLU
    first, last : the tiles from `first` on, before `last`, of all of the map row by row
    memory : float32, of the shapes of `memory_shapes`, C contiguous, of any content
    convolved : out, float32 (height, width, m), C contiguous; cells of other tiles are left
    """
    height, width, _ = cells.shape
    m, n_across = len(bias), (width + TILE - 1) // TILE
    values, sums, patch, across, found, found_across = memory
    for start in range(first, last, BLOCK):
        n = min(BLOCK, last - start)
        for tile in range(n):
            row, column = TILE * ((start + tile) // n_across), TILE * ((start + tile) % n_across)
            _look(cells, row - 1, column - 1, patch)
            _take_tile(patch, across, values, tile)
        for k in range(36):
            for block in range(weights.shape[1]):
                for row in range(0, n, _ROWS):
                    _multiply(values[k], row, weights[k, block], sums[k], LANES * block)
        for tile in range(n):
            row, column = TILE * ((start + tile) // n_across), TILE * ((start + tile) % n_across)
            _put_tile(sums, tile, found_across, found)
            for i in range(min(TILE, height - row)):
                for j in range(min(TILE, width - column)):
                    for c in range(m):
                        cell = min(max(found[i, j, c] + bias[c], low), high)
                        convolved[row + i, column + j, c] = cell
