"""A convolution as its sum is written, cell by cell."""

import numpy as np


def convolve(cells, weight, bias, low=-np.inf, high=np.inf):
    """A map (height, width, n_channels) by 3x3 weights (m, n_channels, 3, 3), zeros around it."""
    height, width, n_channels = cells.shape
    m = len(weight)
    found = np.zeros((height, width, m))
    for y in range(height):
        for x in range(width):
            for k in range(m):
                total = float(bias[k])
                for i in range(3):
                    for j in range(3):
                        row, column = y + i - 1, x + j - 1
                        if 0 <= row < height and 0 <= column < width:
                            for c in range(n_channels):
                                total += float(cells[row, column, c]) * float(weight[k, c, i, j])
                found[y, x, k] = min(max(total, low), high)
    return found
