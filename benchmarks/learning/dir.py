"""Deep Image Retrieval, whole: cleaning, classification, ranking, proposals, QE and DBA.

    python -m benchmarks.learning.dir DATA --work FOLDER

DATA holds grocery/train (a class is the name of a file before its first "_"; a fifth of the labels
is falsified, for the cleaning to find), grocery/images, grocery/queries and grocery/gt.json. FOLDER
keeps what each stage made: a run that was stopped goes on with the stage it was in. Writes
benchmarks/results/learning_dir.json and a section of benchmarks/learning/README.md.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from benchmarks.learning.dir_tables import markdown
from benchmarks.learning.photographs import read_labelled, searched
from benchmarks.learning.stages import Laboratory, Plan, check_sameness
from benchmarks.report import keep_results, made_by, write_section

COMMAND = "benchmarks.learning.dir DATA --work FOLDER"
QUICK = Plan(
    side=128, most=6, n_components=16, steps=6, epochs=1, n_queries=6, proposal_epochs=1, n_boxes=8
)


def main() -> None:
    """Run the stages that are not done, measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--work", type=Path, required=True, help="for what each stage makes")
    parser.add_argument("--seed", type=int, default=0, help="of every choice")
    parser.add_argument(
        "--quick", action="store_true", help="a few pictures and steps; nothing is written"
    )
    options = parser.parse_args()
    plan = replace(QUICK if options.quick else Plan(), seed=options.seed)

    def bar(items):
        return tqdm(items, leave=False, mininterval=5)

    folder = options.data / "grocery"
    labelled = read_labelled(folder / "train", plan.false_share, plan.seed, plan.most)
    data = searched(folder, plan.side)
    check_sameness(labelled, plan)
    laboratory = Laboratory(labelled, data, plan, options.work, bar)
    results = made_by(COMMAND) | laboratory.run()
    text = markdown(results)
    print(text)
    if not options.quick:
        keep_results("learning_dir", results)
        write_section("learning", "Deep Image Retrieval", text)


if __name__ == "__main__":
    main()
