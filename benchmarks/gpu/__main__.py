"""Time the heavy work on a GPU, a line for each row.

    python -m benchmarks.gpu [--rows kmeans assignment search features indexing]

Needs the package and a GPU, nothing else: pictures and features are made up, VGG16 has random
weights. Every row first checks that its results are those of the CPU, of posting lists, or of a
plain way. `--device cpu --small` tries every line where there is no GPU.
"""

from __future__ import annotations

import argparse

import torch

from benchmarks.gpu.rows import ROWS
from benchmarks.gpu.sizes import LARGE, SMALL


def main() -> None:
    """Print a line for each row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=ROWS)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="sizes that a laptop takes in seconds")
    options = parser.parse_args()
    device = options.device
    if device.startswith("cuda"):
        if not torch.cuda.is_available():
            raise SystemExit("There is no GPU. --device cpu --small tries every line without.")
        print(f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}", flush=True)
    for name in options.rows:
        for row in ROWS[name](SMALL if options.small else LARGE, device):
            unit = row["unit"]
            ours, plain = (f"{row[one]:,.3f} {unit}" for one in ("ours", "plain"))
            print(f"{row['work']}: {ours}; plain {plain}; {row['said']}", flush=True)


if __name__ == "__main__":
    main()
