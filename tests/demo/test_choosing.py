"""Boxes chosen in pictures whose objects nobody knows."""

from __future__ import annotations

import numpy as np
import tiles

from blcf.demo.choosing import choose_queries, striking_cells


def test_the_window_of_the_greatest_sum():
    rng = np.random.default_rng(0)
    for _ in range(50):
        h, w = (int(n) for n in rng.integers(1, 9, 2))
        norms = rng.integers(0, 5, (h, w))
        x1, y1, x2, y2 = striking_cells(norms)
        height, width = -(-h // 2), -(-w // 2)
        assert (y2 - y1, x2 - x1) == (height, width)
        sums = [
            norms[y : y + height, x : x + width].sum()
            for y in range(h - height + 1)
            for x in range(w - width + 1)
        ]
        assert norms[y1:y2, x1:x2].sum() == max(sums)


def engine_of(folder, tmp_path, maps):
    for number, one in enumerate(maps):
        tiles.save(folder / f"{number:02d}.png", one)
    engine = tiles.create(tmp_path / "c.blcf")
    engine.add(folder, progress=False)
    return engine


def test_what_is_there_twice_comes_first_and_plain_parts_last(tmp_path):
    rng = np.random.default_rng(1)
    maps = [rng.integers(1, tiles.N_COLOURS, (8, 8)) for _ in range(6)]
    maps[4] = maps[1]  # a copy: each finds the other, one of them is asked
    maps[2] = maps[3] = np.zeros((8, 8), dtype=int)
    engine = engine_of(tmp_path / "frames", tmp_path, maps)
    chosen = choose_queries(engine, 3)
    assert chosen[0][0] == 1 and 4 not in [image_id for image_id, _ in chosen]
    assert not {2, 3} & {image_id for image_id, _ in chosen[:2]}
    for _, box in chosen:
        assert all(isinstance(edge, int) for edge in box)
        assert (box[2] - box[0], box[3] - box[1]) == (64, 64)


def test_one_picture(tmp_path):
    maps = [np.random.default_rng(0).integers(0, tiles.N_COLOURS, (8, 8))]
    engine = tiles.create(tmp_path / "c.blcf", n_words=8, idf=False)
    tiles.save(tmp_path / "frames" / "a.png", maps[0])
    engine.add(tmp_path / "frames", progress=False)
    ((image_id, _),) = choose_queries(engine, 5)
    assert image_id == 0
