"""The picture of README.md: a search of `blcf demo`, drawn by the engine.

    pip install '.[demo]'
    python -m benchmarks.picture --work FOLDER

Scenes are composed from photographs of scikit-image, scikit-learn and matplotlib
(`blcf.demo.scenes`). The query is a cup on a photograph of its own, with a box around it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from blcf.demo import run_demo

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run the demo, draw one of its queries."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], argument_default=argparse.SUPPRESS
    )
    parser.add_argument("--work", dest="out", required=True, help="folder of the demo")
    parser.add_argument("--network", help="as of blcf demo")
    parser.add_argument("--weights", help="as of blcf demo")
    demo = run_demo(**vars(parser.parse_args()))
    (cup,) = [one for one in demo.results if one.name == "cup"]
    print(f"AP {cup.average_precision:.3f}, {len(cup.truth or {})} scenes to find")
    cup.hits.plot(HERE / "picture.jpg", n_hits=len(cup.truth or {}) + 1)


if __name__ == "__main__":
    main()
